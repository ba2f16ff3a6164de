from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from encoders import WordEncoder

from learnlab.capture.spans import files
from learnlab.cli import main
from learnlab.errors import StoreError
from learnlab.events import AttemptEvent, Candidate, RoutingDecision
from learnlab.ingest.batch import REJECTED_SCHEMA, STEPS_SCHEMA
from learnlab.search.index.backlog import encode_waiting
from learnlab.search.index.words import word_hash
from learnlab.store import Forgotten, ReadPosition, Store, archive, forget_captured, migrations, spool
from learnlab.store import connection as connection_module
from learnlab.store.forget import forget
from learnlab.store.frames import conform
from learnlab.store.limits import SCHEMA
from learnlab.store.spool import SpoolWriter

DAY = datetime(2026, 5, 1)
PLAIN = "the plain task that stays"
SECRET = "Quince-marmalade-recipe"


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def task(number: int, text: str = PLAIN, **given) -> dict:
    plain = {
        "task_id": uuid(number),
        "timestamp": DAY + timedelta(minutes=number),
        "task_type": "test",
        "task_description": text,
        "repo": "shop",
        "model_tier": "small",
        "pool_type": "x",
        "session_id": f"session-{number}",
        "parent_task_id": None,
        "source": f"toy:{number}.jsonl",
        "solution_summary": text,
    }
    return plain | given


def add(store: Store, *tasks: dict, rejected: dict[str, str] | None = None) -> int:
    """Add tasks with a step each, and rejected rows (source → content); return how many were accepted."""
    good, faults = conform(pl.DataFrame(list(tasks), infer_schema_length=None))
    assert not len(faults), faults
    steps = [
        dict.fromkeys(STEPS_SCHEMA)
        | {"step_key": uuid(1000 + int(one["task_id"][-4:])), "record_key": one["task_id"], "kind": "message"}
        | {"cost_source": "unknown", "is_partial": False, "is_counted": True, "source_position": 1}
        | {"input_tokens": 8, "output_tokens": 1, "error": f"{one['task_description']} failed"}
        for one in tasks
    ]
    accepted = store.add(
        good.with_columns(record_key="task_id"), steps=pl.DataFrame(steps, schema=STEPS_SCHEMA)
    )
    for source, content in (rejected or {}).items():
        refused = pl.DataFrame([(1, "cut short", content)], schema=REJECTED_SCHEMA, orient="row")
        store.add(good.clear(), refused, source=source)
    return accepted.n_accepted


def wait(
    store: Store, number: int, side: str = "decision", *, task: int | None = None, at=DAY, **known
) -> None:
    """Put one side of an attempt into the table of those that wait, and a decision's into its own table too."""
    key, of = uuid(number), uuid(number if task is None else task)
    with store.writing() as connection:
        connection.execute(
            "insert into open_attempts values (?, ?, ?, ?, ?, ?)", [key, side, of, at, json.dumps(known), at]
        )
        if side == "decision":
            decide(connection, number, of, at)


def decide(connection, number: int, of: str, at=DAY, **context) -> None:
    connection.execute(
        "insert into routing_decisions values (?, ?, ?, '[]', '{}', ?, null)",
        [uuid(number), of, at, json.dumps(context)],
    )


def refuse(store: Store, number: int, *, at=DAY, error: str = "KeyError", **payload) -> None:
    with store.writing() as connection:
        connection.execute(
            "insert into dead_letters values (?, ?, 'task_completed', 'mirror', ?, ?)",
            [uuid(number), at, error, json.dumps(payload)],
        )


def waiting(store: Store) -> dict[str, list[int]]:
    """Return what is left beside executions: table → last digits of the ids."""
    keys = {"open_attempts": "attempt_id", "routing_decisions": "decision_id", "dead_letters": "letter_id"}
    return {
        table: [
            int(text[-4:]) for text in store.sql(f"select distinct {key} from {table} order by 1").to_series()
        ]
        for table, key in keys.items()
    }


def left(store: Store) -> list[int]:
    return [int(text[-4:]) for text in store.sql("select task_id from executions order by 1").to_series()]


def files_with(store: Store, text: str) -> list[str]:
    """Return the files of a store, its lock and archive among them, in which a text can be found, packed or not."""
    beside = [path for path in store.path.parent.rglob("*") if path.is_file()]
    return [path.name for path in beside if text.encode() in plain_bytes(path)]


def plain_bytes(path: Path) -> bytes:
    if path.suffix == ".parquet":
        return str(pl.read_parquet(path).rows()).encode()
    return path.read_bytes()


def test_exactly_one_thing_is_forgotten_at_a_time(store):
    for wrong in ({}, {"repo": "a", "session": "b"}, {"repo": ""}):
        with pytest.raises(StoreError, match="exactly one"):
            store.forget(**wrong)
    with store.reading(), pytest.raises(StoreError, match="finish that before forgetting"):
        store.forget(repo="a")


def test_a_repo_goes_with_all_that_hangs_on_it_and_what_worked_for_it(store):
    add(store, task(1, SECRET, repo="hidden"), task(2), task(3, SECRET, repo="shop", parent_task_id=uuid(1)))
    add(store, task(4, SECRET, repo="unknown", parent_task_id=uuid(3)))
    with store.writing() as connection:
        for number in (1, 2):
            connection.execute(
                "insert into people.events (feedback_id, task_id, timestamp, arrived_at, "
                "feedback_type, author, visibility, via) "
                "values (uuid(), ?, now()::timestamp, now()::timestamp, 'note', 'ada', 'team', 'python')",
                [uuid(number)],
            )
            connection.execute(
                "insert into routing_decisions values (uuid(), ?, now()::timestamp, '[]', '{}', '{}', null)",
                [uuid(number)],
            )
        connection.execute(
            "insert into solutions (pattern_id, solution_summary) values (uuid(), ?), (uuid(), ?)",
            [SECRET, PLAIN],
        )
    done = store.forget(repo="hidden")
    assert done == Forgotten(n_executions=3, n_steps=3, n_texts=1, n_others=3)
    assert left(store) == [2]
    for table, n in (("steps", 1), ("texts", 1), ("feedback", 1), ("routing_decisions", 1), ("solutions", 1)):
        assert store.sql(f"select count(*) from {table}").item() == n, table
    assert store.sql("select n_removed from ledger where kind = 'forget'").item() == 3
    assert migrations.validate(store.path) == []
    assert files_with(store, SECRET) == []
    assert files_with(store, PLAIN) == ["store.duckdb"]


def test_a_text_that_others_have_stays(store):
    add(store, task(1, repo="hidden"), task(2))
    assert store.forget(repo="hidden").n_texts == 0
    assert store.sql("select text from texts").item() == PLAIN


def test_the_vectors_and_words_of_a_text_go_with_it_and_numbers_are_not_used_again(store):
    old = {"timestamp": DAY - timedelta(days=100)}
    add(store, task(1, "first and old", **old), task(2), task(3, SECRET, repo="hidden"))
    encode_waiting(store, WordEncoder())
    encode_waiting(store, WordEncoder("words@2", 5))
    known = "select count(*) from search.words where word_hash = $word"
    assert store.sql(known, {"word": word_hash("marmalade")}).item() == 1
    assert store.retain(30).n_rows == 1
    assert store.forget(repo="hidden").n_texts == 1
    for table, n in (("texts", 1), ("search.worded", 1), ("search.vectors_1", 1), ("search.vectors_2", 1)):
        assert store.sql(f"select count(*) from {table}").item() == n, table
    assert store.sql("select distinct text_no from search.words").item() == 2
    assert store.sql(known, {"word": word_hash("marmalade")}).item() == 0
    assert files_with(store, SECRET) == []
    assert migrations.validate(store.path) == []
    add(store, task(4, "one more"))
    assert encode_waiting(store, WordEncoder()).n_texts == 1
    assert store.sql("select text_no from texts order by text_no").to_series().to_list() == [2, 4]


def test_the_file_is_written_anew_whole(store):
    add(store, *(task(n, f"{SECRET} {n} {n**7}", repo="hidden") for n in range(1, 400)), task(900))
    with store.writing() as connection:
        connection.execute("create view mine as select count(*) as n from executions")
        connection.execute("checkpoint")
    assert files_with(store, SECRET) == ["store.duckdb"]
    store.forget(repo="hidden")
    assert files_with(store, SECRET) == []
    assert store.sql("from mine").item() == 1
    assert store.path.stat().st_mode & 0o777 == 0o600
    assert migrations.validate(store.path) == []
    assert add(store, task(901)) == 1
    assert store.sql("select count(*) - count(distinct seq) from ledger").item() == 0


def test_a_session_goes_and_does_not_come_back_even_when_it_grows(store):
    first = task(1, SECRET, session_id="gone")
    helper = task(2, SECRET, session_id="other", parent_task_id=uuid(1))
    add(store, first, helper, task(3))
    assert store.forget(session="gone").n_executions == 2
    assert add(store, first, helper) == 0
    assert add(store, task(1, SECRET + " grown", session_id="gone"), task(4, SECRET, session_id="gone")) == 0
    late = task(5, SECRET, session_id="late", parent_task_id=uuid(4))
    assert add(store, late) == 0
    assert left(store) == [3]
    assert files_with(store, SECRET) == []
    assert migrations.validate(store.path) == []


def test_a_repo_that_was_forgotten_may_do_something_new(store):
    add(store, task(1, repo="hidden"))
    store.forget(repo="hidden")
    assert add(store, task(1, "changed", repo="hidden")) == 0
    assert add(store, task(2, repo="hidden")) == 1


@pytest.mark.parametrize(
    "before",
    [date(2026, 5, 2), datetime(2026, 5, 2), datetime(2026, 5, 2, tzinfo=UTC)],
    ids=["date", "naive", "utc"],
)
def test_before_a_time_goes_what_was_recorded_before(store, before):
    old = task(1, SECRET, timestamp=datetime(2026, 5, 1, 23, 59))
    add(store, old, task(2, timestamp=datetime(2026, 5, 2)), task(3, timestamp=None, parent_task_id=uuid(1)))
    assert store.forget(before=before).n_executions == 1
    assert left(store) == [2, 3]


def test_rejected_rows_go_with_their_file_or_their_session(store):
    add(
        store,
        task(1, session_id="gone-1", source="toy:1"),
        task(2, source="toy:2"),
        rejected={
            "toy:1": "half a line",
            "toy:2": 'sessionId: "gone-1" broken',
            "toy:3": "of session gone-12",
        },
    )
    assert store.forget(session="gone-1").n_rejected == 2
    again = {"toy:1": "half a line", "toy:2": 'sessionId: "gone-1" broken', "toy:9": "more of gone-1"}
    add(store, task(4, source="toy:4"), rejected=again)
    assert store.sql("select source from rejected").to_series().to_list() == ["toy:3"]
    add(store, task(5, repo="b", source="toy:5"), task(6, source="toy:6"), task(7, repo="b", source="toy:6"))
    add(store, task(8), rejected={"toy:5": "five", "toy:6": "six"})
    assert store.forget(repo="b").n_rejected == 1
    assert sorted(store.sql("select source from rejected").to_series()) == ["toy:3", "toy:6"]
    assert store.forget(before=datetime(2000, 1, 2)).n_rejected == 0


def test_the_archive_forgets_as_well(store):
    old = {"timestamp": DAY - timedelta(days=100)}
    older = {"timestamp": DAY - timedelta(days=300)}
    add(
        store,
        task(1, SECRET, repo="hidden", **older),
        task(2, **old),
        task(3, SECRET, repo="hidden", **old),
        task(4),
    )
    assert store.retain(200).n_rows == 1
    assert store.retain(30).n_rows == 2
    assert len(files_with(store, SECRET)) >= 2
    done = store.forget(repo="hidden")
    assert (done.n_executions, done.n_archived, done.n_archived_steps) == (0, 2, 2)
    assert "2 archived executions, 2 archived steps" in done.summary()
    assert files_with(store, SECRET) == []
    assert store.sql("select task_id from executions_archive").to_series().to_list() == [uuid(2)]
    assert store.sql("select record_key from steps_archive").to_series().to_list() == [uuid(2)]
    assert store.sql("select n_rows, n_steps from archives").rows() == [(1, 1)]
    assert len(list(archive.folder(store.path).iterdir())) == 2
    assert add(store, task(1, SECRET + "!", repo="hidden", **older)) == 0
    assert migrations.validate(store.path) == []


def test_what_waits_in_the_spool_is_forgotten_too(store, make_record):
    add(store, task(1))
    SpoolWriter(store.path).append([make_record(repo="hidden", task_description=SECRET)])
    assert files_with(store, SECRET)
    assert store.forget(repo="hidden").n_executions == 1
    assert files_with(store, SECRET) == []


def test_verdicts_on_what_is_gone_go(store):
    add(store, task(1, session_id="gone", external_id="a"), task(2, session_id="kept", external_id="b"))
    rows = [("session", "gone"), ("session", "kept"), ("task", "a"), ("task", "b"), ("branch", "main")]
    given = pl.DataFrame(rows, schema=["joined_by", "value"], orient="row").with_columns(
        success=True,
        success_source=pl.lit("ci"),
        quality_score=pl.lit(None, dtype=pl.Float64),
        source=pl.lit("x"),
    )
    store.add_verdicts(given)
    assert store.forget(session="gone").n_others == 2
    assert sorted(store.sql("select value from verdicts").to_series()) == ["b", "kept", "main"]


def test_how_far_a_log_was_read_stays_and_copies_are_named(store):
    position = ReadPosition("1.jsonl", "toy", 1, 10, 5, 10, "hash", {"line": 3})
    add(store, task(1, repo="hidden"))
    store.add(pl.DataFrame(schema=SCHEMA), position=position)
    copy = migrations.keep_copy(store.path)
    done = store.forget(repo="hidden")
    assert done.copies == (copy.name,)
    assert copy.name in done.summary().splitlines()[1]
    assert store.positions() == {"1.jsonl": position}


def test_a_run_that_broke_off_is_completed_by_the_next(store, monkeypatch):
    old = {"timestamp": DAY - timedelta(days=100)}
    add(store, task(1, SECRET, repo="hidden", **old), task(2, **old), task(3, SECRET, repo="hidden"), task(4))
    store.retain(30)

    def no_room(path: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(connection_module, "sync", no_room)
        with pytest.raises(StoreError, match="cannot be written anew: No space left"):
            store.forget(repo="hidden")
    assert left(store) == [4]
    assert [path.name for path in store.path.parent.glob("*.rewritten*")] == []
    stray = archive.folder(store.path) / "executions-20260101-20260102-0000.parquet"
    pl.DataFrame({"task_description": [SECRET]}).write_parquet(stray)
    store.forget(repo="hidden")
    assert files_with(store, SECRET) == []
    assert store.sql("select count(*) from executions_archive").item() == 1


def test_nothing_is_removed_when_the_archive_cannot_be_read(store):
    add(store, task(1, repo="hidden", timestamp=DAY - timedelta(days=100)), task(2, repo="hidden"), task(3))
    store.retain(30).path.unlink()
    with pytest.raises(StoreError, match="archive files are gone"):
        store.forget(repo="hidden")
    assert left(store) == [2, 3]
    assert migrations.validate(store.path) == []


def test_attempts_that_wait_go_like_executions_and_do_not_come_back(store):
    with store.writing():
        add(store, task(1, repo="hidden"), task(2), task(6, parent_task_id=uuid(11)))
        wait(store, 11, repo="hidden", note=SECRET)
        wait(store, 11, "start", note=SECRET)
        wait(store, 12, repo="shop")
        wait(store, 13, "start", parent_task_id=uuid(1), note=SECRET)
        wait(store, 14, "outcome", task=1, solution_summary=SECRET)
    done = store.forget(repo="hidden")
    assert (done.n_executions, done.n_waiting, done.n_others) == (2, 3, 1)
    assert "3 attempts that waited for their other side" in done.summary()
    assert left(store) == [2]
    assert waiting(store) == {"open_attempts": [12], "routing_decisions": [12], "dead_letters": []}
    assert files_with(store, SECRET) == []
    assert add(store, task(11, repo="hidden")) == 0
    assert migrations.validate(store.path) == []


def test_decisions_go_with_their_attempt_and_not_with_another_at_the_same_task(store):
    later = DAY + timedelta(days=9)
    with store.writing() as connection:
        add(store, task(1), task(2, timestamp=later))
        decide(connection, 1, uuid(1))
        decide(connection, 2, uuid(1), later)
        decide(connection, 3, uuid(1))
        decide(connection, 4, uuid(44), repo="hidden")
        decide(connection, 5, uuid(2), repo="hidden")
        wait(store, 6, task=1, at=later)
        assert forget(connection, store.path, before=DAY + timedelta(days=1)).n_others == 3
        assert waiting(store)["routing_decisions"] == [2, 5, 6]
        decide(connection, 7, uuid(44), repo="hidden")
        assert forget(connection, store.path, repo="hidden").n_others == 1
        assert waiting(store)["routing_decisions"] == [2, 5, 6]


def test_dead_letters_go_with_what_they_name(store):
    with store.writing() as connection:
        add(
            store, task(1, repo="hidden", external_id="Task-7"), task(2, external_id="t-2", session_id="kept")
        )
        refuse(store, 1, task={"task_id": "task-7", "prompt": SECRET})
        refuse(store, 2, message={"list": [{"id": uuid(1).upper()}]})
        refuse(store, 3, deep={"repo": "hidden"})
        refuse(store, 4, task_id="t-2", prompt="hidden Task-7")
        refuse(store, 5, repo="hidden-2", count=1)
        refuse(store, 6, error="KeyError: 'of session kept'")
        refuse(store, 7, at=DAY + timedelta(days=2), session="kept-2")
        assert forget(connection, store.path, repo="hidden").n_others == 3
        assert waiting(store)["dead_letters"] == [4, 5, 6, 7]
        assert forget(connection, store.path, session="kept").n_others == 2
        assert waiting(store)["dead_letters"] == [5, 7]
        assert forget(connection, store.path, before=DAY + timedelta(days=1)).n_others == 1
        assert waiting(store)["dead_letters"] == [7]


def test_traces_that_wait_are_forgotten_too_and_what_nobody_could_read_is_named(store):
    said = {"gen_ai.operation.name": "chat", "gen_ai.conversation.id": "hidden", "gen_ai.prompt": SECRET}
    pairs = [{"key": key, "value": {"stringValue": value}} for key, value in said.items()]
    span = {"traceId": "7" * 32, "spanId": "8" * 16, "name": "chat", "attributes": pairs}
    files.write(store.path, [{"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}])
    folder = spool.folder(store.path)
    folder.mkdir()
    (folder / "5f3c.quarantined").write_bytes(b"\xff\xfe")
    (trace,) = files.waiting(store.path)
    assert forget_captured.left(store.path) == (
        f"{folder.name}/5f3c.quarantined",
        f"{trace.parent.name}/{trace.name}",
    )
    said = (
        CliRunner().invoke(main, ["forget", "--session", "hidden", "--yes", "--db", str(store.path)]).output
    )
    assert "removed 1 executions" in said
    assert f"what may still hold it: {folder.name}/5f3c.quarantined;" in said
    assert files.waiting(store.path) == []
    assert left(store) == []


def test_what_is_still_told_of_what_was_forgotten_does_not_come_back(store):
    chosen, key = Candidate(tier="small"), uuid(1)
    writer = SpoolWriter(store.path)
    first = RoutingDecision(decision_id=key, task_id="a", chosen=chosen, task={"session_id": "gone"})
    writer.append([first])
    assert store.forget(session="gone").n_waiting == 1
    late = RoutingDecision(decision_id=uuid(2), task_id="b", chosen=chosen, task={"session_id": "gone"})
    start = AttemptEvent(attempt_id=key, side="start", task_id="a", known={"repo": SECRET})
    kept = RoutingDecision(decision_id=uuid(3), task_id="c", chosen=chosen, task={"session_id": "kept"})
    writer.append([first, start, late, kept])
    writer.append([AttemptEvent(attempt_id=uuid(2), side="start", task_id="b", known={"repo": SECRET})])
    assert waiting(store) == {"open_attempts": [3], "routing_decisions": [3], "dead_letters": []}
    writer.append([AttemptEvent(attempt_id=key, side="outcome", task_id="a", known={"success": True})])
    assert waiting(store)["open_attempts"] == [3]
    assert left(store) == []
