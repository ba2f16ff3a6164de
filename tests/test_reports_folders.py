"""The folders of runs: whole or not there, `latest` always leads somewhere, old ones go and others stay."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from learnlab.errors import ReportError
from learnlab.reports import folders

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def make_run(out: Path, started: datetime, store: str = "/stores/a.duckdb") -> Path:
    with folders.being_built(out, started, store) as partial:
        (partial / "index.html").write_text(f"run of {started:%H:%M}", encoding="utf-8")
        manifest = {"store": {"path": store}, "started_at": started.isoformat()}
        (partial / folders.MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
        return folders.complete(partial, out)


def test_a_run_is_seen_only_when_it_is_complete(tmp_path: Path) -> None:
    with folders.being_built(tmp_path, NOON, "shop") as partial:
        assert folders.runs_of(tmp_path, "shop") == []
        assert not (tmp_path / "latest").exists()
        (partial / "index.html").write_text("x", encoding="utf-8")
        folder = folders.complete(partial, tmp_path)
    assert (tmp_path / "latest").resolve() == folder
    assert folder.name.startswith("20260501T120000Z-shop-")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [folder.name]


def test_a_run_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    earlier = make_run(tmp_path, NOON)
    with suppress(ZeroDivisionError), folders.being_built(tmp_path, NOON, "shop") as partial:
        (partial / "index.html").write_text("x", encoding="utf-8")
        raise ZeroDivisionError
    assert (tmp_path / "latest").resolve() == earlier
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [earlier.name]


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file stands here", encoding="utf-8")
    with pytest.raises(ReportError, match="reports cannot be written there"):
        make_run(tmp_path / "out", NOON)


def test_an_error_while_writing_names_the_file(tmp_path: Path) -> None:
    with (
        pytest.raises(ReportError, match=r"lost/page\.html: cannot be written"),
        folders.being_built(tmp_path, NOON, "shop") as partial,
    ):
        (partial / "lost" / "page.html").write_text("x", encoding="utf-8")


def test_latest_leads_to_a_whole_run_at_every_moment(tmp_path: Path) -> None:
    make_run(tmp_path, NOON)
    over = threading.Event()
    seen: list[str] = []
    wrong: list[Exception] = []

    def look() -> None:
        while not over.is_set():
            try:
                seen.append((tmp_path / "latest" / "index.html").read_text(encoding="utf-8"))
            except OSError as error:
                wrong.append(error)

    def write(hour: int) -> None:
        for minute in range(25):
            make_run(tmp_path, NOON.replace(hour=hour, minute=minute))

    reader = threading.Thread(target=look)
    writers = [threading.Thread(target=write, args=(hour,)) for hour in (13, 14)]
    reader.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    over.set()
    reader.join()
    assert wrong == []
    assert len(set(seen)) > 1
    assert len(folders.runs_of(tmp_path, "/stores/a.duckdb")) == 51
    assert not list(tmp_path.glob(".latest*"))


def test_without_links_latest_is_a_page_that_leads_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    make_run(tmp_path, NOON)
    second = make_run(tmp_path, NOON + timedelta(hours=1))
    page = (tmp_path / "latest" / "index.html").read_text(encoding="utf-8")
    assert f'url=../runs/{second.name}/index.html"' in page


def test_runs_of_one_second_are_told_apart_by_their_manifests(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, NOON + timedelta(milliseconds=100 * n)) for n in range(8)]
    assert [run for run, _ in folders.runs_of(tmp_path, "/stores/a.duckdb")] == runs[::-1]
    folders.keep_newest(tmp_path, "/stores/a.duckdb", 1)
    assert list((tmp_path / "runs").iterdir()) == [runs[-1]]


def test_only_the_newest_runs_of_a_store_are_kept(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, NOON + timedelta(hours=i)) for i in range(4)]
    other = make_run(tmp_path, NOON - timedelta(days=1), "/stores/b.duckdb")
    in_progress = tmp_path / "runs" / "20260501T000000Z-a-000000.partial"
    in_progress.mkdir()
    strange = tmp_path / "runs" / "notes"
    strange.mkdir()
    assert sorted(folders.keep_newest(tmp_path, "/stores/a.duckdb", 2)) == [runs[0].name, runs[1].name]
    left = {path.name for path in (tmp_path / "runs").iterdir()}
    assert left == {runs[2].name, runs[3].name, other.name, in_progress.name, "notes"}


def test_the_run_that_latest_shows_is_kept(tmp_path: Path) -> None:
    newest = make_run(tmp_path, NOON + timedelta(hours=1))
    shown = make_run(tmp_path, NOON)
    assert folders.keep_newest(tmp_path, "/stores/a.duckdb", 1) == []
    assert newest.exists()
    assert shown.exists()
