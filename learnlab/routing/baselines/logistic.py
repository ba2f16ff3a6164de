"""The baseline of logistic regression: one model a candidate, of what is known of a task and the text's vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from learnlab.events import Candidate
from learnlab.routing.baselines.costs import LogCost
from learnlab.routing.baselines.design import Design
from learnlab.routing.extra import extra
from learnlab.routing.router import Expected
from learnlab.routing.shrinkage import Means, of_candidates, tally
from learnlab.routing.tries import Floats, Ints, Tasks, Tries

STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Values of scikit-learn's C that are tried: the smaller, the nearer all weights are kept to 0."""

JUDGED, FOLDS = 6_000, 3
"""Tries on which C is chosen at most, and parts that they are split into, groups kept together."""

_PIECE = 4096


@dataclass(frozen=True)
class Curve:
    """A fitted logistic regression: its weights, the intercept last, and their covariance."""

    weights: Floats
    covariance: Floats

    def expect(self, rows: Floats) -> tuple[Floats, Floats]:
        """Return the probability of success and its standard error for each row."""
        full = np.column_stack([rows, np.ones(len(rows))])
        mean = _share(full @ self.weights)
        variance = np.einsum("ij,ij->i", full @ self.covariance, full)
        return mean, mean * (1 - mean) * np.sqrt(np.maximum(variance, 0.0))


@dataclass(frozen=True)
class Regressed:
    """Fitted regressions; see `Logistic`. A candidate without a curve has its mean alone."""

    name: str
    candidates: tuple[Candidate, ...]
    design: Design
    means: Means
    curves: tuple[Curve | None, ...]
    costs: tuple[LogCost, ...]
    strength: float

    def expect(self, tasks: Tasks) -> Expected:
        """Return probabilities of success and costs for each task; a kind never seen counts as the middle one."""
        quality, quality_error, cost, cost_error = np.empty((4, len(tasks), len(self.candidates)))
        quality[:], quality_error[:] = self.means.mean, self.means.error
        for start in range(0, len(tasks), _PIECE):
            some = slice(start, start + _PIECE)
            piece = tasks.take(np.arange(len(tasks))[some])
            rows, known = self.design.rows(piece), self.design.known(piece)
            for place, (curve, price) in enumerate(zip(self.curves, self.costs, strict=True)):
                if curve is not None:
                    quality[some, place], quality_error[some, place] = curve.expect(rows)
                cost[some, place], cost_error[some, place] = price.expect(known)
        return Expected(quality, quality_error, cost, cost_error)


@dataclass(frozen=True)
class Logistic:
    """A logistic regression a candidate on task type, repo, sizes, complexity and the text's vector.

    The weights are kept small (L2) by a C that is the same for all candidates, of the least log loss in three parts
    of the tries, each with its groups left out. A quality that is a fraction counts as that part of a success and
    the rest of a failure. Errors are Laplace's: the inverse Hessian of the penalised loss, carried over to the
    probability by p (1 - p) (D. MacKay, Neural Computation 4 (1992), 720-736). A candidate that only ever
    succeeded, or only failed, has its shrunk mean for every task. Costs: `learnlab.routing.baselines.costs`.
    """

    name: str = "logistic"

    def fit(self, tries: Tries) -> Regressed:
        """Return the regressions that these tries make.

        Raises:
            RoutingError: when scikit-learn is not installed.
        """
        design = Design.of(tries.tasks)
        rows, known = design.rows(tries.tasks), design.known(tries.tasks)
        n_candidates = len(tries.candidates)
        judged = tries.take(np.isfinite(tries.quality))
        one = np.zeros_like(judged.task)
        means = of_candidates(tally(one, judged.candidate, judged.quality, (1, n_candidates)))
        strength = _strength(judged, rows)
        curves = [
            _curve(judged.take(judged.candidate == place), rows, strength) for place in range(n_candidates)
        ]
        own = [tries.take(tries.candidate == place) for place in range(n_candidates)]
        costs = tuple(LogCost.of(known[some.task], some.cost) for some in own)
        return Regressed(self.name, tries.candidates, design, means, tuple(curves), costs, strength)


def _strength(judged: Tries, rows: Floats) -> float:
    """Return the C of the least log loss on groups that were left out, over all candidates."""
    rng = np.random.default_rng(0)
    group = judged.tasks.group[judged.task]
    _, number = np.unique(group, return_inverse=True)
    order = rng.permutation(number.max(initial=-1) + 1)[number]
    most = np.sort(order)[JUDGED] if len(order) > JUDGED else len(order)
    loss = np.zeros(len(STRENGTHS))
    for place in range(len(judged.candidates)):
        some = judged.take((judged.candidate == place) & (order < most))
        fold = order[(judged.candidate == place) & (order < most)] % FOLDS
        for part in range(FOLDS):
            left, others = some.take(fold == part), some.take(fold != part)
            for at, strength in enumerate(STRENGTHS):
                model = _model(others, rows, strength)
                if model is not None:
                    loss[at] += _log_loss(model.decision_function(rows[left.task]), left.quality)
    return STRENGTHS[int(loss.argmin())]


def _model(tries: Tries, rows: Floats, strength: float) -> Any:
    """Return scikit-learn's fit to one candidate's tries, or None where all came to the same."""
    task, success, weight = _halves(tries)
    if len(np.unique(success)) < 2:
        return None
    made = extra("sklearn.linear_model").LogisticRegression(C=strength, tol=1e-3, max_iter=500)
    return made.fit(rows[task], success, sample_weight=weight)


def _curve(tries: Tries, rows: Floats, strength: float) -> Curve | None:
    model = _model(tries, rows, strength)
    if model is None:
        return None
    weights = np.append(model.coef_[0], model.intercept_[0])
    full = np.column_stack([rows[tries.task], np.ones(len(tries))])
    share = _share(full @ weights)
    hessian = (full * (share * (1 - share))[:, None]).T @ full
    hessian[np.diag_indices(len(weights) - 1)] += 1 / strength
    return Curve(weights, np.asarray(np.linalg.inv(hessian)))


def _halves(tries: Tries) -> tuple[Ints, Ints, Floats]:
    """Return each try as a success of its quality's weight and a failure of the rest, leaving out weights of 0."""
    task = np.concatenate([tries.task, tries.task])
    success = np.repeat([1, 0], len(tries))
    weight = np.concatenate([tries.quality, 1 - tries.quality])
    return task[weight > 0], success[weight > 0], weight[weight > 0]


def _share(log_odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -500, 500))))


def _log_loss(log_odds: Floats, quality: Floats) -> float:
    return float((np.logaddexp(0, log_odds) - quality * log_odds).sum())
