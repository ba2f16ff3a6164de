"""Capturing a pool: whatever executes tasks is wrapped, and each task it is given becomes an execution."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from learnlab.capture.logs import log as _log
from learnlab.capture.mapping import fields as mapping
from learnlab.capture.mapping import routing
from learnlab.capture.mapping.failures import is_cancellation, message_of
from learnlab.capture.mapping.said import member, opened
from learnlab.capture.recorder import Recorder, recorder_for
from learnlab.capture.wrapping.arguments import Arguments
from learnlab.capture.wrapping.around import around
from learnlab.capture.wrapping.attempt import Attempt, Call, not_captured
from learnlab.capture.wrapping.batches import NOTHING, result_of_each
from learnlab.capture.wrapping.open_decisions import OpenDecisions
from learnlab.capture.wrapping.proxy import stand_in
from learnlab.database import LearningDatabase
from learnlab.events import RoutingDecision
from learnlab.models import MAX_ERROR_MESSAGE, as_uuid
from learnlab.store import Store

_ONE = {"execute_task", "execute", "execute_on_pool", "route_task"}
_MANY = {"execute_batch", "execute_tasks", "execute_many", "route_tasks"}
_DECIDING = {"route_task", "route_tasks"}

_open = OpenDecisions()


def capture_pool(pool: Any, learning_db: LearningDatabase | Store | str | Path | None = None) -> Any:
    """Return a stand-in for a pool that records each task the pool executes in a store; without a store, the pool.

    Captured are `execute_task`, `execute`, `execute_on_pool`, `route_task`, and with a list of tasks
    `execute_batch`, `execute_tasks`, `execute_many`, `route_tasks`, plain or async, as far as the pool has
    them. Everything else is the pool's own, results and exceptions included; the pool itself is not changed.

    A task whose execution raises has failed; what is cancelled is neither a success nor a failure. How long a
    task of a batch took is unknown unless its result says so or its own execution is captured inside. Of the
    tasks of a batch that raises nothing else is known: what it raised is `batch_error` in their metadata.

    When `route_task` returns a routing rather than a result, a decision is recorded, and the next execution
    of the same task id in this store carries it. A task may also have its routing with it, as `routing`, or
    as `candidates` or `propensity` of its own.

    Raises:
        StoreError: when a text is neither the name nor the path of a store.

    >>> class Pool:
    ...     def execute_task(self, task):
    ...         return {"success": True}
    >>> capture_pool(Pool()).execute_task({"prompt": "Sort the list", "task_type": "optimize"})
    {'success': True}
    """
    return (
        pool if learning_db is None else stand_in(pool, _Captured(pool, recorder_for(learning_db)).attribute)
    )


class _Captured:
    """What stands in the place of a pool's methods."""

    def __init__(self, pool: Any, recorder: Recorder) -> None:
        self._pool = pool
        self._recorder = recorder
        self._made: dict[str, tuple[Any, Callable[..., Any]]] = {}

    def attribute(self, name: str, value: Any) -> Any:
        """Return what stands for an attribute of the pool: a captured method, or the attribute itself."""
        if (name not in _ONE and name not in _MANY) or not callable(value):
            return value
        function = getattr(value, "__func__", value)
        made = self._made.get(name)
        if made is None or made[0] is not function:
            begin, where = self._one if name in _ONE else self._many, Arguments(value)
            captured = around(value, partial(begin, name, where), name)
            made = self._made[name] = (function, captured)
        return made[1]

    def _one(self, name: str, where: Arguments, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        pool_id = where.named("pool_id", args, kwargs)
        if pool_id is None and name == "execute_on_pool":
            pool_id = next((one for one in args if isinstance(one, str | UUID)), None)
        attempt = self._attempt(where.task(args, kwargs), pool_id)
        return Call(name, self._recorder, [attempt], partial(self._read_one, name in _DECIDING))

    def _many(
        self, name: str, where: Arguments, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Call | None:
        tasks = where.tasks(args, kwargs)
        if tasks is None:
            _log.warning("%s is not captured: its tasks are in no list", name)
            return None
        pool_id = where.named("pool_id", args, kwargs)
        attempts = [self._attempt(task, pool_id) for task in tasks]
        read = partial(self._read_many, name in _DECIDING)
        return Call(name, self._recorder, attempts, read, is_timed=False)

    def _attempt(self, task: Any, pool_id: Any) -> Attempt:
        """Return an attempt at a task; of one that cannot be read nothing is known but that it was executed."""
        known: dict[str, Any] = {}
        task_id, decision, is_news = None, None, False
        try:
            pool = self._pool if pool_id is None else pool_behind(self._pool, pool_id)
            given_id, known = mapping.task_read(task, pool)
            if given_id:
                task_id = as_uuid(given_id)
                decision = _open.take(self._recorder.store.path, task_id)
            if decision is None:
                decision, is_news = _carried(task, task_id, known), True
        except Exception as error:
            not_captured("what a task says", error)
        if pool_id is not None:
            known["metadata"] = {"pool_id": str(pool_id)} | known.get("metadata", {})
        return Attempt(task, task_id, known, decision, is_news)

    def _read_one(
        self, may_decide: bool, attempts: Sequence[Attempt], result: Any, error: BaseException | None
    ) -> list[dict[str, Any]]:
        (attempt,) = attempts
        if may_decide and error is None and self._is_decided(attempt, result):
            return [{}]
        said: dict[str, Any] = mapping.result_fields(result, error)
        pool_id = said.get("metadata", {}).get("pool_id")
        if pool_id is not None and "pool_type" not in said and "pool_type" not in attempt.known:
            behind = mapping.task_fields({}, pool_behind(self._pool, pool_id))
            said |= {name: behind[name] for name in ("pool_type",) if name in behind}
        return [said]

    def _read_many(
        self, may_decide: bool, attempts: Sequence[Attempt], result: Any, error: BaseException | None
    ) -> list[dict[str, Any]]:
        if len(attempts) == 1 and error is not None:
            return self._read_one(may_decide, attempts, result, error)
        if error is not None:
            nothing: dict[str, Any] = mapping.result_fields(None, error)
            if not is_cancellation(error):
                nothing = {"metadata": {"batch_error": message_of(error)[:MAX_ERROR_MESSAGE]}}
            return [attempt.heard or nothing for attempt in attempts]
        each = result_of_each([attempt.task_id for attempt in attempts], result)
        return [
            attempt.heard | ({} if one is NOTHING else self._read_one(may_decide, [attempt], one, None)[0])
            for attempt, one in zip(attempts, each, strict=True)
        ]

    def _is_decided(self, attempt: Attempt, result: Any) -> bool:
        """Return whether a result is a routing, and if it is, take it as the decision on the attempt's task."""
        if not routing.is_routing(result):
            return False
        decision = routing.decision_of(result, task_id=attempt.task_id, task=attempt.known)
        if decision is None:
            return False
        if waiting := attempt.decided(decision):
            _open.put(self._recorder.store.path, waiting)
        return True


def pool_behind(manager: Any, pool_id: Any) -> Any:
    """Return a manager's pool of an id, from `pools`, `_pools` or a plain `get_pool`; None when it has none.

    >>> class Manager:
    ...     pools = {"p1": {"pool_type": "local"}}
    >>> pool_behind(Manager(), "p1"), pool_behind(Manager(), "p2")
    ({'pool_type': 'local'}, None)
    """
    try:
        for pools in (getattr(manager, "pools", None), getattr(manager, "_pools", None)):
            if isinstance(pools, Mapping) and pool_id in pools:
                return pools[pool_id]
        get_pool = getattr(manager, "get_pool", None)
        if not callable(get_pool) or inspect.iscoroutinefunction(get_pool):
            return None
        found = get_pool(pool_id)
        if inspect.iscoroutine(found):
            found.close()
        return None if inspect.isawaitable(found) else found
    except Exception:
        return None


def _carried(task: Any, task_id: UUID | None, known: dict[str, Any]) -> RoutingDecision | None:
    """Return the routing that a task has with it, as its `routing` or in its own fields; None when it has none."""
    content, _ = opened(task)
    said = member(content, "routing")
    if said is None and (member(content, "candidates") or member(content, "propensity") is not None):
        said = content
    decision = None if said is None else routing.decision_of(said, task_id=task_id or uuid4(), task=known)
    if decision is None or _open.is_first(decision.decision_id):
        return decision
    return decision.model_copy(update={"decision_id": uuid4()})
