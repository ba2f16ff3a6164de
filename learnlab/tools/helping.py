"""`feedback_help`: what can be said, in which words, and who sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from learnlab.feedback.asking.questions import ISSUE_WORDS, QUESTIONS
from learnlab.models import Record
from learnlab.people import MAX_COMMENT, MAX_CORRECTION, Visibility
from learnlab.tools.rating import PER_MINUTE, seen_by
from learnlab.tools.tool import Desk, Tool

_SATISFACTION = {
    "excellent": "5: nothing to wish for",
    "good": "4: does what was wanted",
    "fair": "3: of use, with something wrong; say what",
    "poor": "2: of little or no use; say what was wrong",
}
_EXAMPLES: tuple[dict[str, Any], ...] = (
    {"task_id": "task-abc-123", "satisfaction": "good"},
    {"task_id": "task-abc-123", "satisfaction": "fair", "issues": ["too_slow"], "speed_acceptable": False},
    {
        "task_id": "task-abc-123",
        "satisfaction": "poor",
        "issues": ["poor_quality", "other"],
        "comment": "The tests pass, but the migration drops a column that is still read.",
        "visibility": "team",
        "success": False,
        "correction": "Keep the column until nothing reads it.",
    },
)


class Nothing(Record):
    """What `feedback_help` takes: nothing."""


class Help(Record):
    """What `feedback_help` answers."""

    given_as: str
    satisfaction: dict[str, str]
    issues: dict[str, str]
    questions: dict[str, str]
    visibility: dict[str, str]
    rules: list[str]
    examples: list[dict[str, Any]]
    tools: dict[str, str]
    not_offered: dict[str, str]


def helping(desk: Desk, others: Sequence[Tool], missing: Mapping[str, str]) -> Tool:
    """Return the tool that explains the others: those that are offered, and why some are not."""
    tools = {tool.name: tool.says for tool in others}
    answer = Help(
        given_as=f"{desk.author}: fixed when the server started; no argument changes it",
        satisfaction=_SATISFACTION,
        issues={issue.value: words for issue, words in ISSUE_WORDS.items()},
        questions={one.name: f"{one.text} true, false, or left out" for one in QUESTIONS},
        visibility={one.value: seen_by(one, desk.author) for one in Visibility},
        rules=[
            "fair and poor need at least one issue; the issue other needs a comment",
            f"a comment has at most {MAX_COMMENT:,} characters, a correction {MAX_CORRECTION:,}",
            "what is left out is unknown and never counts as no; satisfaction says nothing of success",
            "say success only where you know it; a verifier or CI is believed more",
            "the latest on a task counts, and what came before stays in your history",
            f"at most {PER_MINUTE} a minute; keys, passwords and e-mail addresses are masked before they are kept",
        ],
        examples=list(_EXAMPLES),
        tools=tools,
        not_offered=dict(missing),
    )
    says = "Say what feedback can be given, in which words, who sees it, and which tools there are. Takes nothing."
    return Tool("feedback_help", says, Nothing, Help, lambda _: answer, desk)
