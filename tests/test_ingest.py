"""The ingest loop: whole folders, every row counted once, whatever the order, the split or the process."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from learnlab.errors import MappingError, SourceError
from learnlab.ingest import FileReport, IngestReport, ingest
from learnlab.ingest.report import Notes
from learnlab.store import Store
from learnlab.store.merge import Counts

COLUMNS = "id,prompt,model,success,cost_usd,timestamp"


def rows(n: int, first: int = 0) -> list[str]:
    return [
        f"t-{i},Fix part {i},m{i % 3},{str(i % 2 == 0).lower()},{i / 8},2026-03-01T10:{i % 60:02d}:00Z"
        for i in range(first, first + n)
    ]


def write(path: Path, lines: list[str], header: str = COLUMNS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def contents(store: Store) -> set[str]:
    found = store.sql("select content_hash::varchar as hash from executions")["hash"]
    assert found.n_unique() == len(found)
    return set(found)


def check_ledger(store: Store) -> None:
    """Every row of the ledger adds up, and all of them add up to the rows of the store."""
    ledger = store.sql("select * from ledger")
    assert (
        ledger["n_rows_read"] == ledger["n_accepted"] + ledger["n_duplicates"] + ledger["n_rejected"]
    ).all()
    n_rows = store.sql("select count(*) as n from executions")["n"][0]
    assert (ledger["n_accepted"] - ledger["n_replaced"] - ledger["n_removed"]).sum() == n_rows


def test_the_counts_add_up_and_are_said(tmp_path: Path, store: Store) -> None:
    source = write(tmp_path / "runs.csv", [*rows(5), rows(1)[0], "broken", "t-9,Fix,m,true,-1,2026-03-01"])
    report = ingest(source, store)
    assert report.counts == Counts(n_rows_read=8, n_accepted=5, n_replaced=0, n_duplicates=1, n_rejected=2)
    assert report.summary().splitlines()[0] == (
        f"{store.name}: 8 rows read from 1 file: 5 accepted, 1 duplicate, 2 rejected (see the table rejected)"
    )
    kept = store.sql("select source, source_position, reason, content from rejected order by source_position")
    assert kept.rows() == [
        ("csv:runs.csv", 8, "has 1 field, the header has 6", "broken"),
        (
            "csv:runs.csv", 9, "actual_cost is -1.0, below 0",
            '{"cost_usd":"-1","id":"t-9","model":"m","prompt":"Fix","success":"true","timestamp":"2026-03-01"}',
        ),
    ]  # fmt: skip
    check_ledger(store)


def test_nothing_counts_twice_again_shuffled_or_split(tmp_path: Path, store: Store) -> None:
    lines = rows(50)
    ingest(write(tmp_path / "runs.csv", lines), store)
    before = contents(store)
    assert len(before) == 50
    again = ingest(tmp_path / "runs.csv", store)
    random.Random(1).shuffle(lines)
    shuffled = ingest(write(tmp_path / "shuffled.csv", lines), store)
    write(tmp_path / "parts" / "a.csv", lines[:20])
    write(tmp_path / "parts" / "b.csv", lines[15:])
    split = ingest(tmp_path / "parts", store)
    for report, n in ((again, 50), (shuffled, 50), (split, 55)):
        assert report.counts == Counts(n_rows_read=n, n_duplicates=n)
    assert contents(store) == before
    check_ledger(store)


def test_another_mapping_counts_nothing_twice(tmp_path: Path, store: Store) -> None:
    source = write(tmp_path / "runs.csv", rows(10))
    mapping = tmp_path / "my.toml"
    mapping.write_text(
        'key = ["id"]\ntask_group = "id"\n[columns]\nagent = "model"\n[constants]\nrepo = "shop"\n'
    )
    ingest(source, store)
    assert ingest(source, store, mapping=mapping).counts == Counts(n_rows_read=10, n_duplicates=10)
    assert len(contents(store)) == 10


def test_a_corrected_outcome_replaces_and_the_old_one_never_comes_back(tmp_path: Path, store: Store) -> None:
    source = write(tmp_path / "runs.csv", rows(3))
    ingest(source, store)
    corrected = write(tmp_path / "new.csv", [rows(1)[0].replace(",true,", ",false,")])
    report = ingest(corrected, store)
    assert report.counts == Counts(n_rows_read=1, n_accepted=1, n_replaced=1)
    assert "1 replaced an earlier version of the same record" in report.summary()
    assert ingest(source, store).counts == Counts(n_rows_read=3, n_duplicates=3)
    assert store.sql("select success from executions where external_id = 't-0'")["success"].to_list() == [
        False
    ]
    check_ledger(store)


def test_half_of_a_file_twice_at_once_from_two_processes(tmp_path: Path, store: Store) -> None:
    lines = rows(400)
    first = write(tmp_path / "a.csv", lines[:300])
    second = write(tmp_path / "b.csv", lines[100:])
    program = (
        "import sys; from learnlab.ingest import ingest; from learnlab.store import Store\n"
        "print(ingest(sys.argv[1], Store(sys.argv[2])).counts.n_accepted)"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path), str(store.path)], stdout=subprocess.PIPE, text=True
        )
        for path in (first, second)
    ]
    accepted = [int(process.communicate(timeout=120)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum(accepted) == len(contents(store)) == 400
    check_ledger(store)


def test_a_folder_is_read_file_by_file_and_says_what_it_left(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "logs"
    write(folder / "a.csv", rows(3))
    write(folder / "deep" / "b.csv", rows(3, first=10))
    write(folder / ".hidden.csv", rows(3, first=20))
    write(folder / ".git" / "c.csv", rows(3, first=30))
    (folder / "notes.txt").write_text("nothing")
    (folder / "empty.csv").write_text("")
    (folder / "models.json").write_text('{\n  "models": []\n}\n')
    write(folder / "colours.csv", ["red"], header="colour")
    report = ingest(folder, store)
    assert report.counts.n_accepted == 6
    assert [file.source for file in report.files] == ["logs/a.csv", "logs/deep/b.csv"]
    reasons = dict(report.unreadable)
    assert set(reasons) == {"logs/notes.txt", "logs/empty.csv", "logs/models.json", "logs/colours.csv"}
    assert "is empty" in reasons["logs/empty.csv"]
    assert "one JSON object" in reasons["logs/models.json"]
    assert sum(line.startswith("  not read: ") for line in report.summary().splitlines()) == 4


@pytest.mark.parametrize("kind", ["claude_code", "codex", "otel", "tau_bench", "swe_agent", "inspect"])
def test_transcripts_and_traces_are_not_taken_for_tables_of_executions(
    shared_data: Path, store: Store, kind: str
) -> None:
    with pytest.raises(SourceError, match=r"nothing in .* can be read"):
        ingest(shared_data / kind, store, log_format="table")
    assert store.sql("select count(*) as n from executions")["n"][0] == 0


def test_a_glob_takes_what_matches(tmp_path: Path, store: Store) -> None:
    write(tmp_path / "a-1.csv", rows(2))
    write(tmp_path / "a-2.csv", rows(2, first=2))
    write(tmp_path / "b.csv", rows(2, first=4))
    assert ingest(str(tmp_path / "a-*.csv"), store).counts.n_accepted == 4


@pytest.mark.parametrize(
    ("name", "said"),
    [("missing.csv", "does not exist"), ("folder", "there is no file in"), ("*.csv", "matches no file")],
)
def test_a_source_that_is_not_there_is_an_error(tmp_path: Path, store: Store, name: str, said: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(SourceError, match=said):
        ingest(tmp_path / name, store)


def test_a_folder_without_anything_readable_is_an_error_with_reasons(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.txt").write_text("x")
    with pytest.raises(SourceError, match=r"nothing in .*logs can be read: .*no reader for \.txt"):
        ingest(folder, store)
    assert store.sql("select count(*) as n from ledger")["n"][0] == 0


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path, store: Store) -> None:
    with pytest.raises(SourceError, match="neither a file nor a folder"):
        ingest("/dev/null", store)
    loop = tmp_path / "loop.csv"
    loop.symlink_to(loop)
    with pytest.raises(SourceError):
        ingest(loop, store)


def test_a_header_alone_is_said_and_no_error(tmp_path: Path, store: Store) -> None:
    report = ingest(write(tmp_path / "runs.csv", []), store)
    assert report.counts == Counts()
    assert "no rows: there is only a header" in report.summary()


def test_what_is_worth_knowing_is_said(tmp_path: Path, store: Store) -> None:
    lines = ["a,m,completed,2026-03-01 10:00:00", "b,m,passed,"]
    report = ingest(write(tmp_path / "runs.csv", lines, header="prompt,model,status,timestamp"), store)
    said = report.summary()
    assert "1 time without a zone is taken as UTC" in said
    assert "1 row without a time: pages over time leave them out" in said
    assert "1 word in the success column is no verdict" in said
    stored = store.sql("select timestamp, time_source from executions order by time_source")
    assert stored["time_source"].to_list() == ["ingestion", "recorded"]
    assert str(stored["timestamp"][1]) == "2026-03-01 10:00:00"


def test_the_ledger_names_the_file_and_the_mapping(tmp_path: Path, store: Store) -> None:
    mapping = tmp_path / "my.toml"
    mapping.write_text('[tiers]\nm0 = "large"\n')
    report = ingest(write(tmp_path / "runs.csv", rows(3)), store, mapping=mapping)
    ledger = store.sql("select ingest_id::varchar as id, kind, source, mapping from ledger").row(0)
    assert ledger == (str(report.ingest_id), "ingest", "csv:runs.csv", str(mapping))
    assert store.sql("select model, tier from model_tiers").rows() == [("m0", "large")]
    assert store.view("outcomes").filter(pl.col("model") == "m0")["model_tier"].unique().to_list() == [
        "large"
    ]


def test_a_wrong_mapping_leaves_the_store_as_it_was(tmp_path: Path, store: Store) -> None:
    mapping = tmp_path / "my.toml"
    mapping.write_text('[columns]\nmodel = "modle"\n')
    with pytest.raises(MappingError, match="did you mean 'model'"):
        ingest(write(tmp_path / "runs.csv", rows(3)), store, mapping=mapping)
    assert store.sql("select count(*) as n from executions")["n"][0] == 0
    assert store.sql("select count(*) as n from ledger")["n"][0] == 0


def test_hostile_names_and_texts_stay_text(tmp_path: Path, store: Store) -> None:
    evil = "</script><img src=x onerror=alert(1)>'; drop table executions; --"
    folder = tmp_path / "logs"
    folder.mkdir()
    header = ",".join(f'"{name}"' for name in ("prompt", "model", evil, "{0}%s", "*", "^.*$"))
    names = ["'; drop table ledger; --.csv", "$(touch x).csv", os.fsdecode(b"caf\xe9.csv")]
    for at, name in enumerate(names):
        write(folder / name, [f'"{evil}","{at}","{evil}",a,b,c'], header=header)
    report = ingest(folder, store)
    assert report.counts.n_accepted == 3
    found = store.sql("select text, metadata from executions join texts on text_hash = description_hash")
    assert set(found["text"]) == {evil}
    sources = store.sql("select distinct source from executions")["source"]
    assert "csv:logs/caf\ufffd.csv" in set(sources)


def test_a_report_speaks_of_rows_and_files_in_numbers() -> None:
    from uuid import UUID

    empty = IngestReport(UUID(int=0), "sample")
    assert empty.summary() == "sample: 0 rows read from 0 files: 0 accepted, 0 duplicates, 0 rejected"


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", None])
def test_a_source_that_cannot_be_read_leaves_no_store(tmp_path: Path, content: str | None) -> None:
    source = tmp_path / "runs.csv"
    if content is not None:
        source.write_text(content)
    store = Store(tmp_path / "new.duckdb")
    with pytest.raises(SourceError):
        ingest(source, store)
    assert not store.exists()


def test_a_store_is_made_with_the_first_rows(tmp_path: Path) -> None:
    store = Store(tmp_path / "new.duckdb")
    assert ingest(write(tmp_path / "runs.csv", rows(3)), store).counts.n_accepted == 3
    assert store.sql("select count(*) as n from executions")["n"][0] == 3


def test_an_empty_source_is_refused_and_not_taken_for_the_working_folder(store: Store) -> None:
    with pytest.raises(SourceError, match="empty text"):
        ingest("", store)


def test_tiers_are_known_before_the_rows_are(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapping = tmp_path / "m.toml"
    mapping.write_text('[tiers]\nm0 = "large"\n')
    seen: list[int] = []
    add = store.add_all

    def noting(*args: object, **options: object) -> list[Counts]:
        seen.append(len(store.sql("select * from model_tiers where model = 'm0'")))
        return add(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "add_all", noting)
    ingest(write(tmp_path / "runs.csv", rows(3)), store, mapping=mapping)
    assert seen == [1]


def test_one_and_many_are_told_apart() -> None:
    one = FileReport(
        "a.csv", Counts(1, 1), Notes(n_naive_times=1, n_no_verdicts=1, n_untimed=1, n_unmatched=1)
    )
    assert list(one.hints()) == [
        "1 time without a zone is taken as UTC",
        "1 row without a time: pages over time leave them out",
        "1 word in the success column is no verdict: success is unknown there",
        "1 row without a partner in the joined file",
    ]
    two = FileReport("a.csv", Counts(2, 2), Notes(n_naive_times=2))
    assert list(two.hints()) == ["2 times without a zone are taken as UTC"]
