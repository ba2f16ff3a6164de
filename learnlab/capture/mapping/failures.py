"""What kind of failure an exception, its message or a result's own fields tell of."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from typing import Any

from learnlab.capture.mapping.said import member, prose, word
from learnlab.lenient import storable
from learnlab.models import ErrorType

_CLASSES: tuple[tuple[type[BaseException], ErrorType], ...] = (
    (TimeoutError, ErrorType.TIMEOUT),
    (subprocess.TimeoutExpired, ErrorType.TIMEOUT),
    (BrokenExecutor, ErrorType.CRASH),
    (MemoryError, ErrorType.CRASH),
    (ConnectionResetError, ErrorType.CRASH),
    (ConnectionAbortedError, ErrorType.CRASH),
    (BrokenPipeError, ErrorType.CRASH),
)
_NAMES: tuple[tuple[ErrorType, tuple[str, ...]], ...] = (
    (ErrorType.TIMEOUT, ("timeout", "timedout", "deadlineexceeded")),
    (ErrorType.QUALITY_GATE, ("qualitygate",)),
    (
        ErrorType.CRASH,
        (
            "crash", "outofmemory", "brokenprocess", "brokenworker", "brokenpool", "workerlost", "lostworker",
            "workerdied", "workerdead", "deadworker", "workerterminated", "workerkilled", "workerexit",
            "connectionlost", "incompleteread",
        ),
    ),
    (ErrorType.VALIDATION, ("validation",)),
)  # fmt: skip
FAILED = frozenset({
    "failed", "fail", "failure", "error", "errored", "exception", "timeout", "timed_out", "timedout", "crash",
    "crashed", "killed", "out_of_memory", "oom_killed", "quality_gate_failed", "validation_failed", "validation_error",
})  # fmt: skip
"""The words by which a status says that an execution failed."""

_DEPTH = 20
"""How many causes and members of groups are looked at."""


def error_type_of(error: BaseException | None, message: str | None = None) -> ErrorType:
    """Return the kind of failure: by the exception's class, else those of its causes, else by the message.

    A class is known by itself or by its name, its base classes after it; in a group of exceptions the first
    that is known decides. The message decides by `timeout` or `timed out`, then by `validation`.

    >>> error_type_of(TimeoutError()).value, error_type_of(None, "Request timed out").value
    ('timeout', 'timeout')
    >>> error_type_of(RuntimeError("boom")).value
    'unknown'
    """
    for one in _chain(error) if error is not None else ():
        if (kind := _of_class(one)) is not None:
            return kind
    said = (message if message is not None else message_of(error) if error is not None else "").lower()
    if "timeout" in said or "timed out" in said:
        return ErrorType.TIMEOUT
    return ErrorType.VALIDATION if "validation" in said else ErrorType.UNKNOWN


def message_of(error: BaseException) -> str:
    """Return what an exception says; one that says nothing gives the name of its class.

    >>> message_of(ValueError("no such pool")), message_of(TimeoutError())
    ('no such pool', 'TimeoutError')
    """
    try:
        text = storable(str(error))
    except Exception:
        text = ""
    return text if text.strip() else type(error).__name__


def is_cancellation(error: BaseException) -> bool:
    """Return whether somebody stopped the execution, which is no failure: cancelled, interrupted, told to exit.

    >>> import asyncio
    >>> is_cancellation(asyncio.CancelledError()), is_cancellation(KeyboardInterrupt()), is_cancellation(OSError())
    (True, True, False)
    """
    return not isinstance(error, Exception) or any(
        kind.__name__ == "CancelledError" for kind in type(error).__mro__
    )


def type_of_name(value: Any) -> ErrorType | None:
    """Return the error type that a result's `error_type` names, in whatever spelling; None where it names none.

    >>> type_of_name("TimeoutError").value, type_of_name("Quality-Gate").value, type_of_name("rate_limit").value
    ('timeout', 'quality_gate', 'unknown')
    >>> type_of_name("none")
    """
    spelt = word(value)
    return None if spelt in ("", "none", "null") else _of_name(spelt) or ErrorType.UNKNOWN


def type_of_error(value: Any) -> ErrorType | None:
    """Return the error type of a result's `error` where that is an exception, or an object that names a type.

    >>> type_of_error({"type": "timeout", "message": "too slow"}).value, type_of_error("too slow")
    ('timeout', None)
    """
    if isinstance(value, BaseException):
        return None if is_cancellation(value) else error_type_of(value)
    return None if isinstance(value, str) else type_of_name(member(value, "type"))


def type_of_gate(value: Any) -> ErrorType | None:
    """Return `quality_gate` where a gate says that it was not passed.

    >>> type_of_gate(False).value, type_of_gate("failed").value, type_of_gate("passed"), type_of_gate(None)
    ('quality_gate', 'quality_gate', None, None)
    """
    failed = value is False or word(value) in FAILED or member(value, "passed") is False
    return ErrorType.QUALITY_GATE if failed else None


def type_of_exit(value: Any) -> ErrorType | None:
    """Return `crash` for the exit code of a process that a signal ended: negative, or 128 and the signal.

    >>> [type_of_exit(code) and "crash" for code in (-9, 137, 0, 1)]
    ['crash', 'crash', None, None]
    """
    ended = type(value) is int and (value < 0 or 128 < value <= 128 + 64)
    return ErrorType.CRASH if ended else None


def type_of_status(value: Any) -> ErrorType | None:
    """Return the error type that a status which tells of a failure names; None for any other.

    >>> type_of_status("TIMED OUT").value, type_of_status("failed"), type_of_status("completed")
    ('timeout', None, None)
    """
    spelt = word(value)
    if spelt in ("killed", "oom_killed"):
        return ErrorType.CRASH
    return _of_name(spelt) if spelt in FAILED else None


def message_in(value: Any) -> str | None:
    """Return the message of a result's `error`: its text, an exception's, or that of an object with one.

    >>> message_in("boom"), message_in(TimeoutError()), message_in({"message": "boom"}), message_in(False)
    ('boom', 'TimeoutError', 'boom', None)
    """
    if isinstance(value, BaseException):
        return message_of(value)
    if type(value) is bool:
        return None
    own = None if isinstance(value, str) else member(value, "message")
    return prose(value if own is None else own)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Go through an exception, the members of its group, and what was said to have caused it."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < _DEPTH:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        members = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        waiting += [other for other in (*members, one.__cause__) if isinstance(other, BaseException)]


def _of_class(error: BaseException) -> ErrorType | None:
    if isinstance(error, subprocess.CalledProcessError):
        return type_of_exit(error.returncode)
    for kind in type(error).__mro__:
        for known, error_type in _CLASSES:
            if kind is known:
                return error_type
        if (named := _of_name(kind.__name__)) is not None:
            return named
    return None


def _of_name(name: str) -> ErrorType | None:
    spelt = name.lower().replace("_", "")
    for error_type, parts in _NAMES:
        if any(part in spelt for part in parts):
            return error_type
    return None
