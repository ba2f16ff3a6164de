"""The page of agreement: estimates against the simulator's truth, what is drawn, and what is said of little."""

from __future__ import annotations

import json

import polars as pl
import pytest

from learnlab.feedback.agreement.answers import Answered
from learnlab.feedback.labelling.schemas import EXPERT, OUTCOME
from learnlab.ingest.simulation import simulated_labels
from learnlab.ingest.simulation.simulator import simulate
from learnlab.reports import agreement_charts as charts
from learnlab.reports import agreement_estimates as estimates
from learnlab.reports import agreement_sentences as sentences

HOSTILE = "</script><img src=x onerror=alert(1)>"


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u2060", "")


def answered(*rows, schema=OUTCOME, logged=None, settled=(), queue="audit") -> Answered:
    """Rows are (item, annotator, answer), an answer to the schema's first question."""

    def frame(given) -> pl.DataFrame:
        return pl.DataFrame(
            [
                {
                    "task_id": item,
                    "annotator": who,
                    "answers": json.dumps({schema.questions[0].name: answer}),
                    "description": f"Task {item}",
                    "logged": (logged or {}).get(item),
                    "logged_source": "ci" if item in (logged or {}) else None,
                }
                for item, who, answer in given
            ],
            schema={
                "task_id": pl.String, "annotator": pl.Int64, "answers": pl.String, "description": pl.String,
                "logged": pl.Boolean, "logged_source": pl.String,
            },
        )  # fmt: skip

    return Answered(queue, schema, frame(rows), frame(settled))


@pytest.fixture(scope="module")
def audited() -> Answered:
    """The sample's queue on a fleet of its own, its people numbered in the order in which the simulator names them."""
    fleet = simulate(1500, seed=8)
    numbers = {name: number for number, name in enumerate(simulated_labels.ANNOTATORS, 1)}
    told = simulated_labels.labels(fleet).join(
        simulated_labels.items(fleet).select("task_id", logged="success"), on="task_id"
    )
    labels = told.with_columns(
        annotator=pl.col("author").replace_strict(numbers, return_dtype=pl.Int64),
        description=pl.lit("Fix it"),
        logged_source=pl.lit("verifier"),
    )
    return Answered("sample-audit", OUTCOME, labels, labels.clear())


def test_the_estimates_cover_what_the_simulator_knows(audited):
    people = estimates.people(audited)
    by_log = {row["annotator"]: row for row in people.filter(beside="the log").to_dicts()}
    for number, (wrong, taken, _) in enumerate(simulated_labels.ANNOTATORS.values(), 1):
        assert by_log[number]["rate_low"] <= 1 - wrong <= by_log[number]["rate_high"]
        assert by_log[number]["n"] == pytest.approx(simulated_labels.N_ITEMS * taken, rel=0.25)
    with_others = people.filter(beside="the others").sort("rate")
    assert with_others["annotator"][0] == 4
    without = {row["left_out"]: row["value"] for row in estimates.without_each(audited).to_dicts()}
    assert without["4"] == max(without.values())
    (alpha,) = estimates.overall(audited).filter(figure="alpha").to_dicts()
    assert alpha["value"] == without[None]
    assert alpha["value_low"] < 0.545 < alpha["value_high"]
    assert estimates.pairs(audited).height == 6


def test_confusion_and_verdicts_by_hand():
    found = answered(
        *(
            ("a", 1, "yes"),
            ("a", 2, "yes"),
            ("b", 1, "yes"),
            ("b", 2, "no"),
            ("c", 1, "no"),
            ("c", 2, "unknown"),
        ),
        *(("d", 1, "yes"), ("d", 2, "no")),
        logged={"a": True, "b": True, "c": True, "d": False},
        settled=[("d", 3, "no")],
    )
    assert estimates.against_log(found).select("said", "logged", "n").rows() == [
        ("cannot tell", "failed", 0),
        ("no", "failed", 1),
        ("yes", "failed", 1),
        ("cannot tell", "succeeded", 1),
        ("no", "succeeded", 2),
        ("yes", "succeeded", 3),
    ]
    told = (
        estimates.verdicts(found)
        .select("task_id", "n_yes", "n_no", "n_unsure", "is_settled", "verdict")
        .rows()
    )
    assert told == [
        ("a", 2, 0, 0, False, True),
        ("b", 1, 1, 0, False, None),
        ("c", 0, 1, 1, False, False),
        ("d", 1, 1, 0, True, False),
    ]
    verdicts = estimates.verdicts(found)
    assert plain(sentences.with_log(verdicts)).startswith(
        "What most labellers say of an execution is what the log says (CI) in 66.7 % (95 % interval"
    )
    assert sentences.with_log(verdicts).endswith("Too few to tell more.")
    assert plain(sentences.usable(verdicts)) == (
        "3 of 4 labelled executions (75.0 %) have a verdict of people to learn from; "
        "1 of them rests on one person's word, with nobody to agree or differ."
    )
    disputed = pl.DataFrame({"task_id": ["b"]})
    assert sentences.to_settle(disputed, verdicts) == (
        "1 item is disputed and not settled yet; on 1 of them as many say yes as no, "
        "so that nothing can be learned from them before."
    )
    assert sentences.to_settle(disputed.clear(), verdicts) == "Nothing is disputed that nobody has settled."
    assert estimates.items(found).rows()[0][1:] == ("b", 2, 0.0)


def said_of(found) -> list[str]:
    parts = (estimates.overall(found), estimates.people(found), estimates.without_each(found))
    return [
        plain(one)
        for one in sentences.conclusions(
            found, *parts, estimates.verdicts(found), pl.DataFrame({"task_id": []})
        )
    ]


def test_what_is_said_of_the_sample(audited):
    said = said_of(audited)
    assert len(said) == 6
    assert all(one.endswith(".") for one in said)
    assert said[0].startswith("In sample-audit 4 people gave ")
    assert said[1].startswith("Two labels on one item are the same in ")
    assert " as often as chance alone would make them." in said[1]
    assert said[2].startswith("Annotator 4 agrees least with the others, at ")
    assert "(verifier)" in said[3]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([("a", 1, "yes")], "How far they agree cannot be told: no item has labels of two people."),
        (
            [(f"{n}", who, "yes") for n in range(12) for who in (1, 2)],
            "How far they agree cannot be told: all gave one and the same answer, so that agreement cannot be told "
            "from chance.",
        ),
    ],
)
def test_what_cannot_be_told_is_said_so(rows, says):
    found = answered(*rows)
    assert says in said_of(found)
    assert "Who differs from the others cannot be told: it takes three people" in said_of(found)[2]
    assert said_of(found)[3].startswith("The log has no verdict of its own")
    assert estimates.against_log(found).is_empty()
    assert estimates.overall(found).filter(figure="alpha")["value"].to_list() == [None]


def test_scores_are_told_by_distance_and_have_no_verdict():
    scores = {1: 0.1, 2: 0.2, 3: 0.9}
    rows = [(f"{n}", who, min(1.0, (scores[who] + n / 20))) for n in range(12) for who in scores]
    found = answered(*rows, schema=EXPERT)
    overall = estimates.overall(found)
    assert overall.height == 2 * len(EXPERT.questions)
    assert overall["row"][0] == "technical_accuracy · all together"
    assert estimates.pairs(found).is_empty()
    assert estimates.verdicts(found).is_empty()
    said = said_of(found)
    assert "as far from each other as chance alone would make them" in said[1]
    assert "Two labels on one item on technical_accuracy, where they agree least, are alike to" in said[1]
    assert said[2].startswith("Annotator 3 agrees least with the others on technical_accuracy")
    assert estimates.people(found).filter(beside="the log").is_empty()
    assert charts.people(estimates.people(found)).to_dict()["description"]


def test_hostile_text_enters_the_figures_as_data_alone(audited):
    overall, pairs = estimates.overall(audited), estimates.pairs(audited)
    people, without = estimates.people(audited), estimates.without_each(audited)
    named = pl.col("row") + HOSTILE
    for chart in (
        charts.beyond_chance(overall.with_columns(row=named), pairs.with_columns(row=named)),
        charts.people(people.with_columns(row=named)),
        charts.without_each(without.with_columns(row=named)),
        charts.against_log(estimates.against_log(audited)),
    ):
        spec = chart.to_dict()
        assert spec["description"]
        assert spec["title"]["text"]
        datasets = spec.pop("datasets")
        assert "onerror" not in json.dumps(spec)
        assert any(
            "value" in row or "rate" in row or "share" in row for rows in datasets.values() for row in rows
        )


def test_pairs_that_cannot_be_told_are_counted_not_drawn():
    found = answered(
        *(("a", 1, "yes"), ("b", 2, "no"), *((f"{n}", who, "yes") for n in range(3) for who in (1, 3)))
    )
    pairs = estimates.pairs(found)
    assert pairs["value"].null_count() == 3
    assert set(pairs["reason"]) >= {"the two have no item in common"}
    drawn = charts.beyond_chance(estimates.overall(found), pairs).to_dict()
    assert "3 pairs are not shown" in drawn["title"]["subtitle"]


def test_who_agrees_least_is_named_with_those_to_whom_that_is_not_sure():
    given = {1: "yes yes yes", 2: "yes yes yes", 3: "yes yes no"}
    rows = [(f"{n}", who, answers.split()[n % 3]) for n in range(12) for who, answers in given.items()]
    close = said_of(answered(*rows))[2]
    assert close.startswith("Annotator 3 agrees least with the others, at ")
    assert close.endswith(" The difference to annotator 1, and to 2 is too close to call.")
    sure = [(f"{n}", who, "no" if who == 3 else "yes") for n in range(40) for who in range(1, 6)]
    said = said_of(answered(*sure))[2]
    assert said.startswith("Annotator 3 agrees least with the others, at 0")
    assert "too close" not in said
