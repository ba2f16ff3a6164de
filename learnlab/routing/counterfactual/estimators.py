"""Estimators of what a policy is worth, from tries that another policy chose with known probabilities.

All take a `Log` and the probabilities of the policy to be judged, (tries, candidates); all are sums over sums, so that
one jackknife gives their intervals and those of their differences (`ratios`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from learnlab.errors import RoutingError
from learnlab.routing.counterfactual.ratios import Ratio, ratio
from learnlab.routing.tries import Floats, Ints

LEAST_PROPENSITY = 1e-12
"""Below this no choice was ever made: such a figure is an error of the log, and its weight beyond all computing."""


@dataclass(frozen=True)
class Log:
    """What was logged, a row a try: the reward, the place of what was chosen, with what probability, and the group.

    `reward` is finite: a success or a score in 0-1 (`is_rate`), a cost, or any other figure of a try. Groups are
    numbers from 0 without gaps.

    Raises:
        RoutingError: when lengths differ, a reward is not known, or a propensity is not above 0 and at most 1.
    """

    reward: Floats
    chosen: Ints
    propensity: Floats
    group: Ints
    is_rate: bool = False

    def __post_init__(self) -> None:
        lengths = {len(self.reward), len(self.chosen), len(self.propensity), len(self.group)}
        if len(lengths) != 1:
            raise RoutingError(f"a log has columns of different lengths: {sorted(lengths)}")
        if not np.isfinite(self.reward).all():
            raise RoutingError("a log has rewards that nobody knows: leave those tries out and say how many")
        wrong = int((~((self.propensity >= LEAST_PROPENSITY) & (self.propensity <= 1))).sum())
        if wrong:
            raise RoutingError(
                f"{wrong:,} of {len(self.propensity):,} logged propensities are not above 0 and at most 1: a choice "
                "that was made had a probability; log that of the choice, not a confidence"
            )

    def __len__(self) -> int:
        return len(self.reward)

    def of_chosen(self, figures: Floats) -> Floats:
        """Return the figure of what was chosen from figures of every candidate: (tries, candidates) → (tries,)."""
        return np.asarray(figures[np.arange(len(self)), self.chosen])

    def weights(self, target: Floats) -> Floats:
        """Return how much more often the target chooses what was chosen than the log did.

        Raises:
            RoutingError: when the target's probabilities do not fit the log, or do not add up to 1.
        """
        if target.ndim != 2 or len(target) != len(self):
            raise RoutingError(f"{len(self):,} tries come with target probabilities of shape {target.shape}")
        if not (
            np.isfinite(target).all()
            and (target >= 0).all()
            and np.allclose(target.sum(axis=1), 1, atol=1e-6)
        ):
            raise RoutingError("a policy's probabilities must be 0 or more and add up to 1 for every task")
        return self.of_chosen(target) / self.propensity


def kish(weights: Floats) -> float:
    """Return how many equally weighted tries are worth as much as these: (Σw)² / Σw², 0 where all weigh nothing.

    L. Kish, "Survey Sampling" (1965), section 11.7.

    >>> kish(np.array([1.0, 1.0, 1.0, 1.0])), kish(np.array([1.0, 0.0, 0.0]))
    (4.0, 1.0)
    """
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def _ratio(log: Log, above: Floats, below: Floats, weights: Floats) -> Ratio:
    return ratio(above, below, log.group, n_effective=kish(weights), is_rate=log.is_rate)


def logged(log: Log) -> Ratio:
    """Return the mean reward of the log as it is: the value of the policy that made it."""
    return _ratio(log, log.reward, np.ones(len(log)), np.ones(len(log)))


def naive(log: Log, target: Floats) -> Ratio:
    """Return the mean reward of the tries that the policy would have chosen too, as if they had come by lot.

    Wrong wherever the log chose by what also decides the reward: it is here to be seen beside the others.
    """
    log.weights(target)
    agreed = log.of_chosen(target)
    return _ratio(log, agreed * log.reward, agreed, agreed)


def ips(log: Log, target: Floats) -> Ratio:
    """Return the inverse-propensity estimate: the mean of w·r, with w = target / propensity of what was chosen.

    D. G. Horvitz and D. J. Thompson, "A generalization of sampling without replacement from a finite universe",
    Journal of the American Statistical Association 47 (1952), 663-685. Unbiased; may lie outside of the rewards.

    >>> log = Log(np.array([1.0, 0.0]), np.array([0, 1]), np.array([0.5, 0.5]), np.array([0, 1]))
    >>> ips(log, np.array([[1.0, 0.0], [1.0, 0.0]])).value
    1.0
    """
    weights = log.weights(target)
    return _ratio(log, weights * log.reward, np.ones(len(log)), weights)


def snips(log: Log, target: Floats) -> Ratio:
    """Return the self-normalised inverse-propensity estimate: Σ w·r / Σ w, always within the rewards.

    A. Swaminathan and T. Joachims, "The self-normalized estimator for counterfactual learning", Advances in Neural
    Information Processing Systems 28 (2015).
    """
    weights = log.weights(target)
    return _ratio(log, weights * log.reward, weights, weights)


def direct(log: Log, target: Floats, expected: Floats) -> Ratio:
    """Return the mean over tasks of what a model expects of the policy's choices: Σ_a π(a|x) q(x, a).

    As wrong as the model is, which no interval of its own knows: pages show it without one.
    """
    weights = log.weights(target)
    return _ratio(log, (target * _fits(log, expected, target)).sum(axis=1), np.ones(len(log)), weights)


def doubly_robust(log: Log, target: Floats, expected: Floats) -> Ratio:
    """Return the doubly robust estimate: what a model expects, put right by w·(r − q) on what was chosen.

    M. Dudík, J. Langford and L. Li, "Doubly robust policy evaluation and learning", International Conference on
    Machine Learning 28 (2011). `expected` (tries, candidates) must come from other groups than the try's own
    (`crossfit.expected`): V. Chernozhukov et al., "Double/debiased machine learning for treatment and structural
    parameters", The Econometrics Journal 21 (2018), C1-C68.
    """
    weights = log.weights(target)
    hoped = (target * _fits(log, expected, target)).sum(axis=1)
    put_right = weights * (log.reward - log.of_chosen(expected))
    return _ratio(log, hoped + put_right, np.ones(len(log)), weights)


def _fits(log: Log, expected: Floats, target: Floats) -> Floats:
    if expected.shape != target.shape or not np.isfinite(expected).all():
        raise RoutingError(
            f"what a model expects must be known and of shape {target.shape}, it is of {expected.shape}"
        )
    return expected
