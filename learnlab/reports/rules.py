"""What success meant where a mapping decided it: the conditions that the packaged mappings state."""

from __future__ import annotations

import polars as pl

from learnlab.ingest.tables.mapping import packaged_mappings


def success_rules(sources: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each condition of the mappings that were used (`queries/sources`).

    Columns: mapping, identifies (the columns by which it knows its kind of file), success (the condition as
    the mapping states it) and said_by (the source of that verdict). A mapping of your own is not listed: its
    file says it.

    >>> used = pl.DataFrame({"mapping": ["coderouterbench", "none"]})
    >>> success_rules(used).select("mapping", "success", "said_by").row(0)
    ('coderouterbench', 'score >= 1.0', 'verifier')
    """
    used = set(sources["mapping"].to_list())
    rows = [
        (mapping.name, ", ".join(table.matches), table.success.text, table.success_source.value)
        for mapping in packaged_mappings()
        if mapping.name in used
        for table in mapping.tables
        if table.success
    ]
    names = ("mapping", "identifies", "success", "said_by")
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
