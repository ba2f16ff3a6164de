"""The page of router experiments: what it trains and judges or why it stops, how it is drawn, and what is said."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from routing_stores import crossed, fill, logged
from routing_worlds import all_tried

from learnlab.reports import routing_charts, routing_estimates, routing_judgements, routing_sentences
from learnlab.reports.routing_estimates import SONA, Experiment
from learnlab.reports.routing_judgements import Judged
from learnlab.routing.baselines import Cheapest, Lookup, best_single
from learnlab.routing.counterfactual.policies import AS_LOGGED
from learnlab.routing.keeping import registry
from learnlab.routing.promoting import reference
from learnlab.routing.sona import tuning
from learnlab.store import Store

HOSTILE = "</script><img src=x onerror=alert(1)>"
N = 200


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u2060", "")


@pytest.fixture(scope="module")
def few_methods() -> Any:
    """Train the quickest of the methods alone, and compare with the quickest baselines."""
    patch = pytest.MonkeyPatch()
    patch.setattr(tuning, "METHODS", tuning.METHODS[:2])
    for module in (reference, routing_estimates):
        patch.setattr(module, "baselines", lambda: (Cheapest(), best_single(), Lookup()))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def folder(few_methods: Any, empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Stores filled with tries, made anew from an empty one."""
    where = tmp_path_factory.mktemp("routing_pages")

    def filled(name: str, tries: Any) -> Store:
        return fill(Store(shutil.copy(empty, where / f"{name}.duckdb")), tries)

    return filled


@pytest.fixture(scope="module")
def log(folder: Any) -> tuple[Experiment, Judged]:
    """Routers judged by a log whose propensities are known: repo and type together tell what does well."""
    store = folder("log", logged(crossed(4 * N)))
    found = routing_estimates.experiment(store.path)
    return found, routing_judgements.judged(found, store.path)


@pytest.fixture(scope="module")
def silent(folder: Any) -> tuple[Experiment, Judged]:
    """The same without propensities."""
    store = folder("silent", logged(crossed(N), is_told=False))
    found = routing_estimates.experiment(store.path)
    return found, routing_judgements.judged(found, store.path)


@pytest.fixture(scope="module")
def whole(folder: Any) -> tuple[Experiment, Judged]:
    """Every candidate tried on every task, nobody knows when."""
    tries = all_tried(crossed(N // 2))
    store = folder("whole", tries)
    with store.writing() as connection:
        connection.execute("update executions set time_source = 'ingestion'")
    found = routing_estimates.experiment(store.path)
    return found, routing_judgements.judged(found, store.path)


def stopped(capsys: pytest.CaptureFixture[str], work: Any) -> str:
    with pytest.raises(Exception, match=r"^$") as ended:
        work()
    assert type(ended.value).__name__ == "SystemExit"
    return capsys.readouterr().out


def conclusions(found: Experiment, on: Judged) -> list[str]:
    told = routing_judgements.calibrations(found), routing_judgements.predictions(found)
    return [plain(one) for one in routing_sentences.conclusions(found, on, *told, promote=False)]


def test_it_stops_gently_and_says_why(folder: Any, capsys: pytest.CaptureFixture[str]) -> None:
    tries = logged(crossed(60))
    unknown = folder("unknown", replace(tries, quality=np.full(60, np.nan)))
    said = stopped(capsys, lambda: routing_estimates.experiment(unknown.path))
    assert said.startswith("No router can be trained here: none of 60 tries has a trusted verdict")
    alone = folder("alone", tries.take(tries.candidate == 0))
    assert "only small has trusted verdicts" in stopped(
        capsys, lambda: routing_estimates.experiment(alone.path)
    )
    odd = stopped(capsys, lambda: routing_estimates.experiment(alone.path, candidates="repo, model_tier"))
    assert "candidates are made of model, model_tier, pool_type" in odd
    assert "worth is -1" in stopped(capsys, lambda: routing_estimates.experiment(alone.path, worth_usd=-1))


def test_by_a_log_the_better_router_would_be_promoted_and_is_not(log: tuple[Experiment, Judged]) -> None:
    found, on = log
    assert on.is_estimated
    assert found.is_later
    rows = {row["router"]: row for row in on.standings.to_dicts()}
    assert set(rows) == {AS_LOGGED, "cheapest", "best_single", "lookup", SONA}
    own = rows[SONA]
    assert (own["verdict"], found.promotion.is_promoted) == ("better", True)
    assert [own[f"value_gain{end}"] for end in ("", "_low", "_high")] == pytest.approx(
        list(found.promotion.gain[:3])
    )
    assert found.decisions.height == 0
    said = conclusions(found, on)
    assert 3 <= len(said) <= 6
    assert all(sentence.endswith(".") for sentence in said)
    assert "sona yields most" in said[0]
    assert any("promoted, if it were decided now: nothing was changed" in one for one in said)


def test_with_promote_the_decision_comes_into_force(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store = folder("promoted", logged(crossed(4 * N)))
    found = routing_estimates.experiment(store.path, promote=True)
    assert found.decisions["decision"].to_list() == ["promoted"]
    assert registry.loaded(store).name == SONA
    assert plain(routing_sentences.kept(found)).endswith(f"In use is {found.promotion.challenger}.")
    again = routing_estimates.experiment(store.path)
    assert "make the router that is in use already" in again.promotion.reason
    assert again.reference in {"best_single", "lookup", "cheapest"}
    monkeypatch.setattr(
        tuning, "METHODS", tuning.METHODS[1:]
    )  # another fit, whose weights are not the kept ones
    other = routing_estimates.experiment(store.path)
    assert other.reference == found.promotion.challenger
    assert set(other.expected) == {"cheapest", "best_single", "lookup", SONA, other.reference}


def test_without_propensities_only_predictions_are_judged(silent: tuple[Experiment, Judged]) -> None:
    found, on = silent
    assert (on.standings.height, on.by_type.height, on.curves.height) == (0, 0, 0)
    assert "lack the propensity" in on.note
    predictions = routing_judgements.predictions(found)
    losses = dict(predictions.select("router", "log_loss").iter_rows())
    assert predictions["router"][0] == SONA
    assert "cheapest" not in losses
    tries, expected = found.split.judged, found.expected[SONA].quality
    said = expected[tries.task, tries.candidate]
    by_hand = -np.where(tries.quality == 1, np.log(said), np.log(1 - said)).mean()
    assert losses[SONA] == pytest.approx(by_hand)
    told = conclusions(found, on)
    assert told[0].startswith("What routers would have come to cannot be told")
    assert "foretold best by sona" in told[1]
    assert any("could not be judged" in one for one in told)
    assert 3 <= len(told) <= 6


def test_where_all_is_known_nothing_is_estimated_and_no_time_is_no_decision(
    whole: tuple[Experiment, Judged],
) -> None:
    found, on = whole
    assert not on.is_estimated
    assert (found.is_later, found.promotion) == (False, None)
    assert "no earlier and later part" in found.refused
    groups = found.split.learned.tasks.group, found.split.judged.tasks.group
    assert not set(groups[0]) & set(groups[1])
    quality, cost = found.split.judged.matrix()
    value = quality * found.preference.worth_usd - cost
    choice = found.choices()[SONA]
    row = on.standings.row(by_predicate=pl.col("router") == SONA, named=True)
    assert row["mean_value"] == pytest.approx(value[np.arange(len(choice)), choice].mean())
    assert row["mean_regret"] == pytest.approx(
        (value.max(axis=1) - value[np.arange(len(choice)), choice]).mean()
    )
    assert "drawn by lot" in routing_sentences.split(found)
    assert any(one.startswith("No decision on promotion can be made") for one in conclusions(found, on))


def test_who_chooses_alike_is_said(whole: tuple[Experiment, Judged]) -> None:
    found, _ = whole
    twin = replace(found, expected=dict(found.expected) | {SONA: found.expected[found.reference]})
    on = routing_judgements.judged(twin)
    verdicts = dict(on.standings.select("router", "verdict").iter_rows())
    assert verdicts[SONA] == "the same choices"
    assert set(on.gained["verdict"]) == {"the same choices"}
    assert "both choose alike" in routing_sentences.where(twin, on)


def test_unknown_costs_are_no_costs_of_nothing(whole: tuple[Experiment, Judged]) -> None:
    found, _ = whole
    judged = found.split.judged
    blind = replace(
        found, split=replace(found.split, judged=replace(judged, cost=np.full(len(judged), np.nan)))
    )
    on = routing_judgements.judged(blind)
    assert on.standings["mean_cost_usd"].null_count() == on.standings.height
    assert on.standings["mean_value"].null_count() == 0
    assert on.curves.height == 0


def test_what_there_is_to_learn_from_is_counted(log: tuple[Experiment, Judged]) -> None:
    found, _ = log
    rows = routing_estimates.material(found.tries)
    assert rows["candidate"].to_list() == ["small", "medium", "large"]
    assert rows["n_tries"].sum() == rows["n_propensities"].sum() == 4 * N
    own = found.tries.quality[found.tries.candidate == 0]
    assert rows["success_rate"][0] == pytest.approx(own.mean())
    assert "100.0 % have a trusted verdict" in plain(routing_sentences.material(found))
    assert "No text has a vector" in routing_sentences.texts(found)
    shares = routing_estimates.shares(found)
    assert shares.group_by("task_type", "router").agg(pl.col("share").sum())[
        "share"
    ].to_list() == pytest.approx([1.0] * 6)
    assert shares.filter(router=SONA)["n"].sum() == len(found.split.judged.tasks)


def test_methods_are_told_with_what_the_others_would_lose(log: tuple[Experiment, Judged]) -> None:
    found, _ = log
    rows = routing_estimates.methods(found.sona)
    assert rows["is_chosen"].to_list() == [True, False]
    assert rows["above_chosen"].to_list() == pytest.approx([0.0, rows["loss"][1] - rows["loss"][0]])
    said = plain(routing_sentences.chosen(rows))
    assert said.startswith(f"SONA tried 2 methods on its own tries and chose {rows['method'][0]}")
    assert routing_sentences.changed(routing_estimates.changes(found.sona)).startswith(
        "No candidate was seen"
    )
    drift = pl.DataFrame(
        {"task_type": ["docs"], "candidate": ["small"], "changed_at": [datetime(2026, 5, 1)],
         "rate_before": [0.9], "rate_after": [0.5], "n_after": [40]}
    )  # fmt: skip
    assert "small on docs, from 90.0 % to 50.0 % (n = 40 since 2026-05-01)" in plain(
        routing_sentences.changed(drift)
    )


def test_calibration_says_more_than_chance_only_where_it_is(log: tuple[Experiment, Judged]) -> None:
    row = {"router": SONA, "n": 300, "ece": 0.1, "ece_low": 0.05, "ece_high": 0.15, "ece_by_chance": 0.03}
    assert "10.0 points" in plain(routing_sentences.calibrated(pl.DataFrame([row])))
    assert "more than the 3.0 points" in plain(routing_sentences.calibrated(pl.DataFrame([row])))
    sure = pl.DataFrame([row | {"ece_low": 0.02}])
    assert "no more than" in routing_sentences.calibrated(sure)
    assert routing_sentences.calibrated(pl.DataFrame([row | {"n": 9}])).startswith("Too few to tell")
    found, _ = log
    bins = routing_judgements.reliability(found)
    assert bins.filter(router=SONA)["n"].sum() == len(found.split.judged)
    blind = replace(found, reference="cheapest")
    assert routing_judgements.predictions(blind).filter(verdict="the reference")["router"].to_list() == [
        "best_single"
    ]


def test_the_figures_are_drawn_with_their_intervals_and_the_truth(log: tuple[Experiment, Judged]) -> None:
    found, on = log
    table = on.standings.with_columns(true_value=pl.col("mean_value") + 0.01)
    spec = routing_charts.standings(table, is_estimated=True).to_dict()
    drawn = [row for data in spec["datasets"].values() for row in data if "mean_value_low" in row]
    assert {row["router"] for row in drawn} == set(on.standings["router"])
    assert "red tick: the truth" in spec["title"]["subtitle"][1]
    curve = routing_charts.curves(on.curves, on.standings, found.reference, is_estimated=True).to_dict()
    assert "doubly robust" in curve["title"]["subtitle"][0]
    assert any("as logged" in json.dumps(data) for data in curve["datasets"].values())
    assert routing_charts.reliability(routing_judgements.reliability(found), found.reference).to_dict()[
        "description"
    ]
    assert routing_charts.gains(on.gained, is_estimated=True).to_dict()["title"]["text"]


def test_hostile_names_enter_the_figures_as_data_alone(log: tuple[Experiment, Judged]) -> None:
    found, on = log
    sent = routing_estimates.shares(found).with_columns(candidate=pl.lit(HOSTILE), task_type=pl.lit(HOSTILE))
    for chart in (
        routing_charts.shares(sent, [HOSTILE], found.reference),
        routing_charts.gains(on.gained.with_columns(task_type=pl.lit(HOSTILE)), is_estimated=True),
    ):
        spec = chart.to_dict()
        assert "onerror=alert(1)" in json.dumps(spec.pop("datasets"))
        assert "onerror" not in json.dumps(spec)
