"""What else is worth asking about an execution, beside how satisfied somebody is: one table, each with its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from learnlab.feedback.asking.prompting import SLOW, Situation
from learnlab.people import Issue, Visibility

ISSUE_WORDS = {
    Issue.WRONG_MODEL: "the wrong model",
    Issue.TOO_SLOW: "too slow",
    Issue.POOR_QUALITY: "poor quality",
    Issue.OTHER: "something else",
}
"""What was wrong, as people are asked it."""

VISIBILITY_WORDS = {
    Visibility.PRIVATE: "only you see it",
    Visibility.TEAM: "everybody who uses this store sees it, without your name",
    Visibility.PUBLIC: "as team, and it counts in public figures of at least 5 people",
}
"""Who will see what is given, as people are told it."""


@dataclass(frozen=True)
class Question:
    """A question of yes, no or unknown: the field it fills, its words, when it is worth asking, and why then."""

    name: str
    text: str
    is_worth: Callable[[Situation], bool]
    why: Callable[[Situation], str]


QUESTIONS = (
    Question(
        "success",
        "Did it succeed?",
        lambda s: s.success is None,
        lambda s: "the log does not say",
    ),
    Question(
        "accepted",
        "Did you take the result?",
        lambda s: s.user_accepted is None and not s.is_failed,
        lambda s: "it is not recorded",
    ),
    Question(
        "model_appropriate",
        "Was the model right for it?",
        lambda s: s.is_routed,
        lambda s: (
            f"a router chose a {s.model_tier} one" if s.model_tier != "unknown" else "a router chose it"
        ),
    ),
    Question(
        "speed_acceptable",
        "Was it quick enough?",
        lambda s: s.duration_seconds is not None and s.duration_seconds > SLOW,
        lambda s: f"it took {s.seconds}",
    ),
    Question(
        "expectations_met",
        "Did it do what you expected?",
        lambda s: not s.is_failed,
        lambda s: "nobody else can know",
    ),
)
"""The questions, in the order in which they are asked; whatever is not answered stays unknown."""


def worth_asking(situation: Situation) -> list[Question]:
    """Return the questions that are worth asking in a situation.

    >>> [question.name for question in worth_asking(Situation(success=False, is_failed=True, duration_seconds=300))]
    ['speed_acceptable']
    """
    return [question for question in QUESTIONS if question.is_worth(situation)]
