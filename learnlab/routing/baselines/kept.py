"""Lookups as they are kept: their tables as arrays, the kinds of tasks that were seen in the description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from learnlab.errors import RoutingError
from learnlab.events import Candidate
from learnlab.routing.baselines.lookup import Looked, Lookup, best_single, lookup_by_repo
from learnlab.routing.baselines.tables import Level, Table
from learnlab.routing.keeping.kept import Arrays, taken
from learnlab.routing.router import Router
from learnlab.routing.shrinkage import Cells, Means
from learnlab.routing.tries import KNOWN, Floats, Tries

_NOBODY_KNOWS = -1.0
"""Stands for NaN in what is kept, where every number is finite; means, errors and scales are never negative."""

_TABLES = ("quality", "cost")


class KeptLookup(Looked):
    """A fitted lookup that can be kept."""

    def describe(self) -> dict[str, Any]:
        """Return the kinds of tasks that each level of each table knows."""
        return {name: [_said(level) for level in getattr(self, name).levels] for name in _TABLES}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the means and errors of each table, level under level."""
        found: dict[str, NDArray[Any]] = {}
        for name in _TABLES:
            table: Table = getattr(self, name)
            found[f"{name}.scale"] = _finite(table.scale)
            for level, means in enumerate((table.candidates, *(one.means for one in table.levels))):
                found[f"{name}.{level}.mean"] = _finite(means.mean)
                found[f"{name}.{level}.error"] = _finite(means.error)
        return found


@dataclass(frozen=True)
class KeptLookups:
    """A lookup whose fit can be kept."""

    lookup: Lookup

    @property
    def name(self) -> str:
        """What it is called in tables and charts."""
        return self.lookup.name

    def fit(self, tries: Tries) -> KeptLookup:
        """Return the table that these tries make."""
        fitted = self.lookup.fit(tries)
        return KeptLookup(fitted.name, fitted.candidates, fitted.quality, fitted.cost)


def new(name: str) -> Router:
    """Return a lookup by its name, before it has learned anything."""
    return KeptLookups(
        {"best_single": best_single, "lookup": Lookup, "lookup_by_repo": lookup_by_repo}[name]()
    )


def restore(
    name: str, candidates: tuple[Candidate, ...], description: Mapping[str, Any], arrays: Arrays
) -> KeptLookup:
    """Return the lookup that gave this description and these arrays.

    Raises:
        RoutingError: when they do not fit each other.
    """
    quality, cost = (_table(part, description[part], arrays, len(candidates)) for part in _TABLES)
    return KeptLookup(name, candidates, quality, cost)


def _said(level: Level) -> dict[str, Any]:
    seen = level.cells.seen
    kinds = seen.drop("cell").rows()
    return {"by": seen.columns[:-1], "seen": kinds, "weight": level.weight, "sigma": level.sigma}


def _table(part: str, levels: Any, arrays: Arrays, k: int) -> Table:
    scale = _known(taken(arrays, f"{part}.scale", (k,), "float64"))
    made = tuple(_level(f"{part}.{at}", said, arrays, k) for at, said in enumerate(levels, 1))
    return Table(scale, _means(f"{part}.0", arrays, (1, k)), made)


def _level(name: str, said: Any, arrays: Arrays, k: int) -> Level:
    by, weight, sigma = said["by"], float(said["weight"]), said["sigma"]
    if not by or not set(by) <= KNOWN.keys():
        raise RoutingError(f"the level {name} goes by what no task has")
    if not (np.isfinite(weight) and weight > 0) or not (sigma is None or 0 <= float(sigma) < np.inf):
        raise RoutingError(f"the level {name} has a weight or a spread that none can have")
    rows = [tuple(row) for row in said["seen"]]
    seen = pl.DataFrame(rows, schema={field: KNOWN[field] for field in by}, orient="row")
    cells = Cells(seen.with_columns(cell=pl.int_range(pl.len(), dtype=pl.Int64)))
    return Level(cells, _means(name, arrays, (len(cells), k)), weight, sigma)


def _means(name: str, arrays: Arrays, shape: tuple[int | None, int]) -> Means:
    mean, error = (_known(taken(arrays, f"{name}.{part}", shape, "float64")) for part in ("mean", "error"))
    if mean.shape != error.shape:
        raise RoutingError(f"{name} has means and errors of different shapes")
    return Means(mean, error)


def _finite(figures: Floats) -> Floats:
    return np.where(np.isfinite(figures), figures, _NOBODY_KNOWS)


def _known(figures: Floats) -> Floats:
    return np.where(figures < 0, np.nan, figures)
