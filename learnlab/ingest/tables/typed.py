"""From rows of text to the columns of executions: aliases, then what a mapping says, then units and vocabularies."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import polars as pl

from learnlab.ingest.tables.fields import NUMBERS, UNITS, VOCABULARY
from learnlab.ingest.tables.hashes import json_objects
from learnlab.ingest.tables.mapping import ColumnRule
from learnlab.ingest.tables.plan import HEIGHT, Plan, extracted
from learnlab.ingest.tables.raw import exact
from learnlab.models import UNKNOWN
from learnlab.store.limits import SCHEMA
from learnlab.store.words import truth_of_text

_UUID = r"^(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_ZONED = r"(?i)(?:Z|UTC|\d[T ]+\d\d.*[+-]\d\d(?::?\d\d)?)\s*$"
_DATED = r"^\s*\d{4}[-/]\d\d[-/]\d\d"


def _scaled(rule: ColumnRule, text: pl.Expr) -> pl.Expr:
    """Return a number in the field's unit; dividing where the unit is a whole fraction keeps 0.1 exact."""
    factor = UNITS[rule.unit or "s"]
    return text.cast(pl.Float64, strict=False) * (rule.scale or 1.0) * factor.numerator / factor.denominator


@dataclass(frozen=True)
class Typed:
    """Rows that `frames.conform` takes, why a row cannot be one of them (else null), and what is worth a word."""

    rows: pl.DataFrame
    reasons: pl.Series
    n_no_verdicts: int
    n_naive_times: int


def typed(plan: Plan, frame: pl.DataFrame) -> Typed:
    """Return raw rows as the fields of executions.

    Required texts that the source lacks become `unknown`, the description an empty text; words outside a
    vocabulary become unknown and stay, with every column that nobody recognises, in the metadata.
    """
    texts = plan.texts(frame)
    columns: dict[str, pl.Expr] = {}
    kept: dict[str, pl.Expr] = {}
    faults: list[pl.Expr] = []
    for field in texts.columns:
        text = pl.col(field)
        plain = text.str.strip_chars()
        if field in NUMBERS:
            columns[field] = (
                plain.str.replace(r"^([+-]?\d+)\.0+$", "$1") if SCHEMA[field] == pl.Int64 else plain
            )
            rules = plan.rules.get(field, [])
            if any(rule.unit or rule.scale for rule in rules):
                number, fault = _number(frame, plan, field)
                columns[field] = pl.lit(number)
                faults.append(pl.lit(fault))
        elif field in VOCABULARY:
            word = plain.str.to_lowercase()
            is_word = word.is_in(sorted(VOCABULARY[field]))
            columns[field] = pl.when(is_word).then(word)
            if field == "error_type":
                columns[field] = (
                    pl.when(text.is_not_null() & ~is_word).then(pl.lit(UNKNOWN)).otherwise(columns[field])
                )
            kept[field] = pl.when(~is_word).then(text)
        elif field == "user_accepted":
            columns[field] = truth_of_text(text)
            kept[field] = pl.when(columns[field].is_null()).then(text)
        elif field == "task_id":
            is_uuid = plain.str.contains(_UUID)
            columns["task_id"] = pl.when(is_uuid).then(plain.str.to_lowercase())
            if "external_id" not in texts.columns:
                columns["external_id"] = pl.when(~is_uuid).then(text)
        elif field == "parent_task_id":
            is_uuid = plain.str.contains(_UUID)
            columns[field] = pl.when(is_uuid).then(plain.str.to_lowercase())
            kept[field] = pl.when(~is_uuid).then(text)
        elif field not in ("success", "metadata"):
            columns[field] = text
    verdict = plan.success(frame, texts)
    columns["success"] = pl.lit(verdict)
    if "success" in texts.columns and plan.mapping.success is None:
        kept["success"] = pl.when(columns["success"].is_null()).then(pl.col("success"))
    result = _completed(plan, texts.select(*_named(columns)))
    extra = texts.select(*_named(kept)) if kept else None
    metadata = _metadata(plan, frame, texts, extra)
    nothing = pl.lit(None, dtype=pl.String)
    reasons = texts.select(HEIGHT, pl.coalesce([*faults, nothing]).alias("reason"))["reason"]
    n_no_verdicts = extra["success"].count() if extra is not None and "success" in extra.columns else 0
    return Typed(result.with_columns(metadata=metadata), reasons, n_no_verdicts, _n_naive_times(texts))


def _named(columns: dict[str, pl.Expr]) -> list[pl.Expr]:
    return [expression.alias(name) for name, expression in columns.items()]


def _number(frame: pl.DataFrame, plan: Plan, field: str) -> tuple[pl.Series, pl.Series]:
    """Return a field with a unit as numbers, and the reason where its text is none."""
    text, number = plan.text(field), None
    parts = [_scaled(rule, extracted(rule)) for rule in plan.rules[field]]
    placeholder = plan.mapping.unknown.get(field)
    number = pl.coalesce(parts)
    if placeholder is not None:
        number = pl.when(~placeholder.expression.fill_null(False)).then(number)
    both = frame.select(text.alias("text"), number.alias("number"))
    if SCHEMA[field] == pl.Int64:
        both = both.with_columns(pl.col("number").round())
    reason = pl.when(pl.col("text").is_not_null() & pl.col("number").is_null()).then(
        pl.concat_str(pl.lit(f"{field} is '"), pl.col("text").str.slice(0, 60), pl.lit("', not a number"))
    )
    return both["number"], both.select(reason.alias("reason"))["reason"]


def _completed(plan: Plan, rows: pl.DataFrame) -> pl.DataFrame:
    """Fill in what the source does not say but every execution has."""
    has = rows.columns
    fill: list[pl.Expr] = []
    for field in ("repo", "task_type", "pool_type", "model_tier"):
        known = pl.col(field) if field in has else pl.lit(None, dtype=pl.String)
        blank = known.str.strip_chars() == ""
        fill.append(pl.when(~blank).then(known).fill_null(UNKNOWN).alias(field))
    described = [rule.column for rule in plan.rules.get("task_description", [])]
    if "task_description" not in has:
        fill.append(pl.lit("").alias("task_description"))
    elif plan.joined & set(described):
        fill.append(pl.col("task_description").fill_null(""))
    timed = pl.col("timestamp").is_not_null() if "timestamp" in has else pl.lit(False)
    fill.append(pl.when(timed).then(pl.lit("recorded")).otherwise(pl.lit("ingestion")).alias("time_source"))
    source = plan.mapping.success_source.value if plan.mapping.success else "harness"
    stated = pl.col("success_source") if "success_source" in has else pl.lit(None, dtype=pl.String)
    fill.append(
        pl.when(pl.col("success").is_not_null()).then(stated.fill_null(source)).otherwise(pl.lit(UNKNOWN))
        .alias("success_source")
    )  # fmt: skip
    if "actual_cost" in has:
        paid = pl.col("cost_source") if "cost_source" in has else pl.lit(None, dtype=pl.String)
        fill.append(
            pl.when(pl.col("actual_cost").is_not_null()).then(paid.fill_null("reported")).otherwise(pl.lit(UNKNOWN))
            .alias("cost_source")
        )  # fmt: skip
    return rows.with_columns(fill)


def _metadata(plan: Plan, frame: pl.DataFrame, texts: pl.DataFrame, extra: pl.DataFrame | None) -> pl.Series:
    """Return each row's metadata: unrecognised columns and words, over what the source's own metadata say."""
    rest = frame.select(exact(*plan.leftovers)) if plan.leftovers else frame.select([])
    if extra is not None:
        used = {field: plan.rules[field][0].column for field in extra.columns if field in plan.rules}
        taken = {*rest.columns, *(set(extra.columns) - set(used))}
        renamed = extra.rename({field: name for field, name in used.items() if name not in taken})
        named = [
            series for series in renamed.get_columns() if series.name not in rest.columns and series.count()
        ]
        rest = pl.DataFrame([*rest.get_columns(), *named]) if rest.width or named else rest
    if not rest.width:
        objects = pl.Series("metadata", ["{}"], dtype=pl.String).new_from_index(0, len(frame))
    else:
        objects = json_objects(rest, rest.columns)
    if "metadata" not in texts.columns:
        return objects.alias("metadata")
    own = [_merged(given, more) for given, more in zip(texts["metadata"], objects, strict=True)]
    return pl.Series("metadata", own, dtype=pl.String)


_DECODER = json.JSONDecoder(parse_constant=str)
"""Made once: `json.loads` with an option makes one a call."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
"""Refuses numbers beyond all bounds, which are no JSON: an object that holds one is kept as the text that it was."""

_TO_REWRITE = re.compile(r"NaN|Infinity|[eE]\+?\d{3}|\\u[dD0]")
"""What Python reads in JSON and a store may not: numbers beyond all bounds, halves of a character, NUL."""


def _merged(given: str | None, more: str) -> str:
    if given is None:
        return more
    try:
        found = _DECODER.decode(given)
    except (ValueError, RecursionError):
        found = given
    if more == "{}" and isinstance(found, dict) and not _TO_REWRITE.search(given):
        return given
    added = json.loads(more)
    if isinstance(found, dict):
        try:
            both = _ENCODER.encode(found | added)
            both.encode("utf-8")
            return both
        except (ValueError, RecursionError):
            pass
    return _ENCODER.encode({"metadata": given} | added)


def _n_naive_times(texts: pl.DataFrame) -> int:
    """Return how many rows have a time without a zone: it is taken as UTC."""
    if "timestamp" not in texts.columns:
        return 0
    text = texts["timestamp"]
    return int((text.str.contains(_DATED) & ~text.str.contains(_ZONED)).sum())
