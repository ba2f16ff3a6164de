"""What a search gives back: rows as the original documents name them, and what is true of the answer as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

Mode = Literal["semantic", "words", "hybrid"]
"""By meaning, by words, or by both."""


class Found(list[dict[str, Any]]):
    """Similar executions, most similar first; a list of rows that also says how far it can be trusted.

    A row has the columns of an execution (`task_id`, `external_id`, `timestamp` UTC, `task_type`,
    `task_description`, `repo`, `model`, `model_tier`, `pool_type`, `success`, `duration_seconds`, `actual_cost`,
    `quality_score`, `solution_summary`, `error_type`, …), `similarity` (the cosine, -1 to 1, null where the text
    has no vector yet), `score` (what the rows are ordered by in this mode) and `why`: {"words": the words in
    common, "fields": the fields of the filter or of the task asked for that agree}.

    `best_similarity` is the highest cosine there was under the filter, whatever the threshold (in mode hybrid:
    among the rows), null when nothing was compared; `n_not_searchable` executions under no filter wait for
    `learnlab encode`; `model` is the encoder's key and `runs_on` what did its work, empty where none was needed;
    `fixed` are the columns that the filter held to one value.
    """

    def __init__(
        self,
        rows: Iterable[dict[str, Any]] = (),
        *,
        query: str = "",
        mode: Mode = "semantic",
        threshold: float | None = None,
        best_similarity: float | None = None,
        n_not_searchable: int = 0,
        model: str = "",
        runs_on: str = "",
        fixed: Iterable[str] = (),
    ) -> None:
        super().__init__(rows)
        self.query = query
        self.mode = mode
        self.threshold = threshold
        self.best_similarity = best_similarity
        self.n_not_searchable = n_not_searchable
        self.model = model
        self.runs_on = runs_on
        self.fixed = tuple(fixed)
