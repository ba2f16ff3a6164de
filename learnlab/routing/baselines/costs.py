"""What a task will cost: a ridge regression on the logarithm of the costs, brought back to their mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from learnlab.routing.tries import Floats

RIDGE = 3.0
"""Tries that the middle weighs in each column."""


@dataclass(frozen=True)
class LogCost:
    """Expected costs of one candidate (US dollars): factor · exp(rows · weights), the weights' intercept last.

    Costs are skewed, and exp of a mean of logarithms is near their median; the factor is what makes the expected
    costs of the tries learned from sum to their real ones, those of 0 among them. N. Duan, "Smearing estimate",
    Journal of the American Statistical Association 78 (1983), 605-610, in its ratio form. NaN where no cost is known.
    """

    factor: float
    weights: Floats
    covariance: Floats

    @classmethod
    def of(cls, rows: Floats, cost: Floats) -> LogCost:
        """Return the regression of known costs on rows; one that is not finite is left out."""
        there = np.isfinite(cost)
        paid = there & (cost > 0)
        columns = rows.shape[1] + 1
        if not paid.any():
            free = 0.0 if there.any() else np.nan
            return cls(free, np.zeros(columns), np.zeros((columns, columns)))
        full = np.column_stack([rows[paid], np.ones(paid.sum())])
        logs = np.log(cost[paid])
        penalty = np.diag(np.append(np.full(columns - 1, RIDGE), 0.0))
        inverse = np.linalg.inv(full.T @ full + penalty)
        weights = inverse @ (full.T @ logs)
        freedom = len(logs) - np.einsum("ij,ji->", full @ inverse, full.T)
        spread = ((logs - full @ weights) ** 2).sum() / freedom if freedom > 0.5 else 1.0
        told = np.exp(np.column_stack([rows[there], np.ones(there.sum())]) @ weights)
        return cls(float(cost[there].sum() / told.sum()), weights, spread * inverse)

    def expect(self, rows: Floats) -> tuple[Floats, Floats]:
        """Return the expected cost and its standard error for each row."""
        full = np.column_stack([rows, np.ones(len(rows))])
        mean = self.factor * np.exp(full @ self.weights)
        return mean, mean * np.sqrt(np.maximum(np.einsum("ij,ij->i", full @ self.covariance, full), 0.0))
