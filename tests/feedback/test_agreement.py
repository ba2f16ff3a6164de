"""Agreement: published worked examples, what cannot be told, and whether the intervals cover what is true."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.errors import FeedbackError
from learnlab.feedback.agreement import coefficients as agreement
from learnlab.feedback.agreement.coefficients import (
    Scale,
    agreement_by_annotator,
    agreement_by_item,
    cohen_kappa,
    krippendorff_alpha,
    raw_agreement,
)
from learnlab.intervals import wilson


def votes(*annotators) -> pl.DataFrame:
    """Labels from a row of answers for each annotator, one for each item; None was not answered."""
    rows = [(item, who, label) for who, row in enumerate(annotators, 1) for item, label in enumerate(row)]
    return pl.DataFrame(rows, schema=["item", "annotator", "label"], orient="row")


_ = None
# K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): four observers, twelve units, gaps.
FOUR = votes(
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
)
# The same: two observers, two values and no gaps; two observers, five values and no gaps.
MEG_AND_OWEN = votes([0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0])
BEN_AND_GERRY = votes("aabbdcccedda", "babbbcccedddd"[:12])
# J. Cohen, "A coefficient of agreement for nominal scales" (1960), table 2: 200 patients, three diagnoses.
COHEN = [[88, 10, 2], [14, 40, 6], [18, 10, 12]]


@pytest.mark.parametrize(
    ("labels", "scale", "published"),
    [
        (FOUR, "nominal", 0.743),
        (FOUR, "ordinal", 0.815),
        (FOUR, "interval", 0.849),
        (MEG_AND_OWEN, "nominal", 0.095),
        (BEN_AND_GERRY, "nominal", 0.692),
    ],
)
def test_alpha_is_the_published_one(labels, scale, published):
    found = krippendorff_alpha(labels, scale)
    assert round(found.interval.estimate, 3) == published
    assert found.interval.low < published < found.interval.high
    assert found.interval.n == found.n_items


def test_units_with_one_label_do_not_count():
    found = krippendorff_alpha(FOUR)
    assert (found.n_items, found.n_labels, found.n_annotators) == (11, 40, 4)


def test_kappa_is_the_published_one():
    cells = [(a, b) for a, row in enumerate(COHEN) for b, n in enumerate(row) for _ in range(n)]
    labels = votes([a for a, _ in cells], [b for _, b in cells])
    found = cohen_kappa(labels, 1, 2)
    assert round(found.interval.estimate, 3) == 0.492
    assert cohen_kappa(labels, 2, 1).interval.estimate == pytest.approx(found.interval.estimate)
    assert raw_agreement(labels).interval.estimate == 0.70
    # His formula of the standard error, which takes what chance gives as known.
    half = 1.96 * (0.70 * 0.30 / (200 * 0.59**2)) ** 0.5
    assert [found.interval.low, found.interval.high] == pytest.approx([0.492 - half, 0.492 + half], abs=0.02)


def _alpha_by_hand(labels: pl.DataFrame, far) -> float:
    """One minus the mean difference within items over the mean difference of any two, straight from the definition."""
    units = [unit["label"].to_list() for unit in labels.drop_nulls().partition_by("item") if unit.height > 1]
    values = [value for unit in units for value in unit]
    within = sum(2 * far(a, b) / (len(unit) - 1) for unit in units for a, b in combinations(unit, 2))
    across = sum(2 * far(a, b) for a, b in combinations(values, 2)) / (len(values) - 1)
    return 1 - within / across


@given(
    st.lists(
        st.lists(st.none() | st.integers(0, 3), min_size=6, max_size=6),
        min_size=2,
        max_size=4,
    )
)
@settings(max_examples=25)
def test_alpha_follows_its_definition(rows):
    labels = votes(*rows).cast({"label": pl.Int64})
    for scale, far in ((Scale.NOMINAL, lambda a, b: a != b), (Scale.INTERVAL, lambda a, b: (a - b) ** 2)):
        found = krippendorff_alpha(labels, scale)
        if found.interval is None:
            assert found.reason
        else:
            assert found.interval.estimate == pytest.approx(_alpha_by_hand(labels, far))
            assert found.interval.low <= found.interval.high <= 1 + 1e-9


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (votes(["yes", None], [None, "no"]), "no item has labels of two people"),
        (votes(["yes"] * 20, ["yes"] * 20), "all gave one and the same answer"),
        (votes(["yes", "no"]), "no item has labels of two people"),
        (votes(["yes"] * 19 + ["no"], ["yes"] * 20), "too few items, or too few other answers"),
        (votes(["yes"], ["no"]), "too few items"),
    ],
)
def test_what_cannot_be_told_is_no_figure_but_words(labels, says):
    found = krippendorff_alpha(labels)
    assert found.interval is None
    assert says in found.reason


def test_kappa_of_people_with_nothing_in_common_and_of_one_answer_is_not_told():
    assert "no item in common" in cohen_kappa(votes(["yes", None], [None, "no"]), 1, 2).reason
    assert "one and the same answer" in cohen_kappa(votes(["yes"] * 20, ["yes"] * 20), 1, 2).reason
    assert raw_agreement(votes(["yes", None], [None, "no"])).reason == "no item has labels of two people"


def test_full_agreement_on_few_items_is_not_certain():
    labels = votes(["yes", "no"] * 10, ["yes", "no"] * 10)
    for found in (krippendorff_alpha(labels), cohen_kappa(labels, 1, 2)):
        assert (found.interval.estimate, found.interval.high) == (1.0, 1.0)
        disputed = wilson(0, 20).high
        assert found.interval.low == pytest.approx(1 - disputed / 0.5, abs=0.02)
    assert raw_agreement(labels).interval == wilson(20, 20)


def test_two_labels_of_one_person_on_one_item_and_words_for_numbers_are_refused():
    twice = pl.concat([votes(["yes"], ["no"]), votes(["no"])])
    with pytest.raises(FeedbackError, match="two labels on one item"):
        raw_agreement(twice)
    with pytest.raises(FeedbackError, match="no numbers"):
        krippendorff_alpha(votes(["yes"], ["no"]), Scale.INTERVAL)


def test_who_agrees_and_on_what_by_hand():
    labels = votes(["a", "a", "a", None], ["a", "b", "a", "b"], ["a", "b", None, None])
    assert agreement_by_item(labels).rows() == [(1, 3, 1 / 3), (0, 3, 1.0), (2, 2, 1.0)]
    by = agreement_by_annotator(labels).to_dicts()
    assert [(row["annotator"], row["n_items"]) for row in by] == [(1, 3), (2, 3), (3, 2)]
    # The first agrees with both, with neither, with the other; the second with both, with one of two, with the first.
    assert [row["agreement"] for row in by] == pytest.approx([2 / 3, 2.5 / 3, 1.5 / 2])
    assert by[0]["agreement_low"] == wilson(2, 3).low
    assert raw_agreement(labels).interval.estimate == pytest.approx((1 + 1 / 3 + 1) / 3)


def test_scores_are_as_alike_as_they_are_near():
    labels = votes([0.0, 0.5], [0.25, 0.5])
    assert raw_agreement(labels, Scale.INTERVAL).interval.estimate == pytest.approx(0.875)
    assert agreement_by_item(labels, Scale.INTERVAL)["agreement"].to_list() == [0.75, 1.0]


def _drawn(rng, n, succeeds, wrong, taken) -> pl.DataFrame:
    truth = rng.random(n) < succeeds
    rows = []
    for error, share in zip(wrong, taken, strict=True):
        said = np.where(np.where(rng.random(n) < error, ~truth, truth), "yes", "no")
        rows.append(
            [one if is_there else None for one, is_there in zip(said, rng.random(n) < share, strict=True)]
        )
    return votes(*rows)


WORLDS = [
    (0.7, (0.04, 0.08, 0.12, 0.3), (1, 0.8, 0.6, 0.5)),
    (0.6, (0.05, 0.1), (1, 1)),
    (0.5, (0.1, 0.1, 0.1), (1, 1, 1)),
]


def _true_alpha(succeeds, wrong, taken) -> float:
    """What α tends to: the chance that two labels on an item differ over the chance that any two do."""
    rng = np.random.default_rng(0)
    there = rng.random((200_000, len(wrong))) < np.array(taken)
    there = there[there.sum(axis=1) > 1]
    m = there.sum(axis=1)
    right = 1 - np.array(wrong)
    differ = right[:, None] * (1 - right) + (1 - right)[:, None] * right
    np.fill_diagonal(differ, 0)
    within = (np.einsum("ia,ib,ab->i", there, there, differ) / (m - 1)).sum() / m.sum()
    yes = (there @ (succeeds * right + (1 - succeeds) * (1 - right))).sum() / m.sum()
    return 1 - within / (2 * yes * (1 - yes))


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.soak
def test_the_intervals_cover_what_is_true(world, soak, monkeypatch):
    monkeypatch.setattr(agreement, "RESAMPLES", 1000 if soak else 200)
    n_replays = 400 if soak else 40
    rng, truth = np.random.default_rng(11), _true_alpha(*world)
    found = [krippendorff_alpha(_drawn(rng, 80, *world)).interval for _ in range(n_replays)]
    covered = wilson(sum(one.low <= truth <= one.high for one in found), n_replays, 0.999)
    assert covered.high >= 0.95
    assert covered.estimate >= (0.92 if soak else 0.85)
    assert np.mean([one.estimate for one in found]) == pytest.approx(truth, abs=0.03)
