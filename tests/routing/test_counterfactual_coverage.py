"""Intervals of other policies' values hold the known truth as often as they say, and the naive mean does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from counterfactual_replays import POLICIES, WORLD, Cells, replay, skewed
from scipy.stats import binom

from learnlab.routing.counterfactual import crossfit, estimators
from learnlab.routing.counterfactual.judged import judged
from learnlab.routing.counterfactual.ratios import Ratio, difference
from learnlab.routing.tries import Floats

FIGURES = ("quality", "cost")


def estimated(log: estimators.Log, target: Floats, hoped: Floats) -> dict[str, Ratio]:
    return {
        "naive": estimators.naive(log, target),
        "ips": estimators.ips(log, target),
        "snips": estimators.snips(log, target),
        "dr": estimators.doubly_robust(log, target, hoped),
    }


def held(n_replays: int, n: int, **changes: Any) -> dict[tuple[str, str, str], float]:
    """The share of replays in which each interval holds the truth, by figure, policy and estimator.

    `gap` is the paired difference to the log of the self-normalised estimate.
    """
    hits: dict[tuple[str, str, str], list[bool]] = {}
    for seed in range(n_replays):
        drawn = replay(n, seed, **changes)
        found = judged(drawn.tries)
        hopes = crossfit.expected(drawn.tries, Cells(), n_folds=3)
        for figure, seen, hoped in zip(FIGURES, (drawn.tries.quality, drawn.tries.cost), hopes, strict=True):
            known, log = np.isfinite(seen), found.log(seen, is_rate=figure == "quality")
            base, base_truth = (
                estimators.logged(log),
                drawn.truth(changes.get("policy", WORLD.policy), figure),
            )
            for name, policy in POLICIES.items():
                target, truth = drawn.target(policy)[known], drawn.truth(policy, figure)
                every = estimated(log, target, hoped[known])
                intervals = {way: (each.interval(), truth) for way, each in every.items()}
                intervals["gap"] = difference(every["snips"], base), truth - base_truth
                for way, (interval, true) in intervals.items():
                    hits.setdefault((figure, name, way), []).append(interval.low <= true <= interval.high)
    return {key: float(np.mean(each)) for key, each in hits.items()}


@pytest.mark.soak
def test_intervals_hold_the_truth(soak: bool) -> None:
    n_replays = 500 if soak else 40
    shares = held(n_replays, 3000 if soak else 700)
    least, most = 0.92, 0.98
    if soak:
        print({key: round(share, 3) for key, share in shares.items()})
        assert shares["quality", "small", "naive"] < 0.2
    else:  # so few replays may differ from these by chance
        least, most = (binom.ppf(p, n_replays, at) / n_replays for p, at in ((1e-4, least), (1 - 1e-4, most)))
    for key, share in shares.items():
        assert key[2] == "naive" or least <= share <= most, (key, share)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("n", "changes"),
    [
        pytest.param(3000, {"policy": skewed(0.96)}, id="skew"),
        pytest.param(3000, {"kept": 0.03}, id="rare"),
        pytest.param(200, {}, id="200-rows"),
        pytest.param(3000, {"crowded": True}, id="uneven-groups"),
    ],
)
def test_intervals_hold_the_truth_where_it_is_hard(soak: bool, n: int, changes: dict[str, Any]) -> None:
    if not soak:
        pytest.skip("hard cases at full counts: make soak")
    shares = held(500, n, **changes)
    print({key: round(share, 3) for key, share in shares.items()})
    for key, share in shares.items():
        assert key[2] == "naive" or share >= 0.91, (key, share)


def test_the_naive_mean_is_wrong_where_the_log_chose_by_difficulty() -> None:
    errors: dict[str, list[float]] = {"naive": [], "snips": [], "dr": []}
    small = POLICIES["small"]
    for seed in range(8):
        drawn = replay(4000, seed)
        log = judged(drawn.tries).log(drawn.tries.quality, is_rate=True)
        known = np.isfinite(drawn.tries.quality)
        hoped, _ = crossfit.expected(drawn.tries, Cells())
        every = estimated(log, drawn.target(small)[known], hoped[known])
        for way, found in errors.items():
            found.append(every[way].value - drawn.truth(small, "quality"))
    assert min(errors["naive"]) > 0.03
    for way in ("snips", "dr"):
        assert abs(float(np.mean(errors[way]))) < 0.02
