"""How the text columns of one file become the fields of executions: aliases, and what a mapping says."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from learnlab.ingest.tables.fields import ALIASES, BEFORE_THE_RUN, recognised
from learnlab.ingest.tables.mapping import ColumnRule, TableMapping
from learnlab.ingest.tables.raw import exact
from learnlab.store.words import truth_of_text

_AMBIGUOUS = ("status", "outcome", "verdict")
_NO_VERDICT = ("success", "succeeded", "error", "failure", "yes", "no", "y", "n", "t", "f")
"""Words that say in a column of states only how the run ended, not whether it was right."""

HEIGHT = pl.int_range(pl.len()).alias(" height")
"""A column beside literals that gives them the height of the frame."""

Rules = dict[str, list[ColumnRule]]


class Plan:
    """How the text columns of one file become the fields of executions.

    `rules` gives each field the columns it may come from, the likeliest first; `identity` are the columns
    that tell one run from another; `leftovers` those that nobody recognises, which go into the metadata.
    """

    def __init__(self, columns: list[str], mapping: TableMapping, joined: Iterable[str] = ()) -> None:
        self.columns = list(columns)
        self.mapping = mapping
        self.joined = set(joined)
        self.rules: Rules = {
            field: [ColumnRule(column=name, unit=unit) for name, unit in found]
            for field, found in recognised([*columns, *self.joined]).items()
            if field not in mapping.constants
        }
        self.rules |= {field: [rule] for field, rule in mapping.columns.items()}
        if mapping.success:
            self.rules.pop("success", None)
        if mapping.task_group:
            self.rules["task_group"] = [ColumnRule(column=mapping.task_group)]

    @property
    def identity(self) -> list[str]:
        """The raw columns behind `record_key`: the mapping's key, else the id with what is known before the run."""
        if self.mapping.key:
            return self.mapping.key
        if "task_id" not in self.rules:
            return []
        fields = ("task_id", *BEFORE_THE_RUN)
        names = {rule.column for field in fields for rule in self.rules.get(field, [])}
        return [name for name in self.columns if name in names]

    @property
    def key_constants(self) -> dict[str, str]:
        """The mapping's constants that are known before the run: they belong to the identity too."""
        given = self.mapping.constants
        return {f"={field}": str(given[field]) for field in BEFORE_THE_RUN if field in given}

    @property
    def leftovers(self) -> list[str]:
        """The columns that are the first choice of no field."""
        used = {rules[0].column for rules in self.rules.values()}
        return [name for name in (*self.columns, *sorted(self.joined)) if name not in used]

    def has(self, field: str) -> bool:
        """Return whether the file or its mapping has anything to say on a field."""
        return (
            field in self.rules
            or field in self.mapping.constants
            or (field == "success" and self._states_success)
        )

    @property
    def _states_success(self) -> bool:
        return self.mapping.success is not None

    def text(self, field: str) -> pl.Expr:
        """Return a field's text as the source gives it, null where it says nothing or only a placeholder."""
        if field in self.mapping.constants:
            value = self.mapping.constants[field]
            found = pl.lit(str(value).lower() if isinstance(value, bool) else str(value))
        else:
            found = pl.coalesce([extracted(rule) for rule in self.rules[field]])
        placeholder = self.mapping.unknown.get(field)
        if placeholder is not None:
            found = pl.when(~placeholder.expression.fill_null(False)).then(found)
        return found.alias(field)

    def texts(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the recognised fields of raw rows as text."""
        fields = [field for field in ALIASES if field in self.rules or field in self.mapping.constants]
        return frame.select(HEIGHT, *(self.text(field) for field in fields)).drop(HEIGHT.meta.output_name())

    def success(self, frame: pl.DataFrame, texts: pl.DataFrame) -> pl.Series:
        """Return each row's verdict: by the mapping's condition, or by words that are verdicts; else null."""
        if self.mapping.success is not None:
            verdict = self.mapping.success.expression
            placeholder = self.mapping.unknown.get("success")
            if placeholder is not None:
                verdict = pl.when(~placeholder.expression.fill_null(False)).then(verdict)
            return frame.select(verdict.alias("success")).to_series()
        if "success" not in texts.columns:
            return pl.Series("success", [None], dtype=pl.Boolean).new_from_index(0, len(frame))
        word = pl.col("success")
        truth = truth_of_text(word)
        rules = self.rules.get("success", [])
        if (
            rules
            and not self.mapping.columns.get("success")
            and rules[0].column.strip().lower() in _AMBIGUOUS
        ):
            truth = pl.when(~word.str.strip_chars().str.to_lowercase().is_in(_NO_VERDICT)).then(truth)
        return texts.select(truth.alias("success")).to_series()


def extracted(rule: ColumnRule) -> pl.Expr:
    """Return the text that a rule finds in its column, null where its pattern finds none."""
    column = exact(rule.column).str.strip_chars() if rule.unit or rule.scale else exact(rule.column)
    if rule.pattern is None:
        return column
    whole = f"^(?:{rule.pattern})$"
    found = column.str.replace(whole, rule.template) if rule.template else column
    return pl.when(column.str.contains(whole) & (found != "")).then(found)
