"""When to ask somebody for feedback, and when to leave them alone: one table, read from the top."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from learnlab.settings import settings

if TYPE_CHECKING:
    import polars as pl

QUICK = 10.0
"""Seconds under which a task is too small to be asked about."""

SLOW = 120.0
"""Seconds over which a task is worth asking about."""

AN_HOUR = timedelta(hours=1)
"""How long what somebody was asked about counts against asking again."""


class Does(StrEnum):
    """What a rule does where it holds."""

    SKIP = "skip"
    ASK = "ask"


@dataclass(frozen=True)
class Situation:
    """What is known of an execution, and of whoever would be asked about it, at the moment of asking.

    `absence` says why nobody can answer, None for somebody who can. `n_rated` and `n_unanswered` are other executions
    that this person rated, or was asked about in vain, within the hour; `since_type` is the time since one of the
    same task type was. What is not known is None, and no rule holds because of it.
    """

    is_on: bool = True
    absence: str | None = None
    is_rated: bool = False
    was_asked: bool = False
    n_rated: int = 0
    n_unanswered: int = 0
    per_hour: int = field(default_factory=lambda: settings().feedback_per_hour)
    since_type: timedelta | None = None
    task_type: str = "unknown"
    success: bool | None = None
    is_failed: bool = False
    duration_seconds: float | None = None
    is_routed: bool = False
    model_tier: str = "unknown"
    swarm_topology: str | None = None
    user_accepted: bool | None = None

    @property
    def seconds(self) -> str:
        """How long it took, in words."""
        taken = self.duration_seconds
        if taken is None:
            return "an unknown time"
        return f"{taken:.0f} s" if taken >= QUICK else f"{taken:.1f} s"

    @property
    def given(self) -> str:
        """What this person was asked within the hour, in words."""
        parts = {"rating": self.n_rated, "unanswered question": self.n_unanswered}
        words = [f"{n} {noun}{'' if n == 1 else 's'}" for noun, n in parts.items() if n]
        return " and ".join(words) or "0 ratings"


@dataclass(frozen=True)
class Rule:
    """A reason to ask or not to ask: its name, what it does, when it holds, and its words for a situation."""

    name: str
    does: Does
    holds: Callable[[Situation], bool]
    words: Callable[[Situation], str]


RULES = (
    Rule("off", Does.SKIP, lambda s: not s.is_on, lambda s: "LEARNLAB_FEEDBACK_PROMPTS is false"),
    Rule("nobody there", Does.SKIP, lambda s: s.absence is not None, lambda s: str(s.absence)),
    Rule("rated", Does.SKIP, lambda s: s.is_rated, lambda s: "you have rated it already"),
    Rule("asked before", Does.SKIP, lambda s: s.was_asked, lambda s: "you were asked about it already"),
    Rule("failed", Does.ASK, lambda s: s.is_failed, lambda s: "it failed"),
    Rule(
        "quick",
        Does.SKIP,
        lambda s: s.duration_seconds is not None and s.duration_seconds < QUICK,
        lambda s: f"it took {s.seconds}, under {QUICK:.0f} s",
    ),
    Rule(
        "enough for now",
        Does.SKIP,
        lambda s: s.n_rated + s.n_unanswered >= s.per_hour,
        lambda s: f"{s.given} in the last hour",
    ),
    Rule(
        "same task type",
        Does.SKIP,
        lambda s: s.since_type is not None and s.since_type < AN_HOUR,
        lambda s: f"another {s.task_type} task came up {_minutes(s.since_type)} ago",
    ),
    Rule(
        "slow",
        Does.ASK,
        lambda s: s.duration_seconds is not None and s.duration_seconds > SLOW,
        lambda s: f"it took {s.seconds}, over {SLOW:.0f} s",
    ),
    Rule("routed", Does.ASK, lambda s: s.is_routed, lambda s: "a router chose its tier"),
    Rule(
        "swarm",
        Does.ASK,
        lambda s: s.swarm_topology is not None,
        lambda s: f"a swarm ran it ({s.swarm_topology})",
    ),
)
"""The rules, in the order in which they count: the first that holds decides.

So a failure is asked about in spite of every skip below it, and any other reason to ask only when no skip holds.
"""


@dataclass(frozen=True)
class Asking:
    """Whether somebody is asked, the name of the rule that says so, and why in words.

    >>> Asking(False, "enough for now", "not asked: 5 ratings in the last hour").asked
    False
    """

    asked: bool
    rule: str
    reason: str

    def __str__(self) -> str:
        return self.reason


NO_RULE = "no rule"
"""The name under which an execution goes that no rule speaks of."""


def decide(situation: Situation) -> Asking:
    """Return whether to ask in a situation, by the first rule that holds; where none does, nobody is asked.

    >>> print(decide(Situation(n_rated=5, per_hour=5, duration_seconds=300)))
    not asked: 5 ratings in the last hour
    >>> print(decide(Situation(n_rated=5, per_hour=5, duration_seconds=300, is_failed=True)))
    asked: it failed
    """
    for rule in RULES:
        if rule.holds(situation):
            asked = rule.does == Does.ASK
            return Asking(asked, rule.name, f"{'asked' if asked else 'not asked'}: {rule.words(situation)}")
    return Asking(False, NO_RULE, "not asked: nothing about it calls for it")


def _minutes(passed: timedelta | None) -> str:
    n = int((passed or timedelta()).total_seconds() // 60)
    return "less than a minute" if n < 1 else f"{n} minute{'' if n == 1 else 's'}"


def asked_over(executions: pl.DataFrame) -> pl.DataFrame:
    """Return each execution with whether one person, who sees them all and is always there, is asked about it.

    `executions` are rows of the table of that name; each is considered when it ended. Columns: task_id, at (UTC),
    is_asked, rule. Whether the person answers makes no difference: a question in vain counts like a rating. One
    execution's answer depends on all before it, so this goes through them one by one.
    """
    import polars as pl

    columns = (
        "task_id",
        "task_type",
        "success",
        "error_type",
        "duration_seconds",
        "propensity",
        "swarm_topology",
    )
    ended = pl.col("timestamp") + pl.duration(microseconds=pl.col("duration_seconds").fill_null(0) * 1e6)
    rows = executions.select(*columns, at=ended).sort("at", "task_id")
    recent: list[datetime] = []
    last_of_type: dict[str, datetime] = {}
    told = []
    for row in rows.iter_rows(named=True):
        at: datetime = row["at"]
        recent = [one for one in recent if at - one < AN_HOUR]
        last = last_of_type.get(row["task_type"])
        asking = decide(
            Situation(
                n_rated=len(recent),
                since_type=at - last if last else None,
                task_type=row["task_type"],
                success=row["success"],
                is_failed=has_failed(row["success"], row["error_type"]),
                duration_seconds=row["duration_seconds"],
                is_routed=row["propensity"] is not None,
                swarm_topology=row["swarm_topology"],
            )
        )
        if asking.asked:
            recent.append(at)
            last_of_type[row["task_type"]] = at
        told.append((asking.asked, asking.rule))
    answers = pl.DataFrame(told, schema={"is_asked": pl.Boolean, "rule": pl.String}, orient="row")
    return rows.select("task_id", "at").hstack(answers)


def has_failed(success: bool | None, error_type: str | None) -> bool:
    """Return whether an execution failed: it was judged so, or it ended in an error and nobody judged it.

    >>> has_failed(False, None), has_failed(None, "timeout"), has_failed(True, "unknown"), has_failed(None, None)
    (True, True, False, False)
    """
    return success is False or (success is None and error_type is not None)
