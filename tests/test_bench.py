from __future__ import annotations

import io
import json
import shutil
from contextlib import redirect_stdout
from functools import partial
from math import isfinite
from pathlib import Path

import numpy as np
import pytest
from encoders import WordEncoder

from bench import (
    capture,
    feedback,
    indexes,
    ingestion,
    logs,
    peers_figures,
    peers_world,
    reading,
    records,
    routing,
    routing_deciding,
    routing_judging,
    routing_training,
    search,
)
from bench.figures import Figure, keep, side_by_side, table
from bench.fleets import Fleet, make_fleet
from bench.peers_figures import Result
from learnlab.routing.baselines import logistic
from learnlab.routing.evaluate import summary
from learnlab.routing.sona import tuning
from learnlab.routing.sona.neighbours import Bank
from learnlab.routing.sona.training import Method


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
        assert isfinite(figure.value), figure  # a difference of two times may fall below 0 on a busy machine
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


def test_labels_are_given_while_others_hold_the_store_and_are_all_there(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("_LABELS", 3), ("_PAUSE", 0), ("_reports", feedback._nobody)):
        monkeypatch.setattr(feedback, name, value)
    figures = list(feedback.measure(fleet))
    check(figures)
    assert [figure.limit for figure in figures] == [None, *[None, 100] * 3]
    assert not (fleet.folder / f"feedback-{fleet.n}").exists()


def test_a_router_is_trained_used_and_judged_on_the_fleet(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = partial(summary.estimates, resamples=20)
    for module, name, value in (
        (tuning, "METHODS", (Method(n_hidden=0, epochs=0),)), (logistic, "STRENGTHS", (1.0,)),
        (routing_training, "_TREES", 2), (routing_deciding, "_DECISIONS", 20), (routing_deciding, "_TIMES", 1),
        (routing_deciding, "_embedding", dict), (routing_judging, "_TASKS", 100), (summary, "estimates", few),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    near = Bank.near
    figures = list(routing.measure(fleet))
    check(figures)
    assert Bank.near is near
    assert len({figure.topic for figure in figures}) == 6
    limits = {(figure.topic, figure.limit) for figure in figures if figure.limit}
    assert limits == {(routing_training.TRAINING, 120), (routing_deciding.DECIDING, 1)}
    assert not (fleet.folder / f"routing-{fleet.n}").exists()


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


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Result], list[Figure], str]:
    """What learnlab and numpy come to on 500 records made of 200 vectors, beside a peer that is not installed."""
    encoder = WordEncoder(dimension=64)
    texts = [f"Fix module {at} of part {at % 7} in area {at % 11}" for at in range(206)]
    vectors = encoder.encode(texts)
    given = peers_world.Real(encoder.key, texts[:200], vectors[:200], texts[200:], vectors[200:])
    folder = tmp_path_factory.mktemp("searched")
    kept: list[list[Result]] = []
    told = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(told):
        patch.setenv("LEARNLAB_HOME", str(folder))
        patch.setattr(search.peers, "HOME", folder / "nothing")
        patch.setattr(search, "_STARTS", 1)
        patch.setattr(search, "_PROCESSES", 1)
        patch.setattr(
            search, "figures", lambda n, results: kept.append(results) or peers_figures.figures(n, results)
        )
        figures = list(search.measure(500, folder, given, [*search.OURS, "sqlite-vec", "numpy"]))
    return kept[0], figures, told.getvalue()


def test_every_searcher_is_asked_the_same_and_found_out(
    searched: tuple[list[Result], list[Figure], str],
) -> None:
    results, figures, told = searched
    assert [result.name for result in results] == [*search.OURS, "numpy"]
    for result in results:
        for is_filtered in (False, True):
            assert result.recall[is_filtered] >= (1 if result.name == "numpy" else 0.95)
            assert 0 < result.p50[is_filtered] <= result.p95[is_filtered] < result.first_ms
            assert bool(result.together[is_filtered]) == (result.name in search.OURS)
    check([figure for figure in figures if figure.topic != peers_figures.RECALL])
    assert {figure.limit for figure in figures if figure.topic == peers_figures.HELD} == {5}
    lines = told.splitlines()
    assert lines[0].startswith("500 records of perturbed real vectors; a filter keeps ")
    assert [line.split(" | ")[0] for line in lines[4:] if line] == [
        "| ours",
        "| ours, opened anew",
        "| numpy",
    ]


def test_a_searcher_that_cannot_run_is_left_out_with_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search.peers, "HOME", tmp_path / "nothing")
    with pytest.raises(search.SearcherError, match="sqlite-vec: ModuleNotFoundError"):
        search.peers.build("sqlite-vec", tmp_path)


def test_peers_that_cannot_be_installed_leave_numpy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(search.peers, "HOME", tmp_path / "peers")
    monkeypatch.setattr(search.peers.sys, "executable", shutil.which("false"))
    assert search.chosen(1_000) == (*search.OURS, *search.TEXT_IN, "numpy")
    assert "cannot be installed, numpy alone is left: it was refused" in capsys.readouterr().err
    monkeypatch.setattr(search.peers, "install", lambda: "")
    assert set(search.PEERS) < set(search.chosen(100_000))
    assert not set(search.SLOW) & set(search.chosen(1_000_000))
    monkeypatch.setenv("BENCH_FULL", "1")
    assert set(search.PEERS) < set(search.chosen(1_000_000))


def test_neighbours_are_those_of_a_plain_sort_and_a_filter_keeps_a_few_in_a_hundred(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((120, 8), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    real = peers_world.Real("k@1", [str(at) for at in range(100)], vectors[:100], ["q"] * 20, vectors[100:])
    world = peers_world.make(20_000, real, tmp_path / "world")
    assert 0.02 < np.mean([world.kept(at).mean() for at in range(20)]) < 0.04
    for is_filtered in (False, True):
        for at, found in enumerate(peers_world.neighbours(world, is_filtered=is_filtered)):
            products = world.vectors @ world.queries[at]
            products[~world.kept(at)] -= 4 * is_filtered
            assert sorted(found) == sorted(np.argsort(-products)[:10].tolist())


def test_a_limit_holds_only_beside_a_peer_that_finds_enough() -> None:
    def of(name: str, p50: float, found: float, *, is_on_disk: bool = False) -> Result:
        both = {False: p50, True: p50}
        recall = {False: found, True: found}
        return Result(name, {"seconds": 1, "mb": 1}, is_on_disk=is_on_disk, p50=both, p95=both, recall=recall)

    results = [
        of("ours", 9, 0.995), of("ours, opened anew", 20, 0.995), of("LanceDB", 10, 1.0, is_on_disk=True),
        of("chroma", 2, 0.9, is_on_disk=True), of("faiss, flat", 4, 1.0), of("faiss, HNSW", 1, 0.95), of("numpy", 1, 1.0),
    ]  # fmt: skip
    figures = list(peers_figures.figures(1_000_000, results))
    limits = {(f.topic, f.peer.partition(" (")[0], f.what.partition(":")[0]): f.limit for f in figures}
    some, every = "one repo, some days", "any record"
    assert limits[peers_figures.DISK, "LanceDB", some] == 10
    assert limits[peers_figures.DISK, "LanceDB", every] is None
    assert limits[peers_figures.DISK, "chroma", some] is None
    assert (
        limits[peers_figures.MEMORY, "faiss, flat", some]
        == limits[peers_figures.MEMORY, "faiss, flat", every]
        == 12
    )
    assert limits[peers_figures.MEMORY, "faiss, HNSW", every] is None
    assert limits[peers_figures.MEMORY, "numpy", every] is None
    assert limits[peers_figures.HELD, "LanceDB", every] == 200
