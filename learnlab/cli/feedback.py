"""Commands for what people think of executions: give it, list it, delete it, write it to a file, say who sees it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from learnlab.cli.group import F, confirm, main, store_option, there


@main.group()
def feedback() -> None:
    """Say what you think of an execution; list, export and delete what you said; say who sees it."""


def _named(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    from learnlab.people import as_author

    return None if value is None else as_author(value)


def _as_option(function: F) -> F:
    return click.option(
        "--as", "author", callback=_named, help="Your name; else LEARNLAB_USER, else the system's."
    )(function)


def _yes_no(name: str, no: str, words: str) -> Callable[[F], F]:
    return click.option(f"--{name}/--{no}", default=None, help=f"{words}; without either, unknown.")


@feedback.command()
@click.option("--task", required=True, help="A task_id, or the id that its source gave the execution.")
@click.option(
    "--satisfaction", help="excellent, good, fair or poor; without it you are asked, at a terminal."
)
@click.option(
    "--issue",
    "issues",
    multiple=True,
    help="What was wrong: wrong_model, too_slow, poor_quality or other; one at least for fair and poor.",
)
@click.option("--comment", help="In your words, up to 2,000 characters; `other` needs one.")
@click.option("--visibility", default="private", show_default=True, help="private, team or public.")
@_yes_no("accepted", "not-accepted", "Whether the result was taken")
@_yes_no("succeeded", "failed", "Whether the task succeeded")
@_yes_no("model-appropriate", "model-not-appropriate", "Whether the model was right for it")
@_yes_no("speed-acceptable", "speed-not-acceptable", "Whether it was quick enough")
@_yes_no("expectations-met", "expectations-not-met", "Whether it did what was expected")
@click.option("--correction", help="What it should have been.")
@_as_option
@store_option
def submit(task: str, satisfaction: str | None, db: str, succeeded: bool | None, **given: Any) -> None:
    """Rate an execution; the latest of yours counts."""
    from learnlab.feedback.asking import situations, submitting
    from learnlab.feedback.asking.terminal import ask_in_terminal
    from learnlab.people import Via
    from learnlab.secrets import showable

    store = there(db)
    if satisfaction is None:
        others = [succeeded, *(value for name, value in given.items() if name != "author")]
        if any(value not in (None, (), "private") for value in others):
            raise click.UsageError("--satisfaction is missing: excellent, good, fair or poor")
        if not situations.at_terminal():
            raise click.UsageError("--satisfaction is missing, and there is no terminal to ask at")
        ask_in_terminal(store, task, author=given["author"])
        return
    kept = submitting.submit(
        task, satisfaction, db=store.path, success=succeeded, via=Via.COMMAND_LINE, **given
    )
    click.echo(
        f"{kept.feedback_id}: {showable(kept.author)} rated {kept.task_id} {kept.satisfaction}; {kept.visibility}"
    )


@feedback.command()
@_as_option
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=20, show_default=True, help="Pieces to show."
)
@store_option
def history(author: str | None, limit: int, db: str) -> None:
    """List what you gave, newest first, also what you replaced or took back."""
    from learnlab.feedback.own import history as given_by
    from learnlab.people import Viewer

    rows = given_by(there(db).path, viewer=Viewer(author) if author else None)
    for row in rows.head(limit).to_dicts():
        click.echo(_told(row))
    n = len(rows)
    click.echo(f"{n:,} piece{'s' * (n != 1)} of feedback{f', {n - limit:,} not shown' if n > limit else ''}")


def _told(row: dict[str, Any]) -> str:
    """Return a piece of feedback as one line that a terminal may show."""
    from learnlab.secrets import showable

    state = (
        "taken back"
        if row["is_undone"]
        else ""
        if row["is_current"] or row["feedback_type"] == "undo"
        else "replaced"
    )
    success = {True: "succeeded", False: "failed", None: ""}[row["success"]]
    parts = [
        f"{row['given_at']:%Y-%m-%d %H:%M}",
        row["satisfaction"] or row["feedback_type"],
        *(row["issues"] or ()),
        success,
        row["visibility"],
        state,
        f"task {row['task_id']}",
        f"queue {row['queue']}" if row["queue"] else "",
        row["answers"] or "",
        row["comment"] or "",
    ]
    return f"{row['feedback_id']}  {showable('  '.join(part for part in parts if part))}"


@feedback.command()
@click.argument("feedback_ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All that you gave.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_as_option
@store_option
def delete(feedback_ids: tuple[str, ...], everything: bool, yes: bool, author: str | None, db: str) -> None:
    """Delete pieces of what you gave for good, after saying what had used them."""
    from learnlab.feedback.own import delete_feedback, what_used
    from learnlab.secrets import showable

    if bool(feedback_ids) is everything:
        raise click.UsageError("say what to delete: ids that `learnlab feedback history` lists, or --all")
    store, wanted = there(db), None if everything else feedback_ids
    found = what_used(wanted, store.path, author=author)
    for line in found.summary().splitlines():
        click.echo(showable(line))
    if not found.feedback_ids:
        return
    confirm(yes, f"Delete it from {store.name} for good?")
    n = len(delete_feedback(wanted, store.path, author=author).feedback_ids)
    click.echo(f"{n:,} deleted, and the file written anew; copies and backups of it still have them")


@feedback.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--queue", default=None, help="The labels of this queue alone.")
@click.option("--own", is_flag=True, help="In place of labels, all that you gave, ratings too, as .jsonl.")
@_as_option
@store_option
def export(file: Path, queue: str | None, own: bool, author: str | None, db: str) -> None:
    """Write labels, as far as you may see them, to a .parquet, .csv or .jsonl file."""
    from learnlab.feedback.files.exporting import export_labels
    from learnlab.feedback.own import export_own
    from learnlab.people import Viewer, me

    store, viewer = there(db), Viewer(author) if author else me()
    if own:
        if queue:
            raise click.UsageError("--own writes all that you gave: leave out --queue")
        n = export_own(file, store.path, viewer=viewer)
        click.echo(f"{n:,} piece{'s' * (n != 1)} of feedback written to {file}")
        return
    done = export_labels(file, store.path, viewer=viewer, queue=queue)
    click.echo(f"{done.n_labels:,} labels of {done.n_annotators:,} annotators written to {done.path}")


@feedback.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@_as_option
@store_option
def import_(file: Path, author: str | None, db: str) -> None:
    """Read labels back from a file that `learnlab feedback export` wrote."""
    from learnlab.feedback.files.importing import import_labels

    done = import_labels(file, there(db).path, author=author)
    click.echo(
        f"{done.n_labels:,} labels read: {done.n_added:,} added, {done.n_known:,} known already, "
        f"{done.n_left_out:,} left out as private to somebody else"
    )


@feedback.command()
@_as_option
@store_option
def privacy(author: str | None, db: str) -> None:
    """Say who you are here, who sees what you give, and what the store's file protects."""
    from learnlab.feedback.own import privacy as words
    from learnlab.people import Viewer
    from learnlab.secrets import showable

    for line in words(db, viewer=Viewer(author) if author else None).splitlines():
        click.echo(showable(line))
