"""The page of other policies: what it judges or why it stops, how it is drawn, and what is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from routing_worlds import tried, world

from learnlab.ingest.simulation.sample import SAMPLE, simulate_into
from learnlab.reports import counterfactual_charts, counterfactual_estimates, counterfactual_sentences, marks
from learnlab.reports.counterfactual_estimates import Compared, Logged
from learnlab.routing.counterfactual.judged import judged
from learnlab.routing.counterfactual.judging import DOUBLY_ROBUST, MODEL_ALONE, NAIVE
from learnlab.routing.counterfactual.policies import AS_LOGGED
from learnlab.store import Store

HOSTILE = "</script><img src=x onerror=alert(1)>"


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u2060", "")


def logged(n: int = 300, **changes: Any) -> Logged:
    chosen = np.random.default_rng(4).integers(0, 3, n)
    tries = tried(world(n, 4), chosen, 4, np.full(n, 1 / 3))
    hours = tries.started_at[0] + np.arange(n).astype("timedelta64[h]")
    found = judged(replace(tries, started_at=hours, **changes))
    sources = pl.DataFrame(
        {"n_executions": [n], "n_with_propensity": [n], "n_retries_without": [0], "n_first_without": [0]}
    )
    return Logged(found, sources, pl.DataFrame(schema={"n_decisions": pl.Int64}))


@pytest.fixture(scope="module")
def found() -> Compared:
    return counterfactual_estimates.compared(logged(), learned_share=0.5)


def stopped(capsys: pytest.CaptureFixture[str], work: Any) -> str:
    with pytest.raises(Exception, match=r"^$") as ended:
        work()
    assert type(ended.value).__name__ == "SystemExit"
    return capsys.readouterr().out


def test_it_stops_gently_and_says_why_where_nothing_can_be_judged(
    store: Store, make_record: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    said = stopped(capsys, lambda: counterfactual_estimates.logged(store.path))
    assert said.startswith("No other policy can be judged here: there are no tries")
    none = stopped(capsys, lambda: counterfactual_estimates.compared(logged(), learned_share=1.0))
    assert none.startswith("No other policy can be judged here: the share to learn from is 1.0")


def test_learned_policies_learn_from_what_came_before(found: Compared) -> None:
    assert found.names == [
        AS_LOGGED, "always small", "always medium", "always large", "by lot", *found.names[5:],
    ]  # fmt: skip
    assert "lookup" in found.names
    assert (found.n_learned, len(found.judgement.judged.tries)) == (150, 150)
    later = found.judgement.judged.tries.started_at
    assert later.min() == logged().judged.tries.started_at[150]


def test_chances_count_every_try_once() -> None:
    log = logged(propensity=np.repeat([0.05, 0.5, 1.0], 100))
    counts = counterfactual_estimates.chances(log.judged)
    assert counts["n"].sum() == 300
    assert set(counts.select(pl.col("from", "to").round(2)).rows()) == {(0.0, 0.05), (0.45, 0.5), (0.95, 1.0)}


def test_propensities_that_cannot_be_true_are_said() -> None:
    honest = counterfactual_estimates.inverse_propensities(logged().judged)
    assert honest["n"].sum() == 300
    assert "nothing speaks against" in counterfactual_sentences.sane(honest)
    false = counterfactual_estimates.inverse_propensities(logged(propensity=np.full(300, 0.8)).judged)
    said = plain(counterfactual_sentences.sane(false))
    assert said.startswith("The inverse propensities should average 1 and do not: small 0.")
    assert "large 0." in said


def test_every_interval_is_drawn_and_the_truth_beside_it(found: Compared) -> None:
    true = pl.DataFrame({"policy": found.names, "figure": "quality", "truth": 0.5})
    spec = counterfactual_charts.estimates(found.estimates, "quality", found.names, true).to_dict()
    drawn = [rows for rows in spec["datasets"].values() if "method" in rows[0]]
    shown = {(row["policy"], row["method"]) for row in drawn[0]}
    assert {(name, DOUBLY_ROBUST) for name in found.names[1:]} < shown
    assert (AS_LOGGED, "mean of the log") in shown
    assert not any(method == MODEL_ALONE for _, method in shown)
    assert "red tick" in spec["title"]["subtitle"]
    assert marks.TRUTH_COLOUR in json.dumps(spec["layer"])
    untold = counterfactual_charts.estimates(found.estimates, "quality", found.names).to_dict()
    assert "red tick" not in untold["title"]["subtitle"]


def test_a_bound_of_a_cost_below_0_stays_on_its_axis(found: Compared) -> None:
    rows = found.estimates.filter(figure="cost").with_columns(low=pl.lit(-1.0))
    spec = counterfactual_charts.estimates(rows, "cost", found.names).to_dict()
    (drawn,) = [data for data in spec["datasets"].values() if "method" in data[0]]
    assert all(row["estimate_low"] > 0 for row in drawn)


def test_a_tier_has_its_colour_and_others_none_of_the_tiers(found: Compared) -> None:
    spec = counterfactual_charts.months(found.months).to_dict()
    scales = [
        part["encoding"]["color"]["scale"]
        for part in spec["layer"]
        if "scale" in str(part["encoding"].get("color"))
    ]
    colours = dict(zip(scales[0]["domain"], scales[0]["range"], strict=True))
    for tier in ("small", "medium", "large"):
        assert colours.pop(f"always {tier}") == marks.TIER_COLOURS[tier]
    assert not set(colours.values()) & set(marks.TIER_COLOURS.values())


def test_hostile_text_enters_the_figures_as_data_alone(found: Compared) -> None:
    names = pl.col("policy").replace("by lot", HOSTILE)
    rows, order = found.estimates.with_columns(names), [HOSTILE if n == "by lot" else n for n in found.names]
    for chart in (
        counterfactual_charts.estimates(rows, "quality", order),
        counterfactual_charts.estimates(rows, "cost", order),
        counterfactual_charts.support(found.judgement.overlap.with_columns(names)),
        counterfactual_charts.chances(counterfactual_estimates.chances(logged().judged)),
        counterfactual_charts.inverse_propensities(
            counterfactual_estimates.inverse_propensities(logged().judged)
        ),
    ):
        spec = chart.to_dict()
        spec.pop("datasets")
        assert "onerror" not in json.dumps(spec)


def row(
    policy: str, method: str, estimate: float, low: float, high: float, gap: float, **changes: Any
) -> Any:
    bounds = {"low": low, "high": high, "difference": gap, "difference_low": gap - 0.02}
    named = {"policy": policy, "figure": "quality", "method": method, "estimate": estimate}
    return (
        named | bounds | {"difference_high": gap + 0.02, "n": 900, "n_effective": 400.0, "note": ""} | changes
    )


def said_of(found: Compared, *rows: Any) -> Compared:
    made = pl.DataFrame([{**each, "n_problems": 900} for each in rows], infer_schema_length=None)
    return replace(found, judgement=replace(found.judgement, estimates=made))


def test_what_is_said_of_success_is_told_with_intervals_and_paired(found: Compared) -> None:
    page = said_of(
        found,
        row(AS_LOGGED, "mean of the log", 0.6, 0.57, 0.63, 0.0),
        row("large", DOUBLY_ROBUST, 0.8, 0.77, 0.83, 0.2),
        row("small", DOUBLY_ROBUST, 0.5, 0.46, 0.54, -0.1),
        row("small", NAIVE, 0.59, 0.56, 0.62, -0.01),
        row("large", NAIVE, 0.79, 0.76, 0.82, 0.19),
    )
    assert plain(counterfactual_sentences.successes(page)) == (
        "As logged 60.0 % (95 % interval 57.0 % to 63.0 %, n = 900) succeeded. Most would have succeeded under large: "
        "80.0 %, a difference of 20.0 points (95 % interval 18.0 points to 22.0 points, n = 900)."
    )
    assert plain(counterfactual_sentences.misled(page)) == (
        "Averaging the log's own tries would mislead most about small: 59.0 % where the doubly robust estimate is "
        "50.0 % (95 % interval 46.0 % to 54.0 %, n = 900). It lies outside that interval, as it will where the log chose "
        "by what also decides success."
    )
    close = said_of(
        found, row("small", DOUBLY_ROBUST, 0.6, 0.57, 0.63, 0.01), row("small", NAIVE, 0.61, 0.6, 0.62, 0.0)
    )
    assert "which is too close to call" in counterfactual_sentences.of_policy(close, "small")
    assert "would mislead little here" in counterfactual_sentences.misled(close)


def test_too_few_are_said_to_be_too_few(found: Compared) -> None:
    few = said_of(found, row("small", DOUBLY_ROBUST, 0.6, 0.5, 0.7, 0.0, n_effective=4.0))
    assert counterfactual_sentences.successes(few).startswith("Too few to tell")
    assert counterfactual_sentences.of_policy(few, "small").startswith("Too few to tell")
    assert counterfactual_sentences.misled(few).startswith("Too few to tell")
    assert counterfactual_sentences.month(few, "large").startswith("Times, verdicts or costs are missing")


def test_who_is_not_judged_is_said() -> None:
    log = logged()
    assert plain(counterfactual_sentences.judged(log)).startswith("300 of 300 tries (100.0 %) carry")
    some = replace(log, judged=replace(log.judged, n_all=400), sources=log.sources.with_columns(
        n_retries_without=pl.lit(60), n_first_without=pl.lit(40)))  # fmt: skip
    said = plain(counterfactual_sentences.judged(some))
    assert said.startswith(
        "300 of 400 tries (75.0 %) carry the probability with which they were chosen: what is said"
    )
    assert "60 retries and 40 first attempts without it are no part of it" in said


def test_decisions_are_told() -> None:
    def decided(n: int, complete: int, whole: int, differing: int) -> str:
        names = ("n_decisions", "n_complete", "n_adding_up", "n_differing")
        return counterfactual_sentences.decided(
            pl.DataFrame([dict(zip(names, (n, complete, whole, differing), strict=True))])
        )

    assert decided(1200, 1200, 1200, 0).startswith("All 1,200 routing decisions list")
    assert "8 list the probability of every candidate; in 7 of these" in decided(9, 8, 7, 1)
    assert counterfactual_sentences.decided(pl.DataFrame()).startswith("No routing decision")


def test_what_the_log_cannot_say_is_said(found: Compared) -> None:
    overlap = found.judgement.overlap
    assert counterfactual_sentences.supported(overlap).startswith(
        "Everything these policies choose was tried."
    )
    noted = overlap.with_columns(
        note=pl.when(policy="by lot").then(pl.lit("too few to tell")).otherwise(pl.lit(""))
    )
    assert "by lot: too few to tell." in counterfactual_sentences.supported(noted)


def test_on_the_sample_the_truth_stands_beside_the_estimates(home: Path) -> None:
    sample = Store(SAMPLE).ensure()
    simulate_into(sample, 2000)
    log = counterfactual_estimates.logged(SAMPLE)
    assert log.judged.n_all == 2000 == log.sources["n_executions"].sum()
    page = counterfactual_estimates.compared(log)
    true = counterfactual_estimates.truth(page, SAMPLE)
    assert true is not None
    assert true.height == 2 * len(page.names)
    of = dict(true.filter(figure="quality").select("policy", "truth").iter_rows())
    assert of["always small"] < of["always medium"] < of["always large"]
    assert of["by lot"] == pytest.approx(
        np.mean([of[f"always {tier}"] for tier in ("small", "medium", "large")])
    )
    held, n = counterfactual_estimates.held(page, true)
    naive, _ = counterfactual_estimates.held(page, true, NAIVE)
    assert n == 2 * (len(page.names) - 1)
    assert held >= n - 2
    assert naive < held
    said = counterfactual_sentences.conclusions(page, true)
    assert 3 <= len(said) <= 6
    assert said[-1].startswith("The simulator knows the truth")
    assert counterfactual_estimates.truth(page, home / "other.duckdb") is None
