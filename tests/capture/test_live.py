"""What a notebook shows of live capture: looks at a store, the panel made of them, and what is left standing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from learnlab import intervals
from learnlab.capture.recorder import recorder_for
from learnlab.errors import ReportError
from learnlab.events import Candidate, RoutingDecision
from learnlab.models import ExecutionRecord
from learnlab.reports import live, live_charts, live_sentences
from learnlab.reports.marks import TIER_COLOURS
from learnlab.reports.notebooks import own_store
from learnlab.store import Store
from learnlab.store.spool import SpoolWriter

HOSTILE = "</td><img src=x onerror=\"alert('1')\">"
MakeRecord = Callable[..., ExecutionRecord]


@pytest.fixture(scope="module")
def looks(tmp_path_factory: pytest.TempPathFactory) -> list[live.Look]:
    """Two looks at a store: eight executions of one session, two of another, a decision that nobody carried out."""
    store = Store(tmp_path_factory.mktemp("looks") / "store.duckdb").ensure()
    given = {"task_type": "docs", "task_description": "Explain the cache", "repo": "shop"}
    mine = [
        ExecutionRecord(
            session_id="mine",
            model_tier=("small", "large")[i % 2],
            pool_type=("threads", HOSTILE)[i % 2],
            success=None if i == 7 else i < 5,
            duration_seconds=float(i),
            **given,
        )
        for i in range(8)
    ]
    theirs = [
        ExecutionRecord(session_id="theirs", model_tier="small", pool_type="p", **given) for _ in range(2)
    ]
    decision = RoutingDecision(task_id="t99", chosen=Candidate(pool="threads"), task={"session_id": "mine"})
    SpoolWriter(store.path).append([*mine, *theirs, decision])
    return [live.look(store.path, session) for session in ("mine", "mine", "nobody")]


def test_a_look_sees_its_own_session_and_what_waited(looks: list[live.Look]) -> None:
    assert [(each.captured.height, each.n_waiting, each.n_open) for each in looks] == [
        (8, 11, 1),
        (8, 0, 1),
        (0, 0, 0),
    ]
    says = looks[0].status().replace("\u00a0", " ")
    assert says.startswith("8 executions captured, 11 events waited in the spool, last drained ")
    assert says.endswith(" s ago, 1 attempt open")


def test_performance_has_a_row_a_tier_and_pool(looks: list[live.Look]) -> None:
    rows = looks[0].performance()
    assert rows.select("model_tier", "pool_type", "n_executions", "n_verdicts", "n_successes").rows() == [
        ("small", "threads", 4, 4, 3),
        ("large", HOSTILE, 4, 3, 2),
    ]
    expected = intervals.wilson(3, 4)
    assert expected is not None
    assert rows.select("success_rate", "success_rate_low", "success_rate_high").row(0) == pytest.approx(
        expected[:3]
    )
    assert rows["duration_seconds_p50"].to_list() == [3.0, 4.0]


class Seen(HTMLParser):
    """The elements and the text of some HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_panel_is_labelled_and_its_text_is_text(looks: list[live.Look]) -> None:
    seen = Seen(live.panel_html(looks[0]))
    assert {tag for tag, _ in seen.tags} == {
        *("section", "p", "table", "caption", "thead", "tbody", "tr", "th", "td", "svg", "line", "circle")
    }
    assert HOSTILE in seen.text
    pictures = [given for tag, given in seen.tags if tag == "svg"]
    assert [given["role"] for given in pictures] == ["img", "img"]
    assert (pictures[0]["aria-label"] or "").startswith(
        "75.0\u00a0%, 95 % interval 30.1\u00a0% to 95.4\u00a0%"
    )
    dots = [(given["fill"], float(given["cx"] or "")) for tag, given in seen.tags if tag == "circle"]
    assert [colour for colour, _ in dots] == [TIER_COLOURS["small"], TIER_COLOURS["large"]]
    ends = [
        (float(g["x1"] or ""), float(g["x2"] or ""))
        for t, g in seen.tags
        if t == "line" and g.get("stroke-width")
    ]
    assert all(low < at < high for (low, high), (_, at) in zip(ends, dots, strict=True))


def test_without_a_verdict_there_is_no_rate(looks: list[live.Look]) -> None:
    unknown = (
        looks[0].captured.with_columns(success=None, duration_seconds=None).cast(looks[0].captured.schema)
    )
    seen = Seen(live.panel_html(live.Look(looks[0].at, unknown.head(1), 0, 0)))
    assert "svg" not in [tag for tag, _ in seen.tags]
    assert seen.text.count("–") == 4


def test_an_empty_session_is_said_to_be_so(looks: list[live.Look]) -> None:
    seen = Seen(live.panel_html(looks[2]))
    says = "0 executions captured, 0 events waited in the spool, nothing drained yet, 0 attempts open"
    assert seen.text.startswith(says)
    assert "td" not in [tag for tag, _ in seen.tags]


class Shell:
    """What IPython would be told to show: the widget's successive values, and what is left in its place."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.panels: list[Any] = []
        self.values: list[str] = []
        self.left: list[dict[str, str]] = []
        monkeypatch.setattr("IPython.display.display", self.display)
        monkeypatch.setattr(live, "EVERY", 0.02)

    def display(self, panel: Any, *, display_id: bool) -> Shell:
        assert display_id
        self.panels.append(panel)
        panel.observe(lambda change: self.values.append(change["new"]), "value")
        return self

    def update(self, bundle: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.left.append(bundle)


def test_the_panel_follows_the_work_and_a_table_is_left(
    tmp_path: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell, db = Shell(monkeypatch), tmp_path / "new.duckdb"

    async def work(into: Path, *, session_id: str, n: int) -> str:
        for done in range(n):
            assert await recorder_for(into).arecord(make_record(session_id=session_id, pool_type=HOSTILE))
            words = f"{done + 1} execution"
            while not any(words in value for value in shell.values):
                await asyncio.sleep(0.01)
        return "done"

    assert asyncio.run(asyncio.wait_for(live.watched(work, db, n=2), 30)) == "done"
    (left,) = shell.left
    assert left["text/plain"].startswith("2 executions captured")
    assert HOSTILE not in left["text/html"]
    assert HOSTILE in Seen(left["text/html"]).text
    assert shell.panels[0].comm is None


@pytest.mark.parametrize("error", [ValueError("it broke"), asyncio.CancelledError()])
def test_work_that_ends_badly_is_let_go_on_and_the_last_look_stays(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = Shell(monkeypatch)

    async def work(db: Path, *, session_id: str) -> None:
        raise error

    async def watch() -> list[str]:
        with pytest.raises(type(error)):
            await live.watched(work, tmp_path / "new.duckdb")
        return [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    assert asyncio.run(watch()) == []
    assert shell.left[0]["text/plain"].startswith("0 executions captured")


def test_a_store_that_cannot_be_read_stops_no_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shell, db = Shell(monkeypatch), tmp_path / "new.duckdb"

    async def work(into: Path, *, session_id: str) -> str:
        for path in tmp_path.glob("new.duckdb*"):
            if path.is_file():
                path.unlink()
        db.write_text("no store " * 1000)
        while not any("cannot be read" in value for value in shell.values):
            await asyncio.sleep(0.01)
        return "done"

    assert asyncio.run(asyncio.wait_for(live.watched(work, db), 30)) == "done"
    assert shell.left == [{"text/plain": "The store cannot be read just now."}]
    assert "no look at the store" in caplog.text


def test_times_are_told_apart_and_none_is_negative() -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    seen = pl.DataFrame(
        {
            "task_id": ["a", "b", "lost"],
            "finished_at": [at] * 3,
            "seconds": [1.5, 1.0, 9.0],
            "own_seconds": [1.0, 1.25, 9.0],
        }
    )
    stored = [
        (at + timedelta(seconds=2)).replace(tzinfo=None),
        (at - timedelta(seconds=1)).replace(tzinfo=None),
    ]
    captured = pl.DataFrame({"external_id": ["a", "b"], "stored_at": stored})
    times = live_sentences.times(seen, captured)
    assert times.group_by("part", maintain_order=True).agg("seconds").rows() == [
        ("the work itself", [1.0, 1.25]),
        ("added by capture", [0.5, 0.0]),
        ("into the store", [2.0, 0.0]),
    ]


def test_sentences_say_too_few_and_give_bounds_where_there_are_some() -> None:
    row = {"part": "p", "n": 150, "seconds_p50": 0.1, "seconds_p50_low": 0.08, "seconds_p50_high": 0.2}
    late = {"part": "p", "n": 150, "seconds_p95": 2.0, "seconds_p95_low": 1.5, "seconds_p95_high": 2.5}
    said = live_sentences.took("p", pl.DataFrame([row]), pl.DataFrame([late]), "The wait").replace(
        "\u00a0", " "
    )
    assert said == (
        "The wait took 0.1 s (95 % interval 0.08 s to 0.2 s, n = 150) at the median; "
        "the 95th percentile is 2 s (95 % interval 1.5 s to 2.5 s, n = 150)."
    )
    rare = pl.DataFrame([late | {"seconds_p95_low": None, "seconds_p95_high": None}])
    said = live_sentences.took("p", pl.DataFrame([row]), rare, "The wait").replace("\u00a0", " ")
    assert said.endswith("the 95th percentile is 2 s, on too few for an interval.")
    assert live_sentences.took("other", rare, rare, "The wait").startswith("The wait: too few")
    assert live_sentences.carried_out(5, 4, 3, 1).endswith(
        "4 were started, and 3 of them are in the store; 1 decision was not carried out before time was up, and stands "
        "there as open."
    )
    assert live_sentences.carried_out(4, 4, 4, 0).endswith(
        "all of them are in the store; nothing stands open."
    )


def test_the_figure_of_times_is_in_their_order() -> None:
    rows = [
        {
            "part": part,
            "n": 20,
            **{f"seconds_p{p}{end}": 0.1 * p for p in (50, 95) for end in ("", "_low", "_high")},
        }
        for part in reversed(live_charts.TIMES)
    ]
    frame = pl.DataFrame(rows)
    chart = live_charts.times(frame, frame).to_dict()
    shown = next(iter(chart["datasets"].values()))
    assert [row["figure"] for row in sorted(shown, key=lambda row: row["_row"])][:2] == [
        "the work itself, median",
        "the work itself, 95th percentile",
    ]
    assert "each part of an execution" in chart["description"]
    assert json.dumps(chart)


def test_the_example_is_reported_in_its_own_store_and_with_no_other() -> None:
    assert own_store(["12_live_capture"]) == "live"
    assert own_store([]) == ""
    with pytest.raises(ReportError, match="12_live_capture and 20_tier_performance work in different stores"):
        own_store(["20_tier_performance", "12_live_capture"])
