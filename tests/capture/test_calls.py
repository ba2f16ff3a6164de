"""Captured functions and pieces of code: what is known of them, and what is not stored."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from listening import DONE, Listener, Pool

import learnlab.capture.wrapping.attempt
import learnlab.capture.wrapping.calls
import learnlab.capture.wrapping.pools
from learnlab.capture.wrapping.calls import captured, capturing
from learnlab.capture.wrapping.pools import capture_pool
from learnlab.errors import CaptureError, StoreError
from learnlab.models import as_uuid
from learnlab.store import Store

KNOWN = {"task_type": "docs", "repo": "shop", "model_tier": "small", "pool_type": "local"}


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Listener:
    """What capture hears, in memory, whatever the store."""
    listener = Listener(tmp_path / "heard.duckdb")
    for module in (learnlab.capture.wrapping.calls, learnlab.capture.wrapping.pools):
        monkeypatch.setattr(module, "recorder_for", lambda _: listener)
    return listener


def test_calls_and_pieces_of_code_stand_in_the_store(store: Store) -> None:
    @captured(store, **KNOWN)
    def explain(topic: str) -> dict[str, Any]:
        """Explain one topic.

        At length.
        """
        return {"success": True, "output_tokens": 7}

    assert explain("a secret topic")["success"] is True
    with capturing(store, task_type="review", task_description="Review it") as attempt:
        attempt.result({"quality_score": 80})
    found = store.sql(
        "select text, task_type, repo, model_tier, pool_type, success, output_tokens, quality_score, source "
        "from executions join texts on text_hash = description_hash order by task_type"
    )
    assert found.rows() == [
        ("Explain one topic.", "docs", "shop", "small", "local", True, 7, None, "capture"),
        ("Review it", "review", "unknown", "unknown", "unknown", None, None, 80.0, "capture"),
    ]
    assert "secret" not in str(store.sql("select * from executions").to_dicts())
    assert store.sql("select count(*) from open_attempts").item() == 0


def test_without_a_store_nothing_is_done() -> None:
    def explain() -> None: ...

    assert captured(None, **KNOWN)(explain) is explain
    with capturing(None, **KNOWN) as attempt:
        attempt.succeeded()
        attempt.result(DONE)


# The decorator


def test_an_async_function_stays_one(heard: Listener) -> None:
    @captured("live", **KNOWN, task_description="Explain")
    async def explain(topic: str) -> Any:
        await asyncio.sleep(0)
        return DONE

    assert inspect.iscoroutinefunction(explain)
    assert list(inspect.signature(explain).parameters) == ["topic"]
    assert asyncio.run(explain("caches")) is DONE
    record = heard.record_alone
    assert (record.success, record.quality_score, record.task_description) == (True, 92, "Explain")
    assert heard.started == {record.record_key}


@pytest.mark.parametrize("returned", [True, False, 1, "success", None, [True], ("success", True), object()])
def test_what_a_function_returns_is_no_verdict(heard: Listener, returned: Any) -> None:
    assert captured("live")(lambda: returned)() is returned
    assert heard.record_alone.success is None
    assert heard.record_alone.success_source == "unknown"


@pytest.mark.parametrize(
    ("success", "expected"),
    [
        (lambda result: result["ok"] > 0, True),
        (lambda result: result["ok"] > 1, False),
        (lambda result: None, None),
        (lambda result: result["nothing"], None),
    ],
    ids=["true", "false", "cannot tell", "raises"],
)
def test_success_can_be_told_from_the_result(
    heard: Listener, success: Any, expected: bool | None, caplog: pytest.LogCaptureFixture
) -> None:
    assert captured("live", success=success)(lambda: {"ok": 1, "success": None, "cost": 2})() is not None
    assert (heard.record_alone.success, heard.record_alone.actual_cost) == (expected, 2)
    assert heard.record_alone.success_source == ("unknown" if expected is None else "harness")


def test_success_is_not_asked_of_a_call_that_raises(heard: Listener) -> None:
    @captured("live", success=lambda _: True)
    def broken() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        broken()
    assert (heard.record_alone.success, heard.record_alone.error_type) == (False, "timeout")


def test_the_description_is_the_docstrings_first_line_or_the_name(heard: Listener) -> None:
    class Docs:
        @captured("live")
        def explain(self) -> None:
            """Explain
            the cache."""

        @captured("live")
        @staticmethod
        def static() -> int:
            return 1

        @classmethod
        @captured("live")
        def of_class(cls) -> type:
            return cls

        @captured("live")
        @classmethod
        def of_class_outside(cls) -> type:
            return cls

    Docs().explain()
    assert Docs.static() == Docs().static() == 1
    assert Docs.of_class() is Docs.of_class_outside() is Docs
    prefix = "test_the_description_is_the_docstrings_first_line_or_the_name.<locals>.Docs."
    assert [record.task_description.removeprefix(prefix) for record in heard.records] == [
        *("Explain", "static", "static", "of_class", "of_class_outside"),
    ]


def test_each_call_is_an_attempt_of_its_own(heard: Listener) -> None:
    @captured("live", task_id="nightly", metadata={"part": 1})
    def work(n: int) -> None:
        if n:
            work.__wrapped__(n - 1)

    for _ in range(3):
        work(1)
    assert {record.task_id for record in heard.records} == {as_uuid("nightly")}
    assert {record.task_group for record in heard.records} == {"nightly"}
    assert len({record.record_key for record in heard.records}) == 3
    assert [record.metadata for record in heard.records] == [{"part": 1}] * 3


def test_a_captured_function_inside_another_has_it_as_its_parent(heard: Listener) -> None:
    pool = capture_pool(Pool(), "live")

    @captured("live")
    async def inner() -> None:
        await pool.execute_task({"task_id": "t1"})

    @captured("live", task_id="outer")
    async def outer() -> None:
        await asyncio.gather(inner(), inner())

    asyncio.run(outer())
    parents = [record.parent_task_id for record in heard.records]
    assert parents[-1] is None
    inners = {record.task_id for record in heard.records if record.parent_task_id == as_uuid("outer")}
    assert len(inners) == 2
    assert {r.parent_task_id for r in heard.records if r.external_id == "t1"} == inners


def test_what_has_no_one_result_cannot_be_captured() -> None:
    def generator() -> Iterator[int]:
        yield 1

    async def stream() -> AsyncIterator[int]:
        yield 1

    async def verdict(_: Any) -> bool:
        return True

    for wrong, why in ((generator, "is a generator"), (stream, "is a generator"), (Pool, "is a class")):
        with pytest.raises(CaptureError, match=why):
            captured("live")(wrong)
    with pytest.raises(CaptureError, match="cannot be called"):
        captured("live")(3)  # type: ignore[type-var]
    with pytest.raises(CaptureError, match="not an async one"):
        captured("live", success=verdict)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "why"),
    [
        ({"tasktype": "docs"}, "'tasktype' is no field"),
        ({"quality_score": 140}, "quality_score='140' is outside"),
        ({"model_tier": "huge"}, "model_tier='huge' is outside"),
        ({"record_key": "1"}, "record_key cannot be given"),
        ({"metadata": "text"}, "metadata must be a dict"),
    ],
)
@pytest.mark.parametrize("use", [captured, capturing])
def test_a_wrong_field_is_a_clear_error_where_it_stands(use: Any, known: dict[str, Any], why: str) -> None:
    with pytest.raises(CaptureError, match=why):
        use("live", **known)


def test_a_bad_name_of_a_store_is_a_clear_error() -> None:
    with pytest.raises(StoreError, match="no name for a store"):
        captured("no name!")(print)
    with pytest.raises(StoreError, match="no name for a store"):
        capturing("no name!")


# The piece of code


def run(attempt: capturing, body: Any, how: str) -> None:
    """Run a piece of code in `with` or in `async with`."""

    async def inside() -> None:
        async with attempt as inner:
            body(inner)

    if how == "async with":
        asyncio.run(inside())
    else:
        with attempt as inner:
            body(inner)


HOW = pytest.mark.parametrize("how", ["with", "async with"])


@HOW
def test_what_the_code_says_is_recorded(heard: Listener, how: str) -> None:
    def body(attempt: capturing) -> None:
        attempt.add(model="m-1", input_tokens=5, metadata={"a": 1})
        attempt.result({"cost": 0.5, "success": False, "metadata": {"b": 2}})
        attempt.add(input_tokens=6)
        attempt.succeeded(True, source="verifier")

    run(capturing("live", **KNOWN, metadata={"c": 3}), body, how)
    record = heard.record_alone
    assert (record.model, record.input_tokens, record.actual_cost) == ("m-1", 6, 0.5)
    assert (record.success, record.success_source, record.repo) == (True, "verifier", "shop")
    assert record.metadata == {"a": 1, "b": 2, "c": 3}


@HOW
def test_leaving_without_a_word_says_nothing_of_success(heard: Listener, how: str) -> None:
    run(capturing("live", **KNOWN), lambda attempt: None, how)
    record = heard.record_alone
    assert (record.success, record.success_source, record.duration_source) == (None, "unknown", "wall")
    assert heard.started == {record.record_key}


@HOW
def test_an_exception_is_a_failure_and_goes_on(heard: Listener, how: str) -> None:
    error = ValueError("validation of it")

    def body(attempt: capturing) -> None:
        attempt.add(input_tokens=5, metadata={"a": 1})
        attempt.succeeded()
        raise error

    with pytest.raises(ValueError, match="validation") as caught:
        run(capturing("live"), body, how)
    assert caught.value is error
    record = heard.record_alone
    assert (record.success, record.error_type, record.input_tokens) == (False, "validation", 5)
    assert record.metadata == {"a": 1}


@HOW
def test_being_cancelled_is_no_failure(heard: Listener, how: str) -> None:
    def body(attempt: capturing) -> None:
        attempt.add(metadata={"a": 1})
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run(capturing("live"), body, how)
    assert (heard.record_alone.success, heard.record_alone.metadata) == (None, {"a": 1, "cancelled": True})


def test_one_can_be_used_again_and_what_runs_inside_is_its_child(heard: Listener) -> None:
    attempt = capturing("live", task_id="outer")
    inner = captured("live")(lambda: None)
    for _ in range(2):
        with attempt:
            attempt.add(input_tokens=len(heard.records))
            inner()
    assert [record.parent_task_id for record in heard.records] == [as_uuid("outer"), None] * 2
    assert [record.input_tokens for record in heard.records if record.external_id] == [0, 2]


@hypothesis_settings(max_examples=25)
@given(
    st.dictionaries(
        st.sampled_from(
            ["success", "success_source", "quality_score", "repo", "metadata", "timestamp", "record_key"]
        )
        | st.text(min_size=1, max_size=8),
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats() | st.builds(object),
        max_size=4,
    )
)
def test_whatever_is_said_is_one_execution(heard: Listener, said: dict[str, Any]) -> None:
    before = len(heard.records)
    with capturing("live", **KNOWN) as attempt:
        attempt.add(**said)
    assert len(heard.records) == before + 1
    record = heard.records[-1]
    assert record.record_key in heard.started
    assert record.task_type == "docs"


def test_an_error_in_capture_itself_breaks_nothing(
    heard: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("hostile")

    monkeypatch.setattr(learnlab.capture.wrapping.attempt, "now", broken)
    with capturing("live") as attempt:
        attempt.succeeded()
    assert captured("live")(lambda: 3)() == 3
    assert caplog.messages == [
        "a piece of code is not captured: RuntimeError",
        "test_an_error_in_capture_itself_breaks_nothing.<locals>.<lambda> is not captured: RuntimeError",
    ]
    assert not heard.events
