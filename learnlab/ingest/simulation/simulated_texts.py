"""The words of the simulated fleet: what its tasks ask for, what solves them, and how failures read.

The words themselves stand in simulated_texts.toml; everything in them is invented.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

SOLUTION_KINDS = ("sound", "plain", "brittle")
"""The three ways of solving a topic's problem, from the one that works best to the one that works worst."""


@cache
def texts() -> dict[str, Any]:
    """Return the catalogue: constraints, leads, evidence, components, error_messages and topics.

    `topics` is task type → topic → phrases and one solution of each kind, six topics a task type.

    >>> texts()["topics"]["bugfix"]["clock-change"]["sound"]
    'store times in UTC and convert at the edge'
    """
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def _picked(words: Sequence[str], number: pl.Series) -> pl.Series:
    """Return the words that whole numbers pick, each taken modulo the count of words."""
    return pl.Series(words).gather(number % len(words))


def _capital(text: pl.Expr) -> pl.Expr:
    return text.str.slice(0, 1).str.to_uppercase() + text.str.slice(1)


def _composed(repo: str) -> pl.Expr:
    """Return one to three sentences from the parts, in one of four grammars."""
    lead, core, part = pl.col("w_lead"), pl.col("w_phrase"), pl.col("w_component")
    evidence, constraint = pl.col("w_evidence"), pl.col("w_constraint")
    ask = lead + " " + core + " in the " + part + "."
    return (
        pl.when(pl.col("grammar") == 0)
        .then(ask + " " + evidence + " " + constraint)
        .when(pl.col("grammar") == 1)
        .then(_capital(part) + ": " + core + ". " + evidence + " " + constraint)
        .when(pl.col("grammar") == 2)
        .then(evidence + " " + ask + " " + constraint)
        .otherwise(lead + " " + core + f" ({repo}, " + part + "). " + constraint)
    )


def descriptions(briefs: pl.DataFrame) -> pl.Series:
    """Return one task description a brief, in the order of the briefs.

    A brief has `repo`, `task_type`, `topic` (the position among the type's topics) and whole numbers ≥ 0 that
    pick the words: `phrase`, `component`, `lead`, `evidence`, `constraint`; `grammar` is 0-3.

    >>> row = {"repo": "latch-auth", "task_type": "docs", "topic": 3, "phrase": 1, "component": 0, "lead": 2,
    ...     "evidence": 3, "constraint": 1, "grammar": 0}
    >>> descriptions(pl.DataFrame([row])).item()
    'Explain in the documentation how to restore from a backup in the token issuer. Write for someone new.
    Do not add dependencies.'
    """
    words, made = texts(), [pl.DataFrame(schema={"at": pl.UInt32, "text": pl.String})]
    for (repo, task_type), rows in briefs.with_row_index("at").group_by("repo", "task_type"):
        topics = words["topics"][task_type].values()
        phrases = [phrase for topic in topics for phrase in topic["phrases"]]
        per_topic = len(phrases) // len(topics)
        parts = {
            "w_lead": _picked(words["leads"][task_type], rows["lead"]),
            "w_phrase": _picked(phrases, rows["topic"] * per_topic + rows["phrase"] % per_topic),
            "w_component": _picked(words["components"][repo], rows["component"]),
            "w_evidence": _picked(words["evidence"][task_type], rows["evidence"]),
            "w_constraint": _picked(words["constraints"], rows["constraint"]),
        }
        made.append(rows.with_columns(**parts).select("at", text=_composed(str(repo))))
    return pl.concat(made).sort("at")["text"]
