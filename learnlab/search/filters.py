"""Which executions a search may find: checked where they come in, SQL where they are used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from learnlab.errors import SearchError
from learnlab.lenient import storable
from learnlab.models import Tier, normalise_task_type
from learnlab.search.once import once
from learnlab.store import said, views

_OUTCOMES = {"success": "success", "failure": "not success", "unknown": "success is null"}
_JUDGED = """
(({recorded}) and e.task_id not in (select task_id from {judged})
    or e.task_id in (select task_id from {judged} where {said}))
"""
_MOST_DAYS = 1_000_000
_ALL = "true"

_FACTS = """
select count(*), count(*) filter (time_source <> 'recorded'), min(timestamp) filter (time_source = 'recorded'),
    max(timestamp) filter (time_source = 'recorded'),
from executions
"""

_TIER = """
(e.model_tier = $tier or (e.model_tier = 'unknown' and e.model in (select model from model_tiers where tier = $tier)))
"""
_NO_TIER = """
(e.model_tier = 'unknown' and (e.model is null or e.model not in (select model from model_tiers where tier <> 'unknown')))
"""


@dataclass(frozen=True)
class Facts:
    """What a store holds: executions, those without a recorded time, the oldest and the newest recorded time (UTC)."""

    n_executions: int
    n_untimed: int
    oldest: datetime | None
    newest: datetime | None


def facts(connection: duckdb.DuckDBPyConnection) -> Facts:
    """Return what a store holds."""
    ((n, n_untimed, oldest, newest),) = connection.execute(_FACTS).fetchall()
    return Facts(int(n), int(n_untimed), oldest, newest)


@dataclass(frozen=True)
class Where:
    """A condition on executions (named `e`) with its parameters, and how many of them it keeps."""

    sql: str
    params: dict[str, Any]
    n_kept: int
    n_executions: int

    @property
    def is_all(self) -> bool:
        """Whether every execution is kept."""
        return self.sql == _ALL

    @property
    def texts(self) -> str:
        """A select of the hashes of the texts of what is kept."""
        return f"select e.description_hash from executions e where {self.sql}"


def _n_kept(connection: duckdb.DuckDBPyConnection, sql: str, params: dict[str, Any]) -> int:
    ((n_kept,),) = connection.execute(f"select count(*) from executions e where {sql}", params).fetchall()
    return int(n_kept)


def _came_to(connection: duckdb.DuckDBPyConnection, outcome: str) -> str:
    """Return the condition on what became of an execution, in people's word where that counts and may be seen."""
    recorded = _OUTCOMES[outcome].replace("success", "e.success")
    judged = once(connection, ("judged", said.viewer(connection)), lambda: said.judged(connection))
    return _JUDGED.format(recorded=recorded, judged=judged, said=_OUTCOMES[outcome]) if judged else recorded


@dataclass(frozen=True)
class Filter:
    """What a caller asks of the executions to find; None asks nothing.

    `days_back` days back from `as_of` (naive UTC), by default the newest recorded time, as in the views;
    executions without a recorded time are always in.

    >>> Filter.of(task_type="Refactoring", tier="large", days_back=None)
    Filter(repo=None, tier='large', task_type='refactor', outcome=None, days_back=None, as_of=None)
    """

    repo: str | None = None
    tier: str | None = None
    task_type: str | None = None
    outcome: str | None = None
    days_back: int | None = 90
    as_of: datetime | None = None

    @classmethod
    def of(
        cls,
        *,
        repo: str | None = None,
        tier: str | None = None,
        task_type: str | None = None,
        outcome: str | None = None,
        days_back: int | None = 90,
        as_of: str | datetime | None = None,
    ) -> Filter:
        """Return a filter made of what a caller gave.

        Raises:
            SearchError: for a tier or outcome that there is not, or days_back that is no number of days.
            StoreError: when `as_of` is no time.
        """
        tiers = [one.value for one in Tier]
        if tier is not None and str(tier) not in tiers:
            raise SearchError(f"tier is {str(tier)[:100]!r}, not one of {', '.join(tiers)}")
        if outcome is not None and str(outcome) not in _OUTCOMES:
            raise SearchError(f"outcome is {str(outcome)[:100]!r}, not one of {', '.join(_OUTCOMES)}")
        is_number = isinstance(days_back, int) and not isinstance(days_back, bool)
        if days_back is not None and not (is_number and 0 <= days_back <= _MOST_DAYS):
            raise SearchError(f"days_back is {days_back!r}, not a whole number from 0 to 1,000,000 or None")
        return cls(
            None if repo is None else storable(str(repo)),
            None if tier is None else str(tier),
            None if task_type is None else normalise_task_type(storable(str(task_type))),
            outcome,
            days_back,
            views.moment(as_of),
        )

    def fields(self) -> list[str]:
        """Return the columns of an execution that this fixes to one value."""
        named = {
            "repo": self.repo,
            "model_tier": self.tier,
            "task_type": self.task_type,
            "success": self.outcome,
        }
        return [name for name, value in named.items() if value is not None]

    def where(self, connection: duckdb.DuckDBPyConnection) -> Where:
        """Return the condition on the executions of a store; what every one of them meets is left out."""
        held = once(connection, "facts", lambda: facts(connection))
        parts, params = self._window(held)
        if self.repo is not None:
            parts.append("e.repo = $repo")
            params["repo"] = self.repo
        if self.task_type is not None:
            parts.append("e.task_type = $task_type")
            params["task_type"] = self.task_type
        if self.outcome is not None:
            parts.append(_came_to(connection, self.outcome))
        if self.tier == "unknown":
            parts.append(_NO_TIER)
        elif self.tier is not None:
            parts.append(_TIER)
            params["tier"] = self.tier
        sql = " and ".join(parts) or _ALL
        if sql == _ALL:
            return Where(sql, params, held.n_executions, held.n_executions)
        n_kept = once(connection, (sql, *sorted(params.items())), lambda: _n_kept(connection, sql, params))
        return Where(sql, params, n_kept, held.n_executions)

    def _window(self, held: Facts) -> tuple[list[str], dict[str, Any]]:
        """Return the condition on time, if any recorded time lies outside the window."""
        if held.newest is None or held.oldest is None:
            return [], {}
        until, since = self.as_of or held.newest, datetime.min
        if self.days_back is not None and timedelta(self.days_back) < until - datetime.min:
            since = until - timedelta(self.days_back)
        parts, params = [], {}
        if held.newest > until:
            parts.append("e.timestamp <= $until")
            params["until"] = until
        if held.oldest <= since:
            parts.append("e.timestamp > $since")
            params["since"] = since
        if parts and held.n_untimed:
            return [f"(e.time_source <> 'recorded' or ({' and '.join(parts)}))"], params
        return parts, params
