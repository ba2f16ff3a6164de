"""A run of reports: good, failing, empty and hanging notebooks, several at once, and what is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import polars as pl
import psutil
import pytest
from report_notebooks import hanging, quick, write

from learnlab.errors import ReportError, StoreError
from learnlab.reports import run
from learnlab.reports.execute import Kernels, Result, execute
from learnlab.reports.notebooks import find
from learnlab.store import Store, sqlfiles
from learnlab.store.frames import conform

NASTY = "'\"\\ {x} %s </script><img src=x onerror=alert(1)>\n\u2028 =é"


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> run.ReportRun:
    """One run of four notebooks, which the tests below look at."""
    folder = tmp_path_factory.mktemp("night")
    store = Store(folder / "shop.duckdb").ensure()
    told = {"task_type": ["docs"], "task_description": ["a"], "repo": ["shop"], "model_tier": ["small"]}
    good, _ = conform(pl.DataFrame({**told, "pool_type": ["local"]}))
    store.add(good.drop("row"))
    parameters = 'db = "sample"  # the store\ntext = ""  # any text\nn = 1'
    notebooks = [
        write(
            folder,
            "good",
            "# Good *news*\n\nWhich **tier** is best?\n\nSomebody asks.",
            "import learnlab as ll, polars as pl",
            "ll.publish(pl.DataFrame({'text': [text], 'n': [n]}), 'given', sql=['outcomes'])",
            "ll.publish(ll.sql('select count(*) as n from executions', db=db), 'counted')",
            "ll.say('Early.')",
            "ll.say('First.', 'Second.', 'Third.')",
            parameters=parameters,
        ),
        write(
            folder,
            "bad",
            "# Bad",
            "def deep():\n    return 1 / 0",
            "deep()",
            "'never reached'",
            parameters="n = 0",
        ),
        write(
            folder,
            "empty",
            "# Empty",
            "import learnlab as ll, polars as pl",
            "ll.stop_if_empty(pl.DataFrame({'a': []}), 'pools')",
            "'never reached'",
        ),
        write(folder, "dies", "# Dies", "import os; os._exit(1)"),
    ]
    return run.run_reports(
        notebooks, {"text": NASTY, "n": "3"}, db=store.path, out=folder / "out", timeout=120
    )


@pytest.fixture
def manifest(night: run.ReportRun) -> dict:
    return json.loads((night.folder / "manifest.json").read_text(encoding="utf-8"))


def page(night: run.ReportRun, name: str) -> str:
    return (night.folder / f"{name}.html").read_text(encoding="utf-8")


def test_one_that_fails_stops_no_other_and_the_run_is_not_ok(night: run.ReportRun) -> None:
    assert {r.notebook.name: r.status for r in night.results} == {
        "good": "ok",
        "bad": "failed",
        "empty": "stopped",
        "dies": "failed",
    }
    assert not night.ok
    summary = night.summary().splitlines()
    assert summary[:2] == [
        "4 notebooks: 1 done, 1 nothing to show, 2 failed",
        "bad: ZeroDivisionError: division by zero",
    ]
    assert summary[2].startswith("dies: DeadKernelError")


def test_the_run_is_in_its_place_and_latest_leads_to_it(night: run.ReportRun) -> None:
    assert night.index.name == "index.html"
    assert night.index.parent.name == "latest"
    assert night.index.resolve() == night.folder / "index.html"
    assert {path.name for path in night.folder.iterdir()} == {
        *("index.html", "manifest.json", "tables", "good.html", "bad.html", "empty.html", "dies.html")
    }


def test_the_index_shows_each_notebook_with_its_last_words(night: run.ReportRun) -> None:
    index = page(night, "index")
    assert '<a href="good.html">Good news</a>' in index
    assert "Which tier is best?" in index
    assert "Somebody asks" not in index
    assert "<li>First.</li><li>Second.</li></ul>" in index
    assert "Early." not in index
    assert 'href="tables/good/given.csv"' in index
    assert "1 execution" in index
    assert "Nothing new" not in index


def test_a_failing_notebook_shows_its_error_where_it_stopped_and_at_the_top(night: run.ReportRun) -> None:
    bad = page(night, "bad")
    assert bad.index("This notebook failed.") < bad.index("Show code")
    assert bad.count("ZeroDivisionError: division by zero") == 3
    assert bad.count('id="stopped-here"') == 1
    assert "1 more cell did not run." in bad
    assert "\x1b" not in bad
    assert "never reached" not in bad


def test_an_empty_store_is_said_and_is_no_failure(night: run.ReportRun) -> None:
    empty = page(night, "empty")
    assert "Nothing to show yet." in empty
    assert "No pools here yet." in empty
    assert "Traceback" not in empty
    assert 'class="error"' not in empty


def test_values_reach_the_notebook_exactly_as_given(night: run.ReportRun) -> None:
    tables = night.folder / "tables" / "good"
    assert pl.read_parquet(tables / "given.parquet").to_dicts() == [{"text": NASTY, "n": 3}]
    assert pl.read_csv(tables / "given.csv").to_dicts() == [{"text": NASTY, "n": 3}]
    assert pl.read_parquet(tables / "counted.parquet")["n"].to_list() == [1]
    assert "<img src=x" not in page(night, "good")
    assert sorted(path.name for path in tables.iterdir()) == [
        *("counted.csv", "counted.parquet", "given.csv", "given.parquet")
    ]
    assert not (night.folder / "tables" / "bad").exists()


def test_a_page_begins_with_its_last_words(night: run.ReportRun) -> None:
    page = (night.folder / "good.html").read_text(encoding="utf-8")
    short = page[page.index("In short") : page.index("</section>")]
    assert [word in short for word in ("Early.", "First.", "Third.")] == [False, True, True]


def test_the_manifest_says_what_was_run_on_what(night: run.ReportRun, manifest: dict) -> None:
    good = manifest["notebooks"]["good"]
    store = manifest["store"]["path"]
    assert good["parameters"] == {"db": store, "text": NASTY, "n": 3}
    assert manifest["notebooks"]["bad"]["parameters"] == {"n": 3}
    assert good["tables"]["given"] == {
        "n_rows": 1,
        "columns": ["text", "n"],
        "sql": ["outcomes"],
        "sql_sha256": sqlfiles.fingerprint(["outcomes"]),
    }
    assert good["tables"]["counted"]["sql_sha256"] is None
    assert (manifest["store"]["n_executions"], manifest["store"]["ledger_seq"]) == (1, 1)
    assert set(manifest["versions"]) == {"learnlab", "python", "duckdb", "polars", "altair", "papermill"}
    assert manifest["nothing_new_since"] is None
    assert manifest["notebooks"]["empty"]["status"] == "stopped"
    assert 0 < good["seconds"] < manifest["seconds"]


def test_the_pages_refer_to_nothing_outside_and_allow_no_other_script(night: run.ReportRun) -> None:
    for name in ("index", "good", "bad", "empty", "dies"):
        html = page(night, name)
        assert "default-src 'none'; script-src 'none';" in html
        assert "http" not in html.replace("http-equiv", "")
        assert "<script" not in html


def test_a_second_run_says_that_nothing_is_new_and_old_runs_go(tmp_path: Path) -> None:
    db = tmp_path / "shop.duckdb"
    first = run.run_reports([quick(tmp_path)], {}, db=db, out=tmp_path / "out")
    second = run.run_reports([quick(tmp_path)], {}, db=db, out=tmp_path / "out", keep=1)
    assert first.ok
    assert second.ok
    assert "Nothing new has come in since the last run of" in second.index.read_text(encoding="utf-8")
    assert [path.name for path in (tmp_path / "out" / "runs").iterdir()] == [second.folder.name]


def test_two_runs_at_the_same_time_do_not_harm_each_other(tmp_path: Path) -> None:
    program = "import sys, pathlib; from learnlab.reports.run import run_reports; a = sys.argv;" + (
        "r = run_reports([a[1]], {}, db=a[2], out=pathlib.Path(a[3])); print(r.folder); sys.exit(not r.ok)"
    )
    command = [
        sys.executable,
        "-c",
        program,
        quick(tmp_path),
        str(tmp_path / "shop.duckdb"),
        str(tmp_path / "out"),
    ]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    folders = {Path(out.strip()) for out, _ in said}
    assert set((tmp_path / "out" / "runs").iterdir()) == folders
    assert len(folders) == 2
    assert (tmp_path / "out" / "latest").resolve() in folders
    assert all((folder / "quick.html").exists() and (folder / "manifest.json").exists() for folder in folders)


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def assert_gone(*pids: int) -> None:
    """Wait for processes to be gone; the kernel of the system may take a moment to bury them."""
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in pids if is_alive(pid)], timeout=30)
    assert not alive


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pids"
    os.mkfifo(path)
    return path


def test_time_that_is_up_is_said_and_is_a_failure(tmp_path: Path, pipe: Path) -> None:
    done = run.run_reports(
        [hanging(tmp_path, pipe)], {}, db=tmp_path / "shop.duckdb", out=tmp_path / "out", timeout=1
    )
    assert [r.status for r in done.results] == ["timeout"]
    assert not done.ok
    assert "hanging: It ran for more than 1 seconds and was ended." in done.summary()
    assert "Out of time." in (done.folder / "hanging.html").read_text(encoding="utf-8")


def test_a_notebook_that_is_ended_leaves_no_kernel_and_no_child(tmp_path: Path, pipe: Path) -> None:
    (notebook,) = find([hanging(tmp_path, pipe)])
    kernels, results = Kernels(), list[Result]()
    options = {"tables": tmp_path / "tables", "environment": {}, "timeout": 600, "kernels": kernels}
    thread = threading.Thread(target=lambda: results.append(execute(notebook, {}, **options)))
    thread.start()
    kernel, child = map(int, pipe.read_text().split())
    assert is_alive(kernel)
    assert is_alive(child)
    kernels.end()
    thread.join(timeout=60)
    assert [result.status for result in results] == ["failed"]
    assert_gone(kernel, child)
    assert [c.metadata.papermill.status for c in results[0].node.cells][-1] != "pending"


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_broken_off_leaves_no_kernel_and_no_folder(
    tmp_path: Path, pipe: Path, sign: signal.Signals
) -> None:
    program = (
        "import sys, pathlib, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from learnlab.reports.run import run_reports; a = sys.argv;"
        "run_reports([a[1]], {}, db=a[2], out=pathlib.Path(a[3]))"
    )
    arguments = [hanging(tmp_path, pipe), str(tmp_path / "shop.duckdb"), str(tmp_path / "out")]
    process = subprocess.Popen([sys.executable, "-c", program, *arguments], stderr=subprocess.PIPE, text=True)
    kernel, child = map(int, pipe.read_text().split())
    process.send_signal(sign)
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0, said
    assert_gone(kernel, child)
    assert list((tmp_path / "out" / "runs").iterdir()) == []


def test_what_cannot_be_run_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    broken = tmp_path / "broken.ipynb"
    broken.write_text("{", encoding="utf-8")
    foreign = tmp_path / "foreign.duckdb"
    foreign.write_bytes(b"no database" * 500)
    for notebooks, parameters, db, message in [
        (["no_such"], {}, "", "no notebook 'no_such'; there are"),
        ([str(tmp_path / "gone.ipynb")], {}, "", "no notebook"),
        ([str(broken)], {}, "", r"broken\.ipynb: is no notebook"),
        ([quick(tmp_path)], {"n": "1"}, "", "no notebook has a parameter 'n': quick takes none"),
        ([quick(tmp_path)], {"db": "other"}, "", "name it with --db"),
        ([quick(tmp_path)], {}, foreign, "is not a DuckDB file"),
    ]:
        with pytest.raises((ReportError, StoreError), match=message):
            run.run_reports(notebooks, parameters, db=db, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_notebooks_of_one_name_get_pages_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    paths = [
        quick(tmp_path),
        quick(tmp_path / "other"),
        write(tmp_path, "index", "# I"),
        write(tmp_path, "a b&c", "# A"),
    ]
    assert [notebook.name for notebook in find(paths)] == ["quick", "quick-2", "index-notebook", "a-b-c"]
