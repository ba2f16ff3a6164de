"""The worked example: its work, its checks, its pools, its router, and that the store says what it counted itself."""

from __future__ import annotations

import asyncio
import io
import json
import random
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.capture.example import work
from learnlab.capture.example.fleet import CHANCES, Fleet, Pool, ProcessPool, ValidationFailed, WorkerDied
from learnlab.capture.example.jobs import BOMB, Job, jobs
from learnlab.capture.example.orchestrator import Run, orchestrate
from learnlab.errors import LearnlabError
from learnlab.intervals import wilson
from learnlab.models import Tier
from learnlab.store import Store, migrations

FEW = settings(max_examples=20)


def job(kind: str, content: bytes, expected: bytes = b"", **given: Any) -> Job:
    return Job(kind, f"{kind} something", content, lambda output: output == expected, **given)


@FEW
@given(st.binary(max_size=5000), st.sampled_from([1, 2]))
def test_what_is_packed_is_unpacked(content: bytes, effort: int) -> None:
    assert work.unpack(work.pack(content, effort), effort) == content


@FEW
@given(st.lists(st.integers(-(10**12), 10**12)), st.sampled_from([1, 2, 3]))
def test_numbers_are_sorted(numbers: list[int], effort: int) -> None:
    text = " ".join(map(str, numbers)).encode()
    assert [int(line) for line in work.sort(text, effort).splitlines()] == sorted(numbers)


@pytest.mark.parametrize(
    ("kind", "content", "effort", "why"),
    [
        ("sort", b"1 2 n/a", 2, "invalid literal"),
        ("unpack", b"no zlib", 1, "damaged"),
        ("unpack", work.pack(b"a" * 5000, 2)[:-4], 1, "cut short"),
        ("unpack", work.pack(bytes(work.GUARD + 1), 2), 1, "more than a megabyte"),
        ("unpack", b"no zlib", 2, "damaged"),
        ("parse", b'a,"never closed', 2, "no CSV"),
    ],
)
def test_a_worker_refuses_what_is_broken_and_goes_on(
    kind: str, content: bytes, effort: int, why: str
) -> None:
    asked = [
        {"kind": kind, "effort": effort, "size": len(content)},
        {"kind": "sort", "effort": 1, "size": 3},
    ]
    text = json.dumps(asked[0]).encode() + b"\n" + content + json.dumps(asked[1]).encode() + b"\n2 1"
    answered = io.BytesIO()
    work.serve(io.BytesIO(text), answered)
    answered.seek(0)
    refusal = json.loads(answered.readline())
    assert why in refusal["refused"]
    assert refusal["size"] == 0
    after = json.loads(answered.readline())
    assert (after["refused"], answered.read()) == (None, b"1\n2")


def test_the_same_seed_gives_the_same_jobs() -> None:
    first, again, other = ([(j.prompt, j.content) for j in islice(jobs(seed), 30)] for seed in (3, 3, 4))
    assert first == again != other


def test_checks_take_right_work_and_no_other() -> None:
    seen = Counter()
    for one in islice(jobs(1), 80):
        try:
            output = work.WORK[one.kind](one.content, 2)
        except ValueError:
            seen[one.kind, "refused"] += 1
            continue
        assert one.is_right(output), one.prompt
        seen[one.kind, "done"] += 1
        if one.kind == "sort":
            lines = output.splitlines()
            assert not one.is_right(b"\n".join([lines[-1], *lines[:-1]]))  # a permutation, in no order
            assert not one.is_right(b"\n".join([lines[0], *lines[:-1]]))  # in order, and no permutation
        elif one.kind == "pack":
            assert not one.is_right(work.pack(one.content[:-1], 2))
    assert {kind for kind, how in seen if how == "done"} == {"sort", "pack", "unpack", "parse"}
    assert {kind for kind, how in seen if how == "refused"} == {"sort", "unpack", "parse"}


async def executed(pool: Pool, *given: Job) -> list[Any]:
    """What came of jobs, one after the other; what was raised stands among it."""
    try:
        return [(await asyncio.gather(pool.execute(one), return_exceptions=True))[0] for one in given]
    finally:
        await pool.close()


def test_threads_check_their_work() -> None:
    wrong = job("parse", b'1,"a, b"', b'[["1", "a, b"]]')
    large = job("pack", b"abc" * 1000, most_bytes=1)
    large = Job(large.kind, large.prompt, large.content, lambda _: True, 1)
    unreadable = Job("sort", "", b"2 1", lambda output: bool(json.loads(output)))
    found = asyncio.run(
        executed(
            Pool("threads", Tier.SMALL, 5),
            job("sort", b"2 1", b"1\n2"),
            wrong,
            large,
            unreadable,
            job("sort", b"?"),
        )
    )
    assert found[0]["success"] is True
    assert found[0]["cpu_time_seconds"] >= 0
    assert [(one["success"], one["error_type"]) for one in found[1:4]] == [(False, "quality_gate")] * 3
    assert "more than 1" in found[2]["error"]
    assert found[2]["quality_score"] > 90
    assert "cannot be read" in found[3]["error"]
    assert isinstance(found[4], ValidationFailed)


def test_a_worker_dies_of_too_little_memory_and_another_takes_its_place() -> None:
    pool = ProcessPool("workers", Tier.MEDIUM, 10, megabytes=16, keeps=True, n_workers=1)
    bomb = job("unpack", work.pack(bytes(BOMB * 2), 1))
    one = job("sort", b"2 1", b"1\n2")
    before, dead, refused, after = asyncio.run(executed(pool, one, bomb, job("sort", b"x"), one))
    assert (before["success"], after["success"]) == (True, True)
    assert isinstance(dead, WorkerDied)
    assert isinstance(refused, ValidationFailed)
    assert len(pool._started) == 2


def test_what_is_too_slow_is_really_timed_out_and_its_process_ended() -> None:
    pool = ProcessPool("programs", Tier.LARGE, 0.2, megabytes=256, keeps=False)
    slow = job("pack", random.Random(0).randbytes(2_000_000))
    (found,) = asyncio.run(executed(pool, slow))
    assert type(found) is TimeoutError
    assert [each.result()._process.returncode for each in pool._started] == [-9]


def test_the_router_chooses_as_often_as_it_says() -> None:
    async def choices() -> pl.DataFrame:
        fleet, rows = Fleet(seed=11), []
        one = {kind: job(kind, b"") for kind in CHANCES}
        for number in range(2400):
            task = {"task_id": str(number)}
            fleet.jobs[task["task_id"]] = one[list(CHANCES)[number % len(CHANCES)]]
            said = await fleet.route_task(task)
            assert sum(candidate["propensity"] for candidate in said["candidates"]) == pytest.approx(1)
            assert (
                said["propensity"]
                == CHANCES[said["context"]["kind"]][list(fleet.pools).index(said["pool_id"])]
            )
            rows.append((said["context"]["kind"], said["pool"], said["propensity"]))
        await fleet.close()
        assert fleet.n_decided == 2400
        return pl.DataFrame(rows, schema=["kind", "pool", "propensity"], orient="row")

    counts = asyncio.run(choices()).group_by("kind", "pool", "propensity").len()
    assert counts.height == 12
    for _, _, propensity, n in counts.iter_rows():
        share = wilson(n, 600, confidence=0.999)
        assert share is not None
        assert share.low < propensity < share.high


def of_run(store: Store, run: Run) -> tuple[pl.DataFrame, pl.DataFrame]:
    return store.query("captured", {"session_id": run.session_id}), store.view("orphans").filter(
        session_id=run.session_id
    )


def test_the_store_says_what_the_orchestrator_counted(tmp_path: Path) -> None:
    db = tmp_path / "live.duckdb"
    runs = [asyncio.run(orchestrate(db, seconds=0.4, seed=seed)) for seed in (0, 1)]
    store = Store(db)
    for run in runs:
        captured, orphans = of_run(store, run)
        seen = run.executions()
        assert seen.height > 0
        assert captured.height == seen.height
        assert captured.height + orphans.height == run.n_decided
        assert set(captured["external_id"]) == set(seen["task_id"])
        verdict = {"succeeded": True, "failed": False, "timed out": False, "cancelled": None}
        both = seen.join(captured, left_on="task_id", right_on="external_id")
        assert both["pool_type"].equals(both["pool_type_right"])
        assert [verdict[how] for how in both["ended"]] == both["success"].to_list()
        assert captured["propensity"].null_count() == 0
        assert set(captured["model_tier"]) <= {"small", "medium", "large"}
        assert (both["duration_seconds"] <= both["seconds"] + 0.05).all()
        assert run.summary().startswith(
            f"{run.n_decided} decided, {seen.height} started: {run.n('succeeded')} "
        )
    counted = store.sql(
        "select (select count(*) from executions) as n, (select count(*) from routing_decisions) as m"
    )
    assert counted.row(0) == (sum(len(run.done) for run in runs), sum(run.n_decided for run in runs))
    pools = store.sql("select pool_type, event, count(*) as n from pool_events group by all order by all")
    assert pools.rows() == [
        (pool, event, 2)
        for pool in ("programs", "threads", "workers")
        for event in ("pool_closed", "pool_created")
    ]
    migrations.validate(db)


def test_an_interrupted_run_leaves_no_process_and_keeps_what_it_captured(tmp_path: Path) -> None:
    db = tmp_path / "live.duckdb"

    async def interrupted() -> None:
        running = asyncio.create_task(orchestrate(db, seconds=60, session_id="cut short"))
        while not Store(db).exists() or not Store(db).query("captured", {"session_id": "cut short"}).height:
            await asyncio.sleep(0.05)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(asyncio.wait_for(interrupted(), 30))
    assert Store(db).query("captured", {"session_id": "cut short"}).height > 0


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 4000])
def test_no_time_is_no_run(seconds: float, tmp_path: Path) -> None:
    with pytest.raises(LearnlabError, match="seconds is"):
        asyncio.run(orchestrate(tmp_path / "none.duckdb", seconds=seconds))
    assert not (tmp_path / "none.duckdb").exists()


def test_the_sample_stays_what_it_is() -> None:
    with pytest.raises(LearnlabError, match="capture into another store"):
        asyncio.run(orchestrate("sample"))
    assert not Store("sample").exists()
