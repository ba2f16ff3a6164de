"""Commands that embed, search and mine."""

from __future__ import annotations

from typing import Any, get_args

import click

from learnlab.cli.group import main, store_option, there
from learnlab.search.found import Mode


@main.command()
@store_option
@click.option("--limit", type=click.IntRange(min=1), help="Texts to embed at most; else all that wait.")
def encode(db: str, limit: int | None) -> None:
    """Embed every text that has no vector yet, newest first; ended early, it goes on from there."""
    from learnlab.search.index.backlog import encode_waiting

    try:
        click.echo(encode_waiting(there(db), limit=limit, progress=True).summary())
    except KeyboardInterrupt:
        click.echo("ended; the next encode goes on from there")


@main.command()
@click.argument("task_description", required=False)
@click.option("--like", "task_id", help="In place of a description: the id of a stored task.")
@store_option
@click.option("--repo", help="Of this repo alone.")
@click.option("--tier", help="Of this tier alone: small, medium, large or unknown.")
@click.option("--task-type", help="Of this task type alone.")
@click.option("--outcome", help="success, failure or unknown alone.")
@click.option("--days-back", type=int, default=90, show_default=True, help="Days back from the newest.")
@click.option("--limit", type=int, default=10, show_default=True)
@click.option("--threshold", type=float, help="Least cosine, by meaning; else the nearest, however far.")
@click.option("--mode", type=click.Choice(get_args(Mode)), default="semantic", show_default=True)
@click.option("--exact", is_flag=True, help="Compare every vector.")
def search(task_description: str | None, task_id: str | None, db: str, **asked: Any) -> None:
    """Find the executions most similar to a task, with what came of them."""
    from learnlab.search.similar import find_similar, similar_to
    from learnlab.search.telling import told

    if (task_description is None) is (task_id is None):
        raise click.UsageError("say what to search for: a task description, or --like with the id of a task")
    store = there(db)
    click.echo(
        told(
            find_similar(task_description, store, **asked)
            if task_description is not None
            else similar_to(task_id or "", store, **asked)
        )
    )


@main.command()
@store_option
@click.option("--seed", type=int, default=0, show_default=True)
def mine(db: str, seed: int) -> None:
    """Mine what solves what from clusters of similar tasks, in place of what was mined before."""
    from learnlab.patterns import mine_patterns

    click.echo(mine_patterns(there(db), seed=seed).summary())
