"""One study of continual learning, made ready for a page: the stream, what was chosen, and what each way came to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from learnlab.errors import RoutingError
from learnlab.reports.publish import stop
from learnlab.routing.continual import comparing, growth, tuning
from learnlab.routing.continual.learning import PLAIN
from learnlab.routing.continual.memory import EWC, EWC_PLUS, JOINT, NAIVE, REPLAY, Way
from learnlab.routing.continual.scores import log_score
from learnlab.routing.continual.stream import domains
from learnlab.routing.reading import read_tries

THOUSAND = 1000.0
"""Log scores are shown in thousandths of a nat: what tells the ways apart is that small."""


@dataclass(frozen=True)
class Study:
    """What a stream of domains came to when it was learned in five ways.

    `stream`: a row a domain in the order of time: domain, n_tasks, n_verdicts, has_text (whether texts have vectors).
    `tried`: what was tried to choose λ and the decay (`tuning.choose`). `figures`: `comparing.compared`, `course`:
    `comparing.course`, `matrix`: `comparing.forgotten` with `below_joint`; all three in thousandths of a nat.
    `times`: `growth.timed`.
    """

    stream: pl.DataFrame
    tried: pl.DataFrame
    figures: pl.DataFrame
    course: pl.DataFrame
    matrix: pl.DataFrame
    times: pl.DataFrame


def study(
    db: str | Path = "", *, by: str = "task_type", n_kept: int = 1000, n_seeds: int = 2, seed: int = 0
) -> Study:
    """Return what becomes of the domains of a store, by `task_type` or `repo`, when one is learned after another.

    Where there are fewer than two with enough verdicts, the notebook stops with the reason.

    Raises:
        StoreError: when there is no such store.
    """
    try:
        tries = read_tries(db)
        found = domains(tries, by)
        to_choose_by, to_judge_by = tuning.apart(found, seed)
        best, tried = tuning.choose(to_choose_by, [seed + 101, seed + 102])
        ways = [Way(NAIVE), best[EWC], best[EWC_PLUS], Way(REPLAY, n_kept=n_kept), Way(JOINT)]
        runs = comparing.runs(to_judge_by, ways, range(seed, seed + n_seeds))
    except RoutingError as error:
        stop(f"No stream of domains here: {error}.")
    stream = [
        {"domain": name, "n_tasks": len(rows), "n_verdicts": int(np.isfinite(rows.quality).sum())}
        for name, rows in found
    ]
    return Study(
        stream=pl.DataFrame(stream).with_columns(has_text=pl.lit(bool(tries.tasks.vectors.any()))),
        tried=tried,
        figures=_thousandths(comparing.compared(runs, log_score)),
        course=_thousandths(comparing.course(runs, log_score)),
        matrix=_below_joint(_thousandths(comparing.forgotten(runs, log_score))),
        times=growth.timed(found, training=PLAIN),
    )


def _thousandths(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(pl.Float64) * THOUSAND)


def _below_joint(matrix: pl.DataFrame) -> pl.DataFrame:
    """Return the matrix with `below_joint`: the score less what joint retraining reaches there in the end."""
    last = matrix.filter(pl.col("n_domains") == pl.col("n_domains").max(), method=JOINT)
    reached = last.select("domain", reached="score")
    joined = matrix.join(reached, on="domain", how="left", maintain_order="left")
    return joined.with_columns(below_joint=pl.col("score") - pl.col("reached")).drop("reached")


def figure(found: Study, name: str) -> pl.DataFrame:
    """Return the rows of one figure of the ways (`transfer.FIGURES`), a row a method."""
    return found.figures.filter(figure=name)
