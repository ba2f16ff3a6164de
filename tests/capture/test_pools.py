"""Captured pools: what each task becomes, what nests, what fails, and that no task is harmed."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import inspect
from concurrent.futures.process import BrokenProcessPool
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from listening import DONE, Listener, Manager, Pool, SyncPool

import learnlab.capture.mapping.fields
import learnlab.capture.wrapping.attempt
import learnlab.capture.wrapping.pools
from learnlab.capture.recorder import recorder_for
from learnlab.capture.wrapping.open_decisions import OpenDecisions
from learnlab.capture.wrapping.pools import capture_pool, pool_behind
from learnlab.errors import StoreError
from learnlab.events import Candidate, RoutingDecision
from learnlab.models import as_uuid, now
from learnlab.settings import settings
from learnlab.store import Store

TASK = {
    "task_id": "task-abc-123",
    "prompt": "Write a function",
    "task_type": "code_generation",
    "repo": "my_project",
    "model_tier": "small",
    "complexity_score": 75,
}
ROUTING = {"tier": "small", "confidence": 0.9, "candidates": {"small": 0.75, "large": 0.25}}


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Listener:
    """What capture hears, in memory, whatever the store."""
    listener = Listener(tmp_path / "heard.duckdb")
    monkeypatch.setattr(learnlab.capture.wrapping.pools, "recorder_for", lambda _: listener)
    return listener


@pytest.fixture
def batched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEARNLAB_DURABLE", "false")
    settings.cache_clear()


# Into a real store


def test_without_a_store_the_pool_is_itself() -> None:
    pool = Pool()
    assert capture_pool(pool, None) is pool
    assert capture_pool(pool) is pool
    with pytest.raises(StoreError, match="no name for a store"):
        capture_pool(pool, "no name!")


def test_executions_stand_in_the_store_field_by_field(store: Store) -> None:
    manager = capture_pool(Manager(p1=Pool("p1")), store)

    async def two() -> None:
        assert await manager.execute_on_pool("p1", TASK) is DONE
        with pytest.raises(TimeoutError):
            await manager.execute_on_pool("p1", {"prompt": "Sort", "raises": TimeoutError()})

    asyncio.run(two())
    done, failed = store.sql(
        "select * from executions join texts on text_hash = description_hash order by success desc"
    ).to_dicts()
    expected = {
        "external_id": "task-abc-123",
        "task_group": "task-abc-123",
        "text": "Write a function",
        "task_type": "code_generation",
        "repo": "my_project",
        "model_tier": "small",
        "complexity_score": 75.0,
        "estimated_tokens": 4,
        "pool_type": "mahavishnu",
        "success": True,
        "success_source": "harness",
        "quality_score": 92.0,
        "actual_cost": 0.0032,
        "cost_estimate": None,
        "routing_confidence": None,
        "source": "capture",
        "duration_source": "wall",
        "error_type": None,
    }
    assert {name: done[name] for name in expected} == expected
    assert '"pool_id":"p1"' in done["metadata"].replace(" ", "")
    assert '"worker_id":"w1"' in done["metadata"].replace(" ", "")
    assert (failed["success"], failed["error_type"], failed["task_type"]) == (False, "timeout", "unknown")
    assert store.sql("select count(*) from open_attempts").item() == 0


def test_a_decision_its_execution_and_a_second_attempt_stand_in_the_store(
    store: Store, batched: None
) -> None:
    class Router:
        def route_task(self, task: dict[str, Any]) -> dict[str, Any]:
            return ROUTING

    pool = capture_pool(SyncPool(), store)
    assert capture_pool(Router(), store).route_task(TASK) is ROUTING
    assert store.sql("select count(*) from executions").item() == 0
    pool.execute_task(TASK)
    pool.execute_task(TASK)
    found = store.sql("select propensity, routing_confidence, task_group from executions order by timestamp")
    assert found.rows() == [(0.75, 0.9, "task-abc-123"), (None, None, "task-abc-123")]
    joined = store.sql(
        "select count(*) from executions e join routing_decisions d on e.record_key = d.decision_id"
    )
    assert joined.item() == 1
    assert store.sql("select count(*) from open_attempts").item() == 0


def test_a_failing_store_breaks_no_task_and_loses_none(
    tmp_path: Path, batched: None, caplog: pytest.LogCaptureFixture
) -> None:
    path, spool = tmp_path / "broken.duckdb", tmp_path / "broken.duckdb.spool"
    spool.write_text("this is no folder")
    pool = capture_pool(Pool(), path)
    assert asyncio.run(pool.execute_task(TASK)) is DONE
    with pytest.raises(KeyError):
        asyncio.run(pool.execute_task({"raises": KeyError("k")}))
    assert recorder_for(path).unwritten > 0
    assert "kept in memory" in caplog.text
    spool.unlink()
    assert recorder_for(path).flush()
    assert Store(path).sql("select success from executions order by 1").rows() == [(False,), (True,)]


# One task, one execution


def test_the_duration_is_measured_or_stated(heard: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 107.25, 200.0, 201.0])
    monkeypatch.setattr(learnlab.capture.wrapping.attempt, "perf_counter", lambda: next(clock))
    pool = capture_pool(SyncPool(), "live")
    pool.execute_task(TASK)
    pool.execute_task(TASK | {"returns": {"duration": 3.5}})
    assert [(r.duration_seconds, r.duration_source.value) for r in heard.records] == [
        (7.25, "wall"),
        (3.5, "unknown"),
    ]


def test_a_clock_that_goes_backwards_spoils_no_duration(
    heard: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = now()
    clock = iter([began, began - timedelta(hours=2), began.replace(year=1970), began])
    monkeypatch.setattr(learnlab.capture.wrapping.attempt, "now", lambda: next(clock))
    pool = capture_pool(SyncPool(), "live")
    for _ in range(3):
        pool.execute_task(TASK)
    assert [record.timestamp for record in heard.records][:2] == [began, began - timedelta(hours=2)]
    assert all(0 <= (record.duration_seconds or -1) < 60 for record in heard.records)
    assert "1970" in heard.records[2].metadata["refused"]["timestamp"]


def test_minimal_data_leaves_unknown_what_nobody_said(heard: Listener) -> None:
    capture_pool(SyncPool(pool_type=""), "live").execute_task({"returns": None})
    record = heard.record_alone
    assert {record.task_type, record.repo, record.model_tier, record.pool_type} == {"unknown"}
    assert {record.success, record.actual_cost, record.complexity_score, record.external_id} == {None}


def test_long_descriptions_are_cut_and_tokens_are_those_of_the_whole(heard: Listener) -> None:
    capture_pool(SyncPool(), "live").execute_task({"prompt": "word " * 400})
    assert (len(heard.record_alone.task_description), heard.record_alone.estimated_tokens) == (500, 500)


@pytest.mark.parametrize("kind", [Pool, SyncPool])
@pytest.mark.parametrize(
    ("error", "said", "message"),
    [
        (TimeoutError(), "timeout", "TimeoutError"),
        (RuntimeError("the request timed out"), "timeout", "the request timed out"),
        (ValueError("validation of the schema"), "validation", "validation of the schema"),
        (BrokenProcessPool("a worker died"), "crash", "a worker died"),
        (LookupError("x" * 3000), "unknown", "x" * 1000),
    ],
)
def test_a_failed_execution_is_recorded_and_its_exception_goes_on(
    heard: Listener, kind: type[Pool], error: Exception, said: str, message: str
) -> None:
    cause = KeyError("the cause")
    error.__cause__ = cause
    with pytest.raises(type(error)) as caught:
        called(capture_pool(kind(), "live").execute_task({"raises": error}))
    assert caught.value is error
    assert (caught.value.__cause__, caught.value.__context__) == (cause, None)
    assert "_done" in [entry.name for entry in caught.traceback]
    record = heard.record_alone
    assert (record.success, record.error_type, record.error_message) == (False, said, message)


def called(said: Any) -> Any:
    """Return what a call returned, awaited if it has to be."""

    async def awaited() -> Any:
        return await said

    return asyncio.run(awaited()) if inspect.isawaitable(said) else said


def test_two_hundred_tasks_at_once_are_two_hundred_executions(heard: Listener) -> None:
    pool = capture_pool(Pool(), "live")
    results = [{"success": n % 3 == 0, "quality_score": n % 100} for n in range(200)]

    async def all_at_once() -> list[Any]:
        tasks = [{"task_id": f"t{n}", "returns": result} for n, result in enumerate(results)]
        return await asyncio.gather(*map(pool.execute_task, tasks))

    returned = asyncio.run(all_at_once())
    assert all(one is result for one, result in zip(returned, results, strict=True))
    told = {record.external_id: (record.success, record.quality_score) for record in heard.records}
    assert told == {f"t{n}": (n % 3 == 0, n % 100) for n in range(200)}
    assert {record.record_key for record in heard.records} == heard.started
    assert all(record.parent_task_id is None for record in heard.records)


def test_a_task_id_that_is_executed_twice_is_two_attempts(heard: Listener) -> None:
    pool, given_id = capture_pool(SyncPool(), "live"), uuid4()
    for task_id in ("t1", "t1", given_id, str(given_id)):
        pool.execute_task({"task_id": task_id})
    assert len({record.record_key for record in heard.records}) == 4
    assert [record.task_id for record in heard.records] == [as_uuid("t1")] * 2 + [given_id] * 2
    assert [record.task_group for record in heard.records] == ["t1"] * 2 + [str(given_id)] * 2


def test_a_task_that_kills_the_process_was_noted_before(heard: Listener) -> None:
    class Killed(Pool):
        async def execute_task(self, task: Any) -> Any:
            assert [event.known["task_description"] for event in heard.notes] == ["Write a function"]
            assert not heard.events
            return DONE

    called(capture_pool(Killed(), "live").execute_task(TASK))
    assert heard.started == {heard.record_alone.record_key}


# Who is told what


def test_cancellation_is_recorded_at_once_and_goes_on(heard: Listener) -> None:
    class Stuck(Pool):
        async def execute_task(self, task: Any) -> Any:
            await asyncio.Event().wait()

    async def cancelled() -> None:
        running = asyncio.create_task(capture_pool(Stuck(), "live").execute_task(TASK))
        while not heard.notes:
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert heard.records

    asyncio.run(cancelled())
    record = heard.record_alone
    assert (record.success, record.error_type, record.metadata["cancelled"]) == (None, None, True)


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_being_told_to_stop_is_no_failure_and_goes_on(heard: Listener, stop: BaseException) -> None:
    with pytest.raises(type(stop)) as caught:
        capture_pool(SyncPool(), "live").execute_task({"raises": stop})
    assert caught.value is stop
    assert (heard.record_alone.success, heard.record_alone.metadata["cancelled"]) == (None, True)


def test_a_call_that_is_cancelled_while_its_record_is_written_is_recorded_whole(heard: Listener) -> None:
    class Quick(Pool):
        async def execute_task(self, task: Any) -> Any:
            return DONE

    async def cancelled_later() -> None:
        began, go_on = asyncio.Event(), asyncio.Event()

        async def slow(*events: Any) -> bool:
            heard.record(*events)
            began.set()
            await go_on.wait()
            return True

        heard.arecord = slow  # type: ignore[method-assign]
        running = asyncio.create_task(capture_pool(Quick(), "live").execute_task(TASK))
        await began.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancelled_later())
    assert (heard.record_alone.success, heard.record_alone.quality_score) == (True, 92)


@pytest.mark.parametrize(
    "execute",
    [
        lambda pool: lambda task: pool.execute_task(task),
        lambda pool: functools.partial(pool.execute_task),
        lambda pool: AsyncMock(return_value=DONE),
        lambda pool: lambda task: asyncio.ensure_future(pool.execute_task(task)),
        lambda pool: staticmethod(pool.execute_task).__func__,
    ],
    ids=["returns a coroutine", "partial", "mock", "returns a task", "static"],
)
def test_whatever_is_to_be_awaited_is_recorded_when_it_is_done(heard: Listener, execute: Any) -> None:
    class Other:
        pass

    other: Any = Other()
    other.execute = execute(Pool())

    async def run() -> None:
        said = capture_pool(other, "live").execute(TASK)
        assert not heard.records
        assert await said is DONE
        assert heard.record_alone.success is True

    asyncio.run(run())


def test_a_future_is_followed_until_it_is_done(heard: Listener) -> None:
    class Submits:
        def execute(self, task: Any) -> concurrent.futures.Future[Any]:
            return futures[task["task_id"]]

    futures: dict[str, concurrent.futures.Future[Any]] = {
        name: concurrent.futures.Future() for name in ("done", "failed", "cancelled")
    }
    pool = capture_pool(Submits(), "live")
    for name, future in futures.items():
        assert pool.execute({"task_id": name}) is future
    assert not heard.records
    futures["done"].set_result(DONE)
    futures["failed"].set_exception(ValueError("no"))
    futures["cancelled"].cancel()
    assert {record.external_id: record.success for record in heard.records} == {
        "done": True,
        "failed": False,
        "cancelled": None,
    }


def test_a_future_of_the_loop_that_is_done_already_is_handed_on(heard: Listener) -> None:
    async def run() -> None:
        done = asyncio.get_running_loop().create_future()
        done.set_result(DONE)

        class Has:
            def execute(self, task: Any) -> Any:
                return done

        assert capture_pool(Has(), "live").execute(TASK) is done

    asyncio.run(run())
    assert heard.record_alone.success is True


def test_of_a_stream_only_that_it_was_begun_is_known(heard: Listener) -> None:
    class Streams:
        def execute(self, task: Any) -> Any:
            yield from (1, 2)

    assert list(capture_pool(Streams(), "live").execute(TASK)) == [1, 2]
    assert (heard.record_alone.success, heard.record_alone.duration_seconds) == (None, None)


def test_a_wrong_call_is_the_pools_own_error_and_no_execution(heard: Listener) -> None:
    with pytest.raises(TypeError, match=r"Pool\.execute_task\(\) got an unexpected"):
        called(capture_pool(Pool(), "live").execute_task(TASK, wrong=1))
    assert not heard.events


def test_an_error_in_capture_itself_breaks_no_task(
    heard: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("<script>hostile</script>")

    pool, plain = capture_pool(Pool(), "live"), capture_pool(SyncPool(), "live")

    def both() -> None:
        assert called(pool.execute_task(TASK)) is DONE
        assert plain.execute_task(TASK) is DONE

    for name in ("record", "note"):
        with monkeypatch.context() as patch:
            patch.setattr(heard, name, broken)
            both()
        assert not heard.events
    for name in ("result_fields", "task_read"):
        monkeypatch.setattr(learnlab.capture.mapping.fields, name, broken)
        both()
    told = [(record.task_description, record.success) for record in heard.records]
    assert told == [("Write a function", None)] * 2 + [("", None)] * 2
    assert "hostile" not in caplog.text
    assert caplog.messages.count("execute_task is not captured: RuntimeError") == 4


def test_a_method_without_a_signature_is_captured(heard: Listener) -> None:
    class Unsigned:
        def __call__(self, task: Any) -> Any:
            return DONE

        @property
        def __signature__(self) -> Any:
            raise RuntimeError("no")

    pool = SyncPool()
    pool.execute = Unsigned()  # type: ignore[attr-defined]
    assert capture_pool(pool, "live").execute(TASK) is DONE
    assert heard.record_alone.external_id == "task-abc-123"


class Hostile:
    """An object that answers nothing without an error."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("no")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    def __hash__(self) -> int:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        raise RuntimeError("no")


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=5)
    | st.builds(Hostile)
    | st.builds(lambda: asyncio.CancelledError()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["task_id", "prompt", "success", "cost", "metadata", "routing", "candidates", "repo"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@hypothesis_settings(max_examples=25)
@given(ANYTHING, ANYTHING)
def test_whatever_a_task_and_a_result_are_they_are_one_execution_and_pass_unchanged(
    heard: Listener, task: Any, result: Any
) -> None:
    class Says:
        def execute_task(self, task: Any) -> Any:
            assert task is given_task
            return result

    given_task, before = task, len(heard.records)
    assert capture_pool(Says(), "live").execute_task(task) is result
    assert len(heard.records) == before + 1


def test_a_route_task_that_executes_is_an_execution_of_the_pool_that_its_result_names(
    heard: Listener,
) -> None:
    plain, unknown = Manager(p1=Pool("p1", "runpod")), Manager(p1=Pool("p1", ""))
    for manager in (plain, unknown):
        assert called(capture_pool(manager, "live").route_task(task=TASK))["pool_id"] == "p1"
    assert [record.pool_type for record in heard.records] == ["runpod", "unknown"]
    assert [record.success for record in heard.records] == [True, True]
    assert not heard.decisions


# Captures inside one another


def test_a_task_that_a_manager_hands_to_its_captured_pool_is_one_execution(heard: Listener) -> None:
    manager = capture_pool(Manager(p1=capture_pool(Pool("p1", "runpod"), "live")), "live")
    for task in (TASK, {"prompt": "without an id"}):
        called(manager.route_task(task))
    assert [record.pool_type for record in heard.records] == ["runpod"] * 2
    assert [record.metadata["pool_id"] for record in heard.records] == ["p1"] * 2
    assert [record.parent_task_id for record in heard.records] == [None] * 2
    assert len(heard.started) == 2


def test_another_task_inside_is_an_execution_with_its_parent(heard: Listener) -> None:
    inner = capture_pool(Pool(), "live")

    class Splits:
        async def execute_task(self, task: dict[str, Any]) -> Any:
            return await asyncio.gather(*(inner.execute_task({"prompt": part}) for part in task["parts"]))

    called(capture_pool(Splits(), "live").execute_task(TASK | {"parts": ["a", "b"]}))
    parents = {record.task_description: record.parent_task_id for record in heard.records}
    assert parents == {"a": as_uuid("task-abc-123"), "b": as_uuid("task-abc-123"), "Write a function": None}


def test_the_route_that_an_execution_of_another_store_takes_is_no_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listeners = {name: Listener(tmp_path / name) for name in ("a.db", "b.db")}
    monkeypatch.setattr(learnlab.capture.wrapping.pools, "recorder_for", lambda name: listeners[name])
    manager = capture_pool(Manager(p1=capture_pool(Pool(), "a.db")), "b.db")
    called(manager.execute_on_pool("p1", TASK))
    assert [listener.record_alone.parent_task_id for listener in listeners.values()] == [None, None]


def test_a_task_that_is_left_running_is_no_part_of_what_began_it(heard: Listener) -> None:
    pool = capture_pool(Pool(), "live")
    left: list[asyncio.Task[Any]] = []

    class Leaves:
        async def execute_task(self, task: Any) -> Any:
            async def later() -> Any:
                await over.wait()
                return await pool.execute_task(TASK)

            left.append(asyncio.create_task(later()))
            return DONE

    async def run() -> None:
        await capture_pool(Leaves(), "live").execute_task(TASK)
        over.set()
        await left[0]

    over = asyncio.Event()
    asyncio.run(run())
    assert [record.success for record in heard.records] == [True, True]
    assert [record.parent_task_id for record in heard.records] == [None, None]
    assert learnlab.capture.wrapping.attempt._running.get() is None


# Batches


class Batches:
    def __init__(self, said: Any, inner: Any = None) -> None:
        self.said, self.inner = said, inner

    async def execute_batch(self, tasks: list[Any]) -> Any:
        if self.inner:
            said = [await self.inner.execute_task(task) for task in tasks]
        if isinstance(self.said, BaseException):
            raise self.said
        return said if self.inner else self.said

    def execute_many(self, pool_id: str, tasks: list[Any]) -> Any:
        return self.said


BATCH = [{"task_id": f"t{n}", "prompt": f"Part {n}"} for n in range(3)]


def verdicts(heard: Listener) -> dict[str | None, bool | None]:
    return {record.external_id: record.success for record in heard.records}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([{"success": True}, {"success": False}, None], [True, False, None]),
        ([{"task_id": "t2", "success": True}, {"task_id": "t0", "success": False}], [False, None, True]),
        ({"t1": {"success": True}, "t2": ValueError("no")}, [None, True, False]),
        ([{"success": True}], [None, None, None]),
        ("done", [None, None, None]),
    ],
    ids=["by place", "by what they say", "by id", "too few", "no list"],
)
def test_each_task_of_a_batch_is_an_execution_of_unknown_duration(
    heard: Listener, said: Any, expected: list[bool | None]
) -> None:
    assert called(capture_pool(Batches(said), "live").execute_batch(BATCH)) is said
    assert list(verdicts(heard).items()) == list(zip(("t0", "t1", "t2"), expected, strict=True))
    assert {record.duration_seconds for record in heard.records} == {None}
    assert {record.record_key for record in heard.records} == heard.started


def test_a_batch_is_found_among_its_arguments_or_left_alone(
    heard: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    pool = capture_pool(Batches([1, 2, 3]), "live")
    pool.execute_many("p7", BATCH)
    assert [record.metadata["pool_id"] for record in heard.records] == ["p7"] * 3
    pool.execute_many("p7", tasks=iter(BATCH))
    pool.execute_many("p7", tasks=[])
    assert len(heard.records) == 3
    assert "execute_many is not captured: its tasks are in no list" in caplog.text


def test_what_runs_inside_a_batch_of_nothing_is_captured(heard: Listener) -> None:
    class Warms(SyncPool):
        def execute_batch(self, tasks: list[Any]) -> Any:
            return pool.execute_task({"task_id": "t1"})

    pool = capture_pool(SyncPool(), "live")
    assert capture_pool(Warms(), "live").execute_batch([]) is DONE
    assert (heard.record_alone.external_id, heard.record_alone.parent_task_id) == ("t1", None)


def test_of_a_batch_that_raises_only_that_is_known(heard: Listener) -> None:
    error = TimeoutError("too slow")
    with pytest.raises(TimeoutError):
        called(capture_pool(Batches(error), "live").execute_batch(BATCH))
    assert set(verdicts(heard).values()) == {None}
    assert {record.metadata["batch_error"] for record in heard.records} == {"too slow"}
    assert {record.error_type for record in heard.records} == {None}


def test_a_batch_of_one_that_raises_failed(heard: Listener) -> None:
    with pytest.raises(TimeoutError):
        called(capture_pool(Batches(TimeoutError()), "live").execute_batch(BATCH[:1]))
    assert (heard.record_alone.success, heard.record_alone.error_type) == (False, "timeout")


def test_what_a_captured_pool_saw_of_a_batchs_tasks_is_known_even_when_the_batch_raises(
    heard: Listener,
) -> None:
    pool = capture_pool(Pool("p1", "runpod"), "live")
    with pytest.raises(TimeoutError):
        called(capture_pool(Batches(TimeoutError(), pool), "live").execute_batch(BATCH))
    assert verdicts(heard) == {"t0": True, "t1": True, "t2": True}
    assert {record.pool_type for record in heard.records} == {"runpod"}
    assert all(record.duration_seconds is not None for record in heard.records)


# Routings


class Routes:
    def __init__(self, said: Any) -> None:
        self.said = said

    async def route_task(self, task: Any) -> Any:
        return self.said

    def route_tasks(self, tasks: list[Any]) -> Any:
        return [self.said for _ in tasks]


def test_a_routing_waits_for_the_execution_of_its_task(heard: Listener) -> None:
    router, pool = capture_pool(Routes(ROUTING), "live"), capture_pool(SyncPool(), "live")
    assert called(router.route_task(TASK)) is ROUTING
    assert not heard.records
    pool.execute_task({"task_id": "another"})
    pool.execute_task(TASK)
    (decision,) = heard.decisions
    assert decision.chosen.tier == "small"
    assert [candidate.propensity for candidate in decision.candidates] == [0.75, 0.25]
    other, record = heard.records
    assert (other.propensity, record.propensity, record.routing_confidence) == (None, 0.75, 0.9)
    assert record.record_key == decision.decision_id
    assert decision.task["task_description"] == "Write a function"


def test_a_second_routing_of_a_task_begins_another_attempt(heard: Listener) -> None:
    router, pool = capture_pool(Routes(ROUTING), "live"), capture_pool(SyncPool(), "live")
    called(router.route_task(TASK))
    called(router.route_task(TASK))
    pool.execute_task(TASK)
    first, second = heard.decisions
    assert first.decision_id != second.decision_id == heard.record_alone.record_key


def test_routings_of_a_batch_wait_each_for_its_task(heard: Listener) -> None:
    capture_pool(Routes(ROUTING), "live").route_tasks(BATCH)
    pool = capture_pool(SyncPool(), "live")
    for task in reversed(BATCH):
        pool.execute_task(task)
    assert {d.task_id: d.decision_id for d in heard.decisions} == {
        r.task_id: r.record_key for r in heard.records
    }
    assert len(heard.records) == 3


def test_a_router_asked_inside_an_execution_decides_on_that(heard: Listener) -> None:
    router = capture_pool(Routes(ROUTING), "live")

    class Asks(Pool):
        async def execute_task(self, task: Any) -> Any:
            await router.route_task(task)
            await router.route_task(task)
            return DONE

    called(capture_pool(Asks(), "live").execute_task(TASK))
    (decision,) = heard.decisions
    assert decision.decision_id == heard.record_alone.record_key
    assert (heard.record_alone.propensity, heard.record_alone.success) == (0.75, True)
    assert heard.started == {decision.decision_id}


@pytest.mark.parametrize(
    "task",
    [
        TASK | {"routing": ROUTING},
        TASK | {"model_tier": "small", "candidates": ROUTING["candidates"], "propensity": 0.75},
        {"type": "TASK_DELEGATE", "source_pool_id": "a", "payload": TASK | {"routing": ROUTING}},
    ],
    ids=["routing", "candidates", "message"],
)
def test_a_task_that_has_its_routing_with_it_is_recorded_with_it(heard: Listener, task: Any) -> None:
    pool = capture_pool(SyncPool(), "live")
    pool.execute_task(task)
    pool.execute_task(task)
    assert [type(event).__name__ for event in heard.events] == ["RoutingDecision", "ExecutionRecord"] * 2
    assert [d.decision_id for d in heard.decisions] == [r.record_key for r in heard.records]
    assert len(heard.started) == 2
    assert [record.propensity for record in heard.records] == [0.75] * 2
    assert len(heard.decisions[0].candidates) == 2


def test_a_decision_that_a_task_brings_along_begins_one_attempt_only(heard: Listener) -> None:
    decision = RoutingDecision(task_id="t1", chosen=Candidate(tier="large", propensity=0.5))
    pool = capture_pool(SyncPool(), "live")
    for _ in range(2):
        pool.execute_task({"task_id": "t1", "routing": decision})
    first, second = heard.records
    assert first.record_key == decision.decision_id != second.record_key
    assert (first.propensity, second.propensity) == (0.5, 0.5)


def test_open_decisions_are_bounded() -> None:
    waiting, store = OpenDecisions(capacity=2), Path("a.duckdb")
    decisions = [RoutingDecision(task_id=f"t{n}", chosen=Candidate(tier="small")) for n in range(3)]
    for decision in decisions:
        waiting.put(store, decision)
        assert waiting.is_first(decision.decision_id)
    assert waiting.take(store, decisions[0].task_id) is None
    assert waiting.take(Path("b.duckdb"), decisions[2].task_id) is None
    assert waiting.take(store, decisions[2].task_id) is decisions[2]
    assert [waiting.is_first(decision.decision_id) for decision in reversed(decisions)] == [
        False,
        False,
        True,
    ]


# Where the task and the pool are found


@pytest.mark.parametrize(
    ("call", "description", "pool_id"),
    [
        (lambda p: p.execute(TASK), "Write a function", None),
        (lambda p: p.execute(job=TASK), "Write a function", None),
        (lambda p: p.execute("Sort the list"), "Sort the list", None),
        (lambda p: p.execute(), "", None),
        (lambda p: p.execute_on_pool("p1", TASK), "Write a function", "p1"),
        (lambda p: p.execute_on_pool(task=TASK, pool_id="p1"), "Write a function", "p1"),
        (lambda p: p.execute_on_pool(TASK, "p1"), "Write a function", "p1"),
        (lambda p: p.execute_task("docs", "Explain the cache", repo="shop"), "Explain the cache", None),
    ],
)
def test_the_task_is_found_among_the_arguments(
    heard: Listener, call: Any, description: str, pool_id: str | None
) -> None:
    class Anything:
        def execute(self, *args: Any, **kwargs: Any) -> None: ...

        execute_on_pool = execute

        def execute_task(self, task_type: str, task_description: str, **kwargs: Any) -> None: ...

    call(capture_pool(Anything(), "live"))
    assert heard.record_alone.task_description == description
    assert heard.record_alone.metadata.get("pool_id") == pool_id


def test_the_pool_behind_an_id_is_looked_up_safely() -> None:
    asked: list[str] = []

    class Plain:
        def get_pool(self, pool_id: str) -> str:
            asked.append(pool_id)
            return f"pool {pool_id}"

    class Async:
        async def get_pool(self, pool_id: str) -> str:
            asked.append(pool_id)
            return "never"

    class Lazy:
        def get_pool(self, pool_id: str) -> Any:
            return Async().get_pool(pool_id)

    class Broken:
        @property
        def pools(self) -> Any:
            raise RuntimeError("not yet")

    class Fills(dict[str, str]):
        def __missing__(self, key: str) -> str:
            asked.append(key)
            return "made up"

    assert pool_behind(Plain(), "p1") == "pool p1"
    for manager in (Async(), Lazy(), Broken(), object(), type("Has", (), {"pools": Fills()})()):
        assert pool_behind(manager, "p2") is None
    assert asked == ["p1"]


def test_a_captured_call_keeps_to_its_context(heard: Listener) -> None:
    pool = capture_pool(Pool(), "live")
    coroutine = contextvars.copy_context().run(pool.execute_task, TASK)
    coroutine.send(None)
    coroutine.close()
    assert heard.record_alone.metadata["cancelled"] is True
    assert isinstance(heard.record_alone.record_key, UUID)
