"""Capturing code that is no pool: a function by a decorator, a piece of code by `with`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextvars import Token
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from learnlab.capture.mapping import fields as mapping
from learnlab.capture.mapping.said import cut
from learnlab.capture.recorder import Recorder, recorder_for
from learnlab.capture.wrapping.around import around
from learnlab.capture.wrapping.attempt import Attempt, Call, not_captured
from learnlab.database import LearningDatabase
from learnlab.errors import CaptureError
from learnlab.lenient import plain, record_of
from learnlab.models import ExecutionRecord, SuccessSource
from learnlab.store import Store

_OWN = {"record_key", "content_hash", "source", "source_position", "timestamp", "time_source", "uploaded_at"}

F = TypeVar("F", bound=Callable[..., Any])
_Db = LearningDatabase | Store | str | Path | None


def captured(
    learning_db: _Db, *, success: Callable[[Any], bool | None] | None = None, **known: Any
) -> Callable[[F], F]:
    """Return a decorator that records each call of a function, plain or async, in a store; nothing without a store.

    `known` are fields of an execution by their names: `task_type`, `repo`, `model_tier`, `pool_type` … The
    description is `task_description`, else the first line of the function's docstring, else its name; the
    arguments are not stored. A call that raises has failed. What it returns is read like a pool's result; a
    bare value, True among them, says nothing. `success` tells from the result whether it is a success:
    True, False, or None where it cannot tell.

    Raises:
        CaptureError: for a field that an execution does not have, a value that breaks its limit, and for
            what is no function with one result: a generator, a class.
        StoreError: when a text is neither the name nor the path of a store.

    >>> @captured(None, task_type="docs", repo="shop", success=lambda text: text != "")
    ... def explain(topic):
    ...     return f"All about {topic}"
    >>> explain("caches")
    'All about caches'
    """
    fields = _checked(known)
    if success is not None and inspect.iscoroutinefunction(success):
        raise CaptureError("success must be a plain function of the result, not an async one")

    def decorate(function: F) -> F:
        if isinstance(function, staticmethod | classmethod):
            return type(function)(decorate(function.__func__))
        _refuse(function)
        if learning_db is None:
            return function
        recorder, name = recorder_for(learning_db), _name(function)
        described = cut(_first_line(function) or name, mapping.MAX_TASK_DESCRIPTION)
        own = {"task_description": described} | fields
        read = partial(_read, success)

        def begin(_args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Call:
            return _call(name, recorder, own, read)

        return around(function, begin, name)  # type: ignore[return-value]

    return decorate


class capturing:
    """A piece of code whose run is one execution: `with capturing("live", task_type="docs") as attempt: …`.

    The fields are those of `captured`. Inside, the attempt is told what is known: `succeeded`, `result`, `add`.
    Left without a word, the success is unknown; left by an exception it failed, and the exception goes on. In
    async code use `async with`, which does not make the event loop wait for a slow disk. Without a store nothing
    is recorded.

    Raises:
        CaptureError: for a field that an execution does not have, or a value that breaks its limit.
        StoreError: when a text is neither the name nor the path of a store.

    >>> with capturing(None, task_type="docs", task_description="Explain the cache") as attempt:
    ...     attempt.add(output_tokens=120)
    ...     attempt.succeeded(True)
    """

    def __init__(self, learning_db: _Db, **known: Any) -> None:
        self._known = _checked(known)
        self._recorder = None if learning_db is None else recorder_for(learning_db)
        self._said: dict[str, Any] = {}
        self._call: Call | None = None
        self._token: Token[Call | None] | None = None

    def succeeded(self, verdict: bool = True, source: SuccessSource | str = SuccessSource.HARNESS) -> None:
        """Say whether it succeeded, and who says so."""
        self.add(success=bool(verdict), success_source=str(source))

    def result(self, result: Any) -> None:
        """Say what came of it: a dict or an object that is read like a pool's result."""
        try:
            self.add(**mapping.result_fields(result))
        except Exception as error:
            not_captured("a result", error)

    def add(self, **known: Any) -> None:
        """Say fields of the execution by their names; what breaks a limit is set aside in its metadata."""
        said = {name: plain(value) for name, value in known.items()}
        if "metadata" in said:
            own = said["metadata"] if isinstance(said["metadata"], dict) else {"metadata": said["metadata"]}
            said["metadata"] = self._said.get("metadata", {}) | own
        self._said |= said

    def __enter__(self) -> Self:
        self._said = {}
        self._call = None
        if self._recorder is not None:
            try:
                self._call = _call("a piece of code", self._recorder, self._known, self._read)
                self._token = self._call.enter()
            except Exception as error:
                not_captured("a piece of code", error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if call := self._left():
            call.over(error=error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if call := self._left():
            if error is None or isinstance(error, Exception):
                await call.aover(error=error)
            else:
                call.over(error=error)

    def _left(self) -> Call | None:
        call, token = self._call, self._token
        self._call = self._token = None
        if call and token:
            call.leave(token)
        return call

    def _read(
        self, _attempts: Sequence[Attempt], _result: Any, error: BaseException | None
    ) -> list[dict[str, Any]]:
        if error is None:
            return [self._said]
        raised = mapping.result_fields(None, error)
        metadata = self._said.get("metadata", {}) | raised.get("metadata", {})
        return [self._said | raised | ({"metadata": metadata} if metadata else {})]


def _call(what: str, recorder: Recorder, known: dict[str, Any], read: Any) -> Call:
    task_id, _ = mapping.task_id_of(known)
    fields = {name: value for name, value in known.items() if name != "task_id"}
    return Call(what, recorder, [Attempt(None, task_id, fields)], read)


def _read(
    success: Callable[[Any], bool | None] | None,
    _attempts: Sequence[Attempt],
    result: Any,
    error: BaseException | None,
) -> list[dict[str, Any]]:
    said: dict[str, Any] = mapping.result_fields(result, error)
    if success is not None and error is None:
        try:
            verdict = success(result)
        except Exception as failure:
            not_captured("whether it succeeded", failure)
            verdict = None
        for name in ("success", "success_source", "error_type"):
            said.pop(name, None)
        if verdict is not None:
            said |= {"success": bool(verdict), "success_source": SuccessSource.HARNESS.value}
    return [said]


def _checked(known: dict[str, Any]) -> dict[str, Any]:
    """Return fields of an execution as JSON, with what a task id says beside itself.

    Raises:
        CaptureError: when one is no such field, breaks its limit, or is what capture itself finds out.
    """
    known = {name: value for name, value in known.items() if value is not None}
    if own := sorted(_OWN & known.keys()):
        raise CaptureError(f"{own[0]} cannot be given: capture itself says it of each execution")
    checked = {name: value for name, value in known.items() if name != "metadata"}
    for name, value in record_of(checked).metadata.get("refused", {}).items():
        if name not in ExecutionRecord.model_fields:
            raise CaptureError(
                f"{name!r} is no field of an execution: see learnlab.ExecutionRecord for their names"
            )
        raise CaptureError(
            f"{name}={value!r} is outside of what an execution may hold: see learnlab.ExecutionRecord"
        )
    fields = {name: plain(value) for name, value in known.items()}
    if not isinstance(fields.get("metadata", {}), dict):
        raise CaptureError("metadata must be a dict")
    if "task_description" in fields:
        fields["task_description"] = cut(fields["task_description"], mapping.MAX_TASK_DESCRIPTION)
    if "task_id" in fields:
        fields = mapping.task_fields({"task_id": fields["task_id"]}) | fields
    return fields


def _refuse(function: Any) -> None:
    """Refuse what does not return one result when it is called.

    Raises:
        CaptureError: for a generator function, a class, and what cannot be called.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        what = "is a generator: put `with capturing(…)` around the loop over it"
    elif isinstance(function, type):
        what = "is a class: decorate one of its methods"
    elif not callable(function):
        what = "cannot be called"
    else:
        return
    raise CaptureError(f"{_name(function)} cannot be captured: it {what}")


def _name(function: Any) -> str:
    inner = function.func if isinstance(function, partial) else function
    return str(getattr(inner, "__qualname__", None) or type(function).__qualname__)


def _first_line(function: Any) -> str:
    inner = function.func if isinstance(function, partial) else function
    return (inspect.getdoc(inner) or "").strip().partition("\n")[0]
