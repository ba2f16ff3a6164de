"""The notebooks: their shape, and what they say with other parameters, on an empty store and on real data."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import papermill
import polars as pl
import pytest
from encoders import WordEncoder
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from learnlab.ingest.run import ingest
from learnlab.ingest.simulation.sample import simulate_into, simulate_sessions_into
from learnlab.reports.publish import FOLDER, SAY, STOP
from learnlab.search.encoders.weights import PACKAGED_KEY
from learnlab.search.index.backlog import encode_waiting
from learnlab.store import Store

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
ALL = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
LIVE = "12_live_capture"
"""The one notebook that fills its store by itself."""

OTHERWISE: dict[str, Any] = {
    "repo": "orchard-api", "days_back": 45, "as_of": "2026-06-20T12:00:00Z", "tz": "Asia/Kolkata",
    "seconds": 1.0, "seed": 3, "n_seeds": 1,
}  # fmt: skip


def cells(path: Path, kind: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == kind]


def run(path: Path, db: Path, folder: Path, **parameters: Any) -> nbformat.NotebookNode:
    """Run a notebook with those of the parameters that it declares, and return it."""
    (tagged,) = [cell for cell in cells(path, "code") if "parameters" in cell.metadata.get("tags", [])]
    given = {
        name: value for name, value in parameters.items() if re.search(rf"^{name} =", tagged.source, re.M)
    }
    out = folder / path.name
    papermill.execute_notebook(path, out, {"db": str(db), **given}, progress_bar=False, kernel_name="python3")
    return nbformat.read(out, 4)


def outputs(notebook: nbformat.NotebookNode, kind: str) -> list[Any]:
    found = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    return [data[kind] for data in found if kind in data]


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated fleet, agents' sessions and attempts that wait beside it, in a store of their own.

    Its texts have vectors that stand in for those of the packaged model.
    """
    store = Store(tmp_path_factory.mktemp("fleet") / "fleet.duckdb").ensure()
    simulate_into(store, 3000, seed=5)
    simulate_sessions_into(store, seed=5)
    with store.writing() as connection:
        connection.execute(
            "insert into open_attempts select uuid(), side, uuid(), told_at, $known, told_at from (values "
            "('decision', timestamp '2026-06-01'), ('start', timestamp '2026-06-02')) as told(side, told_at)",
            {"known": '{"repo": "orchard-api"}'},
        )
    encode_waiting(store, WordEncoder(PACKAGED_KEY))
    return store.path


@ALL
def test_shape(path: Path) -> None:
    notebook = nbformat.read(path, 4)
    code = cells(path, "code")
    assert len(notebook.cells) <= 25
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert notebook.cells[0].source.startswith("# ")
    paragraphs = notebook.cells[0].source.split("\n\n")
    assert paragraphs[1].endswith("?")
    assert re.search(r"\basks\b", paragraphs[2])
    assert code[0].metadata["tags"] == ["parameters"]
    assert sum("tags" in cell.metadata for cell in code) == 1
    assert "## What this says" in [cell.source for cell in cells(path, "markdown")]
    assert any("assert " in cell.source for cell in code)
    assert "ll.publish(" in notebook.cells[-1].source


@ALL
def test_parameters_are_plain_and_explained(path: Path) -> None:
    source = cells(path, "code")[0].source
    for line, statement in zip(source.splitlines(), ast.parse(source).body, strict=True):
        assert isinstance(statement, ast.Assign)
        assert type(ast.literal_eval(statement.value)) in (str, int, float, bool)
        assert re.search(r"  # \w.{10,}", line)


@ALL
def test_code_is_learnlabs_alone(path: Path) -> None:
    for cell in cells(path, "code"):
        tree = ast.parse(cell.source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert ast.unparse(node) == "import learnlab as ll"
            if isinstance(node, ast.FunctionDef):
                assert len(node.body) <= 3
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.search(
                    r"(?i)\b(select|insert|create|attach)\b.*\b(from|into|table)\b", node.value
                )
                assert not re.search(r"^[/~.]|\.(csv|db|duckdb|parquet)$", node.value)
        charts = [line for line in cell.source.splitlines() if line.startswith("ll.charts.")]
        assert len(charts) <= 1
        assert not re.search(r"^\s*[%!]", cell.source, re.M)
    prose = "\n".join(cell.source for cell in cells(path, "markdown"))
    assert not re.search(r"(?<![\w`])\d+(\.\d+)?\b", prose), "a number typed into prose"


@ALL
def test_outputs_are_committed_for_the_tour_alone(path: Path) -> None:
    ran = [cell for cell in cells(path, "code") if cell.outputs or cell.execution_count is not None]
    assert bool(ran) == (path.stem == "00_tour")
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(home|root|work|tmp|Users|usr)/|papermill|Traceback", text)
    assert nbformat.read(path, 4).metadata["learnlab"] == {"nightly": path.stem not in ("00_tour", LIVE)}


def test_the_guide_names_every_notebook() -> None:
    guide = (NOTEBOOKS[0].parent / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\((\w+)\.ipynb\)", guide) == [path.stem for path in NOTEBOOKS]


@ALL
def test_runs_with_other_parameters(
    path: Path, fleet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = tmp_path / "tables"
    tables.mkdir()
    monkeypatch.setenv(FOLDER, str(tables))
    notebook = run(path, tmp_path / "live.duckdb" if path.stem == LIVE else fleet, tmp_path, **OTHERWISE)
    assert outputs(notebook, STOP) == []
    sentences = outputs(notebook, SAY)[-1]["sentences"]
    assert 3 <= len(sentences) <= 6
    assert all(sentence.endswith(".") for sentence in sentences)
    figures = list(outputs(notebook, "application/vnd.vegalite.v5+json"))
    assert figures
    assert all(figure["description"] and figure["title"]["text"] for figure in figures)
    published = {file.stem: pl.read_parquet(file) for file in tables.glob("*.parquet")}
    assert published
    assert {repo for table in published.values() if "repo" in table for repo in table["repo"]} <= {
        "orchard-api"
    }


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KernelManager]:
    """One kernel for many notebooks: starting it takes longer than what they do in it."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=os.environ | {"LEARNLAB_HOME": str(tmp_path_factory.mktemp("home"))})
    yield manager
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path.stem != LIVE], ids=lambda path: path.stem
)
def test_stops_gently_on_an_empty_store(path: Path, store: Store, kernel: KernelManager) -> None:
    notebook = nbformat.read(path, 4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        cell.outputs = []
    code[0].source = f"%reset -f\n{code[0].source}\ndb = {str(store.path)!r}"
    with pytest.raises(CellExecutionError) as ended:
        NotebookClient(notebook, km=kernel).execute()
    assert (ended.value.ename, ended.value.evalue) == ("SystemExit", "")
    (stop,) = outputs(notebook, STOP)
    assert stop["reason"].startswith("No ")
    assert outputs(notebook, "application/vnd.vegalite.v5+json") == []


@pytest.fixture(scope="session")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """CodeRouterBench's own results in a store, and the file that they come from."""
    shared = Path(__file__).resolve().parents[3] / "shared/data/coderouterbench/id_test_results_long.csv"
    if not shared.exists():
        pytest.skip("the folder ../shared/data with the real input is absent")
    store = Store(tmp_path_factory.mktemp("bench") / "bench.duckdb").ensure()
    ingest(shared, store)
    return store.path, shared


def _published(
    stem: str, benchmark: tuple[Path, Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[str], dict[str, pl.DataFrame]]:
    monkeypatch.setenv(FOLDER, str(folder))
    (path,) = [path for path in NOTEBOOKS if path.stem == stem]
    said = outputs(run(path, benchmark[0], folder), SAY)
    tables = {file.stem: pl.read_parquet(file) for file in folder.glob("*.parquet")}
    return [sentence for each in said for sentence in each["sentences"]], tables


def test_ingestion_of_a_source_without_time(
    benchmark: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, tables = _published("10_ingestion", benchmark, tmp_path, monkeypatch)
    assert "The source records no time: none of the 23,352 executions can be shown over time." in said
    assert any("score >= 1.0" in sentence for sentence in said)
    assert any(sentence.startswith("23,310 of 23,352 executions have a known cost") for sentence in said)
    # Worked out from the file: 42 missing, and 3,697 in constants of 10 or more.
    assert any(
        sentence.startswith("3,739 of 23,352 executions (16.0\u00a0%) carry token counts")
        for sentence in said
    )
    assert tables["flagged_tokens"]["n_flagged"].sum() == 3739


def test_models_of_a_source_without_time(
    benchmark: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, tables = _published("20_tier_performance", benchmark, tmp_path, monkeypatch)
    results = pl.read_csv(benchmark[1])
    expected = dict(results.group_by("model").agg(100 * pl.col("score").mean()).iter_rows())
    found = tables["quality_by_model"]
    assert dict(found.select("model", "quality_score_mean").iter_rows()) == pytest.approx(expected, abs=1e-4)
    assert (found["quality_score_mean_low"] < found["quality_score_mean"]).all()
    wide = results.pivot("model", index="task_id", values="score")
    gaps = tables["models_on_shared_problems"]
    for model, against, n, gap in gaps.select("model", "against", "n_shared", "difference").iter_rows():
        assert (against, n) == ("claude-opus-4-6", 2919)
        assert gap == pytest.approx(100 * (wide[model] - wide[against]).mean())
    assert any("recorded no time" in sentence or "records no time" in sentence for sentence in said)
    assert any(sentence.startswith("3,697 executions are left out of the costs") for sentence in said)
    assert any("In code_understanding and refactor under" in sentence for sentence in said)
    assert tables["cost_per_success"]["n"].sum() == 23_352 - 3_697 - 42
