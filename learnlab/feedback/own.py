"""What somebody gave themselves: listed, written to a file, deleted; and who sees it, in plain words."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import polars as pl

from learnlab.errors import FeedbackError, StoreError
from learnlab.feedback.files.labelfile import put
from learnlab.feedback.labelling.leases import forget_acts
from learnlab.people import Viewer, me
from learnlab.settings import settings
from learnlab.store import Store
from learnlab.store.connection import fetch
from learnlab.store.feedback import Used, used

_HISTORY = """
select * exclude (feedback_key, is_own, annotator, is_verdict)
from feedback
where is_own
order by given_at desc, feedback_id
"""

_SEEN_BY = {
    "private": "you alone",
    "team": "this store's users, without your name, the id or the hour",
    "public": "this store's users likewise, and everybody in counts: by quarter, task type and tier, in groups of at "
    "least five people, which change only when at least five people changed them",
}


def history(db: str | Path = "", *, viewer: Viewer | None = None) -> pl.DataFrame:
    """Return what somebody (by default you) gave, newest first, one row a piece: replaced and undone ones as well.

    Columns as the view `feedback` has them. Nobody else's feedback is among it.

    Raises:
        StoreError: when there is no such store.
        FeedbackError: when nobody is named and nobody knows who you are.
    """
    with Store(db, viewer=viewer or me()).reading() as connection:
        return fetch(connection, _HISTORY)


def what_used(
    feedback_ids: Sequence[str | UUID] | None, db: str | Path = "", *, author: str | None = None
) -> Used:
    """Return what `delete_feedback` would delete and what had used it; nothing changes.

    Raises:
        FeedbackError: when one of the ids is of nothing that the author gave.
        StoreError: when there is no such store.
    """
    store = Store(db, viewer=Viewer(author) if author else me())
    ids = _checked(store, feedback_ids)
    with store.reading() as connection:
        return used(connection, str(store.viewer.name), ids)


def delete_feedback(
    feedback_ids: Sequence[str | UUID] | None, db: str | Path = "", *, author: str | None = None
) -> Used:
    """Delete some pieces of what somebody (by default you) gave, all of it where None, and return what had used it.

    With a piece goes what it had replaced, which would count again else. The store's file is written anew, so that
    their bytes are gone; no spool and no file brings them back. Files that they were exported to, copies of the store
    and what was learned from them stay: the answer names the files, routers and patterns.

    Raises:
        FeedbackError: when one of the ids is of nothing that the author gave; nothing is deleted then.
        StoreError: when there is no such store, or it cannot be written anew.
    """
    store = Store(db, viewer=Viewer(author) if author else me())
    ids = _checked(store, feedback_ids)
    done = store.delete_feedback(str(store.viewer.name), ids)
    forget_acts(store.path, map(str, done.feedback_ids))
    return done


def export_own(path: str | Path, db: str | Path = "", *, viewer: Viewer | None = None) -> int:
    """Write all that somebody (by default you) gave to a .jsonl file for its owner's eyes alone; return how many pieces.

    Raises:
        FeedbackError: when the name has another ending, or the file cannot be written.
        StoreError: when there is no such store.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() != ".jsonl":
        raise FeedbackError(
            f"{path.name}: what you gave is written as JSON lines, to a name that ends in .jsonl"
        )
    rows = history(db, viewer=viewer)
    put(path, rows.write_ndjson().encode())()
    return len(rows)


def privacy(db: str | Path = "", *, viewer: Viewer | None = None) -> str:
    """Return who you are here, who sees what you give, how much of it there is, and what the file protects.

    Raises:
        StoreError: when the store cannot be read.
        FeedbackError: when nobody is named and nobody knows who you are.
    """
    viewer, store = viewer or me(), Store(db)
    why = "" if viewer.name != settings().user else ", as LEARNLAB_USER says"
    lines = [f"You are {viewer.words()}{why}. Names are taken on trust: nobody checks them."]
    counts = dict.fromkeys(_SEEN_BY, 0)
    if store.exists():
        given = history(db, viewer=viewer).filter(~pl.col("is_undone") & (pl.col("feedback_type") != "undo"))
        counts |= dict(given["visibility"].value_counts().iter_rows())
    lines += [
        f"{visibility}: seen by {words}. {counts[visibility]:,} of yours in {store.name}."
        for visibility, words in _SEEN_BY.items()
    ]
    lines.append(
        "Ratings are private unless you say otherwise, labels are shared with the team. What is shared counts in views, "
        "reports, search, mined patterns and routers; what is private counts for you alone."
    )
    lines.append(_of_the_file(store.path))
    lines.append(
        "`learnlab feedback history` lists what you gave, `export --own` writes it to a file, `delete` removes it."
    )
    return "\n".join(lines)


def _of_the_file(path: Path) -> str:
    try:
        mode = os.stat(path).st_mode & 0o777
    except OSError:
        return f"{path} is not there yet."
    who = "its owner alone may read it" if not mode & 0o077 else f"others may read it (mode {mode:o})"
    return (
        f"{path}: {who}. Whoever can read the file reads all that is in it, private words and names too: these rules "
        "keep from accident and habit, not from somebody who opens the file with another program."
    )


def _checked(store: Store, feedback_ids: Sequence[str | UUID] | None) -> list[UUID] | None:
    """Return ids of one's own pieces as UUIDs, None for all."""
    if not store.exists():
        raise StoreError(f"there is no store {store.name!r} yet: nothing was given")
    if feedback_ids is None:
        return None
    own = set(history(store.path, viewer=store.viewer)["feedback_id"].to_list())
    ids = []
    for given in feedback_ids:
        try:
            ids.append(UUID(str(given).strip()))
        except ValueError:
            raise FeedbackError(f"{str(given)[:60]!r} is no id of a piece of feedback") from None
        if str(ids[-1]) not in own:
            raise FeedbackError(
                f"nothing that {store.viewer.words()} gave has the id {ids[-1]}: `learnlab feedback history` lists it"
            )
    return ids
