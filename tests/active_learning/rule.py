"""The rule of decision 0032: which order is the default, by what trials came to."""

from __future__ import annotations

import polars as pl

from learnlab.intervals import paired_bootstrap

SCORES = ("log_loss", "brier", "regret_usd")


def compared(trials: pl.DataFrame) -> pl.DataFrame:
    """Return each order's mean score and its gain on random with the interval that the rule goes by, over fleets.

    Columns: order, predictor, score, n_fleets, mean, gain (random − order) and its bounds, null for random itself.
    """
    means = trials.group_by("seed", "order", "predictor").agg(pl.col(SCORES).mean())
    orders = [order for order in trials["order"].unique(maintain_order=True) if order != "random"]
    rows = []
    for predictor in trials["predictor"].unique(maintain_order=True):
        own = means.filter(predictor=predictor).sort("seed")
        for score in SCORES:
            wide = own.pivot(on="order", index="seed", values=score)
            for order in ("random", *orders):
                gap = paired_bootstrap(
                    wide["random"], wide[order], confidence=1 - 0.05 / len(orders), resamples=10_000
                )
                assert gap is not None
                bounds = (None,) * 3 if order == "random" else gap[:3]
                rows.append((order, predictor, score, wide.height, wide[order].mean(), *bounds))
    names = ("order", "predictor", "score", "n_fleets", "mean", "gain", "gain_low", "gain_high")
    return pl.DataFrame(rows, schema=names, orient="row")


def default(found: pl.DataFrame) -> str:
    """Return the order that is to be the default."""
    own = found.filter(predictor="lookup").drop_nulls("gain")
    better = own.filter(pl.col("score") == "log_loss", pl.col("gain_low") > 0)
    worse = own.filter(pl.col("score") == "regret_usd", pl.col("gain_high") < 0)["order"]
    qualified = better.filter(~pl.col("order").is_in(worse.implode())).sort("gain", descending=True)
    return str(qualified["order"][0]) if qualified.height else "random"
