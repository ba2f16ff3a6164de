from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from learnlab.cli import main
from learnlab.search.index import backlog
from learnlab.settings import settings
from learnlab.store import Store
from learnlab.store.migrations import latest

README = Path(__file__).resolve().parents[1] / "README.md"


def call(*words: object, ok: bool = True, answer: str | None = None) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words], input=answer)
    assert (result.exit_code == 0) is ok, result.output + repr(result.exception)
    return result


@pytest.fixture
def runs(tmp_path) -> Path:
    path = tmp_path / "runs.csv"
    path.write_text(
        "task_id,timestamp,task_type,repo,model_tier,pool_type,success,duration_seconds\n"
        "a,2026-05-01T10:00:00Z,docs,shop,small,local,true,3\n"
        "b,2026-05-01T11:00:00Z,fix,shop,large,local,false,5\n"
        "c,2026-05-01T12:00:00Z,fix,shop,large,local,false,-5\n"
    )
    return path


def test_ingest_prints_the_counts_and_names_the_store_after_the_source(runs):
    first = call("ingest", runs).output
    assert "runs: 3 rows read from 1 file: 2 accepted, 0 duplicates, 1 rejected" in first
    assert "2 duplicates, 1 rejected" in call("ingest", runs).output
    assert Store("runs").sql("select count(*) from executions").item() == 2
    assert not Store("sample").exists()


def test_status_says_what_a_store_holds(runs):
    assert "does not exist yet" in call("status").output
    call("ingest", runs, "--db", "mine")
    said = call("status", "--db", "mine").output
    assert "2 executions, 1 rejected rows" in said
    assert "from 2026-05-01 10:00 to 2026-05-01 11:00 UTC" in said
    assert "named stores: mine" in said
    assert "no text is searchable by meaning yet: 1 waits for `learnlab encode`" in said
    assert "wait to be" not in said


@pytest.mark.parametrize("text", [None, b"no store at all " * 1000])
def test_status_says_what_waits_beside_a_store_that_cannot_take_it(tmp_path, text):
    for name, data in (
        ("s.spool/5f3c.jsonl", b"{}\n"),
        ("s.spool/1.quarantined", b"\xff"),
        ("s.spans/1.jsonl", b"{}"),
    ):
        path = tmp_path / name.replace("s.", "s.duckdb.", 1)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    if text:
        (tmp_path / "s.duckdb").write_bytes(text)
    said = call("status", "--db", tmp_path / "s.duckdb", ok=text is None).output
    assert ("1 rejected rows" if text is None else "is not a DuckDB file") in said
    assert ("1 spool segment with 3 bytes wait to be drained" in said) is (text is not None)
    assert "1 spool segment with 1 byte could not be read, kept in" in said
    assert "1 file of traces with 2 bytes wait to be read from" in said


def test_use_sets_the_current_store(runs):
    call("ingest", runs, "--db", "mine")
    call("use", "mine")
    assert "2 executions" in call("status").output


def test_simulate_fills_a_store_once():
    assert "50 executions stored in sample, 0 were" in call("simulate", "--executions", 50).output
    assert "0 executions stored in sample, 50 were" in call("simulate", "--executions", 50).output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ingest", "nowhere.csv"], "nowhere.csv"),
        (["status", "--db", "No Name"], "is no name for a store"),
        (["db", "validate", "--db-path", "nowhere"], "there is no store 'nowhere'"),
        (["report", "--db", "nowhere"], "there is no store 'nowhere'"),
        (["db", "downgrade", "--db-path", "nowhere"], "there is no store 'nowhere'"),
    ],
)
def test_an_error_is_one_line_without_a_trace(words, message):
    result = call(*words, ok=False)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert message in result.output
    assert len(result.output.splitlines()) == 1


def test_whoever_reads_no_further_is_told_of_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "learnlab.cli", "formats"], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_mistyped_source_leaves_no_store(home):
    call("ingest", "nowhere.csv", ok=False)
    assert list(home.rglob("nowhere*")) == []


def test_a_report_of_a_header_alone_says_that_there_is_nothing(tmp_path):
    (tmp_path / "alone.csv").write_text("task_type,repo,success\n")
    said = call(
        "report", "10_ingestion", "--source", tmp_path / "alone.csv", "--out", tmp_path / "out"
    ).output
    assert "there is only a header" in said
    assert "nothing to show" in said


def test_wrong_settings_and_paths_are_one_line(monkeypatch):
    for db in ("~nobody-here/x.db", "x" * 5000 + ".db", "/"):
        assert len(call("status", "--db", db, ok=False).output.splitlines()) == 1
    monkeypatch.setenv("LEARNLAB_LOCK_TIMEOUT", "abc")
    settings.cache_clear()
    assert "LEARNLAB_LOCK_TIMEOUT" in call("status", ok=False).output


def test_the_schema_goes_up_and_down_and_says_what_is_lost(tmp_path):
    path, n = tmp_path / "learning.db", latest()
    assert "0001 executions" in call("db", "upgrade", "--db-path", path, "-v").output
    assert f"version {n} of {n}" in call("db", "status", "--db-path", path).output
    assert "0003 learning" in call("db", "status", "--db-path", path, "-v").output
    assert "sound" in call("db", "validate", "--db-path", path, "-v").output
    refused = call("db", "downgrade", "--db-path", path, ok=False, answer="n\n").output
    assert "Loses every label" in refused
    assert f"version {n} of {n}" in call("db", "status", "--db-path", path).output
    assert "a copy is" in call("db", "downgrade", "--db-path", path, "--yes", "-v").output
    assert f"version {n - 1} of {n}" in call("db", "status", "--db-path", path).output
    call("db", "validate", "--db-path", path, ok=False)
    call("db", "upgrade", "--db-path", path)


def test_reset_asks_and_keeps_a_copy(runs):
    call("ingest", runs, "--db", "mine")
    call("db", "reset", "--db-path", "mine", ok=False, answer="n\n")
    assert "2 executions" in call("status", "--db", "mine").output
    assert "is empty; a copy is" in call("db", "reset", "--db-path", "mine", "--yes", "-v").output
    assert "0 executions" in call("status", "--db", "mine").output


def test_an_unsound_store_is_told_and_the_exit_code_says_so(runs):
    call("ingest", runs, "--db", "mine")
    with Store("mine").writing() as connection:
        connection.execute("delete from executions")
    said = call("db", "validate", "--db-path", "mine", ok=False).output
    assert "executions beyond what the ledger accounts for: 2" in said
    assert "unsound" in said


def test_retain_says_what_it_moved(runs):
    call("ingest", runs, "--db", "mine")
    assert "0 executions from before" in call("db", "retain", "--db-path", "mine", "-v").output
    call("db", "retain", "--db-path", "mine", "--days", 3, ok=False)


def test_lab_opens_the_notebooks_on_the_current_store(monkeypatch):
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, words: started.append(words))
    monkeypatch.setattr(os, "environ", os.environ.copy())
    call("simulate", "--executions", 20)
    assert "store sample" in call("lab").output
    ((program, *words),) = started
    assert program == sys.executable
    assert words[:2] == ["-m", "jupyterlab"]
    assert words[2].endswith("notebooks")
    assert os.environ["LEARNLAB_DB"].endswith("sample.duckdb")


def test_every_command_is_in_the_readme():
    text = README.read_text(encoding="utf-8")
    commands = [f"learnlab {name}" for name in main.commands if name != "db"]
    commands += ["learnlab db " + name for name in main.commands["db"].commands]
    missing = [name for name in commands if not re.search(rf"{name}\b", text)]
    assert not missing


def test_a_notebook_that_names_its_own_store_is_run_in_it(home):
    result = CliRunner().invoke(main, ["report", "12_live_capture", "20_tier_performance"])
    assert result.exit_code == 1
    assert "work in different stores" in result.output


def test_a_blank_search_is_told_so(runs):
    call("ingest", runs)
    for asked in ("", " "):
        assert (
            "Error: the task description is blank" in call("search", asked, "--db", "runs", ok=False).output
        )


def test_an_interrupted_encode_says_that_it_can_go_on(runs, monkeypatch):
    call("ingest", runs, "--db", "mine")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(backlog, "encode_waiting", interrupted)
    assert call("encode", "--db", "mine").output == "ended; the next encode goes on from there\n"
