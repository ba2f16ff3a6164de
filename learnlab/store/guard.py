"""What a query may read through `Store.sql`: everything but the raw tables of what people gave.

It keeps from accident and habit: whoever can open the file can read all of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from learnlab.errors import StoreError
from learnlab.people import Viewer

_RAW = "people"
"""The schema of the raw tables."""

_OF_THE_TEAM = {"solutions", "clusters", "cluster_texts", "routers", "promotions"}
"""Tables that were computed with what is shared with the team alone, beside the materialised views."""

_FUNCTIONS = {
    "duckdb_columns",
    "duckdb_constraints",
    "duckdb_databases",
    "duckdb_extensions",
    "duckdb_functions",
    "duckdb_indexes",
    "duckdb_keywords",
    "duckdb_memory",
    "duckdb_schemas",
    "duckdb_sequences",
    "duckdb_settings",
    "duckdb_tables",
    "duckdb_types",
    "duckdb_views",
    "generate_series",
    "glob",
    "json_each",
    "json_tree",
    "parquet_metadata",
    "parquet_schema",
    "parquet_scan",
    "pragma_database_size",
    "pragma_table_info",
    "pragma_version",
    "range",
    "read_blob",
    "read_csv",
    "read_csv_auto",
    "read_json",
    "read_json_auto",
    "read_json_objects",
    "read_ndjson",
    "read_ndjson_auto",
    "read_ndjson_objects",
    "read_parquet",
    "read_text",
    "repeat",
    "repeat_row",
    "sniff_csv",
    "unnest",
}
"""Functions that stand where a table does and take no name of a table whose rows they give, nor a query as text."""

_READS_FILES = ("parquet_", "read_", "sniff_")
"""How the names of those begin that read files."""

_TREE = "select json_serialize_sql($query)"


def check(connection: duckdb.DuckDBPyConnection, store: Path, query: str, viewer: Viewer) -> None:
    """Let a query pass that reads, in one statement, nothing that its viewer may not see whole.

    Names are taken from DuckDB's own parser, so that quotes, comments, aliases and common table expressions mean what
    they mean to it. What the parser cannot take apart (explain, a pivot without a list) passes unless it speaks of the
    schema anywhere, or reads files.

    Raises:
        StoreError: for a raw table of what people gave, for the store's own file read as one, for a function that
            reads a table named by a text, and for what is no single statement that reads.
        duckdb.Error: when the query is wrong.
    """
    statements = connection.extract_statements(query)
    if len(statements) != 1:
        raise StoreError(f"that is {len(statements)} statements: `sql` takes one at a time")
    if statements[0].type not in (
        duckdb.StatementType.SELECT,
        duckdb.StatementType.EXPLAIN,
        duckdb.StatementType.MULTI,
    ):
        raise StoreError("`sql` is read-only: it takes a select, not what changes or sets something")
    ((text,),) = connection.execute(_TREE, {"query": query}).fetchall()
    tree = json.loads(text)
    if tree["error"]:
        _check_words(query, viewer)
        return
    for node in _nodes(tree["statements"]):
        if node.get("type") in ("BASE_TABLE", "SHOW_REF"):
            path = [str(part) for part in node["qualified_name"]["path"]]
            _check_table(path, viewer)
            files = path if len(path) == 1 else []
        elif node.get("type") == "TABLE_FUNCTION":
            files = _files(node["function"])
        else:
            continue
        for file in files:
            _check_file(connection, file, store)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    pending = [tree]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            yield one
            pending.extend(one.values())
        elif isinstance(one, list):
            pending.extend(one)


def _check_table(path: list[str], viewer: Viewer) -> None:
    *schemas, name = (part.casefold() for part in path) if path else [""]
    if _RAW in schemas:
        raise _refused()
    if viewer.is_public and (name in _OF_THE_TEAM or name.endswith("_mv")):
        raise StoreError(f"{name} was computed with what is shared with this store's users: use the views")


def _files(function: dict[str, Any]) -> list[str]:
    """Return the names of the files that a function in the place of a table reads."""
    name = str(function["function_name"]).casefold()
    if name not in _FUNCTIONS:
        raise StoreError(f"`sql` reads no table through {name}(): write the table's own name")
    if not name.startswith(_READS_FILES) or not function["arguments"]:
        return []
    first = function["arguments"][0]["expression"]
    listed = first.get("function_name") == "list_value"
    parts = [one["expression"] for one in first["arguments"]] if listed else [first]
    names = [part["literal"]["text"] for part in parts if (part.get("literal") or {}).get("kind") == "STRING"]
    if len(names) < len(parts):
        raise StoreError(f"`sql` reads files by their names: write them out in {name}('…'), uncomputed")
    return [str(one) for one in names]


def _check_file(connection: duckdb.DuckDBPyConnection, file: str, store: Path) -> None:
    """Refuse a name, or a pattern that stands for several, where one of them is of the store or lies beside it."""
    names = [file]
    if set(file) & set("*?["):
        names += [name for (name,) in connection.execute("from glob($file)", {"file": file}).fetchall()]
    if any(store.name.casefold() in name.casefold() for name in names):
        raise _refused()


def _check_words(query: str, viewer: Viewer) -> None:
    """Refuse a query that only DuckDB can take apart where any of its words might lead to a raw table."""
    begins = [begin for begin, _ in duckdb.tokenize(query)]
    words = [query[a:b].casefold() for a, b in zip(begins, [*begins[1:], len(query)], strict=True)]
    said = "".join(words)
    if _RAW in said or "query" in said or any(name in said for name in _READS_FILES):
        raise _refused()
    if viewer.is_public and any(name in said for name in (*_OF_THE_TEAM, "_mv")):
        raise StoreError("that was computed with what is shared with this store's users: use the views")


def _refused() -> StoreError:
    return StoreError(
        "the raw tables of what people gave are not read by `sql`: use the view `feedback`, which shows what you may see"
    )
