from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import replace
from errno import EIO
from pathlib import Path
from threading import Event

import pytest
from transcripts import MODEL, Transcript

from learnlab.errors import MappingError, SourceError
from learnlab.ingest import ingest
from learnlab.ingest.batch import Position
from learnlab.ingest.logs.formats import head_of
from learnlab.ingest.logs.registry import FORMATS, describe, detect
from learnlab.ingest.logs.tasks import Piece
from learnlab.ingest.watch import watch
from learnlab.store import Store, migrations

TOTALS = "select count(*), sum(input_tokens), sum(output_tokens), count(actual_cost) from executions"
NOT_LOGS = {"LICENSE", "README.md", "models.json", "summary.json", "migration", "all_preds.jsonl"}


def talk() -> Transcript:
    session = Transcript("s1").asks("Fix the parser").answers(tool="Edit", tool_id="toolu_1", output=30)
    return session.returns("toolu_1", "ok").answers("Fixed", output=5)


def written(folder: Path, session: Transcript) -> Path:
    path = folder / f"{session.session}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(session.lines)
    return path


def test_a_folder_of_mixed_files_is_read_by_whatever_fits(tmp_path, store):
    folder = tmp_path / "mixed"
    written(folder / "project", talk())
    (folder / "runs.csv").write_text("prompt,model,success\nFix it,a,true\n")
    (folder / "notes.md").write_text("# nothing\n")
    (folder / "odd.json").write_text('{"colour": "red"}')
    report = ingest(folder, store)
    assert {file.source: file.notes.format for file in report.files} == {
        "mixed/project/s1.jsonl": "claude_code",
        "mixed/runs.csv": "csv",
    }
    assert [name for name, _ in report.unreadable] == ["mixed/notes.md", "mixed/odd.json"]
    said = report.summary()
    assert "2 records read from 2 files: 2 accepted" in said
    assert "claude_code: 1 file, 4 entries: 1 new execution, 3 steps" in said
    assert said.count("not read: ") == 2
    assert migrations.validate(store.path) == []


def test_a_log_that_is_read_twice_or_has_grown_counts_once(tmp_path, store):
    session = talk()
    path = written(tmp_path / "logs", session)
    ingest(path.parent, store)
    assert store.sql(TOTALS).row(0) == (1, 246, 35, 1)
    again = ingest(path.parent, store)
    assert again.counts.n_rows_read == 0
    assert "1 file unchanged" in again.summary()
    session.answers("One more thing", output=2).asks("And the lexer").answers("Done too", output=4)
    path.write_text(session.lines)
    grown = ingest(path.parent, store)
    assert (grown.counts.n_accepted, grown.counts.n_replaced) == (2, 1)
    assert "1 file read on" in grown.summary()
    assert store.sql(TOTALS).row(0) == (2, 492, 41, 2)
    assert migrations.validate(store.path) == []


def test_a_session_that_was_resumed_in_a_new_file_counts_its_history_once(tmp_path, store):
    session = talk()
    written(tmp_path / "logs", session)
    resumed = session.lines.replace('"sessionId": "s1"', '"sessionId": "s2"')
    (tmp_path / "logs" / "s2.jsonl").write_text(
        resumed + Transcript("s2").asks("Next").answers("Done", output=1).lines
    )
    ingest(tmp_path / "logs", store)
    assert store.sql(TOTALS).row(0) == (2, 369, 36, 2)


def test_a_log_that_was_rewritten_is_read_again(tmp_path, store):
    path = written(tmp_path, talk())
    ingest(path, store)
    path.write_text(talk().lines.replace("Fix the parser", "Fix the PARSER") + talk().lines[:40])
    said = ingest(path, store).summary()
    assert "was rewritten since it was last read" in said
    assert store.sql(
        "select t.text from executions e join texts t on t.text_hash = e.description_hash"
    ).rows() == [("Fix the PARSER",)]


def test_a_model_without_a_price_leaves_the_cost_unknown_and_is_named(tmp_path, store):
    session = Transcript("s1").asks("Go").answers("Done", model="home-made-9b")
    session.asks("Again").answers("Done").answers("More", model="home-made-9b")
    said = ingest(written(tmp_path, session), store).summary()
    assert "no list price is known for home-made-9b (2 steps): the cost is unknown there" in said
    assert store.sql(TOTALS).row(0) == (2, 369, 30, 0)


def test_verdicts_from_elsewhere_hold_for_what_comes_later_too(tmp_path, store):
    session = talk()
    path = written(tmp_path / "logs", session)
    judged = tmp_path / "ci.csv"
    judged.write_text("branch,conclusion\nmain,success\nother,failure\nopen,\n")
    said = ingest(path.parent, store, verdicts=judged).summary()
    assert store.sql("select success, success_source from executions").rows() == [(True, "ci")]
    assert "other" in said
    session.asks("And now?").answers("Done")
    path.write_text(session.lines)
    ingest(path.parent, store)
    assert store.sql("select success, success_source from executions").rows() == [(True, "ci")] * 2


def test_a_wrong_verdict_file_or_format_stops_before_anything_is_stored(tmp_path):
    path = written(tmp_path, talk())
    store = Store(tmp_path / "new.duckdb")
    judged = tmp_path / "ci.csv"
    judged.write_text("colour\nred\n")
    with pytest.raises(SourceError, match="names no task, session or branch"):
        ingest(path, store, verdicts=judged)
    with pytest.raises(SourceError, match="there is no format 'klingon'; there are: claude_code"):
        ingest(path, store, log_format="klingon")
    assert not store.exists()


def test_a_format_that_is_named_is_used(tmp_path, store):
    path = tmp_path / "runs.jsonl"
    path.write_text('{"prompt": "Fix it", "model": "a", "success": true}\n')
    assert ingest(path, store, log_format="table").counts.n_accepted == 1
    report = ingest(path, store, log_format="claude_code")
    assert report.counts.n_accepted == 0
    assert sum(report.files[0].notes.kinds.values()) == 1


def test_every_real_file_is_told_by_exactly_one_reader(shared_data):
    folders = {
        "claude_code": "claude_code", "codex": "codex", "gemini_cli": "gemini_cli", "inspect": "inspect",
        "opencode": "opencode", "otel": "otel", "swe_agent": "swe_agent", "tau_bench": "tau_bench",
    }  # fmt: skip
    for path in sorted(path for path in shared_data.rglob("*") if path.is_file()):
        folder = path.relative_to(shared_data).parts[0]
        fitting = [form.name for form in FORMATS.values() if form.fits(head_of(path))]
        expected = [folders[folder]] if folder in folders and path.name not in NOT_LOGS else []
        assert fitting == expected, path


def test_every_format_says_where_its_tool_keeps_the_files():
    said = describe()
    for form in FORMATS.values():
        assert form.title in said
        assert form.keeps in said
    assert said.splitlines()[-1].startswith("table ")


def test_a_table_is_no_log(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("prompt,model\na,b\n")
    assert detect(path) is None


def test_a_watch_reads_what_comes_and_goes_on_after_it_was_killed(tmp_path, home):
    folder = tmp_path / "logs"
    session = talk()
    path = written(folder, session)
    store = Store(tmp_path / "watched.duckdb")

    look_again = Event()

    def watched(n_executions: int) -> bool:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if store.exists() and store.sql("select count(*) from executions").item() == n_executions:
                return True
            look_again.wait(0.1)
        return False

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "learnlab.cli", "watch", str(folder), "--db", str(store.path)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)

    process = start()
    try:
        assert watched(1)
        session.asks("And the lexer").answers("Done")
        path.write_text(session.lines)
        assert watched(2)
        process.kill()
        process.wait()
        session.asks("And the tests").answers("Done")
        path.write_text(session.lines)
        written(folder / "deeper", Transcript("s9").asks("Something else").answers("Done"))
        process = start()
        assert watched(4)
    finally:
        process.kill()
        process.wait()
    assert store.sql("select sum(output_tokens) from steps").item() == 65
    assert migrations.validate(store.path) == []


def test_a_watch_yields_a_report_for_each_change_until_it_is_stopped(tmp_path, store, monkeypatch):
    monkeypatch.setattr("learnlab.ingest.watch._LOOK_AGAIN", 100)
    path = written(tmp_path / "logs", talk())
    stop = Event()
    reports = watch(path.parent, store, stop=stop)
    assert next(reports).counts.n_accepted == 1
    written(path.parent, Transcript("s2").asks("More").answers("Done"))
    second = next(reports)
    assert [file.source for file in second.files] == ["logs/s2.jsonl"]
    stop.set()
    assert list(reports) == []
    with pytest.raises(SourceError, match="nothing to watch"):
        next(watch(tmp_path / "none", store))


def test_the_summary_counts_lines_that_no_reader_knows(tmp_path, store):
    session = talk().line(type="brand-new-thing")
    said = ingest(written(tmp_path, session), store).summary()
    assert "entries of unknown kinds, counted and left out: brand-new-thing (1)" in said
    kinds = json.loads(store.sql("select kinds from ledger where kinds is not null").item(0, 0))
    assert sum(kinds.values()) == 5
    token = "ghp_" + 40 * "x"
    said = ingest(written(tmp_path, session.line(type=f"\x1b[2J {token}")), store).summary()
    assert "?[2J [masked GitHub token] (1), brand-new-thing (1)" in said
    assert store.sql("select * from ledger where kinds like '%ghp_%'").is_empty()
    assert MODEL in store.sql("select distinct model from steps where model is not null")["model"].to_list()


def test_a_file_of_many_pieces_is_one_file_in_the_report(tmp_path, store, monkeypatch):
    whole = FORMATS["claude_code"]

    def in_parts(path: Path, position: Position) -> Iterator[Piece]:
        for piece in whole.read(path, position):
            yield replace(piece, tasks=piece.tasks[:2], position=position)
            yield replace(piece, tasks=piece.tasks[2:], kinds=Counter())

    monkeypatch.setitem(FORMATS, "claude_code", replace(whole, read=in_parts))
    session = Transcript("s1")
    for n in range(5):
        session.asks(f"ask {n}").answers(f"answer {n}")
    report = ingest(written(tmp_path, session), store)
    assert len(report.files) == 1
    assert report.counts.n_accepted == 5
    assert "5 records read from 1 file: 5 accepted" in report.summary()


def test_what_cannot_be_read_does_not_stop_the_rest(tmp_path, store, monkeypatch):
    folder = tmp_path / "logs"
    written(folder, talk())
    (folder / "loop").symlink_to(folder)
    (folder / "itself.jsonl").symlink_to(folder / "itself.jsonl")
    os.mkfifo(folder / "pipe.jsonl")
    with pytest.raises(SourceError, match="is no file but a pipe"):
        head_of(folder / "pipe.jsonl")
    with chdir(folder):
        for _ in range(40):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
        Path("beyond.jsonl").write_text("{}")

    def broken(path: Path, position: Position) -> Iterator[Piece]:
        yield Piece()
        raise OSError(EIO, "Input/output error")

    (folder / "codex.jsonl").write_text("broken disk")
    form = replace(FORMATS["codex"], fits=lambda head: head.start == b"broken disk", read=broken)
    monkeypatch.setitem(FORMATS, "codex", form)
    report = ingest(folder, store)
    assert report.counts.n_accepted == 1
    reasons = [reason for _, reason in report.unreadable]
    assert {reason.rpartition(": ")[2] for reason in reasons} == {
        "Too many levels of symbolic links", "Input/output error", "File name too long",
    }  # fmt: skip


def test_a_wrong_list_of_tiers_stops_before_anything_is_read(tmp_path, home, store):
    home.mkdir(exist_ok=True)
    (home / "tiers.toml").write_text("models = 3\n")
    with pytest.raises(MappingError, match="models is 3, not a table"):
        ingest(written(tmp_path, talk()), store)
