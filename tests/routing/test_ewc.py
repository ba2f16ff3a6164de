"""EWC and EWC++: the Fisher information against closed forms and definitions, the average, the anchor, the penalty."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.errors import RoutingError
from learnlab.routing.sona.ewc import Anchors, Elastic, bernoulli, fisher


def all_known(outputs):
    return bernoulli(outputs, torch.ones_like(outputs))


def network(*sizes: int, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    layers = [layer for i, o in pairwise(sizes) for layer in (torch.nn.Linear(i, o), torch.nn.Tanh())]
    return torch.nn.Sequential(*layers[:-1])


def rows(n: int, wide: int, seed: int = 1) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=(n, wide)), dtype=torch.float32)


def test_fisher_of_a_logistic_regression_is_the_closed_form():
    model, x = torch.nn.Linear(3, 1), rows(50, 3)
    p = model(x).sigmoid().detach()
    found = fisher(model, x, all_known)
    torch.testing.assert_close(found["weight"], (p * (1 - p) * x**2).mean(0, keepdim=True))
    torch.testing.assert_close(found["bias"], (p * (1 - p)).mean(0))


def test_fisher_by_hand_of_a_network_of_two_weights():
    """z = v·tanh(w·x) at one row: ∂z/∂v = tanh(wx), ∂z/∂w = v·x·(1 − tanh²(wx))."""
    model = network(1, 1, 1)
    w, v, x = 0.5, -2.0, 3.0
    with torch.no_grad():
        for value, at in zip(model.parameters(), (w, 0.0, v, 0.0), strict=True):
            value.fill_(at)
    found = fisher(model, torch.tensor([[x]]), all_known)
    h = np.tanh(w * x)
    p = 1 / (1 + np.exp(-v * h))
    assert found["2.weight"].item() == pytest.approx(p * (1 - p) * h**2, rel=1e-5)
    assert found["0.weight"].item() == pytest.approx(p * (1 - p) * (v * x * (1 - h**2)) ** 2, rel=1e-5)


def squares_by_the_definition(model, x, is_known):
    """E[(∂ log p(y|x)/∂θ)²], row by row and label by label, summed over both labels by their probabilities."""
    total = {name: torch.zeros_like(value) for name, value in model.named_parameters()}
    for row, known in zip(x, is_known, strict=True):
        for k in range(len(known)):
            if not known[k]:
                continue
            for label in (0.0, 1.0):
                z = model(row[None])[0, k]
                log_p = -torch.nn.functional.binary_cross_entropy_with_logits(z, torch.tensor(label))
                slopes = torch.autograd.grad(log_p, list(model.parameters()))
                for (name, _), slope in zip(model.named_parameters(), slopes, strict=True):
                    total[name] += log_p.exp().detach() * slope**2
    return {name: value / len(x) for name, value in total.items()}


@pytest.mark.parametrize(
    "inner", [torch.nn.Identity(), torch.nn.LayerNorm(5)], ids=["linear", "other layers"]
)
def test_fisher_is_its_definition_whatever_the_layers_and_the_labels_known(inner):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 5), inner, torch.nn.Tanh(), torch.nn.Linear(5, 3))
    x = rows(12, 4)
    is_known = torch.tensor(np.random.default_rng(2).random((12, 3)) < 0.6).float()
    found = fisher(model, x, lambda z: bernoulli(z, is_known))
    for name, value in squares_by_the_definition(model, x, is_known).items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-7)


def test_of_no_rows_and_of_no_labels_nothing_is_known():
    model = network(2, 3, 2)
    for x in (rows(0, 2), rows(4, 2)):
        found = fisher(model, x, lambda z: bernoulli(z, torch.zeros_like(z)))
        assert found.keys() == dict(model.named_parameters()).keys()
        assert all((value == 0).all() for value in found.values())


@settings(max_examples=25)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=6), st.floats(0, 0.99))
def test_the_running_average_is_exponential_and_begins_with_the_first(seen, decay):
    ewc = Elastic(2.0, decay)
    for value in seen:
        ewc.observe({"w": torch.tensor([value], dtype=torch.float64)})
    expected = seen[0]
    for value in seen[1:]:
        expected = decay * expected + (1 - decay) * value
    ewc.anchor({"w": torch.zeros(1, dtype=torch.float64)})
    assert ewc.penalty({"w": torch.tensor([3.0])}).item() == pytest.approx(9 * expected, abs=1e-5)


def test_the_penalty_is_half_lambda_times_the_weighted_squares_and_moves_with_its_one_anchor():
    ewc, at = Elastic(4.0, 0.5), {"w": torch.tensor([1.0, 2.0], requires_grad=True)}
    assert ewc.penalty(at) == 0.0
    ewc.observe({"w": torch.tensor([1.0, 3.0])})
    assert ewc.penalty(at) == 0.0, "nothing is held before a domain ends"
    ewc.anchor({"w": torch.tensor([0.0, 1.0])})
    ewc.observe({"w": torch.tensor([9.0, 9.0])})
    penalty = ewc.penalty(at)
    assert penalty.item() == pytest.approx(4 / 2 * (1 * 1 + 3 * 1)), (
        "what is observed now holds from the next anchor"
    )
    penalty.backward()
    assert at["w"].grad.tolist() == [4.0, 12.0]
    ewc.anchor(at)
    assert ewc.penalty(at).item() == 0.0
    assert ewc.penalty({"w": torch.tensor([2.0, 2.0])}).item() == pytest.approx(2 * (0.5 * 1 + 0.5 * 9))


def test_plain_ewc_is_held_by_every_domain():
    ewc = Anchors(2.0)
    ewc.anchor({"w": torch.tensor([0.0])}, {"w": torch.tensor([1.0])})
    ewc.anchor({"w": torch.tensor([1.0])}, {"w": torch.tensor([5.0])})
    assert ewc.penalty({"w": torch.tensor([2.0])}).item() == pytest.approx(1 * 4 + 5 * 1)


def test_what_it_keeps_comes_back_from_arrays():
    model, ewc = network(3, 2, 1), Elastic(1.5)
    ewc.observe(fisher(model, rows(9, 3), all_known))
    ewc.anchor(dict(model.named_parameters()))
    again = Elastic(1.5)
    again.restore(ewc.arrays())
    moved = {name: value + 1 for name, value in model.named_parameters()}
    assert again.penalty(moved).item() == ewc.penalty(moved).item() > 0
    assert all(value.dtype == np.float32 for value in ewc.arrays().values())


@pytest.mark.parametrize(
    "arrays",
    [
        {"weights.w": np.ones(1)},
        {"fisher.w": np.array([np.nan]), "anchor.w": np.ones(1)},
        {"fisher.w": np.ones(1)},
        {"fisher": np.ones(1)},
    ],
)
def test_foreign_arrays_are_refused(arrays):
    with pytest.raises(RoutingError, match="no arrays of EWC"):
        Elastic(1.0).restore(arrays)


@pytest.mark.parametrize(("strength", "decay"), [(-1.0, 0.9), (float("nan"), 0.9), (1.0, 1.0), (1.0, -0.1)])
def test_senseless_settings_are_refused(strength, decay):
    with pytest.raises(RoutingError, match="strength"):
        Elastic(strength, decay)
