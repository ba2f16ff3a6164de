"""Routers in the store: what each learned, and which one is in use, by the decisions on promotion."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl

from learnlab.errors import RoutingError
from learnlab.models import now
from learnlab.routing.keeping.kept import Kept
from learnlab.routing.keeping.weights import Weights, data_hash, packed, unpacked
from learnlab.routing.reading import QUALITIES, Reads, checked_fields
from learnlab.routing.tries import Tries
from learnlab.store import Store, sqlfiles
from learnlab.store.connection import fetch, lent

PROMOTED, NOT_PROMOTED, ROLLED_BACK = "promoted", "not promoted", "rolled back"

WORTH_USD = 1.0
"""What a success is worth (US dollars) where nobody says."""

_MOST_DIMENSION = 100_000

_OF_VERSION = "select * from routers where router_version = $version"

_KEEP = """
insert into routers by name
select * from (
    select
        $router_version as router_version, $name as name, $fitted_at::timestamp as fitted_at,
        $learned_until::timestamp as learned_until, $data_hash as data_hash, $n_tries as n_tries,
        $candidates::json as candidates, $reads::json as reads, $weights::blob as weights,
        $weights_hash as weights_hash,
)
where $router_version not in (select router_version from routers)
"""


@dataclass(frozen=True)
class Registered:
    """A router as the store keeps it: what it learned, from which tries, and up to when (UTC).

    `dimension` is that of the vectors that it has learned from.
    """

    router_version: str
    fitted_at: datetime
    learned_until: datetime | None
    data_hash: str
    n_tries: int
    reads: Reads
    dimension: int
    router: Kept

    @property
    def name(self) -> str:
        """What kind of router it is."""
        return self.router.name


@dataclass(frozen=True)
class Fit:
    """A router that was fitted and may come into use: its bytes, and the tries that it learned from."""

    weights: Weights
    router: Kept
    row: dict[str, Any]

    @property
    def router_version(self) -> str:
        """Its version: the same fit has the same one."""
        return self.weights.router_version


def fit_of(router: Kept, tries: Tries, reads: Reads) -> Fit:
    """Return what the store keeps of a router that was fitted on these tries.

    Raises:
        RoutingError: when it is not fit to be kept.
    """
    learned_from = data_hash(tries)
    weights = packed(router, learned_from)
    known = tries.started_at[~np.isnat(tries.started_at)]
    row = {
        "router_version": weights.router_version,
        "name": router.name,
        "fitted_at": now().replace(tzinfo=None),
        "learned_until": known.max().astype("datetime64[us]").item() if len(known) else None,
        "data_hash": learned_from,
        "n_tries": len(tries),
        "candidates": json.dumps(
            [one.model_dump(mode="json", exclude_none=True) for one in router.candidates]
        ),
        "reads": json.dumps(asdict(reads) | {"dimension": tries.tasks.vectors.shape[1]}),
        "weights": weights.file,
        "weights_hash": weights.file_hash,
    }
    return Fit(weights, router, row)


def keep(connection: duckdb.DuckDBPyConnection, fit: Fit) -> None:
    """Write a router into an open store; one that is there already stays as it is."""
    connection.execute(_KEEP, fit.row)


def in_use(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Return the version of the router that is in use in an open store; None where there is none."""
    found = connection.execute("select in_use from promotions order by promotion_no desc limit 1").fetchall()
    return found[0][0] if found else None


def worth_of(connection: duckdb.DuckDBPyConnection, version: str) -> float:
    """Return what a success was worth (US dollars) when a router was promoted; the usual where that is no amount."""
    found = connection.execute(
        "select worth_usd from promotions where challenger = $version and decision = $promoted "
        "order by promotion_no desc limit 1",
        {"version": version, "promoted": PROMOTED},
    ).fetchall()
    worth = found[0][0] if found else None
    return float(worth) if worth is not None and 0 <= worth < np.inf else WORTH_USD


def before(connection: duckdb.DuckDBPyConnection) -> list[str | None]:
    """Return the versions that came into use one on the other and were not rolled back, the first of all None."""
    stack: list[str | None] = [None]
    rows = connection.execute("select decision, in_use from promotions order by promotion_no").fetchall()
    for decision, version in rows:
        if decision == PROMOTED:
            stack.append(version)
        elif decision == ROLLED_BACK and len(stack) > 1:
            stack.pop()
    return stack


def load(connection: duckdb.DuckDBPyConnection, version: str) -> Registered:
    """Return a router that an open store keeps.

    Raises:
        RoutingError: when there is none of that version, or its file is damaged, altered, or no router of ours.
    """
    rows = fetch(connection, _OF_VERSION, {"version": version}).to_dicts()
    if not rows:
        raise RoutingError(
            f"router {version[:100]} is not in the store: it was forgotten with what it learned from; "
            "`learnlab train` fits another"
        )
    row = rows[0]
    weights = Weights(row["router_version"], row["weights"], row["weights_hash"])
    router = unpacked(weights, row["name"], row["data_hash"])
    reads, dimension = _told(row["reads"], version)
    of_row = {
        name: row[name] for name in ("router_version", "fitted_at", "learned_until", "data_hash", "n_tries")
    }
    return Registered(**of_row, reads=reads, dimension=dimension, router=router)


def _told(text: str, version: str) -> tuple[Reads, int]:
    """Return how the tries of a router were read, and the dimension of their vectors, as the store tells of it."""
    try:
        told = json.loads(text)
        reads = Reads(checked_fields(told["candidates"]), told["quality"], told["encoder_key"])
        dimension = told["dimension"]
        is_whole = (
            reads.quality in QUALITIES
            and isinstance(reads.encoder_key, str)
            and isinstance(dimension, int)
            and 0 <= dimension <= _MOST_DIMENSION
        )
    except (ValueError, KeyError, TypeError, RecursionError, RoutingError) as error:
        raise RoutingError(f"router {version[:100]}: how its tries were read is not told any more") from error
    if not is_whole:
        raise RoutingError(f"router {version[:100]}: how its tries were read is not told any more")
    return reads, dimension


def loaded(db: str | Path | Store = "", version: str | None = None) -> Registered | None:
    """Return a router that a store keeps, by default the one in use; None where none is.

    Raises:
        RoutingError: when there is none of that version, or its file cannot be used.
        StoreError: when there is no such store.
    """
    store = db if isinstance(db, Store) else Store(db)
    with store.reading() as connection:
        wanted = version or in_use(connection)
        return load(connection, wanted) if wanted else None


def note(connection: duckdb.DuckDBPyConnection, decision: dict[str, Any]) -> None:
    """Write a decision on promotion into an open store, as the newest one."""
    row = {"decided_at": now().replace(tzinfo=None)} | decision
    with lent(connection, decided=pl.DataFrame([row], infer_schema_length=None)):
        connection.execute("insert into promotions by name select * from decided")


def routers(db: str | Path | Store = "") -> pl.DataFrame:
    """Return the routers that a store keeps, newest first, with which one is in use.

    Raises:
        StoreError: when there is no such store.
    """
    return _of(db, "routers")


def promotions(db: str | Path | Store = "") -> pl.DataFrame:
    """Return the decisions on which router is in use, newest first, with what they were made on.

    Raises:
        StoreError: when there is no such store.
    """
    return _of(db, "promotions")


def _of(db: str | Path | Store, query: str) -> pl.DataFrame:
    store = db if isinstance(db, Store) else Store(db)
    with store.reading() as connection:
        return fetch(connection, sqlfiles.load("queries", query).text)
