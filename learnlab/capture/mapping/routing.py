"""What a router said, in whatever shape, as a routing decision whose propensities can be believed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from enum import Enum
from math import fsum
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import JsonValue, TypeAdapter, ValidationError

from learnlab.capture.mapping.said import (
    as_said,
    is_a,
    mapped,
    member,
    name_of,
    number,
    opened,
    prose,
    said,
    word,
)
from learnlab.events import Candidate, RoutingDecision
from learnlab.lenient import plain
from learnlab.models import Tier, UtcTime, as_uuid, now

TOLERANCE = 0.02
"""How far the propensities of all candidates may be from adding up to 1: they are often rounded."""

_TIERS = frozenset(Tier) - {Tier.UNKNOWN}
_TIME: TypeAdapter[Any] = TypeAdapter(UtcTime)
_NESTED = ("routing", "routing_decision", "decision")
_CHOSEN, _CANDIDATES = ("chosen", "choice", "selected"), ("candidates", "alternatives")
_MODEL, _TIER, _POOL = ("model",), ("model_tier", "tier"), ("pool_type", "pool", "pool_id")
_PROPENSITY, _VERSION = ("propensity", "probability"), ("router_version", "version")
_CONTEXT, _REASON = ("context", "features"), ("reason", "reasoning")
_CONFIDENCE, _COST = (
    ("routing_confidence", "confidence"),
    ("cost_estimate", "estimated_cost", "expected_cost"),
)
_NAMES = (
    *_NESTED, *_CHOSEN, *_CANDIDATES, *_MODEL, *_TIER, *_POOL, *_PROPENSITY, *_VERSION, *_CONTEXT, *_REASON,
    *_CONFIDENCE, *_COST,
)  # fmt: skip
_OF_NO_ROUTING = (
    "success", "status", "result", "output", "content", "choices", "response", "answer", "error", "error_message",
    "error_type", "duration", "duration_seconds", "quality_score", "actual_cost", "cost", "cost_usd", "usage",
    "exit_code", "returncode", "solution_summary", "files_changed", "prompt", "description", "task_description",
)  # fmt: skip


class _Option(NamedTuple):
    """A candidate as it was said: what it is, and the propensity that was stated for it."""

    names: dict[str, str]
    propensity: Any = None


def is_routing(told: Any) -> bool:
    """Return whether a value looks like a routing decision, and not like a result or a task.

    >>> is_routing({"model": "m-1", "tier": "small"}), is_routing({"model": "m-1", "success": True})
    (True, False)
    """
    if is_a(told, RoutingDecision):
        return True
    carried, _ = opened(told)
    if any(member(carried, name) is not None for name in _OF_NO_ROUTING):
        return False
    return bool(_choice(_given(told), {}).names)


def decision_of(
    told: Any, *, task_id: UUID | str, task: Mapping[str, JsonValue], timestamp: Any = None
) -> RoutingDecision | None:
    """Return the decision that a router told of: a dict, an object, the name of a tier; None where it is none.

    `task` is what is known of the task by an execution's field names; the router's confidence and estimate
    join it. A confidence is never a propensity. Propensities outside 0–1, that contradict one another or do
    not add up to about 1 over the candidates are set aside, under `refused` in the context.

    >>> decision = decision_of({"tier": "small", "confidence": 0.9, "candidates": {"small": 0.8, "large": 0.2}},
    ...     task_id="task-abc-123", task={})
    >>> decision.chosen.propensity, decision.task
    (0.8, {'routing_confidence': 0.9})
    """
    if is_a(told, RoutingDecision):
        ours = told.task | dict(task)
        return told.model_copy(update={"task_id": _uuid(task_id), "task": ours})
    given, known, refused = _given(told), dict(task), dict[str, Any]()
    chosen = _choice(given, refused)
    options = _options(_first(given, _CANDIDATES), chosen, refused)
    if not chosen.names and (options or chosen.propensity is not None):
        chosen = _Option(_names_in(known), chosen.propensity)
    if not chosen.names:
        return None
    if chosen.propensity is None and "propensity" in known:
        chosen = _Option(chosen.names, known["propensity"])
    matching = [option for option in options if _fits(option.names, chosen.names)]
    if options and not matching:
        options = [chosen, *options]
        matching = options[:1]
    if not _are_believable(chosen, options, matching):
        refused["propensities"] = [chosen.propensity, *(option.propensity for option in options)]
        known.pop("propensity", None)
        chosen, options = _Option(chosen.names), [_Option(option.names) for option in options]
    elif chosen.propensity is None and matching and all(one.propensity is not None for one in matching):
        taken = fsum(_share(one.propensity) or 0 for one in matching)
        chosen = _Option(chosen.names, min(1.0, taken))
    if len(matching) == 1:
        chosen = _Option(matching[0].names | chosen.names, chosen.propensity)
    known |= _of_task(given, known)
    return RoutingDecision(
        task_id=_uuid(task_id),
        timestamp=_moment(timestamp, refused),
        chosen=_as_candidate(chosen),
        candidates=[_as_candidate(option) for option in options],
        context=_context(given, refused),
        router_version=prose(_first(given, _VERSION)),
        task={
            name: mapped(value) if type(value) is dict else as_said(value) for name, value in known.items()
        },
    )


def _given(told: Any, is_nested: bool = False) -> dict[str, Any]:
    """Return what a router said by name: its routing where it stands inside a task or an event."""
    if is_a(told, str, Enum):
        return {"tier": told} if word(told) in _TIERS else {}
    given = said(opened(told)[0], _NAMES)
    inner = None if is_nested else _first(given, _NESTED)
    return given if inner is None else _given(inner, is_nested=True)


def _first(given: Mapping[str, Any], names: Iterable[str]) -> Any:
    for name in names:
        if (value := given.get(name)) is not None:
            return value
    return None


def _choice(given: dict[str, Any], refused: dict[str, Any]) -> _Option:
    """Return what was chosen: what stands beside the candidates, and what a choice of its own says more."""
    beside = _Option(_names_in(given, refused), _first(given, _PROPENSITY))
    inner = _first(given, _CHOSEN)
    if inner is None:
        return beside
    own = _option(inner, refused)
    return _Option(beside.names | own.names, beside.propensity if own.propensity is None else own.propensity)


def _names_in(given: Mapping[str, Any], refused: dict[str, Any] | None = None) -> dict[str, str]:
    """Return the model, tier and pool that are named; a tier that is none is set aside."""
    names = {}
    if (model := name_of(_first(given, _MODEL))) is not None:
        names["model"] = model
    if (pool := name_of(_first(given, _POOL))) is not None:
        names["pool"] = pool
    tier = _first(given, _TIER)
    if (spelt := word(tier)) in _TIERS:
        names["tier"] = spelt
    elif refused is not None and spelt not in ("", Tier.UNKNOWN):
        refused.setdefault("tier", name_of(tier))
    return names


def _option(told: Any, refused: dict[str, Any], plain_name_is: str = "model") -> _Option:
    """Return one candidate: an object with names, or a plain name, which is a tier where it can be one."""
    if is_a(told, str, Enum, UUID, int):
        if (spelt := word(told)) in _TIERS:
            return _Option({"tier": spelt})
        name = name_of(told)
        return _Option({plain_name_is: name} if name else {})
    given = said(told, (*_NAMES, "name"))
    names = _names_in(given, refused)
    return _Option(names or _option_of_name(given, plain_name_is), _first(given, _PROPENSITY))


def _option_of_name(given: dict[str, Any], plain_name_is: str) -> dict[str, str]:
    name = given.get("name")
    return _option(name, {}, plain_name_is).names if is_a(name, str, Enum) else {}


def _options(listed: Any, chosen: _Option, refused: dict[str, Any]) -> list[_Option]:
    """Return the candidates of a list, or of a mapping from name to probability or to a candidate."""
    pairs: list[tuple[Any, Any]] = []
    with suppress(Exception):
        if issubclass(type(listed), Mapping):
            pairs = list(listed.items())
        elif is_a(listed, list, tuple, set, frozenset):
            pairs = [(one, None) for one in listed]
    pool = chosen.names.get("pool")
    kind = "pool" if pool is not None and any(name_of(name) == pool for name, _ in pairs) else "model"
    options = []
    for name, told in pairs:
        option = _option(name, refused, kind)
        if is_a(told, int, float, str):
            option = _Option(option.names, told)
        elif told is not None:
            more = _option(told, refused, kind)
            option = _Option(option.names | more.names, more.propensity)
        if option.names:
            options.append(option)
    return options


def _fits(one: dict[str, str], other: dict[str, str]) -> bool:
    """Return whether two descriptions can be of the same thing: they share a name and differ in none."""
    shared = one.keys() & other.keys()
    return bool(shared) and all(one[name] == other[name] for name in shared)


def _are_believable(chosen: _Option, options: list[_Option], matching: list[_Option]) -> bool:
    """Return whether the stated propensities are probabilities of one choice, of which this is one."""
    stated = [option.propensity for option in options if option.propensity is not None]
    others = [share for propensity in stated if (share := _share(propensity)) is not None]
    own = _share(chosen.propensity)
    if len(others) < len(stated) or (own is None and chosen.propensity is not None):
        return False
    total = fsum(others)
    is_whole = len(others) == len(options) > 0
    if total > 1 + TOLERANCE or (is_whole and total < 1 - TOLERANCE):
        return False
    listed = [share for option in matching if (share := _share(option.propensity)) is not None]
    taken = fsum(listed) if len(listed) == len(matching) > 0 else None
    return 0.0 not in (own, taken) and (own is None or taken is None or abs(own - taken) <= TOLERANCE)


def _share(value: Any) -> float | None:
    """Return a probability; None for anything that is none."""
    share = value if type(value) is float or value is None else number(value)
    if isinstance(share, int | float) and 0 <= share <= 1:
        return float(share)
    return None


def _as_candidate(option: _Option) -> Candidate:
    return Candidate.model_validate({**option.names, "propensity": _share(option.propensity)})


def _context(given: dict[str, Any], refused: dict[str, Any]) -> dict[str, Any]:
    """Return what the router knew, its reason, and what was set aside."""
    told = _first(given, _CONTEXT)
    readable = mapped(told) if told is not None else {}
    context: dict[str, Any] = readable if isinstance(readable, dict) else {"features": readable}
    if told is given.get("context") and given.get("features") is not None:
        context["features"] = plain(given["features"])
    if (reason := prose(_first(given, _REASON))) is not None:
        context.setdefault("reason", reason)
    return context | ({"refused": plain(refused)} if refused else {})


def _of_task(given: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Return what the router says of the task: how sure it was, what it would cost, which pool of its kind."""
    told = {"routing_confidence": _first(given, _CONFIDENCE), "cost_estimate": _first(given, _COST)}
    fields: dict[str, Any] = {name: number(value) for name, value in told.items() if value is not None}
    if (pool_id := name_of(given.get("pool_id"))) is not None:
        own = known.get("metadata")
        fields["metadata"] = (own if isinstance(own, dict) else {}) | {"pool_id": pool_id}
    return fields


def _moment(timestamp: Any, refused: dict[str, Any]) -> Any:
    """Return the time of the decision; the present where none is told or it is no plausible one."""
    if timestamp is None:
        return now()
    try:
        return _TIME.validate_python(timestamp)
    except ValidationError:
        refused["timestamp"] = as_said(timestamp)
        return now()


def _uuid(task_id: UUID | str) -> UUID:
    return task_id if isinstance(task_id, UUID) else as_uuid(name_of(task_id) or "")
