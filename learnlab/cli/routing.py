"""Commands that train routers, route a task, and say or change which router is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from learnlab.cli.group import main, store_option, there

if TYPE_CHECKING:
    from learnlab.routing.preference import Preference


@main.command()
@store_option
@click.option(
    "--router",
    default="sona",
    show_default=True,
    help="Which kind: sona, best_single, lookup or lookup_by_repo.",
)
@click.option(
    "--worth-usd", type=float, default=1.0, show_default=True, help="What a success is worth, US dollars."
)
@click.option(
    "--candidates",
    default="model_tier",
    show_default=True,
    help="What a choice is made of: model, model_tier, pool_type, or several with commas.",
)
def train(db: str, router: str, worth_usd: float, candidates: str) -> None:
    """Fit a router on what a store holds; it comes into use only when later data say that it is better."""
    from learnlab.routing.promoting.promotion import train_router

    fields = tuple(name.strip() for name in candidates.split(","))
    click.echo(train_router(there(db), router, worth_usd=worth_usd, candidates=fields).summary())


@main.command()
@click.argument("task_description")
@store_option
@click.option("--task-type", default="unknown", help="What kind of task it is.")
@click.option("--repo", default="unknown", help="The repository that it is about.")
@click.option("--task-id", help="The id under which its outcome will be told.")
@click.option("--candidate", "candidates", multiple=True, help="A tier or a model there is; else all known.")
@click.option("--worth-usd", type=float, help="What a success is worth; else as the router was promoted.")
@click.option("--budget-usd", type=float, help="In place of that: the best within a budget.")
@click.option("--floor", type=float, help="In place of that: the cheapest from this quality (0-1) on.")
@click.option(
    "--explore", default="0.05", show_default=True, help="Share of choices drawn by lot (0-1), or thompson."
)
def route(
    task_description: str,
    db: str,
    task_type: str,
    repo: str,
    task_id: str | None,
    candidates: tuple[str, ...],
    worth_usd: float | None,
    budget_usd: float | None,
    floor: float | None,
    explore: str,
) -> None:
    """Choose who does a task, say why, and log the decision with its probability."""
    from learnlab.routing.deciding.online import route as route_task

    known = {"task_description": task_description, "task_type": task_type, "repo": repo}
    done = route_task(
        known | ({"task_id": task_id} if task_id else {}),
        there(db),
        candidates=candidates or None,
        preference=_preference(worth_usd, budget_usd, floor),
        explore=_share(explore),
    )
    click.echo(done.summary())


def _preference(worth_usd: float | None, budget_usd: float | None, floor: float | None) -> Preference | None:
    from learnlab.routing.preference import AboveFloor, PriceOfQuality, WithinBudget

    kinds = ((PriceOfQuality, worth_usd), (WithinBudget, budget_usd), (AboveFloor, floor))
    wanted = [kind(value) for kind, value in kinds if value is not None]
    if len(wanted) > 1:
        raise click.UsageError("say one of --worth-usd, --budget-usd and --floor")
    return wanted[0] if wanted else None


def _share(explore: str) -> float | str:
    try:
        return float(explore)
    except ValueError:
        return explore


@main.group()
def routers() -> None:
    """Say which routers a store keeps and which is in use, or put the one before back."""


@routers.command("list")
@store_option
def list_routers(db: str) -> None:
    """List the routers that a store keeps, and the last decisions on which is in use."""
    from learnlab.routing.keeping.telling import told

    click.echo(told(there(db)))


@routers.command()
@store_option
def rollback(db: str) -> None:
    """Put the router that was in use before back into use."""
    from learnlab.routing.promoting.promotion import rollback_router

    click.echo(rollback_router(there(db)).summary())
