"""Platt scaling: a known distortion is undone, few tries change little, candidates do not meet."""

from __future__ import annotations

import numpy as np
import pytest

from learnlab.errors import RoutingError
from learnlab.routing.sona.platt import Platt

pytestmark = pytest.mark.filterwarnings("error")


def said_and_seen(n: int, slope: float, shift: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log odds as said, and outcomes drawn by slope · said + shift."""
    rng = np.random.default_rng(seed)
    said = rng.normal(0, 2, (n, 1))
    return said, (rng.random((n, 1)) < 1 / (1 + np.exp(-(slope * said + shift)))).astype(float)


@pytest.mark.parametrize(("slope", "shift"), [(0.5, 0.0), (1.0, -1.0), (1.5, 0.7)])
def test_a_known_distortion_is_found(slope, shift):
    said, seen = said_and_seen(8000, slope, shift)
    found = Platt.fitted(said, seen, np.ones_like(seen))
    assert found.slope[0] == pytest.approx(slope, abs=0.1)
    assert found.shift[0] == pytest.approx(shift, abs=0.1)
    assert found.of(said) == pytest.approx(found.slope * said + found.shift)


def test_it_is_the_maximum_of_its_posterior():
    """No small step from what was found is better; the penalties are 20 (slope − 1)² / 2 and 5 shift² / 2."""
    said, seen = said_and_seen(60, 0.3, 1.0)
    found = Platt.fitted(said, seen, np.ones_like(seen))

    def loss(slope: float, shift: float) -> float:
        z = slope * said + shift
        return float((np.logaddexp(0, z) - seen * z).sum() + 10 * (slope - 1) ** 2 + 2.5 * shift**2)

    at = float(found.slope[0]), float(found.shift[0])
    for step in ((0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01)):
        assert loss(at[0] + step[0], at[1] + step[1]) > loss(*at)


def test_few_tries_change_little_and_none_nothing():
    said, seen = np.array([[3.0], [-3.0]]), np.array([[0.0], [1.0]])
    found = Platt.fitted(said, seen, np.ones_like(seen))
    assert 0.6 < found.slope[0] < 1
    for n, log_odds in ((np.zeros_like(seen), said), (np.ones_like(seen), np.full_like(said, np.nan))):
        nothing = Platt.fitted(log_odds, seen, n)
        assert (nothing.slope[0], nothing.shift[0]) == (1.0, 0.0)


def test_each_candidate_for_itself_and_a_try_counts_as_often_as_it_was_made():
    (one, seen_one), (two, seen_two) = said_and_seen(500, 0.4, 0.5), said_and_seen(500, 1.4, -0.5, seed=1)
    both = Platt.fitted(np.hstack([one, two]), np.hstack([seen_one, seen_two]), np.ones((500, 2)))
    alone = Platt.fitted(two, seen_two, np.ones((500, 1)))
    assert both.slope[1] == alone.slope[0]
    twice = Platt.fitted(two, seen_two, np.full((500, 1), 2.0))
    repeated = Platt.fitted(np.tile(two, (2, 1)), np.tile(seen_two, (2, 1)), np.ones((1000, 1)))
    assert twice.slope == pytest.approx(repeated.slope, abs=1e-5)
    assert twice.shift == pytest.approx(repeated.shift, abs=1e-5)


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_all_alike_against_what_was_said_never_turns_the_order_round(outcome):
    said = np.linspace(-9, 9, 2000)[:, None]
    found = Platt.fitted(said, np.full_like(said, outcome), np.ones_like(said))
    assert 0.05 <= found.slope[0] < 2
    assert (found.shift[0] > 1) == (outcome == 1.0)
    reversed_ = Platt.fitted(said, (said < 0).astype(float), np.ones_like(said))
    assert reversed_.slope[0] == pytest.approx(0.05)


def test_what_is_kept_comes_back():
    said, seen = said_and_seen(50, 0.5, 0.1)
    found = Platt.fitted(said, seen, np.ones_like(seen))
    again = Platt.restored(found.arrays(), 1)
    assert np.array_equal(again.of(said), found.of(said))
    with pytest.raises(RoutingError, match=r"calibration\.slope"):
        Platt.restored(found.arrays(), 2)
