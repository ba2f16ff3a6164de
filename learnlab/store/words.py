"""What texts mean: verdicts, times and task types, for whole columns at once."""

from __future__ import annotations

import polars as pl

from learnlab.models import TASK_TYPE_BREAK, TASK_TYPE_OF, UNKNOWN

TRUE_WORDS = ("true", "t", "yes", "y", "1", "1.0", "pass", "passed", "success", "succeeded", "resolved")
FALSE_WORDS = ("false", "f", "no", "n", "0", "0.0", "fail", "failed", "failure", "error", "unresolved")


def truth_of_text(column: pl.Expr) -> pl.Expr:
    """Return true or false for the words that say so, in any case, and null for every other text.

    >>> pl.Series(["Yes", "FAILED", "completed"]).to_frame("x").select(truth_of_text(pl.col("x")))["x"].to_list()
    [True, False, None]
    """
    words = {word: word in TRUE_WORDS for word in (*TRUE_WORDS, *FALSE_WORDS)}
    return (
        column.str.strip_chars()
        .str.to_lowercase()
        .replace_strict(words, default=None, return_dtype=pl.Boolean)
    )


_TIME_FORMS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y/%m/%dT%H:%M:%S", "%Y-%m-%d")
_ZONED_FORMS = ("%+", "%Y-%m-%dT%H:%M:%S%.f%z")


def times_of(texts: pl.Series) -> pl.Series:
    """Return the times of a series of texts; form by form, each only where none before it fitted."""
    text = texts.str.strip_chars().str.replace(r"^(\d{4}[-/]\d\d[-/]\d\d) (\d)", "${1}T${2}")
    found = text.str.to_datetime(_TIME_FORMS[0], time_unit="us", strict=False)
    for form in (*_TIME_FORMS[1:], *_ZONED_FORMS, "epoch"):
        open_rows = found.is_null() & text.is_not_null()
        if not open_rows.any():
            break
        rest = text.filter(open_rows)
        if form == "epoch":
            number = rest.set(~rest.str.contains(r"^\d{9,19}(\.\d+)?$"), None).cast(pl.Float64, strict=False)
            scales = pl.select(
                pl.when(number < 1e11).then(1e6).when(number < 1e14).then(1e3).when(number < 1e17).then(1.0)
                .otherwise(1e-3)
            ).to_series()  # fmt: skip
            times = (number * scales).round().cast(pl.Int64, strict=False).cast(pl.Datetime("us"))
        elif form in _ZONED_FORMS:
            whole = rest.str.replace(r"([+-]\d\d)$", "${1}00")
            times = whole.str.to_datetime(form, time_zone="UTC", time_unit="us", strict=False)
            times = times.dt.replace_time_zone(None)
        else:
            times = rest.str.to_datetime(form, time_unit="us", strict=False)
        found = found.scatter(open_rows.arg_true(), times)
    return found


def times_of_text(column: pl.Expr) -> pl.Expr:
    """Return the UTC times (naive, microseconds) of texts: ISO 8601 with or without zone, or epoch numbers.

    A time without zone is UTC. A number is seconds since 1970, or milli-, micro- or nanoseconds when it is
    too large for that. Every other text gives null.

    >>> texts = ["2026-03-01 10:00:00+02:00", "2026-03-01", "1772350200", "soon"]
    >>> pl.Series(texts).to_frame("x").select(times_of_text(pl.col("x")).cast(str))["x"].to_list()
    ['2026-03-01 08:00:00.000000', '2026-03-01 00:00:00.000000', '2026-03-01 07:30:00.000000', None]
    """
    return column.map_batches(times_of, return_dtype=pl.Datetime("us"))


def normalised_task_type(column: pl.Expr) -> pl.Expr:
    """Return a column of task types with the spellings of one type made one: `models.normalise_task_type` in bulk."""
    plain = column.str.to_lowercase().str.replace_all(TASK_TYPE_BREAK, "_").str.strip_chars("_")
    return plain.replace(TASK_TYPE_OF).replace("", UNKNOWN)
