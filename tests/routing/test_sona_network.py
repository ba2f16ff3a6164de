"""SONA's network and its training: numpy gives what torch gives, the seed fixes all, what was learned is right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from learnlab.errors import RoutingError
from learnlab.routing.sona.ewc import Elastic
from learnlab.routing.sona.network import Shape, network, outputs, weights_of
from learnlab.routing.sona.training import DECAY, STRENGTH, Lesson, Method, train

pytestmark = pytest.mark.filterwarnings("error")
SHAPE = Shape(n_columns=3, n_candidates=2, n_hidden=8)


def lesson(n: int = 600, seed: int = 0, sign: float = 1.0) -> Lesson:
    """Quality goes by the first column, log cost by the second; the offsets say nothing."""
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(n, 3))
    odds = sign * 2 * columns[:, :1] * np.array([1.0, -1.0])
    log_cost = 0.5 * columns[:, 1:2] + np.array([0.0, 1.0])
    parts = [
        np.hstack([np.zeros((n, 4)), columns]),
        rng.random((n, 2)) < 1 / (1 + np.exp(-odds)),
        np.ones((n, 2)),
        log_cost,
        np.ones((n, 2)),
    ]
    return Lesson(*(part.astype(np.float32) for part in parts), cost_spread=0.5)


@pytest.mark.parametrize("n_hidden", [0, 8])
def test_numpy_gives_what_torch_gives(n_hidden):
    made = network(replace(SHAPE, n_hidden=n_hidden), seed=3)
    drawn = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in made.parameters():
            value.copy_(torch.randn(value.shape, generator=drawn))
    inputs = np.random.default_rng(0).normal(0, 30, (50, 7)).astype(np.float32)
    weights = {name: value.detach().numpy() for name, value in made.named_parameters()}
    expected = made(torch.from_numpy(inputs)).detach().numpy()
    assert outputs(weights, inputs) == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_a_new_network_corrects_nothing():
    inputs = torch.randn(5, 7)
    assert torch.equal(network(SHAPE, seed=0)(inputs), inputs[:, :4])


def test_the_same_seed_gives_the_same_weights_bit_by_bit_and_another_gives_others():
    found = []
    for seed, others in ((1, 0), (1, 99), (2, 0)):
        torch.manual_seed(others)
        found.append(train(lesson(), SHAPE, Method(n_hidden=8, epochs=3), seed))
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0])
    assert not np.array_equal(found[0]["hidden.weight"], found[2]["hidden.weight"])


def test_torch_computes_on_as_many_threads_afterwards_as_before():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        train(lesson(30), SHAPE, Method(n_hidden=8, epochs=1), 0)
        assert torch.get_num_threads() == 2
        with pytest.raises(RuntimeError):
            train(lesson(30), replace(SHAPE, n_columns=9), Method(n_hidden=8, epochs=1), 0)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("n_hidden", [0, 8])
def test_it_learns_which_column_says_what(n_hidden):
    method = Method(n_hidden=n_hidden, weight_decay=0.1, epochs=40)
    fresh = lesson(500, seed=5)
    said = outputs(train(lesson(2000), replace(SHAPE, n_hidden=n_hidden), method, 0), fresh.inputs)
    odds = 2 * fresh.inputs[:, 4]
    assert np.corrcoef(said[:, 0], odds)[0, 1] > 0.95
    assert np.corrcoef(said[:, 1], -odds)[0, 1] > 0.95
    assert np.abs(said[:, 2:] - fresh.log_cost).mean() < 0.15


def test_of_nothing_known_nothing_is_learned():
    empty = replace(lesson(), n_quality=np.zeros((600, 2), np.float32), n_cost=np.zeros((600, 2), np.float32))
    found = train(empty, SHAPE, Method(n_hidden=8, epochs=3, weight_decay=0.0), 0)
    assert (found["skip.weight"] == 0).all()
    assert (found["out.weight"] == 0).all()
    nobody = train(lesson().take(np.arange(0)), SHAPE, Method(n_hidden=8, epochs=3), 0)
    assert (nobody["skip.weight"] == 0).all()


def test_no_epochs_leave_it_as_it_began():
    start = train(lesson(), SHAPE, Method(n_hidden=8, epochs=2), 0)
    again = train(lesson(seed=9), SHAPE, Method(n_hidden=8, epochs=0), 0, start=start)
    assert all(np.array_equal(start[name], again[name]) for name in start)


def test_ewc_keeps_what_was_learned_of_one_domain_while_another_is_learned():
    """The second domain uses other columns' signs; without EWC++ the first is forgotten for it."""
    method = Method(n_hidden=8, weight_decay=0.0, epochs=15)
    elastic = Elastic(STRENGTH, DECAY)
    start = train(lesson(), SHAPE, method, 0, elastic)
    other = lesson(seed=1, sign=-1.0)
    held = train(other, SHAPE, method, 1, elastic, start=start)
    free = train(other, SHAPE, method, 1, start=start)
    first = lesson(500, seed=5)

    def loss(weights: dict[str, np.ndarray]) -> float:
        odds = outputs(weights, first.inputs)[:, :2]
        return float((np.logaddexp(0, odds) - first.quality * odds).mean())

    assert loss(start) < loss(held) < loss(free) - 0.05
    assert elastic.arrays()["anchor.skip.bias"] == pytest.approx(held["skip.bias"])


def test_weights_of_another_shape_are_refused():
    weights = train(lesson(30), SHAPE, Method(n_hidden=8, epochs=1), 0)
    assert weights_of(weights, SHAPE).keys() == weights.keys()
    cut = {name: value for name, value in weights.items() if name != "skip.bias"}
    for wrong, shape, match in (
        (cut, SHAPE, r"'skip.bias' is missing"),
        (weights, replace(SHAPE, n_columns=4), r"'skip.weight' is float32 \(4, 3\)"),
        (weights, replace(SHAPE, n_hidden=9), r"'hidden.weight'"),
        (weights, replace(SHAPE, n_hidden=0), r"has no 'hidden.bias'"),
        (weights | {"extra": weights["skip.bias"]}, SHAPE, "has no 'extra'"),
    ):
        with pytest.raises(RoutingError, match=match):
            weights_of(wrong, shape)
