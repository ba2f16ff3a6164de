"""One choice: from what is expected of the candidates to what is drawn, with what probability, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from learnlab.errors import RoutingError
from learnlab.events import Candidate
from learnlab.lenient import storable
from learnlab.models import Tier
from learnlab.routing.deciding.decision import named
from learnlab.routing.narrowing import identity
from learnlab.routing.policy import EpsilonGreedy, Policy, Thompson, sample
from learnlab.routing.preference import AboveFloor, Preference, WithinBudget, best
from learnlab.routing.router import Expected
from learnlab.routing.tries import Floats

EXPLORE = 0.05
"""The share of choices drawn by lot where nobody says."""

THOMPSON = "thompson"

_LONGEST = 500


@dataclass(frozen=True)
class Drawn:
    """What was drawn: the place of the candidate, the probability of each, how sure it is the best, and why."""

    place: int
    probabilities: Floats
    confidence: float | None
    reason: str
    is_exploring: bool = False


def policy_of(explore: float | str, preference: Preference) -> Policy:
    """Return how to choose: a share of choices by lot (0-1), or `thompson`.

    Raises:
        RoutingError: for anything else.

    >>> from learnlab.routing.preference import PriceOfQuality
    >>> policy_of(0.1, PriceOfQuality(1.0)).epsilon
    0.1
    """
    if not isinstance(preference, Preference):
        raise RoutingError(
            f"a preference is a PriceOfQuality, a WithinBudget or an AboveFloor, not {type(preference).__name__}"
        )
    if isinstance(explore, str) and explore == THOMPSON:
        return Thompson(preference)
    if isinstance(explore, bool) or not isinstance(explore, int | float):
        raise RoutingError(
            f"explore is {str(explore)[:100]!r}: it is a share of choices (0-1), or {THOMPSON!r}"
        )
    return EpsilonGreedy(preference, float(explore))


def as_candidates(given: Iterable[Candidate | Mapping[str, Any] | str]) -> tuple[Candidate, ...]:
    """Return the candidates that a caller names: a `Candidate`, its fields, or the name of a tier or a model.

    Raises:
        RoutingError: when there are none, one is none, one is named twice, or it is the tier `unknown`.

    >>> [named(one) for one in as_candidates(["small", {"model": "gpt-x", "pool": "local"}])]
    ['small', 'gpt-x in local']
    """
    if isinstance(given, str | Mapping):
        raise RoutingError("candidates are several: a list of tiers, models, or fields of candidates")
    if not isinstance(given, Iterable):
        raise RoutingError(f"candidates are several, not {type(given).__name__}: a list of tiers or models")
    found = tuple(_candidate(one) for one in given)
    if not found:
        raise RoutingError("there is no candidate to choose from")
    if len({identity(one) for one in found}) < len(found):
        raise RoutingError("a candidate is named twice")
    return found


def _candidate(given: Candidate | Mapping[str, Any] | str) -> Candidate:
    fields: Any = given
    if isinstance(given, str):
        fields = {"tier": given} if given in set(Tier) else {"model": given}
    elif isinstance(given, Candidate):
        fields = given.model_dump()
    try:
        one = Candidate.model_validate({**fields, "propensity": None})
    except (ValidationError, TypeError) as error:
        raise RoutingError(
            f"{str(given)[:100]!r} is no candidate: it has a model, a tier or a pool"
        ) from error
    if one.tier is Tier.UNKNOWN or identity(one) == (None, None, None):
        raise RoutingError(
            f"{named(one)!r} can not be chosen: a candidate has a model, a known tier or a pool"
        )
    for name in (one.model, one.pool):
        if name is not None and not (name.strip() and len(name) <= _LONGEST and storable(name) == name):
            raise RoutingError(
                f"{name[:100]!r} can not be chosen: a model or a pool has a name of 1 to {_LONGEST} characters"
            )
    return one


def draw(
    expected: Expected,
    candidates: tuple[Candidate, ...],
    preference: Preference,
    explore: float | str,
    rng: np.random.Generator,
    *,
    who: str,
    what: str = "success",
) -> Drawn:
    """Return the candidate that is drawn for one task, (1, candidates); `who` expects it, `what` is its quality.

    Where nothing is known of any candidate it is the first one named.

    Raises:
        RoutingError: when `explore` is no way to explore.
    """
    policy = policy_of(explore, preference)
    if not np.isfinite(expected.quality).any():
        certain = np.eye(1, len(candidates))[0]
        first = "the only candidate" if len(candidates) == 1 else "the first one named"
        return Drawn(0, certain, None, f"{first}: nothing is known of any candidate")
    probabilities = policy.probabilities(expected, rng)
    place = int(sample(probabilities, rng)[0])
    top = place if probabilities[0, place] > 0.5 else int(best(expected, preference)[0])
    shares = probabilities if explore == THOMPSON else Thompson(preference, 0.0).probabilities(expected, rng)
    if len(candidates) == 1:
        reason = f"the only candidate; {_told(expected, candidates, place, what, who)}"
    elif place == top:
        reason = _why(expected, candidates, preference, place, what, who)
    else:
        reason = f"tried to learn from it, where {named(candidates[top])} looks best; " + _told(
            expected, candidates, place, what, who
        )
    return Drawn(place, probabilities[0], float(shares[0, place]), reason, place != top)


def _why(
    expected: Expected,
    candidates: tuple[Candidate, ...],
    preference: Preference,
    place: int,
    what: str,
    who: str,
) -> str:
    """Return why the best candidate is the best, in words."""
    quality, cost = expected.quality[0], expected.cost[0]
    told = _told(expected, candidates, place, what, who)
    if isinstance(preference, WithinBudget):
        limit = f"{preference.budget_usd:.4g} US dollars"
        if np.isfinite(cost[place]) and cost[place] > preference.budget_usd:
            return f"none is expected to cost at most {limit}, and it is the cheapest; {told}"
        return f"the best that is expected to cost at most {limit}; {told}"
    if isinstance(preference, AboveFloor):
        if quality[place] < preference.floor:
            return f"of none a {what} of {preference.floor:.0%} is expected, and it comes nearest; {told}"
        return f"the cheapest of which a {what} of {preference.floor:.0%} is expected; {told}"
    return f"the best where a {what} is worth {preference.worth_usd:.4g} US dollars; {told}"


def _told(expected: Expected, candidates: tuple[Candidate, ...], place: int, what: str, who: str) -> str:
    """Return what is expected of a candidate, in words."""
    quality, error, cost = (
        float(figures[0, place]) for figures in (expected.quality, expected.quality_error, expected.cost)
    )
    if not np.isfinite(quality):
        return f"{who} knows nothing of {named(candidates[place])}"
    sure = f" ± {error:.0%}" if np.isfinite(error) else ""
    price = f"{cost:.4f} US dollars" if np.isfinite(cost) else "an unknown cost"
    return f"{who} expects {quality:.0%}{sure} {what} for {price}"
