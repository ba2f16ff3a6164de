"""The page of continual learning: what is drawn of hostile names, what is said each way, and when it stops."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from learnlab.reports import continual_charts, continual_estimates, continual_sentences
from learnlab.routing.continual.comparing import COURSE, SCHEMA
from learnlab.routing.continual.memory import EWC_PLUS, JOINT, METHODS, NAIVE
from learnlab.routing.continual.transfer import FIGURES
from learnlab.store import Store

HOSTILE = "</script><img src=x onerror=alert(1)>"


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u2060", "")


def figures(**changes: dict[str, Any]) -> pl.DataFrame:
    """A row a method and figure: nothing is told from 0, but for what is changed, as method, figure → its columns."""
    calm = {f"{name}{end}": at for name in ("estimate", "over_naive", "over_joint")
            for end, at in (("", 0.0), ("_low", -1.0), ("_high", 1.0))}  # fmt: skip
    rows = [
        {"method": method, "figure": figure, **calm, "n_runs": 4, "n_groups": 900}
        | changes.get(f"{method} {figure}", {})
        for method in METHODS
        for figure in FIGURES
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


def sure(name: str, at: float) -> dict[str, float]:
    return {name: at, f"{name}_low": at - 0.5, f"{name}_high": at + 0.5}


def times() -> pl.DataFrame:
    rows = [
        (method, n, 50, seconds, seconds, seconds, 2)
        for method, n, seconds in (
            (JOINT, 100, 0.1),
            (JOINT, 9000, 12.5),
            (EWC_PLUS, 100, 0.1),
            (EWC_PLUS, 9000, 0.25),
        )
    ]
    names = ["method", "n_tasks", "n_new", "seconds", "seconds_low", "seconds_high", "n_repeats"]
    return pl.DataFrame(rows, schema=names, orient="row")


def matrix(*names: str) -> pl.DataFrame:
    rows = [
        {
            "method": method,
            "n_domains": i,
            "domain": name,
            "after": names[i - 1] if i else "",
            "score": -10.0 * i - j,
        }
        | {"is_learned": j < i, "n_runs": 2}
        for method in (NAIVE, JOINT)
        for i in range(len(names) + 1)
        for j, name in enumerate(names)
    ]
    return continual_estimates._below_joint(pl.DataFrame(rows))


def test_the_matrix_stands_beside_what_joint_retraining_reaches() -> None:
    found = matrix("docs", "test")
    assert found.filter(method=JOINT, n_domains=2)["below_joint"].to_list() == [0.0, 0.0]
    assert found.filter(method=NAIVE, n_domains=1)["below_joint"].to_list() == [10.0, 10.0]


def test_hostile_names_enter_the_figures_as_data_alone() -> None:
    domains = pl.DataFrame({"domain": [HOSTILE, "b"], "n_tasks": [5, 7], "n_verdicts": [5, 9]})
    for chart in (continual_charts.stream(domains), continual_charts.forgetting(matrix(HOSTILE, "b"))):
        spec = chart.to_dict()
        assert "onerror=alert(1)" in json.dumps(spec.pop("datasets"))
        assert "onerror" not in json.dumps(spec)


def test_the_heat_map_has_a_panel_a_way_and_leaves_out_the_network_before_it_learned() -> None:
    spec = continual_charts.forgetting(matrix("a", "b")).to_dict()
    (rows,) = [data for data in spec["datasets"].values() if "below_joint" in data[0]]
    assert {row["n_domains"] for row in rows} == {1, 2}
    assert {(row["after"], row["_row"]) for row in rows} == {("a", 0), ("b", 1)}
    assert {(row["domain"], row["_column"]) for row in rows} == {("a", 0), ("b", 1)}
    assert spec["facet"]["field"] == "method"


def test_the_ways_keep_their_colours_and_naive_is_what_the_others_are_held_against() -> None:
    course = pl.DataFrame(
        [
            {"method": m, "n_domains": 1, **({} if m == NAIVE else sure("over_naive", 2.0)), "n_runs": 4}
            for m in METHODS
        ],
        schema=COURSE,
    )
    for chart in (continual_charts.course(course), continual_charts.over_naive(figures(**{
        f"{NAIVE} {figure}": {"over_naive": None} for figure in FIGURES
    }))):  # fmt: skip
        spec = chart.to_dict()
        drawn = [row for data in spec["datasets"].values() for row in data if "method" in row]
        assert {row["method"] for row in drawn} == set(METHODS) - {NAIVE}
        assert dict(zip(METHODS, continual_charts.COLOURS.values(), strict=True)) == continual_charts.COLOURS


@pytest.mark.parametrize(
    ("at", "says"),
    [
        (-3.0, "without a guard forgets: the log score"),
        (0.0, "forgets is too close to call"),
        (3.0, "forgets nothing"),
    ],
)
def test_whether_anything_is_forgotten_is_said_each_way(at: float, says: str) -> None:
    said = plain(
        continual_sentences.forgot(figures(**{"naive backward transfer": sure("estimate", at)} if at else {}))
    )
    assert says in said
    assert said.endswith("n = 900 groups of tasks in 4 runs.")


@pytest.mark.parametrize(
    ("less", "new", "says", "price"),
    [
        (2.0, -2.0, "EWC++ forgets less: its", "learned less well when it comes: −2 thousandths"),
        (0.0, 0.0, "Whether EWC++ forgets less is too close to call", "learned about as well"),
        (-2.0, 2.0, "EWC++ forgets more", "learned better"),
    ],
)
def test_what_ewc_gains_and_costs_is_said_each_way(less: float, new: float, says: str, price: str) -> None:
    changes = {
        "EWC++ backward transfer": sure("over_naive", less),
        "EWC++ when learned": sure("over_naive", new),
    }
    said = plain(continual_sentences.held(figures(**changes if less else {})))
    assert says in said
    assert price in said


@pytest.mark.parametrize(
    ("at", "says", "use"),
    [
        (
            -2.0,
            "joint retraining is ahead of EWC++",
            "retrain from it: that took 12.5 s at 9,000 tasks, where EWC++ took",
        ),
        (0.0, "too close to call", "EWC++ is not known to be worse than retraining here, which took 12.5 s"),
        (2.0, "EWC++ is ahead of joint retraining", "EWC++ is not known to be worse"),
    ],
)
def test_joint_retraining_is_compared_whichever_way_it_goes(at: float, says: str, use: str) -> None:
    found = figures(**{"EWC++ average": sure("over_joint", at)} if at else {})
    said = [plain(sentence) for sentence in continual_sentences.conclusions(found, times())]
    assert len(said) == 4
    assert all(sentence.endswith(".") for sentence in said)
    assert says in said[2]
    assert use in said[3]
    assert "0.25 s for the 50 new ones" in said[3]


def test_what_was_chosen_is_said_with_what_it_was_chosen_by() -> None:
    tried = pl.DataFrame(
        {"method": ["EWC", "EWC++", "EWC++"], "strength": [30.0, 100.0, 10.0], "decay": [0.9, 0.99, 0.9],
         "is_chosen": [True, True, False]}
    )  # fmt: skip
    assert plain(continual_sentences.chosen(tried)).startswith(
        "λ = 30 for EWC and λ = 100 for EWC++ (decay 0.99): best of 3 settings by the log score at the end of the stream"
    )


def test_a_stream_with_vectors_says_nothing_of_their_absence() -> None:
    rows = pl.DataFrame({"domain": ["a", "b"], "n_tasks": [1, 2], "n_verdicts": [1, 2], "has_text": True})
    assert "vectors" not in continual_sentences.streamed(rows)


def test_a_page_stops_where_there_is_no_stream(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exception, match=r"^$") as stopped:
        continual_estimates.study(store.path)
    assert type(stopped.value).__name__ == "SystemExit"
    assert "No stream of domains here: a stream needs two domains" in capsys.readouterr().out
