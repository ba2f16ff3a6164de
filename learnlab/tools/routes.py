"""`route`: who should do a task, by the router in use; the decision is logged with its propensity."""

from __future__ import annotations

from functools import cache
from typing import Annotated

from pydantic import Field

from learnlab.models import Record
from learnlab.routing.deciding.online import RoutingService
from learnlab.tools.tool import Description, Desk, Tool
from learnlab.tools.wording import without_paths

NEEDS = ("torch", "safetensors", "sklearn")
"""Packages of the extra `router`."""

_Name = Annotated[str, Field(min_length=1, max_length=500)]


class ToDo(Record):
    """What `route` takes."""

    task_description: Description
    task_type: Annotated[_Name, Field(description="What kind of task, such as bugfix.")] = "unknown"
    repo: Annotated[_Name, Field(description="The repository that it is about.")] = "unknown"
    task_id: Annotated[
        str | None,
        Field(min_length=1, max_length=2000, description="The id under which its outcome will be told."),
    ] = None
    candidates: Annotated[
        list[_Name] | None,
        Field(
            min_length=1,
            max_length=100,
            description="The tiers or models there are just now; else all known.",
        ),
    ] = None


class Routed(Record):
    """What `route` answers; null is unknown."""

    task_id: Annotated[str, Field(description="Tell the outcome, and give feedback, under this id.")]
    model: str | None
    tier: str | None
    pool: str | None
    propensity: Annotated[float, Field(description="The probability with which it was chosen, 0-1.")]
    confidence: Annotated[float | None, Field(description="How sure it is the best one, 0-1.")]
    expected_quality: Annotated[float | None, Field(description="0-1")]
    expected_cost_usd: float | None
    reason: str
    router_version: str
    is_exploring: Annotated[bool, Field(description="Whether it was drawn by lot, so as to learn.")]
    is_abstaining: Annotated[bool, Field(description="Whether the task is unlike what it learned from.")]


def route(desk: Desk) -> Tool:
    """Return the tool that routes a task by the router in use of a desk's store, loaded at the first call.

    It routes for everybody alike: by what the store's users share, whomever the desk serves.
    """
    service = cache(lambda: RoutingService(desk.store.path))

    def work(asked: ToDo) -> Routed:
        task = asked.model_dump(exclude={"candidates"}, exclude_none=True)
        decision = service().route(task, candidates=asked.candidates)
        chosen = decision.chosen
        return Routed(
            task_id=decision.task.external_id or str(decision.task_id),
            model=chosen.model,
            tier=chosen.tier and chosen.tier.value,
            pool=chosen.pool,
            propensity=decision.propensity,
            confidence=decision.confidence,
            expected_quality=decision.expected_quality,
            expected_cost_usd=decision.expected_cost_usd,
            reason=without_paths(decision.reason, desk.store),
            router_version=decision.router_version,
            is_exploring=decision.is_exploring,
            is_abstaining=decision.is_abstaining,
        )

    says = (
        "Ask which model, tier or pool should do a task, and why. The decision is logged with the probability it was "
        "drawn with, so call it once for each task that is then done so; tell its outcome under the task_id."
    )
    return Tool("route", says, ToDo, Routed, work, desk, changes=True, is_slow=True)
