"""The search box and the asking from a notebook, on a small store that the encoder for tests has encoded."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest
from encoders import WordEncoder

from learnlab.reports import search_asking, search_estimates
from learnlab.reports.search_box import STANDS, SearchBox, answer_html
from learnlab.search.found import Found
from learnlab.search.index.backlog import encode_waiting
from learnlab.store import Store, sqlfiles
from learnlab.store.frames import conform

HOSTILE = "</script><img src=x onerror=alert(1)>"
TEXTS = [
    "pad the date",
    "clip the date",
    f"render {HOSTILE}",
    "order the invoices by number",
    "fold the laundry",
    " ",
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, empty: Path) -> Path:
    """A store with each text twice, in two repos, encoded."""
    store = Store(shutil.copy(empty, tmp_path_factory.mktemp("filled") / "filled.duckdb"))
    n = 2 * len(TEXTS)
    good, faults = conform(
        pl.DataFrame(
            {
                "task_id": [f"00000000-0000-4000-8000-{i:012d}" for i in range(n)],
                "timestamp": pl.datetime_range(
                    pl.datetime(2026, 5, 1), pl.datetime(2026, 5, n), "1d", eager=True
                ),
                "task_type": ["bugfix"] * n,
                "task_description": TEXTS * 2,
                "repo": ["shop"] * len(TEXTS) + [HOSTILE] * len(TEXTS),
                "model_tier": ["small", "large"] * len(TEXTS),
                "success": [i % 3 > 0 for i in range(n)],
                "actual_cost": [0.25] * n,
                "pool_type": ["local"] * n,
            }
        )
    )
    assert faults.is_empty(), faults
    store.add(good)
    encode_waiting(store, WordEncoder())
    return store.path


@pytest.fixture
def box(filled: Path) -> SearchBox:
    return SearchBox(filled, encoder=WordEncoder())


def test_what_is_typed_is_looked_for_and_every_text_is_escaped(box: SearchBox) -> None:
    box.text.value = f"render {HOSTILE}"
    assert "10 found, the nearest with a similarity of 1.00." in box.answer.value
    assert "succeeded" in box.answer.value
    assert box.answer.layout.width == "100%"
    assert "width:0;min-width:100%" in box.answer.value
    assert "&lt;/script&gt;&lt;img src=x" in box.answer.value
    assert "<img" not in box.answer.value
    box.text.value = "  "
    assert box.answer.value == ""


def test_choices_narrow_what_is_found(box: SearchBox) -> None:
    box.text.value = "clip the date"
    assert box.answer.value.startswith("<p>10 found")
    box.repo.value = "shop"
    assert box.answer.value.startswith("<p>5 found")
    box.tier.value = "small"
    assert box.answer.value.startswith("<p>3 found, the nearest with a similarity of 0.6")
    assert ": none reaches 0.70" in box.answer.value
    assert "clip the date" not in box.answer.value
    box.mode.value = "by words"
    assert box.answer.value.startswith("<p>1 found.</p>")
    assert "pad the date" in box.answer.value


def test_an_error_is_said_in_place_of_an_answer(box: SearchBox, tmp_path: Path) -> None:
    nowhere = SearchBox(tmp_path / "nowhere.duckdb", encoder=WordEncoder())
    assert nowhere.repo.options == ()
    nowhere.text.value = "anything"
    nowhere.button.click()
    assert "nowhere" in nowhere.answer.value
    assert "<table" not in nowhere.answer.value


def test_the_repos_are_those_of_the_store_as_data(box: SearchBox) -> None:
    assert set(box.repo.options) == {"shop", HOSTILE}


def test_a_page_without_widgets_says_that_a_box_stands_there(
    box: SearchBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[dict[str, str]] = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: shown.append(bundle))
    bundle = box._repr_mimebundle_()
    assert bundle["text/html"] == f"<p>{STANDS}</p>"
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == box.panel.model_id
    assert "data-lm-suppress-shortcuts" in shown[0]["application/javascript"]


def test_what_cannot_be_searched_yet_is_said() -> None:
    found = Found([{"similarity": 0.9, "task_description": "x"}], best_similarity=0.9, n_not_searchable=1200)
    assert "1,200 executions are not searchable yet" in answer_html(found)


def test_a_page_asks_for_the_newest_task_and_finds_its_neighbours(filled: Path) -> None:
    attempts = Store(filled).view("window_outcomes", days_back=90)
    asked = attempts.filter(pl.col("started_at") < pl.datetime(2026, 5, 9))
    encoder = WordEncoder()
    found = search_asking.ask("", asked, filled, encode_up_to=5, encoder=encoder, days_back=90, limit=20)
    assert found.query == "clip the date"
    assert found[0]["task_id"].endswith("01")
    assert encoder.n_encoded == 0
    near = search_estimates.nearest(found, attempts)
    assert near["task_description"][:2].to_list() == ["clip the date", "pad the date"]
    seen = search_asking.neighbourhood(filled, found, near[:1], attempts, encoder)
    assert encoder.n_encoded == 0
    told = dict(seen.points.select("task", "whose").iter_rows())
    assert told["clip the date"] == "similar"
    assert " " not in told
    assert seen.points["similarity"].max() == pytest.approx(1.0, abs=1e-3)
    again = search_asking.neighbourhood(filled, found, near[:1], attempts, encoder)
    assert again.points.equals(seen.points)


def test_a_task_in_words_is_encoded_for_the_map(filled: Path) -> None:
    attempts = Store(filled).view("window_outcomes", days_back=90)
    encoder = WordEncoder()
    found = search_asking.ask("clip a date", attempts, filled, encoder=encoder, days_back=90, limit=20)
    assert search_estimates.nearest(found, attempts).height == len(found) == 10
    seen = search_asking.neighbourhood(
        filled, found, search_estimates.nearest(found[:1], attempts), attempts, encoder
    )
    assert seen.points["task"][0] == "clip a date"
    assert encoder.n_encoded == 2


def _stopped(work: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(Exception, match=r"^$") as stopped:
        work()
    assert type(stopped.value).__name__ == "SystemExit"
    return capsys.readouterr().out


def test_a_page_stops_gently_where_nothing_can_be_compared(
    store: Store, make_frame: Callable[..., pl.DataFrame], capsys: pytest.CaptureFixture[str]
) -> None:
    store.add(conform(make_frame(3, task_description=" "))[0])
    attempts = store.view("window_outcomes")
    said = _stopped(lambda: search_asking.ask("", attempts, store.path, encoder=WordEncoder()), capsys)
    assert said.startswith("No search by meaning here: ")
    said = _stopped(lambda: search_asking.ask("pad it", attempts, store.path, encoder=WordEncoder()), capsys)
    assert said.startswith("No task here can be compared yet")


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("repos", {"n": 1}),
        ("text_vectors", {"model_key": "words@1", "task_ids": [f"00000000-0000-4000-8000-{i:012d}" for i in range(6)]}),
        ("vector_of_text", {"model_key": "words@1", "text": HOSTILE}),
    ],
)  # fmt: skip
def test_the_header_of_a_query_says_what_it_does(filled: Path, name: str, params: dict[str, object]) -> None:
    query = sqlfiles.load("queries", name)
    frame = Store(filled).query(name, params)
    assert list(query.columns) == frame.columns
    assert frame.height == {"repos": 1, "text_vectors": 5, "vector_of_text": 0}[name]
    without_parameters = re.sub(r"\$\w+", "null", query.text)
    assert sorted(duckdb.connect().get_table_names(without_parameters)) == sorted(query.reads)
