"""What a store holds, in a few lines for a person."""

from __future__ import annotations

from learnlab.settings import settings, store_name
from learnlab.store import spool, sqlfiles
from learnlab.store.core import Store


def describe(store: Store) -> str:
    """Return what a store holds and what waits for it, and which other stores there are."""
    is_named = store.name != str(store.path)
    lines = [f"store {store.name} ({store.path})" if is_named else f"store {store.path}"]
    if not store.exists():
        lines.append("  does not exist yet")
    else:
        waiting = spool.waiting(store.path)
        if waiting:
            size = sum(path.stat().st_size for path in waiting if path.exists())
            lines.append(f"  {len(waiting)} spool segments with {size:,} bytes wait to be drained")
        if kept := spool.quarantined(store.path):
            lines.append(
                f"  {len(kept)} spool segments could not be read and are kept in {spool.folder(store.path)}: "
                + ", ".join(path.name for path in kept[:5])
            )
        (row,) = store.sql(sqlfiles.load("queries", "status").text).to_dicts()
        lines.append(
            "  {n_executions:,} executions, {n_rejected:,} rejected rows, {n_archived:,} archived".format(
                **row
            )
        )
        if row["first_at"]:
            lines.append("  from {first_at:%Y-%m-%d %H:%M} to {last_at:%Y-%m-%d %H:%M} UTC".format(**row))
        if row["n_steps"]:
            lines.append("  {n_steps:,} steps inside them: messages, tool calls, compactions".format(**row))
        if row["n_masked"]:
            lines.append("  {n_masked:,} secrets were masked before anything was stored".format(**row))
        if row["n_open_attempts"]:
            lines.append("  {n_open_attempts:,} attempts wait for a decision or an outcome".format(**row))
        if row["n_dead_letters"]:
            lines.append("  {n_dead_letters:,} messages that no subscriber could take".format(**row))
        if row["n_untimed"]:
            lines.append("  {n_untimed:,} executions without a recorded time".format(**row))
    others = sorted(settings().stores.glob("*.duckdb"))
    lines.append("named stores: " + (", ".join(store_name(path.resolve()) for path in others) or "none"))
    return "\n".join(lines)
