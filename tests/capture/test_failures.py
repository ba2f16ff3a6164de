"""What kind of failure an exception tells of: by its class, by its causes, then by its message."""

from __future__ import annotations

import asyncio
import concurrent.futures
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from learnlab.capture.mapping import failures
from learnlab.capture.mapping.failures import error_type_of, is_cancellation, message_of
from learnlab.models import ErrorType


def named(name: str, *bases: type[BaseException]) -> BaseException:
    """Return an exception of a class that a library might have."""
    return type(name, bases or (Exception,), {})("boom")


def raised(error: BaseException, cause: BaseException | None) -> BaseException:
    """Return an exception as it is after being raised from another."""
    try:
        raise error from cause
    except BaseException as caught:
        return caught


def invalid() -> BaseException:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(int).validate_python("many")
    return caught.value


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), "timeout"),
        (concurrent.futures.TimeoutError("validation"), "timeout"),
        (subprocess.TimeoutExpired("sort", 3), "timeout"),
        (named("ReadTimeout"), "timeout"),
        (named("Slow", type("PoolTimedOut", (Exception,), {})), "timeout"),
        (named("DeadlineExceeded"), "timeout"),
        (named("ValidationTimeout"), "timeout"),
        (BrokenProcessPool("a worker timed out"), "crash"),
        (MemoryError(), "crash"),
        (ConnectionResetError(), "crash"),
        (BrokenPipeError(), "crash"),
        (asyncio.IncompleteReadError(b"", 4), "crash"),
        (subprocess.CalledProcessError(-11, "sort"), "crash"),
        (subprocess.CalledProcessError(137, "sort"), "crash"),
        (named("WorkerLostError"), "crash"),
        (named("OutOfMemoryError", RuntimeError), "crash"),
        (named("QualityGateError"), "quality_gate"),
        (named("Quality_Gate_Failed", ValueError), "quality_gate"),
        (invalid(), "validation"),
        (named("SchemaValidationError", ValueError), "validation"),
        (subprocess.CalledProcessError(1, "sort"), "unknown"),
        (ConnectionRefusedError("refused"), "unknown"),
        (EOFError("Compressed file ended"), "unknown"),
        (ValueError("no such pool"), "unknown"),
        (named("WorkerError"), "unknown"),
    ],
)
def test_the_class_decides(error, expected):
    assert error_type_of(error) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Request TIMED OUT after 3 s", "timeout"),
        ("gateway timeout, validation skipped", "timeout"),
        ("Validation of the answer failed", "validation"),
        ("boom", "unknown"),
        ("", "unknown"),
    ],
)
def test_then_the_message(message, expected):
    assert error_type_of(RuntimeError(message)) == expected
    assert error_type_of(None, message) == expected
    assert error_type_of(RuntimeError("boom"), message) == expected


def test_a_cause_decides_where_the_exception_says_nothing():
    assert error_type_of(raised(RuntimeError("task failed"), TimeoutError())) == "timeout"
    assert error_type_of(raised(RuntimeError("validation"), raised(KeyError(), MemoryError()))) == "crash"
    assert error_type_of(raised(named("QualityGateError"), TimeoutError())) == "quality_gate"
    handled = RuntimeError("boom")
    handled.__context__ = TimeoutError()
    assert error_type_of(handled) == "unknown"


def test_the_members_of_a_group_decide():
    group = ExceptionGroup(
        "two tasks failed", [ValueError("x"), ExceptionGroup("one more", [TimeoutError()])]
    )
    assert error_type_of(group) == "timeout"


def test_causes_that_go_round_in_a_circle():
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__cause__, second.__cause__ = second, first
    assert error_type_of(first) == "unknown"


def test_a_worker_that_dies_has_crashed():
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        broken = executor.submit(os._exit, 1).exception()
    assert isinstance(broken, BrokenProcessPool)
    assert error_type_of(broken) == "crash"
    process = subprocess.run(
        [sys.executable, "-c", "import os; os.abort()"], check=False, capture_output=True
    )
    with pytest.raises(subprocess.CalledProcessError) as died:
        process.check_returncode()
    assert error_type_of(died.value) == "crash"


def test_a_real_timeout():
    async def slow():
        async with asyncio.timeout(0):
            await asyncio.sleep(1)

    with pytest.raises(TimeoutError) as caught:
        asyncio.run(slow())
    assert (error_type_of(caught.value), message_of(caught.value)) == ("timeout", "TimeoutError")


class Speechless(Exception):
    def __str__(self) -> str:
        raise OSError("no text")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("no such pool"), "no such pool"),
        (KeyError("pool"), "'pool'"),
        (TimeoutError(), "TimeoutError"),
        (ValueError("  "), "ValueError"),
        (Speechless(), "Speechless"),
        (ValueError("half \ud800"), "half ?"),
    ],
)
def test_an_exception_always_has_a_message(error, expected):
    assert message_of(error) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (asyncio.CancelledError(), True),
        (concurrent.futures.CancelledError(), True),
        (KeyboardInterrupt(), True),
        (SystemExit(1), True),
        (TimeoutError(), False),
        (RuntimeError("cancelled"), False),
    ],
)
def test_being_stopped_is_no_failure(error, expected):
    assert is_cancellation(error) is expected


@pytest.mark.parametrize(
    ("function", "said", "expected"),
    [
        (failures.type_of_name, "TIMEOUT", "timeout"),
        (failures.type_of_name, ErrorType.QUALITY_GATE, "quality_gate"),
        (failures.type_of_name, "ValidationError", "validation"),
        (failures.type_of_name, "rate_limit", "unknown"),
        (failures.type_of_name, "none", None),
        (failures.type_of_name, 0.5, None),
        (failures.type_of_gate, {"passed": False}, "quality_gate"),
        (failures.type_of_gate, {"passed": True}, None),
        (failures.type_of_gate, "FAILED", "quality_gate"),
        (failures.type_of_gate, 0, None),
        (failures.type_of_exit, -9, "crash"),
        (failures.type_of_exit, 139, "crash"),
        (failures.type_of_exit, 255, None),
        (failures.type_of_exit, True, None),
        (failures.type_of_exit, "-9", None),
        (failures.type_of_status, "oom-killed", "crash"),
        (failures.type_of_status, "timeout_pending", None),
        (failures.type_of_error, {"type": "validation_error"}, "validation"),
        (failures.type_of_error, asyncio.CancelledError(), None),
        (failures.type_of_error, {}, None),
    ],
)
def test_what_results_say_in_fields(function, said, expected):
    assert function(said) == expected


@hypothesis_settings(max_examples=25)
@given(name=st.text(max_size=30), text=st.text(st.characters(), max_size=30), depth=st.integers(0, 40))
def test_whatever_is_raised_has_a_kind_and_a_message(name, text, depth):
    error: BaseException = type(name.replace("\x00", "") or "E", (Exception,), {})(text)
    for _ in range(depth):
        error = raised(RuntimeError(), error)
    assert error_type_of(error) in ErrorType
    message_of(error).encode("utf-8")
