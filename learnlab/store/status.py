"""What a store holds, in a few lines for a person."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from learnlab.errors import StoreError
from learnlab.settings import settings, store_name
from learnlab.store import spool
from learnlab.store.core import Store
from learnlab.store.lock import beside

_EMPTY_MB = "select sum(free_blocks * block_size) // 1000000 as n from pragma_database_size()"
_MANY_MB = 100


def describe(store: Store) -> str:
    """Return what a store holds and what waits for it still, and which other stores there are.

    Raises:
        StoreError: when the store cannot be read; it says what waits beside it.
        StoreBusyError: when it is held for longer than the time to wait, likewise.
    """
    is_named = store.name != str(store.path)
    lines = [f"store {store.name} ({store.path})" if is_named else f"store {store.path}"]
    if not store.exists():
        lines += ["  does not exist yet", *_beside(store.path)]
    else:
        try:
            with store.reading():
                (row,) = store.query("status").to_dicts()
                searchable = _searchable(store)
                (empty,) = store.sql(_EMPTY_MB).row(0)
        except StoreError as error:
            if waits := _beside(store.path):
                raise type(error)(f"{error}. Meanwhile {'; '.join(map(str.strip, waits))}") from error
            raise
        lines += _beside(store.path)
        lines.append(
            "  {n_executions:,} executions, {n_rejected:,} rejected rows, {n_archived:,} archived".format(
                **row
            )
        )
        if row["first_at"]:
            lines.append("  from {first_at:%Y-%m-%d %H:%M} to {last_at:%Y-%m-%d %H:%M} UTC".format(**row))
        if row["n_steps"]:
            lines.append("  {n_steps:,} steps inside them: messages, tool calls, compactions".format(**row))
        lines += searchable
        if row["n_masked"]:
            lines.append("  {n_masked:,} secrets were masked before anything was stored".format(**row))
        if row["n_open_attempts"]:
            lines.append("  {n_open_attempts:,} attempts wait for a decision or an outcome".format(**row))
        if row["n_dead_letters"]:
            lines.append("  {n_dead_letters:,} messages that no subscriber could take".format(**row))
        if empty >= _MANY_MB:
            lines.append(f"  {empty:,} MB of the file are empty: `learnlab db compact` gives them back")
        if row["n_untimed"]:
            lines.append("  {n_untimed:,} executions without a recorded time".format(**row))
    others = sorted(settings().stores.glob("*.duckdb"))
    lines.append("named stores: " + (", ".join(store_name(path.resolve()) for path in others) or "none"))
    return "\n".join(lines)


def _searchable(store: Store) -> list[str]:
    """Return in a line for each model how many texts a search finds and how many wait to be encoded."""
    lines = []
    for row in store.query("searchable").to_dicts():
        wait = f"{row['n_waiting']:,} {'waits' if row['n_waiting'] == 1 else 'wait'} for `learnlab encode`"
        if row["model_key"]:
            lines.append(
                "  {n_searchable:,} of {n_texts:,} texts are searchable with {model_key}".format(**row)
            )
            lines[-1] += f", {wait}" if row["n_waiting"] else ""
        elif row["n_texts"]:
            lines.append(f"  no text is searchable by meaning yet: {wait}")
    return lines


def _beside(store: Path) -> list[str]:
    """Return in lines what waits beside a store, and what nobody could read."""
    lines = []
    if waiting := spool.waiting(store):
        lines.append(f"  {_number(len(waiting), 'spool segment')} with {_bytes(waiting)} wait to be drained")
    if kept := spool.quarantined(store):
        named = ", ".join(path.name for path in kept[:5]) + (", …" if len(kept) > 5 else "")
        lines.append(
            f"  {_number(len(kept), 'spool segment')} with {_bytes(kept)} could not be read, kept in "
            f"{spool.folder(store)}: {named}"
        )
    traces = beside(store, "spans")
    if waiting := list(traces.glob("[!.]*.jsonl")):
        lines.append(
            f"  {_number(len(waiting), 'file')} of traces with {_bytes(waiting)} wait to be read from {traces}"
        )
    return lines


def _number(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _bytes(paths: Iterable[Path]) -> str:
    return _number(sum(path.stat().st_size for path in paths if path.exists()), "byte")
