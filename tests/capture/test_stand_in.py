"""The stand-in of a captured pool: whoever holds it cannot tell it from the pool, but by its type."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from unittest.mock import MagicMock
from weakref import ref

import pytest
from listening import DONE, Listener

import learnlab.capture.wrapping.pools
from learnlab.capture.wrapping.pools import capture_pool


@dataclass
class Pool:
    """A pool with everything that a pool may have."""

    name: str = "local"
    workers: list[str] = field(default_factory=lambda: ["w1", "w2"])
    entered: int = 0
    _pool: str = "its own"
    _recorder: str = "its own too"

    async def execute_task(self, task: Any, *, timeout: float = 1.0) -> Any:
        """Execute a task."""
        return DONE

    execute_task.limit = 3  # type: ignore[attr-defined]

    def execute(self, task: Any) -> Any:
        return self

    def __len__(self) -> int:
        return len(self.workers)

    def __iter__(self) -> Any:
        return iter(self.workers)

    def __getitem__(self, place: int) -> str:
        return self.workers[place]

    def __setitem__(self, place: int, name: str) -> None:
        self.workers[place] = name

    def __contains__(self, name: object) -> bool:
        return name in self.workers

    def __iadd__(self, name: str) -> Pool:
        self.workers.append(name)
        return self

    def __call__(self, number: int) -> int:
        return number + 1

    def __enter__(self) -> Pool:
        self.entered += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.entered -= 1

    async def __aenter__(self) -> Pool:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()

    @classmethod
    def made(cls) -> Pool:
        return cls("made")

    @property
    def broken(self) -> None:
        raise LookupError("not yet")


@runtime_checkable
class Executes(Protocol):
    def execute_task(self, task: Any) -> Any: ...


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Listener:
    listener = Listener(tmp_path / "heard.duckdb")
    monkeypatch.setattr(learnlab.capture.wrapping.pools, "recorder_for", lambda _: listener)
    return listener


def test_it_answers_like_the_pool(heard: Listener) -> None:
    pool = Pool()
    proxy = capture_pool(pool, "live")
    assert isinstance(proxy, Pool)
    assert isinstance(proxy, Executes)
    assert proxy.__class__ is Pool
    assert (len(proxy), list(proxy), proxy[0], "w2" in proxy, proxy(1)) == (2, ["w1", "w2"], "w1", True, 2)
    assert (repr(proxy), str(proxy), dir(proxy), vars(proxy)) == (
        repr(pool),
        str(pool),
        dir(pool),
        vars(pool),
    )
    assert proxy == pool
    assert pool == proxy
    assert proxy == capture_pool(pool, "live")
    assert (proxy._pool, proxy._recorder, proxy.made().name) == ("its own", "its own too", "made")
    assert proxy.__doc__ == pool.__doc__
    assert bool(proxy)
    with pytest.raises(LookupError, match="not yet"):
        _ = proxy.broken
    with pytest.raises(AttributeError, match="'Pool' object has no attribute 'nothing'"):
        _ = proxy.nothing
    with pytest.raises(TypeError, match="unhashable"):
        hash(proxy)


def test_what_a_pool_does_not_have_its_stand_in_has_not(heard: Listener) -> None:
    class Bare:
        __slots__ = ("size",)

    proxy = capture_pool(Bare(), "live")
    for use in (len, iter, next, lambda it: it[0], lambda it: it()):
        with pytest.raises(TypeError):
            use(proxy)
    assert not hasattr(proxy, "__aenter__")
    assert not hasattr(proxy, "__dict__")
    assert not hasattr(proxy, "execute_task")
    proxy.size = 3
    assert proxy.size == 3
    assert hash(proxy)
    assert ref(proxy)() is proxy


def test_what_is_set_on_it_is_set_on_the_pool(heard: Listener) -> None:
    pool = Pool()
    proxy = capture_pool(pool, "live")
    proxy.name = "other"
    proxy[0] = "w9"
    del proxy._recorder
    same = proxy
    same += "w3"
    assert same is proxy
    assert (pool.name, pool.workers) == ("other", ["w9", "w2", "w3"])
    assert "_recorder" not in vars(pool)
    assert pool.execute_task.__func__ is Pool.execute_task  # type: ignore[attr-defined]


def test_entering_it_gives_the_stand_in(heard: Listener) -> None:
    pool = Pool()
    proxy = capture_pool(pool, "live")

    async def entered() -> None:
        async with proxy as inner:
            assert inner is proxy
            assert pool.entered == 1
            await inner.execute_task({"task_id": "t1"})

    asyncio.run(entered())
    with proxy as inner:
        assert inner is proxy
    assert pool.entered == 0
    assert heard.record_alone.external_id == "t1"


def test_its_methods_look_like_the_pools(heard: Listener) -> None:
    pool = Pool()
    method = capture_pool(pool, "live").execute_task
    assert inspect.iscoroutinefunction(method)
    assert inspect.signature(method) == inspect.signature(pool.execute_task)
    assert (method.__name__, method.__doc__, method.limit) == ("execute_task", "Execute a task.", 3)


def test_a_method_that_is_replaced_is_the_one_that_is_called(heard: Listener) -> None:
    pool = Pool()
    proxy = capture_pool(pool, "live")
    assert proxy.execute({"task_id": "t1"}) is pool
    proxy.execute = lambda task: task["task_id"]
    assert proxy.execute({"task_id": "t2"}) == "t2"
    proxy.execute_batch = None
    assert proxy.execute_batch is None
    assert [record.external_id for record in heard.records] == ["t1", "t2"]


def test_a_copy_of_it_is_a_copy_of_the_pool(heard: Listener) -> None:
    proxy = capture_pool(Pool("p"), "live")
    for copied in (copy.copy(proxy), copy.deepcopy(proxy), pickle.loads(pickle.dumps(proxy))):
        assert type(copied) is Pool
        assert copied == proxy


def test_a_mock_of_a_pool_can_be_captured(heard: Listener) -> None:
    pool = MagicMock()
    pool.execute_task.return_value = {"success": True}
    proxy = capture_pool(pool, "live")
    task = {"prompt": "Sort"}
    assert proxy.execute_task(task) == {"success": True}
    pool.execute_task.assert_called_once_with(task)
    assert heard.record_alone.task_description == "Sort"
    assert heard.record_alone.pool_type == "unknown"


def test_a_captured_pool_that_is_captured_again_records_once(heard: Listener) -> None:
    asyncio.run(capture_pool(capture_pool(Pool(), "live"), "live").execute_task({"prompt": "Sort"}))
    assert heard.record_alone.task_description == "Sort"
