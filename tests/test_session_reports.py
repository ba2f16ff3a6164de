"""What the pages say and draw of agents' sessions: sums, intervals over sessions, hostile names, nothing known."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
import vl_convert
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.reports import session_charts as charts
from learnlab.reports import session_estimates as estimates
from learnlab.reports import session_sentences as sentences

HOSTILE = "</script><img src=x onerror=alert(1)>"
Maker = Callable[[list[str]], Any]


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u2060", "")


def costs(*rows: dict[str, Any]) -> pl.DataFrame:
    """Rows of agent_costs: one message of 100 tokens in, of which 60 were read and 30 written, for a dollar."""
    usual = {
        "day": date(2026, 3, 1), "repo": "shop", "part": "own work", "model": "m-1", "n_messages": 1, "n_costs": 1,
        "n_unpriced": 0, "n_partial": 0, "n_reported": 0, "input_tokens": 100,
        "cache_read_tokens": 60, "cache_write_tokens": 30, "uncached_tokens": 10, "output_tokens": 5, "cost_usd": 1.0,
    }  # fmt: skip
    return pl.DataFrame([usual | row for row in rows], schema_overrides={"cost_usd": pl.Float64})


def requests(n: int, **columns: Any) -> pl.DataFrame:
    """Rows of agent_requests: each in a session of its own, costing 1, 2, 3 … dollars."""
    frame = pl.DataFrame(
        {
            "request_id": [f"r{i}" for i in range(n)],
            "session_id": [f"s{i}" for i in range(n)],
            "task_group": [f"s{i}" for i in range(n)],
            "cost_usd": [1.0 + i for i in range(n)],
        },
        schema={
            "request_id": pl.String,
            "session_id": pl.String,
            "task_group": pl.String,
            "cost_usd": pl.Float64,
        },
    )
    return frame.with_columns(**{name: pl.lit(value) for name, value in columns.items()})


FIGURES: dict[str, Maker] = {
    "cost_over_time": lambda names: charts.cost_over_time(
        costs(*[{"model": name} for name in names]).with_columns(period="day", period_length=pl.lit("day"))
    ),
    "cost_by_repo": lambda names: charts.cost_by_repo(
        costs(*[{"repo": name, "part": part} for name in names for part in charts.PARTS])
    ),
    "tokens_in": lambda names: charts.tokens_in(costs(*[{"model": name} for name in names])),
    "time_spent": lambda names: charts.time_spent(
        pl.DataFrame({"name": names}).with_columns(
            repo=pl.lit("shop"), what=pl.lit("tool"), n_steps=3, n_errors=1, seconds=60.0
        )
    ),
    "cost_of_a_request": lambda names: charts.cost_of_a_request(
        pl.DataFrame({"repo": names}).with_columns(
            n=12,
            n_sessions=9,
            whole_cost_usd_p50=2.0,
            whole_cost_usd_p50_low=1.0,
            whole_cost_usd_p50_high=3.0,
        )
    ),
}


def test_every_figure_is_tested() -> None:
    own = {
        name for name, value in vars(charts).items() if getattr(value, "__module__", "") == charts.__name__
    }
    assert {name for name in own if not name.startswith("_")} == set(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_says_what_it_is_and_keeps_names_as_data(name: str) -> None:
    long = [f"{'a rather long name that nobody would call short ' * 3}{i}" for i in range(22)]
    spec = FIGURES[name]([HOSTILE, "'); alert(1); ('", *long]).to_dict()
    assert (
        "no estimate" in spec["title"]["subtitle"]
        or "95 % interval" in spec["title"]["subtitle"]
        or name == "time_spent"
    )
    assert len(spec["description"]) > 30
    svg = vl_convert.vegalite_to_svg(spec)
    height, width = (float(svg.split(f'{side}="')[1].split('"')[0]) for side in ("height", "width"))
    assert 150 < height < 1500
    assert 400 < width < 1000
    told = json.dumps({key: value for key, value in spec.items() if key != "datasets"})
    for text in (svg, told):
        assert "<img" not in text
    assert "alert" not in told
    assert "a rather long" not in told


@pytest.mark.parametrize("name", ["cost_over_time", "time_spent"])
def test_one_name_is_enough(name: str) -> None:
    assert "the only one" in vl_convert.vegalite_to_svg(FIGURES[name](["the only one"]).to_dict())


def test_only_the_dearest_models_have_a_colour() -> None:
    rows = [{"model": f"m-{i}", "cost_usd": float(20 - i)} for i in range(12)]
    frame = costs(*rows).with_columns(period="day", period_length=pl.lit("week"))
    spec = charts.cost_over_time(frame).to_dict()
    (data,) = spec["datasets"].values()
    assert {row["model"] for row in data} == {*(f"m-{i}" for i in range(7)), charts.OTHERS}
    assert sum(row["cost_usd"] for row in data) == sum(20 - i for i in range(12))
    assert "5 cheapest models are one" in spec["title"]["subtitle"]
    assert {row["until"][:10] for row in data} == {"2026-03-08"}


def test_tokens_that_the_log_does_not_tell_apart_are_shown_so() -> None:
    unknown = {"cache_read_tokens": 0, "cache_write_tokens": 0, "uncached_tokens": 0}
    spec = charts.tokens_in(costs({}, {"model": "m-2", **unknown})).to_dict()
    (data,) = spec["datasets"].values()
    shares = {(row["model"], row["use"]): row["share"] for row in data}
    assert shares == {
        ("m-1", "read from the cache"): 0.6,
        ("m-1", "written to the cache"): 0.3,
        ("m-1", "neither"): 0.1,
        ("m-2", "not told apart"): 1.0,
    }


@pytest.mark.parametrize(("seconds", "unit"), [(21.5, "seconds"), (200.0, "minutes"), (9000.0, "hours")])
def test_time_has_a_unit_that_fits_and_a_legend_of_what_is_there(seconds: float, unit: str) -> None:
    row = {"repo": "shop", "what": "tool", "name": "shell", "n_steps": 1, "n_errors": 0, "seconds": seconds}
    told = json.dumps(charts.time_spent(pl.DataFrame([row])).to_dict())
    assert f'"title": "{unit}"' in told
    assert '"values": ["tool"]' in told


def test_repos_without_an_interval_are_left_out_and_counted() -> None:
    rows = {"repo": ["a", "b"], "n": [20, 3], "n_sessions": [9, 2], "whole_cost_usd_p50": [2.0, 9.0],
            "whole_cost_usd_p50_low": [1.0, None], "whole_cost_usd_p50_high": [3.0, None]}  # fmt: skip
    spec = charts.cost_of_a_request(pl.DataFrame(rows)).to_dict()
    assert "Left out: 1 with too few sessions to tell." in spec["title"]["subtitle"]
    assert "b" not in {row.get("repo") for data in spec["datasets"].values() for row in data}


def test_medians_are_those_of_a_slow_bootstrap_over_sessions() -> None:
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 6, 40)
    values = [np.exp(rng.normal(rng.normal(0, 1), 0.3, size)) for size in sizes]
    frame = pl.DataFrame(
        {"task_group": np.repeat([f"s{i}" for i in range(40)], sizes), "usd": np.concatenate(values)}
    ).with_columns(repo=pl.lit("shop"))
    (found,) = estimates.medians(frame, "usd", "repo").to_dicts()
    again = [np.median(np.concatenate([values[i] for i in rng.integers(0, 40, 40)])) for _ in range(2000)]
    assert found["usd_p50"] == pytest.approx(np.median(np.concatenate(values)))
    assert [found["usd_p50_low"], found["usd_p50_high"]] == pytest.approx(
        np.quantile(again, [0.025, 0.975]), rel=0.05
    )
    assert (found["n"], found["n_sessions"]) == (sizes.sum(), 40)
    # Requests of one session are alike: taken for independent ones they would seem to tell more.
    alone = estimates.medians(frame.with_columns(task_group=pl.int_range(pl.len())), "usd").to_dicts()[0]
    assert alone["usd_p50_high"] - alone["usd_p50_low"] < found["usd_p50_high"] - found["usd_p50_low"]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 1e6) | st.none()), max_size=30))
def test_medians_of_anything(rows: list[tuple[int, float | None]]) -> None:
    frame = pl.DataFrame(rows, schema={"task_group": pl.Int64, "usd": pl.Float64}, orient="row")
    known = frame.drop_nulls("usd")
    found = estimates.medians(frame, "usd").to_dicts()
    assert len(found) == (1 if known.height else 0)
    for row in found:
        assert row["usd_p50"] == pytest.approx(float(np.median(known["usd"])))
        assert row["n_sessions"] == known["task_group"].n_unique()
        has_interval = row["n_sessions"] >= estimates.FEW_SESSIONS
        assert (row["usd_p50_low"] is not None) == has_interval
        assert (
            not has_interval
            or known["usd"].min() <= row["usd_p50_low"] <= row["usd_p50_high"] <= known["usd"].max()
        )


def test_many_sessions_are_taken_in_blocks() -> None:
    frame = requests(2000).with_columns(whole_cost_usd="cost_usd")
    (row,) = estimates.medians(frame, "whole_cost_usd").to_dicts()
    # Order statistics of the uniform 1 … 2000: 1000.5 ± 1.96 · √2000 / 2.
    assert row["whole_cost_usd_p50"] == 1000.5
    assert row["whole_cost_usd_p50_low"] == pytest.approx(1000.5 - 43.8, abs=12)
    assert row["whole_cost_usd_p50_high"] == pytest.approx(1000.5 + 43.8, abs=12)


def test_saved_by_caching_is_the_full_price_beside_the_paid() -> None:
    message = {
        "kind": "message", "cost_source": "list_price", "model": "claude-opus-4-5-20251101",
        "started_at": datetime(2026, 3, 1), "input_tokens": 1000, "uncached_tokens": 100, "output_tokens": 10,
        "cost_usd": 0.002,
    }  # fmt: skip
    others = [
        {"cost_source": "reported"},
        {"uncached_tokens": None},
        {"kind": "total"},
        {"model": "nobody-knows"},
    ]
    work = pl.DataFrame([message, message, *[message | other for other in others]])
    # $5 a million tokens in and $25 out.
    assert estimates.saved_by_caching(work) == pytest.approx((0.004, 2 * (0.005 + 0.00025)))


def test_what_was_spent_names_where_the_figures_come_from() -> None:
    said = plain(sentences.spent(costs({}, {"n_reported": 1}), requests(3)))
    assert said.startswith(
        "The known cost of 3 requests in 3 sessions is $2 at list price, 1 of 2 messages as the log"
    )
    assert "not what a subscriber pays" in said
    more = plain(sentences.spent(costs({"n_messages": 4, "n_partial": 1}), requests(1)))
    assert more.endswith("Of 25.0 % of the messages the log tells only part of the usage, so it was more.")
    stated = plain(sentences.spent(costs({"n_reported": 1}), requests(1)))
    assert stated == "The known cost of 1 request in 1 session is $1, as their logs state it."
    some = requests(3).with_columns(cost_usd=pl.Series([1.0, None, None]))
    assert plain(sentences.spent(costs({}), some)).startswith(
        "The known cost of 3 requests in 3 sessions, of which 1 has one, is $1 at list price"
    )
    nothing = costs({"cost_usd": None, "n_costs": 0, "n_unpriced": 1})
    assert sentences.spent(nothing, requests(2)) == "No cost is known of 2 requests in 2 sessions."
    nameless = requests(2).with_columns(session_id=pl.lit(None, dtype=pl.String))
    assert sentences.spent(nothing, nameless) == "No cost is known of 2 requests."


def test_what_is_not_known_is_said() -> None:
    models = costs(*[{"model": f"m-{i}", "n_unpriced": 1} for i in range(7)])
    said = plain(sentences.unpriced(models))
    assert said.startswith(
        "7 of 7 messages (100.0 %) used tokens whose price is unknown, of m-0, m-1, m-2, m-3, m-4, 2 more:"
    )
    nameless = plain(sentences.unpriced(costs({"model": "unknown", "n_unpriced": 1})))
    assert "of a model that no log names" in nameless
    assert sentences.unpriced(costs({})) == "No message used tokens whose price is unknown."
    assert "1 of 4 messages (25.0 %) have only part" in plain(
        sentences.partial(costs({"n_messages": 4, "n_partial": 1}))
    )
    assert sentences.partial(costs({"input_tokens": 0, "output_tokens": 0})) == "No log here counts tokens."
    nothing = {"cost_usd": None, "cache_read_tokens": 0, "cache_write_tokens": 0, "uncached_tokens": 0}
    assert sentences.parts(costs(nothing)).startswith("No cost is known")
    assert sentences.cached(costs(nothing)) == "No log here tells what a cache read or wrote."
    assert sentences.saved(0.0, 0.0).startswith("What caching saved cannot be told")
    assert (
        plain(sentences.saved(3.0, 2.0)) == "Caching cost more than it saved: $3 at list price instead of $2."
    )
    empty = pl.DataFrame(schema={"what": pl.String, "name": pl.String, "seconds": pl.Float64})
    assert sentences.time_went(empty) == "No log here tells how long a step took."


@pytest.mark.parametrize(("seconds", "text"), [(90.0, "90 s"), (300.0, "5 min"), (9000.0, "2.5 h")])
def test_time_is_told_in_a_unit_that_fits(seconds: float, text: str) -> None:
    rows = pl.DataFrame({"what": ["untold", "model"], "name": ["untold", "m"], "seconds": [seconds / 2] * 2})
    assert (
        plain(sentences.time_went(rows)) == f"Of {text}, models took 50.0 %, what no log tells apart 50.0 %."
    )


def test_shares_of_tokens_add_up_to_those_counted() -> None:
    unsplit = {"cache_read_tokens": 0, "cache_write_tokens": 0, "uncached_tokens": 0}
    said = plain(sentences.cached(costs({}, {"model": "m-2", **unsplit})))
    assert said == (
        "Of 200 tokens in, 30.0 % were read from the cache, 15.0 % written to it, 5.0 % neither; of 50.0 % the log "
        "does not tell."
    )


def test_the_dear_requests_are_a_tenth() -> None:
    # 16 to 20 are the dearest two of twenty: 19 + 20 of 210.
    assert plain(sentences.dear(requests(20))) == (
        "The dearest 2 of 20 requests with a known cost are 18.6 % of it ($39); the rest is 18 requests of at most "
        "$18 each."
    )
    assert sentences.dear(requests(9)).startswith("Too few to tell which requests are dear: 9 requests")
    assert sentences.dear(requests(0)).startswith("Too few to tell")
    assert sentences.dear(requests(12).with_columns(cost_usd=0.0)).startswith("Too few to tell")


def test_a_typical_request_needs_enough_of_them() -> None:
    few = estimates.medians(requests(9).rename({"cost_usd": "whole_cost_usd"}), "whole_cost_usd")
    assert sentences.typical(few) == "Too few to tell what a request typically costs."
    assert sentences.typical(few.clear()) == "Too few to tell what a request typically costs."
    enough = estimates.medians(requests(21).rename({"cost_usd": "whole_cost_usd"}), "whole_cost_usd")
    said = plain(sentences.typical(enough))
    assert said.startswith("Half of the requests cost no more than $11 (95 % interval $")
    assert said.endswith("n = 21), in 21 sessions or problems.")


def test_verdicts_are_counted() -> None:
    judged = pl.DataFrame({"success": [True, False, None]})
    assert sentences.verdicts(judged).startswith(
        "2 of 3 requests have a verdict: whether the others were worth it"
    )
    assert sentences.verdicts(judged[:2]) == "Each of 2 requests has a verdict."


def test_what_the_window_leaves_out_is_said() -> None:
    window = {"db": "", "days_back": 1000, "as_of": ""}
    assert sentences.outside(0, window) == ()
    assert sentences.outside(1, window) == (
        "1 more request of the store lies outside these 1,000 days: a larger days_back, or another as_of, shows it.",
    )


def test_requests_without_a_duration_are_counted() -> None:
    rows = pl.DataFrame({"duration_source": ["unknown", "unknown", "wall"]})
    assert sentences.measured(rows) == (
        "Of 3 requests, 1 are timed by the wall clock with every pause, 2 have no known duration."
    )
    one_kind = pl.DataFrame({"n_time_work": [0, 0], "n_time_gaps": [3, 4], "n_time_wall": [0, 0]})
    assert sentences.unlike_durations(one_kind) == ()
