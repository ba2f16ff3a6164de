"""How long a task took by the times of what happened in it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from learnlab.ingest.logs.tasks import Task
from learnlab.models import DurationSource

PAUSE_SECONDS = 300.0
"""A longer silence is somebody being away, not work."""


class Clock:
    """The times that were seen in a task, in the order in which they stood in its log.

    >>> clock = Clock(datetime(2026, 3, 2, 9, 0))
    >>> clock.saw(datetime(2026, 3, 2, 9, 1))
    >>> clock.saw(datetime(2026, 3, 2, 12, 0))
    >>> clock.gap_seconds, clock.wall_seconds
    (60.0, 10800.0)
    """

    def __init__(self, began: datetime | None) -> None:
        self._first = self._last = began
        self.gap_seconds = 0.0

    def saw(self, at: datetime | None) -> None:
        """Take the time of a line; one before the latest so far adds nothing."""
        if at is None:
            return
        if self._first is None or self._last is None:
            self._first = self._last = at
        elif at > self._last:
            gap = (at - self._last).total_seconds()
            self.gap_seconds += gap if gap <= PAUSE_SECONDS else 0.0
            self._last = at

    @property
    def wall_seconds(self) -> float | None:
        """The seconds from the first time to the latest, None where there was no time at all."""
        if self._first is None or self._last is None:
            return None
        return (self._last - self._first).total_seconds()

    def time(self, task: Task, worked: float | None, has_work: bool) -> None:
        """Give a task its duration: the seconds of work that its log states, else, if there was any, without pauses."""
        if worked is not None:
            task.duration_seconds, task.duration_source = round(worked, 6), DurationSource.WORK
        elif self.wall_seconds is not None and has_work:
            task.duration_seconds, task.duration_source = round(self.gap_seconds, 6), DurationSource.GAPS
        if self.wall_seconds is not None:
            task.metadata["wall_seconds"] = round(self.wall_seconds, 3)


def seconds_between(began: datetime | None, ended: datetime | None) -> float | None:
    """Return the seconds from one time to another, None where one is unknown or they are the wrong way round.

    >>> seconds_between(datetime(2026, 3, 2, 9), datetime(2026, 3, 2, 10)), seconds_between(None, datetime(2026, 3, 2))
    (3600.0, None)
    """
    return (ended - began).total_seconds() if began and ended and ended >= began else None


Span = tuple[datetime, datetime]
"""When something began and ended."""


def covered_seconds(spans: Iterable[Span]) -> float:
    """Return the seconds that spans cover together; what overlaps counts once.

    >>> nine = datetime(2026, 3, 2, 9)
    >>> covered_seconds([(nine, nine.replace(second=5)), (nine.replace(second=3), nine.replace(second=8))])
    8.0
    """
    total, reached = 0.0, None
    for began, ended in sorted(spans):
        start = began if reached is None else max(began, reached)
        if ended > start:
            total += (ended - start).total_seconds()
            reached = ended
    return total
