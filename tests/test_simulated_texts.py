"""The texts of the simulated fleet: many, reused, and near each other when they speak of the same topic."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import polars as pl
import pytest

from learnlab.ingest.simulation import simulated_world as w
from learnlab.ingest.simulation.simulated_runs import draw_briefs
from learnlab.ingest.simulation.simulator import Fleet, simulate


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return simulate()


class TestTexts:
    def test_a_text_is_used_about_twice(self, fleet: Fleet) -> None:
        n_texts = fleet.executions["task_description"].n_unique()
        assert 1.8 < fleet.executions.height / n_texts < 2.2
        per_brief = fleet.executions.group_by(
            pl.col("metadata").str.json_path_match("$.brief")
        ).agg(pl.col("task_description").n_unique())  # fmt: skip
        assert per_brief["task_description"].unique().to_list() == [1]
        nightly = fleet.executions.filter(pl.col("metadata").str.json_path_match("$.is_nightly") == "true")
        hours = nightly.filter(pl.col("attempt") == 1)["timestamp"].dt.hour().unique().sort()
        assert hours.to_list() == [1, 2]

    def test_there_are_tens_of_thousands_of_them(self) -> None:
        briefs = draw_briefs(np.random.default_rng(0), w.world(0), 40_000)
        assert briefs["text"].n_unique() > 38_000
        assert briefs["topic"].n_unique() == 42

    def test_near_texts_speak_of_the_same_topic(self, fleet: Fleet) -> None:
        topic = pl.col("metadata").str.json_path_match("$.topic").alias("topic")
        rows = fleet.executions.select("task_description", topic).unique(maintain_order=True).head(1200)
        counts = [Counter(re.findall(r"[a-z]+", text.lower())) for text in rows["task_description"]]
        place = {word: at for at, word in enumerate(sorted(set().union(*counts)))}
        matrix = np.zeros((len(counts), len(place)))
        for row, words in enumerate(counts):
            matrix[row, [place[word] for word in words]] = list(words.values())
        matrix *= np.log(len(counts) / (matrix > 0).sum(axis=0))
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
        cosine = matrix @ matrix.T
        np.fill_diagonal(cosine, -1)
        topics = rows["topic"].to_numpy()
        nearest = topics[np.argsort(-cosine, axis=1)[:, :10]]
        found = (nearest == topics[:, None]).mean()
        chance = sum((np.sum(topics == one) / len(topics)) ** 2 for one in set(topics))
        assert chance < 0.05
        assert found > 0.6
