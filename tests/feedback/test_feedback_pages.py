"""The overview of feedback: who answers, what is asked in vain, and satisfaction corrected for who answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl
import pytest
from conftest import START

from learnlab.errors import ReportError
from learnlab.feedback.giving import give
from learnlab.ingest.simulation import simulated_world as w
from learnlab.ingest.simulation.simulator import simulate
from learnlab.people import PUBLIC, FeedbackSubmission, Label
from learnlab.reports import feedback_charts, feedback_estimates, feedback_sentences
from learnlab.reports.feedback_correction import LEAST, corrected
from learnlab.store import Store
from learnlab.store.spool import SpoolWriter

SECRET = "canary-</script>"


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u2060", "")


def strata(*rows: tuple[str, str, str, int, list[float]]) -> pl.DataFrame:
    """A row a stratum: tier, outcome, type, tasks, answers."""
    return pl.DataFrame(
        {
            "model_tier": tier,
            "outcome": outcome,
            "task_type": kind,
            "n_executions": n,
            "n": len(said),
            "total": float(sum(said)),
            "squares": float(sum(x * x for x in said)),
        }
        for tier, outcome, kind, n, said in rows
    )


def told(frame: pl.DataFrame, kind: str = "corrected") -> dict[str, Any]:
    (row,) = frame.filter(kind=kind).to_dicts()
    return row


def test_each_stratum_counts_as_much_as_it_has_tasks() -> None:
    rows = strata(
        ("small", "succeeded", "docs", 60, [5.0] * 6),
        ("small", "succeeded", "test", 20, [4.0] * 5),
        ("small", "failed", "docs", 20, [2.0] * 10),
        ("small", "unknown", "docs", 50, [3.0]),
    )
    found = corrected(rows, 2, 5)
    assert told(found)["mean"] == pytest.approx(0.6 * 5 + 0.2 * 4 + 0.2 * 2)
    assert told(found, "as answered")["mean"] == pytest.approx((30 + 20 + 20 + 3) / 22)
    assert (told(found)["n"], told(found, "as answered")["n"]) == (21, 22)
    assert (told(found)["n_known"], told(found)["n_covered"], told(found)["n_executions"]) == (100, 100, 150)
    spread = (6 * 25 + 5 * 16 + 4 + 25) / 13 - ((30 + 20 + 2 + 5) / 13) ** 2
    failed = (10 * 4 + 4 + 25) / 12 - ((20 + 2 + 5) / 12) ** 2
    error = (0.36 * spread / 6 + 0.04 * spread / 5 + 0.04 * failed / 10) ** 0.5
    assert told(found)["mean_high"] - told(found)["mean"] == pytest.approx(1.96 * error, rel=1e-4)


def test_types_with_few_answers_are_taken_together() -> None:
    failed = ("large", "failed", "docs", 10, [2.0] * 5)
    pooled = strata(
        failed,
        ("large", "succeeded", "docs", 50, [5.0] * 5),
        ("large", "succeeded", "test", 20, [4.0] * 3),
        ("large", "succeeded", "review", 20, [3.0] * 2),
    )
    assert told(corrected(pooled, 2, 5))["mean"] == pytest.approx(0.1 * 2 + 0.5 * 5 + 0.4 * 18 / 5)
    lonely = strata(
        failed,
        ("large", "succeeded", "docs", 50, [5.0] * 5),
        ("large", "succeeded", "test", 40, [4.0] * 1),
    )
    assert told(corrected(lonely, 2, 5))["mean"] == pytest.approx(0.1 * 2 + 0.9 * 29 / 6)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([("small", "succeeded", "docs", 9, [5.0] * 4)], "there are too few answers"),
        ([("small", "unknown", "docs", 9, [5.0] * 9)], "of no task it is known how it went"),
        (
            [("small", "succeeded", "docs", 80, [5.0] * 4), ("small", "failed", "docs", 20, [2.0] * 9)],
            "of the 80 tasks that succeeded fewer than 5 were answered",
        ),
    ],
)
def test_where_nothing_can_be_told_the_reason_is(rows: list[Any], reason: str) -> None:
    found = told(corrected(strata(*rows), 2, 5))
    assert (found["mean"], found["mean_low"], found["reason"]) == (None, None, reason)
    named = strata(*rows).rename({"n": "n_rated", "total": "rating_sum", "squares": "rating_squares"})
    assert reason in feedback_sentences.satisfied(named)


def test_one_rare_outcome_without_answers_is_left_out_and_counted() -> None:
    rows = [("small", "succeeded", "docs", 95, [5.0] * 6), ("small", "failed", "docs", 5, [2.0])]
    found = told(corrected(strata(*rows), 2, 5))
    assert (found["mean"], found["n_known"], found["n_covered"]) == (5.0, 100, 95)
    assert found["mean_low"] < 5.0


class Fleet:
    """One fleet, whose answers are drawn anew again and again by the simulator's own rates."""

    def __init__(self, n: int, seed: int) -> None:
        executions = simulate(n, seed).executions.select("model_tier", "task_type", "success")
        self.rng = np.random.default_rng(seed)
        self.known = executions["success"].is_not_null().to_numpy()
        self.success = executions["success"].fill_null(True).to_numpy()
        self.tasks = executions.with_columns(
            outcome=pl.when(pl.col("success").is_null())
            .then(pl.lit("unknown"))
            .when("success")
            .then(pl.lit("succeeded"))
            .otherwise(pl.lit("failed"))
        )

    def truth(self, value: dict[bool, float]) -> dict[str, float]:
        rates = self.tasks.drop_nulls("success").group_by("model_tier").agg(pl.col("success").mean())
        return {tier: rate * value[True] + (1 - rate) * value[False] for tier, rate in rates.iter_rows()}

    def answers(self, shared: float = 0.4) -> pl.DataFrame:
        n = len(self.success)
        success = np.where(self.known, self.success, self.rng.random(n) < 0.7)
        answered = self.rng.random(n) < shared * np.where(
            success, w.ANSWER_RATES[True], w.ANSWER_RATES[False]
        )
        levels = np.cumsum([w.SATISFACTION[True], w.SATISFACTION[False]], axis=1)[np.where(success, 0, 1), :3]
        rating = 5.0 - (self.rng.random(n)[:, None] > levels).sum(axis=1)
        taken = self.rng.random(n) < np.where(success, w.ACCEPTED_RATES[True], w.ACCEPTED_RATES[False])
        drawn = self.tasks.with_columns(
            n_rated=pl.Series(answered).cast(pl.Int64),
            rating_sum=pl.Series(rating * answered),
            rating_squares=pl.Series(rating**2 * answered),
            n_told=pl.Series(answered).cast(pl.Int64),
            n_accepted=pl.Series(taken & answered).cast(pl.Int64),
        )
        counts = pl.col("n_rated", "rating_sum", "rating_squares", "n_told", "n_accepted").sum()
        grouped = drawn.group_by("model_tier", "outcome", "task_type")
        return grouped.agg(counts, n_executions=pl.len().cast(pl.Int64))


@pytest.mark.soak
def test_the_corrected_intervals_hold_the_truth_and_the_plain_ones_do_not(soak: bool) -> None:
    worth = {way: float(np.dot(shares, (5, 4, 3, 2))) for way, shares in w.SATISFACTION.items()}
    for n, seed in ((5000, 8), (20_000, 9), (2000, 10)) if soak else ((5000, 7),):
        fleet = Fleet(n, seed)
        truth, accepted = fleet.truth(worth), fleet.truth(w.ACCEPTED_RATES)
        hits: dict[tuple[str, str], list[bool]] = {}
        for _ in range(400 if soak else 25):
            answers = fleet.answers()
            for what, found, true in (
                ("satisfaction", feedback_estimates.satisfaction(answers), truth),
                ("acceptance", feedback_estimates.acceptance(answers), accepted),
            ):
                for row in found.drop_nulls("mean").to_dicts():
                    is_in = row["mean_low"] <= true[row["model_tier"]] <= row["mean_high"]
                    hits.setdefault((what, row["kind"]), []).append(is_in)
        rates = {key: float(np.mean(found)) for key, found in hits.items()}
        assert all(len(found) >= (1000 if soak else 60) for found in hits.values())
        for what in ("satisfaction", "acceptance"):
            assert rates[what, "corrected"] > (0.92 if soak else 0.86), (n, rates)
            assert rates[what, "as answered"] < (0.5 if n < 5000 else 0.1), (n, rates)


@pytest.fixture
def rated(store: Store, make_record: Any) -> Store:
    """Thirty tasks, ten failed, ten succeeded, ten of which nobody knows; six people rate some, one of them privately."""
    known = [("verifier", False), ("verifier", True), ("unknown", None)]
    records = [
        make_record(
            task_id=UUID(int=i + 1),
            success=known[i % 3][1],
            success_source=known[i % 3][0],
            timestamp=START + timedelta(minutes=7 * i),
            duration_seconds=200.0 if i % 3 else 30.0,
            repo="bank" if i == 29 else "shop",
        )
        for i in range(30)
    ]
    SpoolWriter(store.path).append(records)
    ratings = [
        FeedbackSubmission(
            task_id=UUID(int=i + 1),
            author=f"person {i % 6}",
            satisfaction="good" if i % 3 else "poor",
            issues=[] if i % 3 else ["too_slow", "other"],
            comment=SECRET,
            correction="like so" if i == 2 else None,
            accepted=i % 3 > 0,
            contextual={
                "speed_acceptable": None if i == 0 else i % 2 > 0,
                "model_appropriate": False if i == 4 else None,
            },
            visibility="private" if i == 11 else "team",
            timestamp=START + timedelta(hours=i),
        )
        for i in range(12)
    ]
    give(
        store.path,
        *ratings,
        Label(
            task_id=UUID(int=3), author="ada", act="label", queue="q", label_schema="o@1",
            answers={"success": "no"}, success=False, timestamp=START,
        ),
    )  # fmt: skip
    return store


def test_what_the_team_may_see_is_counted_and_nothing_else(rated: Store) -> None:
    given = feedback_estimates.given(rated.path)
    outcomes = {
        row["value"]: (row["n_rated"], row["n_executions"])
        for row in feedback_estimates.response_rates(given.answers).to_dicts()
        if row["by"] in ("all tasks", "outcome")
    }
    assert outcomes == {"": (11, 30), "failed": (4, 10), "succeeded": (4, 10), "unknown": (3, 10)}
    assert given.people.filter(feedback_type="rating").row(0) == ("rating", 11, 6, 2)
    assert given.people.filter(feedback_type="label").row(0) == ("label", 1, None, None)
    assert dict(given.issues.select("issue", "n_named").iter_rows()) == {"too_slow": 4, "other": 4}
    assert given.issues["n_ratings"].to_list() == [11, 11]
    assert feedback_sentences.given(given.days) == (
        "What is shared with the team is shown: 11 ratings, 1 label; 1 with what the result should have been, "
        "11 with a comment."
    )
    assert plain(feedback_sentences.people(given.people)).startswith("6 people gave the 11 ratings; the most")
    rates = feedback_estimates.contextual_rates(given.contextual)
    counts = {row[0]: row[1:] for row in rates.rows() if row[0] in feedback_estimates.CONTEXTUAL}
    assert {name: row[:4] for name, row in counts.items()} == {
        "speed_acceptable": (11, 10, 1, 5),
        "model_appropriate": (11, 1, 10, 0),
        "expectations_met": (11, 0, 11, 0),
    }
    assert given.answers.filter(outcome="unknown")["n_executions"].sum() == 10, "a label moves no task"
    assert given.asked.filter("is_asked")["rule"].unique().to_list()
    everything = " ".join(str(frame.rows()) for frame in vars(given).values())
    assert "canary" not in everything
    assert "person" not in everything
    bank = feedback_estimates.given(rated.path, repo="shop")
    assert bank.answers["n_executions"].sum() == 29


def test_the_public_gets_the_public_table_alone(rated: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert Store(rated.path, viewer=PUBLIC).view("public_figures").is_empty()
    with pytest.raises(Exception, match=r"^$") as stopped:
        feedback_estimates.given(rated.path, audience="public")
    assert type(stopped.value).__name__ == "SystemExit"
    assert "No public figures here yet" in capsys.readouterr().out
    everybody = [
        FeedbackSubmission(
            task_id=UUID(int=1), author=f"person {i}", satisfaction="excellent", visibility="public"
        )
        for i in range(6)
    ]
    give(rated.path, *everybody)
    given = feedback_estimates.given(rated.path, audience="public")
    assert given.public.select("figure", "n_people").rows() == [("excellent", 6)]
    for frame in (given.answers, given.contextual, given.issues, given.days, given.people, given.asked):
        assert frame.is_empty()
    said = feedback_sentences.conclusions(given)
    assert said[0].startswith("Everybody may know 1 figure:")
    assert len(said) == 3
    assert feedback_charts.public(given.public).to_dict()["description"]


def test_a_page_is_made_for_somebody(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ReportError, match="team or public"):
        feedback_estimates.given(store.path, audience="<b>press")
    with pytest.raises(Exception, match=r"^$"):
        feedback_estimates.given(store.path)
    assert "No feedback here yet" in capsys.readouterr().out


def test_what_is_asked_in_vain_is_named_where_it_is_sure() -> None:
    def asked(*reasons: tuple[str, int, int]) -> pl.DataFrame:
        rows = [
            {"is_asked": True, "rule": rule, "is_rated": i < rated, "at": START + timedelta(hours=i % 30)}
            for rule, n, rated in reasons
            for i in range(n)
        ]
        return pl.DataFrame(rows)

    sure = plain(feedback_sentences.asked_in_vain(asked(("failed", 200, 80), ("routed", 200, 2))))
    assert "least of those asked about because a router chose its tier: 1.0 %" in sure
    assert "no reason to ask surely" in feedback_sentences.asked_in_vain(
        asked(("failed", 40, 8), ("slow", 40, 7))
    )
    assert feedback_sentences.asked_in_vain(asked(("failed", 4, 1))).startswith("Too few")


def test_the_issue_named_most_often_says_whether_that_is_sure() -> None:
    def said(*named: int) -> str:
        issue = pl.Series("issue", ["too_slow", "poor_quality"][: len(named)])
        return feedback_sentences.issues(
            pl.DataFrame({"model_tier": "small", "issue": issue, "n_named": named, "n_ratings": 100})
        )

    assert "“too slow” on small" in said(60, 20)
    assert said(60, 20).endswith("of its ratings.")
    assert said(60, 50).endswith("; with others it is too close to call.")


def test_what_was_left_open_is_no_answer_and_no_no() -> None:
    def contextual(**answers: tuple[int, int, int]) -> pl.DataFrame:
        names = ("n_yes", "n_answered", "n_open")
        rows = [{"question": name} | dict(zip(names, n, strict=True)) for name, n in answers.items()]
        return pl.DataFrame(rows).with_columns(n_ratings=pl.col("n_answered") + pl.col("n_open"))

    answers = contextual(
        speed_acceptable=(8, 10, 990), model_appropriate=(9, 9, 0), expectations_met=(0, 0, 9)
    )
    said = plain(feedback_sentences.contextual(answers))
    assert "“Was it quick enough?” 80.0 % (95 % interval 49.0 % to 94.3 %, n = 10), left open in 990" in said
    assert said.endswith(
        "; too few answered to tell: “Was the model right for it?” (9), “Did it do what you expected?” (0)."
    )
    nobody = feedback_sentences.NOBODY_ANSWERED
    assert "that the team may see" in nobody
    open_alone = contextual(speed_acceptable=(0, 0, 5))
    assert feedback_sentences.contextual(open_alone) == nobody
    assert feedback_sentences.contextual(open_alone.clear()) == nobody
    rates = feedback_estimates.contextual_rates(open_alone)
    assert rates.select("yes_rate", "yes_rate_low", "yes_rate_high").row(0) == (None, None, None)
    drawn = feedback_charts.contextual(feedback_estimates.contextual_rates(answers)).to_dict()
    assert "Was it quick enough? · left open in 990 of 1,000" in str(drawn["datasets"])


def test_who_answers_is_said_with_intervals() -> None:
    def answers(failed: int, succeeded: int, n: int = 500) -> pl.DataFrame:
        rows = [("failed", failed), ("succeeded", succeeded)]
        return pl.DataFrame(
            {"model_tier": "small", "outcome": outcome, "task_type": "docs", "n_executions": n, "n_rated": k}
            for outcome, k in rows
        )

    assert "speaks of failures more than of successes" in feedback_sentences.answering(answers(100, 20))
    assert "speaks of successes more than of failures" in feedback_sentences.answering(answers(20, 100))
    assert "too close to call" in feedback_sentences.answering(answers(50, 51))
    assert feedback_sentences.answering(answers(1, 2, 5)).startswith("Too few")


def test_figures_hold_their_rows_and_no_text_in_their_specification(rated: Store) -> None:
    given = feedback_estimates.given(rated.path)
    answers = given.answers.with_columns(task_type=pl.lit(SECRET))
    figure = feedback_charts.response_rates(feedback_estimates.response_rates(answers)).to_dict()
    data = figure.pop("datasets")
    assert "canary" in str(data)
    assert "canary" not in str(figure)
    for chart in (
        feedback_charts.over_time(given.days),
        feedback_charts.issues(feedback_estimates.issue_rates(given.issues)),
        feedback_charts.contextual(feedback_estimates.contextual_rates(given.contextual)),
        feedback_charts.asked(feedback_estimates.asked_by(given.asked, "rule")),
        feedback_charts.satisfaction(feedback_estimates.satisfaction(given.answers)),
        feedback_charts.acceptance(feedback_estimates.acceptance(given.answers)),
    ):
        assert chart.to_dict()["description"].endswith(".")
    assert LEAST == 5
