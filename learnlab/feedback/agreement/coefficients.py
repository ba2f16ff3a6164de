"""How far people who label the same items agree: raw, beyond chance for two (κ) and for any number with gaps (α).

All take labels as a frame with the columns item, annotator and label, a row a label; a null says nothing. An item with
one label says nothing of agreement. What cannot be told is no figure but words that say why: where everybody gave one
and the same answer throughout, agreement cannot be told from chance, and 1 would be a lie.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import polars as pl
from numpy.typing import NDArray

from learnlab.errors import FeedbackError
from learnlab.intervals import Counts, Interval, cluster_bootstrap, wilson

Floats = NDArray[np.float64]

RESAMPLES = 2000
"""Resamples of the items behind each interval."""

_NO_PAIRS = "no item has labels of two people"
_ONE_ANSWER = "all gave one and the same answer, so that agreement cannot be told from chance"
_TOO_FEW = "too few items, or too few other answers, for an interval"


class Scale(StrEnum):
    """What a difference of two labels is worth.

    Of words, any two that differ are equally far apart (nominal); of numbers, their ranks (ordinal) or the numbers
    themselves (interval) say how far.
    """

    NOMINAL = "nominal"
    ORDINAL = "ordinal"
    INTERVAL = "interval"


@dataclass(frozen=True)
class Agreement:
    """A figure of agreement with its 95 % interval, or the reason in words why there is none.

    `n_items` are those with labels of at least two people, `n_labels` the labels on them, `n_annotators` who gave them.
    """

    interval: Interval | None
    n_items: int
    n_labels: int
    n_annotators: int
    reason: str = ""


def raw_agreement(labels: pl.DataFrame, scale: Scale | str = Scale.NOMINAL) -> Agreement:
    """Return how alike two labels on one item are, averaged over pairs and then over items, with Wilson's interval.

    Words are alike (1) or not (0); numbers from 0 to 1 are as alike as 1 − their distance.

    Raises:
        FeedbackError: when somebody has two labels on one item, or labels of a scale of numbers are none.

    >>> votes = {"item": [1, 1, 2, 2], "annotator": [1, 2, 1, 2], "label": ["yes", "yes", "yes", "no"]}
    >>> raw_agreement(pl.DataFrame(votes)).interval.estimate
    0.5
    """
    pairable = _pairable(labels, Scale(scale))
    if not len(pairable):
        return _figure(None, pairable, _NO_PAIRS)
    alike = _alike(pairable, scale).group_by("item").agg(pl.col("alike").mean())["alike"]
    return _figure(wilson(min(float(alike.sum()), len(alike)), len(alike)), pairable)


def agreement_by_item(labels: pl.DataFrame, scale: Scale | str = Scale.NOMINAL) -> pl.DataFrame:
    """Return the items that two people labelled, the most disputed first: item, n_labels, agreement (0-1).

    `agreement` is how alike two labels on the item are: `raw_agreement`.

    Raises:
        FeedbackError: as `raw_agreement` does.
    """
    pairable = _pairable(labels, Scale(scale))
    counted = pairable.group_by("item").agg(n_labels=pl.len().cast(pl.Int64))
    alike = _alike(pairable, scale).group_by("item").agg(agreement=pl.col("alike").mean())
    return counted.join(alike, on="item").sort(
        "agreement", "n_labels", "item", descending=[False, True, False]
    )


def agreement_by_annotator(labels: pl.DataFrame, scale: Scale | str = Scale.NOMINAL) -> pl.DataFrame:
    """Return how alike each annotator's labels are to those of the others on the same items, with Wilson's interval.

    A row an annotator: annotator, n_items, agreement, agreement_low, agreement_high. Nobody agrees with themselves.

    Raises:
        FeedbackError: as `raw_agreement` does.
    """
    pairs = _alike(_pairable(labels, Scale(scale)), scale)
    either = pl.concat(
        [pairs, pairs.rename({"annotator": "other", "other": "annotator"}).select(pairs.columns)]
    )
    of_item = either.group_by("annotator", "item").agg(pl.col("alike").mean())
    rows = of_item.group_by("annotator").agg(n_items=pl.len().cast(pl.Int64), sum=pl.col("alike").sum())
    rows = rows.sort("annotator")
    bounds = [wilson(min(total, n), n) for total, n in rows.select("sum", "n_items").rows()]
    return rows.select(
        "annotator",
        "n_items",
        pl.Series("agreement", [one.estimate if one else None for one in bounds], dtype=pl.Float64),
        pl.Series("agreement_low", [one.low if one else None for one in bounds], dtype=pl.Float64),
        pl.Series("agreement_high", [one.high if one else None for one in bounds], dtype=pl.Float64),
    )


def cohen_kappa(labels: pl.DataFrame, first: object, second: object) -> Agreement:
    """Return Cohen's κ of two annotators over the items that both labelled, 1 at most and 0 for chance.

    Formula: J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20
    (1960), 37-46. The interval is a bootstrap over items.

    Raises:
        FeedbackError: when somebody has two labels on one item.

    >>> from itertools import chain
    >>> both = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    >>> votes = {"item": [i for i in range(50) for _ in "ab"], "annotator": ["a", "b"] * 50, "label": [*chain(*both)]}
    >>> round(cohen_kappa(pl.DataFrame(votes), "a", "b").interval.estimate, 3)
    0.4
    """
    pairable = _pairable(labels.filter(pl.col("annotator").is_in([first, second])), Scale.NOMINAL)
    if not len(pairable):
        return _figure(None, pairable, "the two have no item in common")
    columns = pairable.pivot("annotator", index="item", values="label").drop("item")
    values = sorted(pairable["label"].unique().to_list())
    own, other = (
        np.stack([(column == value).to_numpy() for value in values], axis=1).astype(float)
        for column in columns.iter_columns()
    )
    equal = (own * other).sum(axis=1)

    def disagreement(drawn: Counts) -> tuple[Floats, Floats]:
        n = drawn.sum(axis=1)
        by_chance = ((drawn @ own) * (drawn @ other)).sum(axis=1) / n**2
        return 1 - drawn @ equal / n, 1 - by_chance

    return _beyond_chance(pairable, disagreement, farthest=1.0)


def krippendorff_alpha(labels: pl.DataFrame, scale: Scale | str = Scale.NOMINAL) -> Agreement:
    """Return Krippendorff's α of any number of annotators, who need not have labelled everything.

    1 is full agreement, 0 what chance gives, below 0 less than that. Formula: K. Krippendorff, "Computing
    Krippendorff's Alpha-Reliability" (2011), University of Pennsylvania. The interval is a bootstrap over items.

    Raises:
        FeedbackError: when somebody has two labels on one item, or labels of a scale of numbers are none.

    >>> votes = {"item": [1, 1, 2, 2, 3, 3], "annotator": [1, 2] * 3, "label": ["a", "a", "b", "b", "a", "b"]}
    >>> krippendorff_alpha(pl.DataFrame(votes)).reason
    'too few items, or too few other answers, for an interval'
    """
    scale = Scale(scale)
    pairable = _pairable(labels, scale)
    if not len(pairable):
        return _figure(None, pairable, _NO_PAIRS)
    if scale == Scale.INTERVAL:
        return _beyond_chance(pairable, *_on_numbers(pairable))
    return _beyond_chance(pairable, *_on_counts(pairable, scale))


_Disagreement = Callable[[Counts], tuple[Floats, Floats]]
"""Mean squared difference of two labels on an item, and of any two labels, among the items drawn."""


def _on_counts(pairable: pl.DataFrame, scale: Scale) -> tuple[_Disagreement, float]:
    """Return the disagreement by how often each value stands on each item, and the largest squared difference."""
    counts = _counts(pairable)
    m = counts.sum(axis=1)
    if scale == Scale.NOMINAL:
        differing = (m**2 - (counts**2).sum(axis=1)) / (m - 1)

        def nominal(drawn: Counts) -> tuple[Floats, Floats]:
            of_value = drawn @ counts
            n = of_value.sum(axis=1)
            return drawn @ differing / n, (n**2 - (of_value**2).sum(axis=1)) / (n * (n - 1))

        return nominal, 1.0
    pairs = (counts[:, :, None] * counts[:, None, :]) / (m - 1)[:, None, None]
    at = np.arange(counts.shape[1])
    pairs[:, at, at] -= counts / (m - 1)[:, None]

    def ranks(of_value: Floats) -> Floats:
        return np.asarray(np.cumsum(of_value, axis=-1) - of_value / 2)

    def ordinal(drawn: Counts) -> tuple[Floats, Floats]:
        of_value = drawn @ counts
        rank, n = ranks(of_value), of_value.sum(axis=1)
        together = np.tensordot(drawn, pairs, axes=1)
        square, mean = (of_value * rank**2).sum(axis=1), (of_value * rank).sum(axis=1)
        found = 2 * square - 2 * np.einsum("rc,rck,rk->r", rank, together, rank)
        return found / n, 2 * (n * square - mean**2) / (n * (n - 1))

    return ordinal, float(np.ptp(ranks(counts.sum(axis=0))) ** 2)


def _on_numbers(pairable: pl.DataFrame) -> tuple[_Disagreement, float]:
    """Return the disagreement by the sums of numbers and of their squares, and the largest squared difference."""
    x = pl.col("label")
    of_item = pairable.group_by("item").agg(n=pl.len(), s=x.sum(), q=(x**2).sum()).sort("item")
    n, s, q = (of_item[name].to_numpy().astype(float) for name in "nsq")
    found = 2 * (n * q - s**2) / (n - 1)

    def interval(drawn: Counts) -> tuple[Floats, Floats]:
        total, sums, squares = drawn @ n, drawn @ s, drawn @ q
        return drawn @ found / total, 2 * (total * squares - sums**2) / (total * (total - 1))

    return interval, float(np.ptp(pairable["label"].to_numpy()) ** 2)


def _beyond_chance(pairable: pl.DataFrame, disagreement: _Disagreement, farthest: float) -> Agreement:
    """Return one minus the disagreement found over the one that chance gives, with its interval over items.

    Where all agree on every item, drawing items again always gives 1, however few they are. The lower end is then what
    the figure would be if items were disputed at the upper end of Wilson's interval of none among so many, each of them
    as far as answers can be apart.
    """
    n = pairable["item"].n_unique()

    def figure(drawn: Counts) -> Floats:
        found, by_chance = disagreement(drawn)
        is_there = by_chance > 1e-12
        return np.where(is_there, 1 - found / np.where(is_there, by_chance, 1.0), np.nan)[:, None]

    ((found,), (by_chance,)) = disagreement(np.ones((1, n)))
    if by_chance <= 1e-12:
        return _figure(None, pairable, _ONE_ANSWER)
    (interval,) = cluster_bootstrap(np.arange(n), figure, resamples=RESAMPLES)
    if interval is None:
        return _figure(None, pairable, _TOO_FEW)
    none = wilson(0, n)
    if found <= 1e-12 and none is not None:
        interval = interval._replace(low=1 - none.high * farthest / by_chance)
    return _figure(interval, pairable)


def _pairable(labels: pl.DataFrame, scale: Scale) -> pl.DataFrame:
    """Return the labels of items that have at least two, without those that say nothing."""
    said = labels.select("item", "annotator", "label").drop_nulls()
    if said.select("item", "annotator").is_duplicated().any():
        raise FeedbackError("somebody has two labels on one item: agreement takes one of each person")
    if scale != Scale.NOMINAL:
        said = said.with_columns(label=pl.col("label").cast(pl.Float64, strict=False))
        if not said["label"].is_finite().fill_null(False).all():
            raise FeedbackError("these labels are no numbers: only the nominal scale fits words")
    return said.filter(pl.len().over("item") > 1).sort("item", "annotator")


def _alike(pairable: pl.DataFrame, scale: Scale | str) -> pl.DataFrame:
    """Return each pair of labels on one item, once: item, annotator, other, alike (0-1)."""
    pairs = pairable.join(pairable.rename({"annotator": "other", "label": "theirs"}), on="item")
    pairs = pairs.filter(pl.col("annotator") < pl.col("other"))
    same = (pl.col("label") == pl.col("theirs")).cast(pl.Float64)
    near = same if Scale(scale) == Scale.NOMINAL else (1 - (pl.col("label") - pl.col("theirs")).abs()).clip(0)
    return pairs.select("item", "annotator", "other", alike=near)


def _counts(pairable: pl.DataFrame) -> Floats:
    """Return how often each value stands on each item, (items, values), values in their order."""
    items, item = np.unique(pairable["item"].cast(pl.String).to_numpy(), return_inverse=True)
    values, value = np.unique(pairable["label"].to_numpy(), return_inverse=True)
    counts = np.zeros((len(items), len(values)))
    np.add.at(counts, (item, value), 1.0)
    return counts


def _figure(interval: Interval | None, pairable: pl.DataFrame, reason: str = "") -> Agreement:
    n_items, n_annotators = (pairable[name].n_unique() for name in ("item", "annotator"))
    return Agreement(interval, n_items, len(pairable), n_annotators, reason)
