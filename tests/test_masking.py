from __future__ import annotations

import polars as pl
import pytest

from learnlab.ingest.batch import REJECTED_SCHEMA, STEPS_SCHEMA
from learnlab.settings import settings
from learnlab.store import Store, lines, spool
from learnlab.store.frames import conform
from learnlab.store.limits import SCHEMA
from learnlab.store.masking import EXECUTION_TEXTS
from learnlab.store.migrations import validate
from learnlab.store.spool import SpoolWriter

MAIL = "ada.lovelace@example.org"
KEY = "AKIAIOSFODNN7EXAMPLE"
TEXT = f"ask {MAIL} for {KEY}"
MASKED = "ask [masked e-mail] for [masked AWS key]"
NOT_TEXTS = ("swarm_topology", "model_tier", "success_source", "cost_source", "price_version", "error_type")


def files_with(store: Store, *texts: str) -> list[str]:
    beside = [path for path in store.path.parent.rglob("*") if path.is_file()]
    return [path.name for path in beside if any(text.encode() in path.read_bytes() for text in texts)]


def test_every_column_that_somebody_writes_is_masked():
    texts = {
        name for name, kind in SCHEMA.items() if kind == pl.String and not name.endswith(("_hash", "_key"))
    }
    others = {*NOT_TEXTS, "task_id", "parent_task_id", "time_source", "duration_source"}
    assert texts - others == set(EXECUTION_TEXTS)


def test_nothing_unmasked_reaches_the_store(store, make_frame):
    texts = {name: TEXT for name in EXECUTION_TEXTS if name not in ("metadata", "task_type")}
    texts["source"] = f"toy:{MAIL}.jsonl"
    good = conform(make_frame(1, metadata=f'{{"note": "{TEXT}"}}', **texts))[0].with_columns(
        record_key="task_id"
    )
    step = dict.fromkeys(STEPS_SCHEMA) | {"step_key": good["task_id"][0], "record_key": good["task_id"][0]}
    step |= {"kind": "tool_call", "cost_source": "unknown", "is_partial": False, "is_counted": False}
    steps = pl.DataFrame([step | {"name": TEXT, "error": TEXT, "model": TEXT}], schema=STEPS_SCHEMA)
    rejected = pl.DataFrame([(1, f"not {TEXT}", TEXT)], schema=REJECTED_SCHEMA, orient="row")
    counts = store.add(
        good,
        rejected,
        steps=steps,
        kinds={f"unknown: {MAIL}": 1, f"unknown: x{MAIL}": 1},
        source=f"toy:{MAIL}.jsonl",
    )
    assert counts.n_masked == 2 * (12 + 3 + 2) - 1
    assert files_with(store, MAIL, KEY) == []
    (row,) = store.sql("select * from executions").to_dicts()
    assert (row["solution_summary"], row["metadata"]) == (MASKED, f'{{"note": "{MASKED}"}}')
    assert store.sql("select text from texts").item() == MASKED
    assert store.sql("select name, error from steps").rows() == [(MASKED, MASKED)]
    assert store.sql("select reason, content from rejected").rows() == [(f"not {MASKED}", MASKED)]
    ledger = store.sql("select source, n_masked, n_lines, kinds from ledger").rows()
    assert ledger == [(row["source"], 33, 2, '{"unknown: [masked e-mail]": 2}')]
    assert store.sql("select source from rejected").item() == row["source"]
    assert row["source"].startswith("toy:[masked e-mail ")
    assert "33 secrets were masked" in status(store)
    assert validate(store.path) == []


def status(store: Store) -> str:
    from learnlab.store.status import describe

    return describe(store)


def test_masking_changes_no_count(store, make_frame):
    mails = pl.Series(["a@example.org", "b@example.org"])
    unnamed = make_frame(1).drop("task_id")
    two = pl.concat([unnamed, unnamed]).with_columns(task_description="mail " + mails, session_id=mails)
    assert store.add(conform(two)[0]).n_accepted == 2
    assert store.add(conform(two)[0]).n_duplicates == 2
    assert store.sql("select count(distinct session_id) from executions").item() == 2
    rejected = pl.DataFrame({"source_position": [1, 2], "reason": ["bad", "bad"], "content": mails})
    store.add(conform(make_frame(0))[0], rejected)
    assert store.sql("select content from rejected").rows() == [("[masked e-mail]",)] * 2


def test_a_record_is_masked_before_it_reaches_the_spool_and_counts_once_by_either_way(store, make_record):
    record = make_record(task_description=TEXT, metadata={"note": TEXT, "n": 1}, session_id=MAIL)
    SpoolWriter(store.path).append([record, make_record()])
    assert files_with(store, MAIL, KEY) == []
    assert len(spool.waiting(store.path)) == 1
    assert store.sql("select count(*) from executions").item() == 2
    row = store.sql("select metadata, success, timestamp from executions where session_id is not null").row(0)
    assert row == (f'{{"note": "{MASKED}", "n": 1}}', True, record.timestamp.replace(tzinfo=None))
    again = store.add(conform(lines.frame_of([record]))[0])
    assert (again.n_accepted, again.n_duplicates) == (0, 1)


def test_what_a_damaged_spool_line_says_is_masked(store):
    folder = spool.folder(store.path)
    folder.mkdir()
    (folder / "a.jsonl").write_text(f'{{"task_description": "{TEXT}"\n')
    assert store.sql("select count(*) from rejected where content like '%[masked e-mail]%'").item() == 1
    assert files_with(store, MAIL, KEY) == []


def test_a_masked_name_is_still_found_by_what_it_was(store, make_frame):
    store.add(conform(make_frame(2, session_id=pl.Series([MAIL, "b@example.org"])))[0])
    verdict = pl.DataFrame(
        {"joined_by": ["session"], "value": [MAIL], "success": [True], "success_source": ["verifier"]}
    )
    given = verdict.with_columns(quality_score=pl.lit(None, dtype=pl.Float64), source=pl.lit("mine"))
    assert store.add_verdicts(given).n_executions == 1
    assert files_with(store, MAIL) == []
    assert store.forget(session=MAIL).n_executions == 1
    assert store.add(conform(make_frame(1, first=5, session_id=MAIL))[0]).n_accepted == 0


def test_masking_can_be_switched_off(store, make_frame, monkeypatch):
    monkeypatch.setenv("LEARNLAB_MASK_SECRETS", "false")
    settings.cache_clear()
    assert store.add(conform(make_frame(1, task_description=TEXT))[0]).n_masked == 0
    assert store.sql("select text from texts").item() == TEXT


@pytest.mark.parametrize("texts", [[TEXT], [None, TEXT, "plain"], []], ids=["one", "some", "none"])
def test_rows_stay_as_many_and_in_their_places(store, make_frame, texts):
    frame = make_frame(len(texts)).with_columns(error_message=pl.Series(texts, dtype=pl.String))
    counts = store.add(conform(frame)[0])
    assert (counts.n_accepted, counts.n_masked) == (len(texts), 2 * texts.count(TEXT))
    stored = store.sql("select error_message from executions order by timestamp").to_series().to_list()
    assert stored == [MASKED if text == TEXT else text for text in texts]
