"""What routers say, in many shapes: what was chosen, from what, and which propensities can be believed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from learnlab.capture.mapping.routing import decision_of, is_routing
from learnlab.events import Candidate, RoutingDecision, executed
from learnlab.models import as_uuid

TASK = {"task_type": "docs", "task_description": "Explain the cache"}


def decide(told: Any, **task: Any) -> RoutingDecision:
    """Return the decision, which there must be."""
    decision = decision_of(told, task_id="task-1", task=TASK | task)
    assert decision is not None
    return decision


def options(decision: RoutingDecision) -> list[tuple[str | None, str | None, str | None, float | None]]:
    return [(one.model, one.tier and one.tier.value, one.pool, one.propensity) for one in decision.candidates]


class Size(Enum):
    LITTLE = "small"


@dataclass
class ModelRouting:
    """The seeds' routing: a tier, a confidence, a cost estimate and the reason."""

    tier: Size = Size.LITTLE
    model: str = "m-1"
    confidence: float = 0.9
    cost_estimate: float = 0.003
    reasoning: str = "short text"
    alternatives: list[str] = field(default_factory=lambda: ["m-2"])

    def pool(self) -> str:
        raise AssertionError("a method is not to be called")


def test_the_routing_of_the_seeds():
    moment = datetime(2026, 5, 1, tzinfo=UTC)
    decision = decision_of(ModelRouting(), task_id="task-abc-123", task=TASK, timestamp=moment)
    assert decision is not None
    assert decision.task_id == as_uuid("task-abc-123")
    assert decision.timestamp == moment
    assert decision.chosen == Candidate(model="m-1", tier="small")
    assert decision.task == TASK | {"routing_confidence": 0.9, "cost_estimate": 0.003}
    assert decision.context == {"reason": "short text"}
    assert options(decision) == [("m-1", "small", None, None), ("m-2", None, None, None)]
    record = executed(decision)
    assert (record.model_tier, record.model, record.propensity) == ("small", "m-1", None)
    assert (record.routing_confidence, record.cost_estimate) == (0.9, 0.003)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"tier": "small"}, Candidate(tier="small")),
        ({"model_tier": "LARGE", "model": {"name": "m-9"}}, Candidate(tier="large", model="m-9")),
        ({"pool": "local"}, Candidate(pool="local")),
        ({"pool_type": "local", "pool_id": "p1"}, Candidate(pool="local")),
        ({"pool_id": "p1"}, Candidate(pool="p1")),
        ({"tier": "medium", "propensity": 0.4}, Candidate(tier="medium", propensity=0.4)),
        ({"tier": "medium", "probability": "0.4"}, Candidate(tier="medium", propensity=0.4)),
        ({"tier": "medium", "confidence": 0.4}, Candidate(tier="medium")),
        ({"chosen": "small"}, Candidate(tier="small")),
        ({"choice": {"model": "m-1", "propensity": 0.5}}, Candidate(model="m-1", propensity=0.5)),
        ({"chosen": Candidate(tier="small", propensity=0.7)}, Candidate(tier="small", propensity=0.7)),
        ({"routing": {"tier": "small"}, "task_data": {"type": "docs"}}, Candidate(tier="small")),
        ({"prompt": "Sort", "routing": "small", "pool": "asked for"}, Candidate(tier="small")),
        ({"source_pool_id": "p1", "payload": {"tier": "small"}}, Candidate(tier="small")),
        (SimpleNamespace(tier=Size.LITTLE), Candidate(tier="small")),
        ("medium", Candidate(tier="medium")),
        (Size.LITTLE, Candidate(tier="small")),
    ],
)
def test_what_was_chosen(told, expected):
    assert decide(told).chosen == expected


@pytest.mark.parametrize(
    "told",
    [
        None, {}, [], 7, "m-1", "Sort the list", True, {"confidence": 0.9}, {"tier": "unknown"}, {"success": True},
        {"context": {"n": 1}}, {"candidates": []}, object(), {"routing": None}, {"tier": None, "model": ""},
    ],
)  # fmt: skip
def test_what_is_no_routing(told):
    assert decision_of(told, task_id="task-1", task=TASK) is None
    assert not is_routing(told)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"model": "m-1", "confidence": 0.9}, True),
        ({"pool_id": "p1"}, True),
        (ModelRouting(), True),
        ("small", True),
        (RoutingDecision(task_id="t", chosen=Candidate()), True),
        ({"model": "m-1", "status": "completed"}, False),
        ({"model_tier": "small", "pool_id": "p1", "success": False}, False),
        ({"model": "m-1", "content": "Here it is", "usage": {}}, False),
        (SimpleNamespace(model="m-1", output="sorted"), False),
        ({"prompt": "Sort", "model": "m-1"}, False),
        ({"candidates": ["m-1", "m-2"], "propensity": 0.5}, False),
    ],
)
def test_a_routing_and_no_result(told, expected):
    assert is_routing(told) is expected


def test_a_decision_stays_the_decision_it_is():
    given = RoutingDecision(
        task_id="other", chosen=Candidate(tier="small", propensity=0.8), task={"repo": "shop"}
    )
    decision = decide(given)
    assert (decision.decision_id, decision.chosen) == (given.decision_id, given.chosen)
    assert decision.task_id == as_uuid("task-1")
    assert decision.task == {"repo": "shop"} | TASK
    assert given.task == {"repo": "shop"}


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        (["small", "large"], [(None, "small", None, None), (None, "large", None, None)]),
        ({"small": 0.8, "large": 0.2}, [(None, "small", None, 0.8), (None, "large", None, 0.2)]),
        (
            [
                {"tier": "small", "model": "m-1", "propensity": 0.8},
                {"model_tier": "large", "probability": 0.2},
            ],
            [("m-1", "small", None, 0.8), (None, "large", None, 0.2)],
        ),
        (
            (Candidate(tier="small", propensity=0.8), SimpleNamespace(name="m-2", propensity=0.2)),
            [(None, "small", None, 0.8), ("m-2", None, None, 0.2)],
        ),
        (
            {"small": {"propensity": 0.8, "pool": "local"}, "m-2": {"propensity": 0.2}},
            [(None, "small", "local", 0.8), ("m-2", None, None, 0.2)],
        ),
        ([None, {}, 0.5, [1], "small"], [(None, "small", None, None)]),
        ("small", []),
    ],
)
def test_candidates_in_many_shapes(candidates, expected):
    assert options(decide({"tier": "small", "candidates": candidates})) == expected


def test_plain_names_are_pools_where_the_chosen_one_is():
    decision = decide({"pool": "local", "candidates": {"local": 0.6, "runpod": 0.4}})
    assert options(decision) == [(None, None, "local", 0.6), (None, None, "runpod", 0.4)]
    assert decision.chosen.propensity == 0.6


def test_alternatives_do_not_name_the_chosen_one():
    decision = decide({"model": "m-1", "propensity": 0.7, "alternatives": {"m-2": 0.2, "m-3": 0.1}})
    assert options(decision) == [
        ("m-1", None, None, 0.7),
        ("m-2", None, None, 0.2),
        ("m-3", None, None, 0.1),
    ]
    assert decision.chosen.propensity == 0.7
    unknown = decide({"model": "m-1", "alternatives": {"m-2": 0.2}})
    assert (unknown.chosen.propensity, unknown.candidates[1].propensity) == (None, 0.2)


def test_the_chosen_one_is_completed_by_its_candidate():
    decision = decide({"model": "m-1", "candidates": [{"model": "m-1", "tier": "large"}, {"model": "m-2"}]})
    assert decision.chosen == Candidate(model="m-1", tier="large")


def test_the_probability_of_a_tier_is_that_of_all_its_models():
    candidates = [
        {"model": "m-1", "tier": "small", "propensity": 0.3},
        {"model": "m-2", "tier": "small", "propensity": 0.3},
        {"model": "m-3", "tier": "large", "propensity": 0.4},
    ]
    assert decide({"tier": "small", "candidates": candidates}).chosen.propensity == 0.6
    assert decide({"tier": "small", "model": "m-2", "candidates": candidates}).chosen.propensity == 0.3


def test_a_task_that_carries_candidates_chose_what_it_asks_for():
    told = {"prompt": "Sort", "candidates": {"small": 0.8, "large": 0.2}}
    decision = decide(told, model_tier="large", pool_type="local")
    assert decision.chosen == Candidate(tier="large", pool="local", propensity=0.2)
    assert decide({"propensity": 0.4}, model_tier="large").chosen.propensity == 0.4
    assert decide({"tier": "small"}, propensity=0.4).chosen.propensity == 0.4


@pytest.mark.parametrize(
    "told",
    [
        {"tier": "small", "propensity": 1.2},
        {"tier": "small", "propensity": -0.1},
        {"tier": "small", "propensity": 0},
        {"tier": "small", "propensity": "likely"},
        {"tier": "small", "propensity": True},
        {"tier": "small", "propensity": float("nan")},
        {"tier": "small", "candidates": {"small": 80, "large": 20}},
        {"tier": "small", "candidates": {"small": 0.8, "large": 0.8}},
        {"tier": "small", "candidates": {"small": 0.1, "large": 0.1}},
        {"tier": "small", "candidates": {"small": 0.0, "large": 1.0}},
        {"tier": "small", "propensity": 0.5, "candidates": {"small": 0.8, "large": 0.2}},
        {"tier": "small", "propensity": 0.5, "candidates": {"medium": 0.8, "large": 0.2}},
        {"tier": "small", "candidates": [{"tier": "small", "propensity": 0.9}, {"tier": "large", "propensity": None},
            {"tier": "medium", "propensity": 0.9}]},
    ],
)  # fmt: skip
def test_propensities_that_cannot_be_are_set_aside(told):
    decision = decide(told, propensity=0.5)
    assert decision.chosen == Candidate(tier="small")
    assert {one.propensity for one in decision.candidates} <= {None}
    assert "propensity" not in decision.task
    assert executed(decision).propensity is None
    assert decision.context["refused"]["propensities"]


def test_rounded_propensities_are_believed():
    decision = decide({"tier": "small", "candidates": {"small": 0.33, "medium": 0.33, "large": 0.33}})
    assert decision.chosen.propensity == 0.33
    assert "refused" not in decision.context


def test_context_version_reason_and_what_is_no_tier():
    decision = decide(
        {
            "model": "m-1",
            "tier": "premium",
            "features": [0.1, float("inf")],
            "reason": "cheap",
            "version": 1.2,
            "pool_id": "p1",
        },
        metadata={"team": "core"},
    )
    assert decision.context == {"features": [0.1, None], "reason": "cheap", "refused": {"tier": "premium"}}
    assert decision.router_version == "1.2"
    assert decision.task["metadata"] == {"team": "core", "pool_id": "p1"}
    both = decide({"tier": "small", "context": {"n": 1}, "features": {"length": 3}})
    assert both.context == {"n": 1, "features": {"length": 3}}


def test_a_time_that_cannot_be_is_set_aside():
    decision = decision_of({"tier": "small"}, task_id=UUID(int=1), task={}, timestamp="yesterday")
    assert decision is not None
    assert decision.context["refused"] == {"timestamp": "yesterday"}
    stated = decision_of({"tier": "small"}, task_id=UUID(int=1), task={}, timestamp="2026-05-01T00:00:00Z")
    assert stated is not None
    assert stated.timestamp == datetime(2026, 5, 1, tzinfo=UTC)


def test_what_is_handed_in_stays_as_it_is():
    task = {"metadata": {"team": "core"}, "propensity": 0.5}
    told = {"tier": "small", "pool_id": "p1", "propensity": 7, "context": {"n": [1]}}
    decision = decision_of(told, task_id="task-1", task=task)
    assert decision is not None
    decision.context["n"].append(2)
    assert task == {"metadata": {"team": "core"}, "propensity": 0.5}
    assert told == {"tier": "small", "pool_id": "p1", "propensity": 7, "context": {"n": [1]}}


def test_a_routing_that_holds_itself():
    told: dict[str, Any] = {"tier": "small"}
    told["routing"] = told["context"] = told["candidates"] = told
    assert decide(told).chosen.tier == "small"


NAMES = (
    "routing", "chosen", "candidates", "model", "tier", "pool", "pool_id", "propensity", "context", "features", "reason",
    "version", "confidence", "cost_estimate", "name", "payload",
)  # fmt: skip
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.floats(0, 1) | st.text(st.characters(), max_size=9)
    | st.sampled_from(["small", "large", "m-1", "\ud800", "\x00", Size.LITTLE, len, object(), UUID(int=3)])
)  # fmt: skip
TOLD = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)
        | st.dictionaries(st.sampled_from(["small", "large", "m-1"]), inner, max_size=3)
        | st.builds(lambda known: SimpleNamespace(**known), st.dictionaries(st.sampled_from(NAMES), inner, max_size=5))
    ),
    max_leaves=15,
)  # fmt: skip


@hypothesis_settings(max_examples=25)
@given(told=TOLD | st.fixed_dictionaries({"tier": st.just("small"), "candidates": TOLD, "context": TOLD}))
def test_whatever_a_router_says_is_a_decision_or_none(told):
    decision = decision_of(told, task_id="task-1", task=TASK)
    if is_routing(told):
        assert decision is not None
    if decision is not None:
        assert RoutingDecision.model_validate_json(decision.model_dump_json()) == decision
        assert decision.chosen.propensity != 0
        assert sum(one.propensity or 0 for one in decision.candidates) < 1.05
        assert executed(decision).record_key == decision.decision_id
