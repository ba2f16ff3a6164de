"""Tasks out of the spans of a trace: what each agent at the top did, each use of tokens counted once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from learnlab.ingest.logs.otel_attributes import Call, Role
from learnlab.ingest.logs.otel_texts import answered, asked
from learnlab.ingest.logs.otel_tree import Tree
from learnlab.ingest.logs.shapes import moment, text
from learnlab.ingest.logs.tasks import Step, Task, error_type_of
from learnlab.models import DurationSource, ErrorType, StepKind, SuccessSource

_VERDICTS = {
    "pass": True, "passed": True, "correct": True, "fail": False, "failed": False, "incorrect": False,
}  # fmt: skip
_MOST_EVALUATIONS = 20


def tasks_of(trace: str, calls: Iterable[Call]) -> list[Task]:
    """Return what was done in a trace, a task for each agent at its top that called a model or a tool.

    The first of them has the trace's id for its key and takes in what was done outside of all agents; so has
    the only one where no agent is named. An agent counts as separate only where all spans above it are there:
    whether two agents whose parents are missing are one piece of work cannot be told, and they make one task.
    Agents below agents belong to the task of the one above.

    So a trace with one agent has the same key and steps however much of it is there. When another part of it
    comes in later on its own, the steps of both stand in that one task, whose words and duration are those of
    the part that came last.

    >>> from learnlab.ingest.logs.otel_attributes import understood
    >>> from learnlab.ingest.logs.otel_spans import Span
    >>> span = Span("4bf9", "00f0", "", "chat", attributes={"gen_ai.usage.input_tokens": 12})
    >>> [(task.key, task.steps[0].input_tokens) for task in tasks_of("4bf9", [understood(span, 1)])]
    [('4bf9', 12)]
    """
    tree = Tree(calls)
    tops = tree.tops()
    steps = _steps(tree)
    works = {tops[own].span.id for own in steps}
    works |= {tops[own].span.id for own, call in tree.calls.items() if call is tops[own] and _was_told(call)}
    heads = sorted((tree.calls[own] for own in works), key=_order)
    apart = [head for head in heads if head.role is Role.AGENT and tree.is_whole_above(head.span.id)]
    if not heads:
        return []
    agents = [head for head in heads if head.role is Role.AGENT]
    first = apart[0] if apart else (agents or heads)[0]
    others = {head.span.id for head in apart[1:]}
    tasks = []
    for head in (first, *apart[1:]):
        own_heads = [head] if head is not first else [one for one in heads if one.span.id not in others]
        ids = {one.span.id for one in own_heads}
        mine = [
            call for own, call in tree.calls.items() if _heads(tops[own].span.id, ids, works, head is first)
        ]
        mine_steps = [steps[call.span.id] for call in sorted(mine, key=_order) if call.span.id in steps]
        key = trace if head is first else f"{trace} {head.span.id}"
        spanned = [one for one in own_heads if one.role is Role.AGENT] or own_heads
        tasks.append(_task(key, head, spanned, mine, mine_steps))
    return tasks


def _heads(top: str, ids: set[str], works: set[str], is_first: bool) -> bool:
    return top in ids or (is_first and top not in works)


def _was_told(call: Call) -> bool:
    return call.role is Role.AGENT and asked(call.span) is not None


def _order(call: Call) -> tuple[int, str]:
    return call.span.start or 0, call.span.id


def _steps(tree: Tree) -> dict[str, Step]:
    """Return the calls of models and tools as steps, by span id.

    Instrumentation at several levels makes several spans of one call, each with its tokens: only the lowest
    that has tokens counts. A call without tokens is a step where nothing above or below it is that call.
    """
    above_usage = tree.over(lambda call: call.usage.is_any)
    above_model = tree.over(lambda call: call.usage.is_any or call.role is Role.MODEL)
    steps: dict[str, Step] = {}
    for own, call in tree.calls.items():
        if call.role is Role.TOOL and (not call.usage.is_any or own in above_usage):
            steps[own] = _step(call, StepKind.TOOL_CALL)
        elif call.usage.is_any:
            if own not in above_usage:
                steps[own] = _step(call, StepKind.MESSAGE)
        elif call.role is Role.MODEL and own not in above_model and not _is_inside_a_call(tree, own):
            steps[own] = _step(call, StepKind.MESSAGE)
    for own, step in list(steps.items()):
        if step.kind is StepKind.TOOL_CALL:
            for outer in tree.above(own):
                if outer.role is Role.TOOL and outer.name == step.name:
                    steps.pop(outer.span.id, None)
    return steps


def _is_inside_a_call(tree: Tree, own: str) -> bool:
    for outer in tree.above(own):
        if outer.role is Role.AGENT:
            return False
        if outer.role is Role.MODEL and outer.usage.is_any:
            return True
    return False


def _step(call: Call, kind: StepKind) -> Step:
    span, usage = call.span, call.usage
    is_tool = kind is StepKind.TOOL_CALL
    return Step(
        kind=kind,
        key=f"{span.trace} {span.id}",
        position=call.position,
        started_at=moment(span.start),
        duration_seconds=_seconds([call]),
        name=call.name,
        model=None if is_tool else call.model,
        provider=None if is_tool else call.provider,
        input_tokens=None if is_tool else usage.input,
        cache_read_tokens=None if is_tool else usage.cache_read,
        cache_write_tokens=None if is_tool else usage.cache_write,
        output_tokens=None if is_tool else usage.output,
        cost_usd=None if is_tool else call.cost_usd,
        is_error=span.is_error,
        error=call.error,
    )


def _task(key: str, head: Call, heads: list[Call], calls: list[Call], steps: list[Step]) -> Task:
    calls = sorted(calls, key=_order)
    session = head.session or next((call.session for call in calls if call.session), None)
    seconds = _seconds(heads)
    said = head.span.resource
    metadata: dict[str, Any] = {"root_span": head.span.name[:200]}
    if service := text(said.get("service.name")):
        metadata["service"] = service[:200]
    agents = sorted({call.name for call in calls if call.role is Role.AGENT and call.name})
    if len(agents) > 1:
        metadata["agents"] = agents[:20]
    task = Task(
        key=key,
        position=min(call.position for call in calls),
        description=_request(head, calls) or head.span.name,
        timestamp=min((at for one in heads if (at := _started(one))), default=None),
        repo=(text(said.get("vcs.repository.name")) or "").rstrip("/").rpartition("/")[2] or None,
        external_id=head.span.trace,
        task_group=session,
        session_id=session,
        agent=head.name if head.role is Role.AGENT else next(iter(agents), None),
        duration_seconds=seconds,
        duration_source=DurationSource.UNKNOWN if seconds is None else DurationSource.WALL,
        solution_summary=_answer(head, calls),
        metadata=metadata,
        steps=steps,
    )
    if head.span.is_error:
        task.error_message = head.error
        task.error_type = error_type_of(head.error or "", ErrorType.UNKNOWN)
    _judge(task, [one for call in calls for one in call.evaluations])
    return task


def _request(head: Call, calls: list[Call]) -> str | None:
    """Return what was asked: of the agent at the head, else in the earliest call that tells."""
    told = [head, *(call for call in calls if call.role in (Role.MODEL, Role.AGENT))]
    return next((words for call in told if (words := asked(call.span))), None)


def _answer(head: Call, calls: list[Call]) -> str | None:
    """Return what came of it: the answer of the head, else the last that a model gave."""
    last = sorted(calls, key=lambda call: (call.span.end or 0, call.span.id), reverse=True)
    told = [head, *(call for call in last if call.role is Role.MODEL)]
    return next((words for call in told if (words := answered(call.span))), None)


def _judge(task: Task, evaluations: list[dict[str, Any]]) -> None:
    """Set the verdict of a task, or the score where there is no verdict.

    A label that says pass or fail is one; several must agree on a pass. A score alone is none, also where it
    is 0 or 1: whether 0 is bad depends on what was measured. Scores from 0 to 1 become the quality (their
    mean, in percent).
    """
    verdicts, scores, kept = [], [], {}
    for one in evaluations:
        label, score = one["label"], one["score"]
        kept[one["name"][:100]] = label[:100] if label else score
        if label and label.strip().lower() in _VERDICTS:
            verdicts.append(_VERDICTS[label.strip().lower()])
        elif score is not None and 0 <= score <= 1:
            scores.append(score)
    if verdicts:
        task.success, task.success_source = all(verdicts), SuccessSource.VERIFIER
    if scores:
        task.quality_score = 100 * sum(scores) / len(scores)
    if kept:
        task.metadata["evaluations"] = dict(sorted(kept.items())[:_MOST_EVALUATIONS])


def _started(call: Call) -> datetime | None:
    return moment(call.span.start)


def _seconds(calls: list[Call]) -> float | None:
    """Return the seconds from the first start to the last end, None where they are not known."""
    starts = [call.span.start for call in calls if call.span.start is not None]
    ends = [call.span.end for call in calls if call.span.end is not None]
    if not starts or not ends or max(ends) < min(starts):
        return None
    return (max(ends) - min(starts)) / 1e9
