from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import pytest

from bench import capture, indexes, ingestion, logs, reading, records
from bench.figures import Figure, keep, side_by_side, table
from bench.fleets import Fleet, make_fleet


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Fleet, list[Figure]]:
    fleet = make_fleet(400, tmp_path_factory.mktemp("bench"))
    return fleet, list(ingestion.measure(fleet))


@pytest.fixture(autouse=True)
def each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have everything timed once: here nobody reads the figures."""
    for module in (reading, indexes):
        monkeypatch.setattr(module, "side_by_side", partial(side_by_side, times=1))


@pytest.fixture
def fleet(measured: tuple[Fleet, list[Figure]]) -> Fleet:
    return measured[0]


def check(figures: list[Figure]) -> None:
    assert len({(figure.topic, figure.what) for figure in figures}) == len(figures)
    for figure in figures:
        assert figure.value > 0, figure
        assert figure.peer_value > 0, figure


def test_ingestion_fills_the_store_and_the_bare_file_with_the_same_rows(
    measured: tuple[Fleet, list[Figure]],
) -> None:
    fleet, figures = measured
    check(figures)
    assert [figure.what for figure in figures[:4]] == [
        "CSV", "CSV, all of it known already", "Parquet", "Parquet, all of it known already",
    ]  # fmt: skip
    totals = "select count(*), round(sum(actual_cost), 6), count(success), max(timestamp) from executions"
    with reading.duckdb.connect(str(fleet.bare), read_only=True) as bare:
        assert fleet.store.sql(totals).rows() == bare.execute(totals).fetchall()


def test_the_views_are_read_live_materialised_and_by_four_processes(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.store.refresh()
    with reading.readers(fleet, is_open=True) as by_kind:
        for name in reading.WINDOWS:
            live, kept = by_kind["live"](name), by_kind["materialised"](name)
            assert live.sort(live.columns).equals(kept.sort(live.columns))
            if name != "solution_patterns":
                assert by_kind[reading.PEER](name).height == live.height
    assert len(reading.four_at_once(fleet, "live", is_open=False, times=1)) == 4
    monkeypatch.setattr(reading, "four_at_once", lambda *_, **__: [1.0])
    check(list(reading.measure(fleet)))


def test_every_index_is_measured_on_what_it_is_for(fleet: Fleet) -> None:
    figures = list(indexes.measure(fleet))
    check(figures)
    labels = {figure.what.rpartition(": ")[2] for figure in figures}
    assert labels == {*indexes.INDEXES, indexes.ALL}
    reads = {figure.what.rpartition(": ")[0] for figure in figures}
    assert {indexes.TIER, indexes.TOP, "file", "insert of 10,000 rows"} <= reads


def test_single_records_arrive_in_the_store(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Fleet(fleet.n, tmp_path)
    shutil.copy(fleet.store.path, own.store.path)
    shutil.copy(fleet.bare, own.bare)
    monkeypatch.setattr(records, "_TIMES", 2)
    count = "select count(*) as n from executions where task_type = 'refactor' and repo = 'shop'"
    before = own.store.sql(count)["n"][0]
    check(list(records.measure(own)))
    assert own.store.sql(count)["n"][0] == before + 2 * (1 + 2)


def test_what_is_captured_while_it_is_measured_is_all_stored(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("_TURNS", 1), ("_CALLS", 8), ("_SECONDS", 0.1)):
        monkeypatch.setattr(capture, name, value)
    before = fleet.store.sql("select count(*) from executions").item()
    figures = list(capture.measure(fleet))
    check(figures)
    assert [figure.limit for figure in figures] == [
        *(1.5 * figure.peer_value for figure in figures[:4]), 50, 50, 50, 50, 100, None, 100, None,
    ]  # fmt: skip
    assert capsys.readouterr().err.count("lines in each batch") == 2
    assert fleet.store.sql("select count(*) from executions").item() == before


def test_real_logs_are_repeated_with_ids_of_their_own_and_read(shared_data: Path, tmp_path: Path) -> None:
    folder = logs.repeated("codex", tmp_path, 10_000)
    assert folder is not None
    files = sorted(folder.rglob("*.jsonl"))
    assert len(files) == 3
    one = logs.read(files[:1], "codex")
    assert one > 0
    assert logs.read(files, "codex") == 3 * one
    keys = {line for path in files for line in path.read_text().splitlines() if '"session_meta"' in line}
    assert len(keys) == 3
    logs.bare(files)


def test_figures_are_printed_with_their_verdict_and_kept(tmp_path: Path) -> None:
    figures = [
        Figure("ingestion", "CSV", 100, 3.0, "s", "bare", 2.0, 4.0),
        Figure("views", "tier", 100, 12.0, "ms", "bare", 6.0, 10.0),
        Figure("views", "pool", 100, 12.0, "ms", "bare", 6.0),
    ]
    lines = table(figures).splitlines()
    assert [line.split()[-1] for line in lines if line.startswith("  ")] == [
        "verdict", "within", "verdict", "over", "-",
    ]  # fmt: skip
    keep(figures, tmp_path / "new" / "results.json")
    kept = json.loads((tmp_path / "new" / "results.json").read_text())
    assert [figure["ratio"] for figure in kept["figures"]] == [1.5, 2.0, 2.0]
