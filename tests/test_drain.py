"""What the drain does with events: sides that meet in the store, segments that cannot be read, each exactly once."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from conftest import START
from hypothesis import example, given
from hypothesis import strategies as st

from learnlab.errors import StoreError
from learnlab.events import AttemptEvent, Candidate, DeadLetter, Event, PoolEvent, RoutingDecision
from learnlab.models import ExecutionRecord
from learnlab.settings import settings
from learnlab.store import Store, spool
from learnlab.store.frames import conform
from learnlab.store.lines import frame_of, lines_of, read_lines
from learnlab.store.migrations import validate
from learnlab.store.spool import SpoolWriter

_TASKS = """
select d.task_id, e.task_id from routing_decisions d join executions e on e.record_key = d.decision_id
"""
TASK = {"task_type": "docs", "task_description": "Explain the cache", "repo": "shop"}


def decision(task_id: str = "t1", **changes: object) -> RoutingDecision:
    given = {
        "task_id": task_id,
        "timestamp": START,
        "candidates": [Candidate(tier="small", propensity=0.25), Candidate(tier="large", propensity=0.75)],
        "chosen": Candidate(tier="large", pool="local", propensity=0.75),
        "context": {"load": 3},
        "router_version": "v1",
        "task": TASK | {"external_id": task_id, "task_group": task_id},
    }
    return RoutingDecision(**(given | changes))


def started(task_id: str = "t1", **changes: object) -> AttemptEvent:
    given = {"side": "start", "task_id": task_id, "timestamp": START + timedelta(seconds=1)}
    return AttemptEvent(**(given | changes))


def outcome(task_id: str = "t1", **changes: object) -> AttemptEvent:
    given = {
        "side": "outcome",
        "task_id": task_id,
        "timestamp": START + timedelta(seconds=9),
        "known": {"success": True, "task_group": task_id},
    }
    return AttemptEvent(**(given | changes))


def in_processes(store: Store, *told: list[Event]) -> None:
    """Write what each of some processes was told, and drain after each."""
    for events in told:
        SpoolWriter(store.path).append(events)
        store.drain(60)


def test_sides_from_different_processes_meet_in_any_order(store):
    orders = {f"t{n}": order for n, order in enumerate(itertools.permutations(range(3)))}
    told = {task: [decision(task), started(task), outcome(task)] for task in orders}
    for turn in range(3):
        in_processes(store, [told[task][order[turn]] for task, order in orders.items()])
    rows = {row["external_id"]: row for row in store.sql("select * from executions").to_dicts()}
    assert len(rows) == 6
    started_late = []
    for task, row in rows.items():
        made, start, _ = told[task]
        assert row["record_key"] == str(made.decision_id)
        assert (row["model_tier"], row["pool_type"], row["propensity"]) == ("large", "local", 0.75)
        assert (row["success"], row["success_source"]) == (True, "harness")
        if orders[task][2] == 1:
            started_late.append(str(start.task_id))
        else:
            assert (row["duration_seconds"], row["duration_source"]) == (8.0, "wall")
            assert row["timestamp"] == start.timestamp.replace(tzinfo=None)
    waiting = store.sql("select task_id::varchar, side from open_attempts").rows()
    assert sorted(waiting) == sorted((task, "start") for task in started_late)
    assert len(waiting) == 2
    assert validate(store.path) == []


def test_all_sides_at_once_are_one_execution_and_wait_nowhere(store):
    SpoolWriter(store.path).append([outcome(), decision(), started()])
    assert store.sql("select count(*) from executions").item() == 1
    assert store.sql("select count(*) from open_attempts").item() == 0
    kinds = store.sql("select kinds from ledger where kind = 'spool'").item()
    assert json.loads(kinds) == {"decision": 1, "attempt": 2}


def test_a_decision_is_kept_with_all_that_could_have_been_chosen(store):
    made = decision()
    in_processes(store, [made], [made])
    (row,) = store.sql("select * from routing_decisions").to_dicts()
    assert row["decision_id"] == str(made.decision_id)
    assert json.loads(row["candidates"])[1] == {
        "model": None,
        "tier": "large",
        "pool": None,
        "propensity": 0.75,
    }
    assert (json.loads(row["context"]), row["router_version"]) == ({"load": 3}, "v1")
    (waits,) = store.sql("select side, known from open_attempts").rows()
    assert waits[0] == "decision"
    assert json.loads(waits[1])["task_description"] == "Explain the cache"


def test_an_execution_closes_its_attempt_whenever_it_comes(store, make_record):
    made = decision()
    record = make_record(task_id=made.task_id, record_key=made.decision_id)
    in_processes(store, [made], [record], [started(attempt_id=made.decision_id)])
    assert store.sql("select count(*) from open_attempts").item() == 0
    assert store.sql("select success from executions").rows() == [(True,)]


def test_an_execution_that_another_process_captured_takes_its_decision_over(store, make_record):
    def executed(task: str, seconds: float = 2, **known: object) -> ExecutionRecord:
        given = {"task_id": task, "external_id": task, "task_group": task, "record_key": uuid4()}
        given |= {"source": "capture", "timestamp": START + timedelta(seconds=seconds)}
        own = {"model_tier": "unknown", "pool_type": "p-9", "routing_confidence": None, "propensity": None}
        return make_record(**(given | own | known))

    by_uuid = str(uuid4())
    own = {"external_id": None, "task_group": by_uuid}
    first, kept, late, other = (executed(task) for task in ("first", "again", "decided late", "other"))
    more = kept.model_copy(update={"quality_score": 91})
    made = [
        decision(task, task={"external_id": task, "routing_confidence": 0.9, "cost_estimate": "many"})
        for task in ("first", "after", "at once", "again")
    ]
    second = decision("first", timestamp=START + timedelta(minutes=1))
    in_processes(
        store,
        [made[0], made[3], executed("after"), late],
        [made[2], executed("at once"), executed("at once", 5), first, first, kept],
        [
            made[1],
            more,
            second,
            executed("first", 70),
            decision("other"),
            other.model_copy(update={"source": "otel"}),
        ],
        [decision("decided late", timestamp=START + timedelta(seconds=9)), decision("small"), first],
        [executed("small", model_tier="small"), executed(by_uuid, **own), executed(by_uuid, 7, **own)],
        [decision(by_uuid, task={}, timestamp=START + timedelta(seconds=6)), more],
    )
    fields = "task_group, propensity, model_tier, pool_type, routing_confidence, cost_estimate, quality_score"
    rows = store.sql(f"select {fields} from executions order by timestamp").rows()
    cost, quality = first.cost_estimate, first.quality_score
    taken, alone = (0.75, "large", "p-9"), (None, "unknown", "p-9")
    assert sorted(rows, key=lambda row: row[0]) == sorted([
        ("after", *taken, 0.9, cost, quality),
        ("again", *taken, None, cost, 91),
        ("at once", *taken, 0.9, cost, quality),
        ("at once", *alone, None, cost, quality),
        (by_uuid, *alone, None, cost, quality),
        (by_uuid, *taken, None, cost, quality),
        ("decided late", *alone, None, cost, quality),
        ("first", *taken, 0.9, cost, quality),
        ("first", *taken, None, cost, quality),
        ("other", *alone, None, cost, quality),
        ("small", None, "small", "p-9", None, cost, quality),
    ], key=lambda row: row[0])  # fmt: skip
    decided = store.sql(_TASKS).rows()
    assert len(decided) == 6
    assert all(a == b for a, b in decided)
    waiting = store.sql("select known ->> 'external_id' as task, side from open_attempts").rows()
    assert sorted(waiting) == [("decided late", "decision"), ("other", "decision"), ("small", "decision")]
    assert validate(store.path) == []


def test_attempts_at_one_task_pair_in_the_order_of_their_times(store):
    def sides(task: str) -> list[Event]:
        return [
            decision(task),
            decision(task, timestamp=START + timedelta(minutes=1)),
            outcome(task, known={"success": False}),
            outcome(task, timestamp=START + timedelta(minutes=2)),
        ]

    first, second, failed, passed = sides("one by one")
    early, late, broken, sound = sides("at once")
    in_processes(store, [second, late, sound, early, broken], [first], [passed], [failed])
    rows = dict(store.sql("select record_key, success from executions").rows())
    assert len(rows) == 4
    assert {str(first.decision_id), str(second.decision_id)} < set(rows)
    assert (rows[str(early.decision_id)], rows[str(late.decision_id)]) == (False, True)
    assert all(a == b for a, b in store.sql(_TASKS).rows())
    assert validate(store.path) == []


def test_an_outcome_alone_waits_and_so_does_a_start_that_knows_no_task(store):
    in_processes(store, [outcome()], [started()])
    assert sorted(store.sql("select side from open_attempts").to_series()) == ["outcome", "start"]
    assert store.sql("select count(*) from executions").item() == 0
    in_processes(store, [started("t2", known=TASK), outcome("t2")])
    assert store.sql("select task_type from executions").rows() == [("docs",)]


def test_a_clock_that_goes_backwards_makes_no_duration(store):
    in_processes(store, [decision(), started(timestamp=START + timedelta(hours=1)), outcome()])
    assert store.sql("select duration_seconds from executions").rows() == [(None,)]


def test_pools_and_dead_letters_are_kept_once(store):
    pool = PoolEvent(event="POOL_CREATED", pool_id="p1", pool_type="local", metadata={"n": 2})
    letter = DeadLetter(
        message_type="heartbeat", subscriber="page", error="boom", payload={"a": "AKIAIOSFODNN7EXAMPLE"}
    )
    in_processes(store, [pool, letter], [letter, pool])
    assert store.sql("select event, pool_id, pool_type, metadata from pool_events").rows() == [
        ("pool_created", "p1", "local", '{"n":2}')
    ]
    assert store.sql("select subscriber, payload from dead_letters").rows() == [
        ("page", '{"a":"[masked AWS key]"}')
    ]


def test_secrets_in_events_never_reach_the_disk(store):
    mail = "ada@example.org"
    told = decision(
        context={"who": mail}, task=TASK | {"repo": mail, "task_description": mail, "metadata": {"m": [mail]}}
    )
    writer = SpoolWriter(store.path)
    writer.append(
        [told, outcome(known={"success": False, "error_message": mail}), started(known={"agent": mail})]
    )
    (segment,) = spool.waiting(store.path)
    assert mail.encode() not in segment.read_bytes()
    (row,) = store.sql(
        "select repo, text, error_message from executions join texts on text_hash = description_hash"
    ).rows()
    assert row[0].startswith("[masked e-mail ")
    assert row[1:] == ("[masked e-mail]", "[masked e-mail]")


def test_a_drain_that_was_killed_after_its_commit_brings_no_side_back(store):
    writer = SpoolWriter(store.path)
    writer.append([outcome()])
    (segment,) = spool.waiting(store.path)
    told = segment.read_bytes()
    store.sql("select 1")
    in_processes(store, [decision()])
    assert store.sql("select count(*) from executions").item() == 1
    segment.with_suffix(".sealed").write_bytes(told)
    assert store.sql("select count(*) from open_attempts").item() == 0
    assert spool.waiting(store.path) == []


def test_damaged_events_are_rejected_one_by_one(store):
    writer = SpoolWriter(store.path)
    writer.append([decision(), outcome(), decision("t2")])
    (segment,) = spool.waiting(store.path)
    lines = segment.read_text().splitlines()
    harm = [
        lines[0].replace('"decision_id":"', '"decision_id":"no uuid '),
        lines[1].replace('"timestamp":"2026', '"timestamp":"soon 2026'),
        lines[1].replace('"known":"{', '"known":"['),
        lines[2].replace('"chosen":"{', '"chosen":"'),
        lines[0][:60],
        '{"kind":"attempt"}',
        '{"kind":"surprise"}',
    ]
    segment.write_text("\n".join([*lines, *harm]) + "\n")
    assert store.sql("select count(*) from executions").item() == 1
    assert store.sql("select count(*) from routing_decisions").item() == 2
    assert store.sql("select source_position from rejected order by 1").to_series().to_list() == list(
        range(4, 11)
    )
    assert validate(store.path) == []


def test_lines_that_are_no_text_are_kept_as_they_are(store, make_record):
    SpoolWriter(store.path).append([make_record()])
    (segment,) = spool.waiting(store.path)
    with segment.open("ab") as file:
        file.write(b"\xff\xfe\x00broken\n")
    assert store.sql("select count(*) from executions").item() == 1
    (kept,) = spool.quarantined(store.path)
    assert kept.read_bytes() == b"\xff\xfe\x00broken\n"
    assert store.sql("select count(*) from rejected").item() == 1


def test_a_segment_that_cannot_be_read_is_set_aside_and_harms_no_other(store, make_record):
    folder = spool.folder(store.path)
    (folder / f"{uuid4().hex}.sealed").mkdir(parents=True)
    SpoolWriter(store.path).append([make_record()])
    assert store.sql("select count(*) from executions").item() == 1
    assert len(spool.quarantined(store.path)) == 1
    reason = store.sql("select reason from rejected").item()
    assert "cannot be read" in reason
    assert spool.quarantined(store.path)[0].name in reason


def test_a_segment_ends_at_ten_thousand_lines(store, make_record, monkeypatch):
    monkeypatch.setattr(spool, "MOST_LINES", 3)
    writer = SpoolWriter(store.path)
    for _ in range(7):
        writer.append([make_record()])
    assert [path.read_bytes().count(b"\n") for path in spool.waiting(store.path)] == [3, 3, 1]
    assert store.sql("select count(*) from executions").item() == 7
    assert store.sql("select n_accepted from ledger order by seq").to_series().to_list() == [3, 3, 1]


def test_a_drain_of_limited_time_leaves_the_rest(store, make_record, monkeypatch):
    monkeypatch.setattr(spool, "MOST_LINES", 2)
    writer = SpoolWriter(store.path)
    for _ in range(6):
        writer.append([make_record()])
    assert store.drain(0.0).n_accepted == 2
    assert len(spool.waiting(store.path)) == 2
    assert store.drain(60.0).n_accepted == 4
    assert store.drain(60.0).n_accepted == 0


def test_a_spool_that_is_full_says_so_and_takes_records_again_once_drained(store, make_record, monkeypatch):
    monkeypatch.setattr(spool, "MOST_BYTES", 1)
    monkeypatch.setattr(settings(), "spool_limit_mb", 0.001)
    writer = SpoolWriter(store.path)
    with pytest.raises(StoreError, match="LEARNLAB_SPOOL_LIMIT_MB"):
        for n in range(100):
            writer.append([make_record(task_id=UUID(int=n))])
    n_written = sum(path.read_bytes().count(b"\n") for path in spool.waiting(store.path))
    assert n_written == n > 1
    assert store.sql("select count(*) from executions").item() == n
    writer.append([make_record()])
    assert store.sql("select count(*) from executions").item() == n + 1


def test_however_sides_come_each_pair_is_one_execution(store):
    """Every sequence of up to four sides, in one segment, in pairs, and each side in a segment of its own."""
    make = {"d": decision, "s": started, "o": outcome}
    sequences = ["".join(sides) for n in range(1, 5) for sides in itertools.product("dso", repeat=n)]
    histories = {f"{sides} by {n}": (sides, n) for sides in sequences for n in (1, 2, 4)}
    segments: list[list[Event]] = [[], [], [], []]
    for task, (sides, n) in histories.items():
        for at, side in enumerate(sides):
            segments[at // n].append(make[side](task, timestamp=START + timedelta(seconds=at)))
    in_processes(store, *segments)
    rows = store.sql("select task_group, count(*) from executions group by 1").rows()
    pairs = {task: min(sides.count("d"), sides.count("o")) for task, (sides, _) in histories.items()}
    assert dict(rows) == {task: n for task, n in pairs.items() if n}
    waiting = (
        "select known ->> 'task_group', side, count(*) from open_attempts where side <> 'start' group by all"
    )
    expected = {
        (task, side): sides.count(side[0]) - pairs[task]
        for task, (sides, _) in histories.items()
        for side in ("decision", "outcome")
    }
    found = {(task, side): n for task, side, n in store.sql(waiting).rows()}
    assert found == {one: n for one, n in expected.items() if n}
    assert validate(store.path) == []


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=5,
        ),
        max_size=3,
    )
)
@example({"path": "C:\\new\\table", "t": "a\tb", "q": 'a\\"b', "control": "\x01"})
def test_metadata_come_through_a_line_as_they_are(metadata):
    record = ExecutionRecord(
        task_type="docs",
        task_description="\\ \t",
        repo="r",
        model_tier="small",
        pool_type="p",
        metadata=metadata,
    )
    for frame in (frame_of([record]), read_lines([lines_of([record]).rstrip(b"\n")]).frames["execution"]):
        good, faults = conform(frame.drop("place", strict=False))
        assert faults.rows() == []
        assert json.loads(good["metadata"].item()) == metadata


def test_a_nul_in_what_is_nested_is_refused_too(store, make_record):
    for event in (
        make_record(metadata={"a": ["\0"]}),
        outcome(known={"solution_summary": "\0"}),
    ):
        with pytest.raises(StoreError, match="NUL"):
            SpoolWriter(store.path).append([event])
    SpoolWriter(store.path).append([make_record(metadata={"a": "\\u0000"})])
    assert json.loads(store.sql("select metadata from executions").item()) == {"a": "\\u0000"}


def test_large_segments_are_not_read_into_memory_together(store, make_record, monkeypatch):
    monkeypatch.setattr(spool, "MOST_BYTES", 1)
    for _ in range(3):
        SpoolWriter(store.path).append([make_record()])
    assert store.drain(0.0).n_accepted == 1
    assert store.drain(60.0).n_accepted == 2
