"""Codex rollouts: each token once, each request a task, whole as in pieces, whatever stands in the file."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hostile import grown, known_after
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.errors import SourceError
from learnlab.ingest.batch import Position
from learnlab.ingest.logs.codex import FORMAT
from learnlab.ingest.logs.formats import head_of
from learnlab.ingest.logs.tasks import Piece, Task
from learnlab.models import DurationSource, StepKind

BEGAN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def uuid7(at: datetime, n: int) -> str:
    made = f"{round(at.timestamp() * 1000):012x}"
    return f"{made[:8]}-{made[8:]}-7abc-8def-{n:012x}"


PARENT = uuid7(BEGAN, 1)


class Log:
    """A rollout under construction; each line a second after the last unless told otherwise."""

    def __init__(self, began: datetime = BEGAN) -> None:
        self.at = began
        self.lines: list[dict[str, Any]] = []

    def line(self, kind: str, after: float = 1.0, **payload: Any) -> Log:
        self.at += timedelta(seconds=after)
        stamp = self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.lines.append({"timestamp": stamp, "type": kind, "payload": payload})
        return self

    def event(self, kind: str, after: float = 1.0, **payload: Any) -> Log:
        return self.line("event_msg", after, type=kind, **payload)

    def item(self, kind: str, after: float = 1.0, **payload: Any) -> Log:
        return self.line("response_item", after, type=kind, **payload)

    def meta(self, own: str = PARENT, **more: Any) -> Log:
        return self.line(
            "session_meta", 0, id=own, cwd="/home/ada/shop", cli_version="0.146.0", model_provider="openai",
            git={"branch": "speed"}, **more,
        )  # fmt: skip

    def turn(self, n: int, asked: str, model: str = "gpt-5.2") -> Log:
        turn = uuid7(self.at + timedelta(seconds=1), n)
        self.event("task_started", turn_id=turn)
        self.line("turn_context", 0, turn_id=turn, model=model, effort="high", cwd="/home/ada/shop")
        self.item("message", 0, role="user", content=[{"type": "input_text", "text": asked}])
        return self.event("user_message", 0, message=asked)

    def tokens(self, went_in: int, cached: int, came_out: int, **more: Any) -> Log:
        total = {"input_tokens": went_in, "cached_input_tokens": cached, "output_tokens": came_out}
        return self.event("token_count", info={"total_token_usage": total} | more)

    def answer(self, said: str) -> Log:
        return self.item("message", role="assistant", content=[{"type": "output_text", "text": said}])

    def data(self) -> bytes:
        return b"".join(json.dumps(line).encode() + b"\n" for line in self.lines)


def two_turns() -> Log:
    log = Log().meta()
    log.item(
        "message",
        role="user",
        content=[{"type": "input_text", "text": "<environment_context>x</environment_context>"}],
    )
    log.turn(1, "Make it fast")
    log.item("function_call", name="exec_command", call_id="c1", arguments="{}")
    log.item(
        "function_call_output",
        after=3,
        call_id="c1",
        output="Exit code: 2\nWall time: 2.5 seconds\nOutput:\nno",
    )
    log.tokens(1000, 600, 50).tokens(1000, 600, 50)
    log.event("token_count", info=None)
    log.answer("Done.").tokens(2500, 2000, 80)
    log.event("task_complete", turn_id="x", last_agent_message="Done.", duration_ms=9000)
    log.turn(2, "Now test it", model="gpt-5.2-mini").at += timedelta(hours=1)
    log.line("compacted", message="short")
    log.tokens(300, 0, 20)
    log.event("turn_aborted", reason="interrupted")
    return log


def read(path: Path, position: Position | None = None) -> list[Piece]:
    return list(FORMAT.read(path, position or Position()))


def tasks_of(path: Path) -> list[Task]:
    return [task for piece in read(path) for task in piece.tasks]


def written(folder: Path, data: bytes, name: str = "rollout-1.jsonl") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def messages(task: Task) -> list[tuple[int | None, ...]]:
    return [
        (s.input_tokens, s.cache_read_tokens, s.output_tokens)
        for s in task.steps
        if s.kind is StepKind.MESSAGE
    ]


def test_each_request_is_a_task_and_each_token_counts_once(tmp_path):
    first, second = tasks_of(written(tmp_path, two_turns().data()))
    assert (first.description, second.description) == ("Make it fast", "Now test it")
    assert messages(first) == [(1000, 600, 50), (1500, 1400, 30)]
    assert messages(second) == [(300, 0, 20)]
    assert [s.model for s in first.steps if s.kind is StepKind.MESSAGE] == ["gpt-5.2"] * 2
    assert (first.repo, first.session_id, first.success) == ("shop", PARENT, None)
    assert first.solution_summary == "Done."
    assert first.metadata["branch"] == "speed"
    assert [s.kind for s in second.steps] == [StepKind.COMPACTION, StepKind.MESSAGE]
    assert second.metadata["n_interruptions"] == 1


def test_a_tool_call_has_its_time_and_its_error(tmp_path):
    call = tasks_of(written(tmp_path, two_turns().data()))[0].steps[0]
    assert (call.kind, call.name, call.duration_seconds, call.is_error) == (
        StepKind.TOOL_CALL, "exec_command", 2.5, True,
    )  # fmt: skip
    assert "no" in (call.error or "")


def test_a_turn_says_how_long_it_worked(tmp_path):
    first, second = tasks_of(written(tmp_path, two_turns().data()))
    assert (first.duration_seconds, first.duration_source) == (9.0, DurationSource.WORK)
    # without duration_ms: from task_started, over the hour, to turn_aborted
    assert (second.duration_seconds, second.duration_source) == (3603.0, DurationSource.WORK)


def test_without_turns_long_silences_are_left_out(tmp_path):
    log = Log().meta().event("user_message", message="Look")
    log.answer("One").tokens(10, 0, 1)
    log.at += timedelta(hours=2)
    log.answer("Two")
    (task,) = tasks_of(written(tmp_path, log.data()))
    assert (task.duration_seconds, task.duration_source) == (2.0, DurationSource.GAPS)
    assert task.metadata["wall_seconds"] == 7203.0


def test_a_second_request_in_one_turn_divides_its_time(tmp_path):
    log = Log().meta().turn(1, "Make it fast").answer("On it").event("user_message", message="And safe")
    log.answer("Both").event("task_complete", duration_ms=3000)
    first, second = tasks_of(written(tmp_path, log.data()))
    assert (first.duration_seconds, second.duration_seconds) == (2.0, 2.0)


def forked(**more: Any) -> Log:
    """A fork of `two_turns`, copied in one moment ten minutes later, with a turn of its own."""
    began = BEGAN + timedelta(minutes=10)
    log = Log(began).meta(uuid7(began, 2), forked_from_id=PARENT, **more)
    stamp = log.lines[0]["timestamp"]
    log.lines += [line | {"timestamp": stamp} for line in two_turns().lines]
    log.turn(3, "Another way").answer("So.").tokens(1300, 500, 60)
    return log


def test_what_a_fork_copies_from_its_parent_does_not_count(tmp_path):
    (task,) = tasks_of(written(tmp_path, forked().data()))
    assert (task.description, messages(task)) == ("Another way", [(1000, 500, 40)])
    (piece,) = read(tmp_path / "rollout-1.jsonl")
    assert piece.kinds["replayed"] == len(two_turns().lines)


def test_a_fork_without_telling_turn_ids_is_cut_by_time(tmp_path):
    log = forked()
    for line in log.lines:
        line["payload"].pop("turn_id", None)
    log.lines[0]["payload"]["id"] = "fork"
    for line in log.lines[-6:]:
        line["timestamp"] = "2026-03-02T09:20:00Z"
    (task,) = tasks_of(written(tmp_path, log.data()))
    assert messages(task) == [(1000, 500, 40)]


def test_a_fork_whose_parents_count_was_not_copied_takes_the_last_request(tmp_path):
    began = BEGAN + timedelta(minutes=1)
    log = Log(began).meta(uuid7(began, 2), forked_from_id=PARENT).turn(3, "Go on")
    last = {"input_tokens": 70, "output_tokens": 7}
    log.tokens(28_000_000, 0, 700_000, last_token_usage=last).tokens(28_000_100, 0, 700_001)
    assert messages(tasks_of(written(tmp_path, log.data()))[0]) == [(70, 0, 7), (100, 0, 1)]


def test_a_subagent_belongs_to_the_request_that_was_under_way(tmp_path):
    written(tmp_path, two_turns().data(), f"rollout-2026-03-02T09-00-00-{PARENT}.jsonl")
    began = BEGAN + timedelta(seconds=6)
    child = Log(began).meta(
        uuid7(began, 2),
        forked_from_id=PARENT,
        parent_thread_id=PARENT,
        agent_role="reviewer",
        session_id=PARENT,
    )
    child.meta().turn(3, "Review it").tokens(40, 0, 4)
    (task,) = tasks_of(written(tmp_path, child.data(), "rollout-child.jsonl"))
    assert (task.parent_key, task.session_id, task.agent) == (f"{PARENT}:1", PARENT, "reviewer")
    assert messages(task) == [(40, 0, 4)]


def test_a_counter_that_began_again_counts_from_nothing(tmp_path):
    log = Log().meta().turn(1, "Go").tokens(100, 0, 10).tokens(100, 0, 5).tokens(100, 0, 10)
    (task,) = tasks_of(written(tmp_path, log.data()))
    assert messages(task) == [(100, 0, 10), (100, 0, 5), (0, 0, 5)]
    assert len({step.key for step in task.steps}) == 3


def test_a_request_of_the_editor_is_what_was_typed(tmp_path):
    log = (
        Log()
        .meta()
        .event("user_message", message="# Context from my IDE setup:\n\n## My request for Codex:\nFix it\n")
    )
    assert tasks_of(written(tmp_path, log.data()))[0].description == "Fix it"


def test_events_of_tools_and_patches(tmp_path):
    log = Log().meta().turn(1, "Go")
    log.event("mcp_tool_call_begin", call_id="m", invocation={"server": "docs", "tool": "find"})
    log.event("mcp_tool_call_end", call_id="m", duration="20ms", result={"Err": "gone"})
    log.item(
        "custom_tool_call",
        call_id="p",
        name="apply_patch",
        input="*** Add File: a.py\n*** Update File: b.py\n",
    )
    log.item(
        "custom_tool_call_output",
        call_id="p",
        output='{"output":"ok","metadata":{"exit_code":0,"duration_seconds":0.1}}',
    )
    log.event("exec_command_begin", call_id="e", command=["ls"])
    log.event("exec_command_end", call_id="e", exit_code=1, duration={"secs": 2, "nanos": 0})
    log.item("function_call_output", call_id="nobody", output="x")
    (task,) = tasks_of(written(tmp_path, log.data()))
    assert [(s.name, s.is_error, s.duration_seconds) for s in task.steps] == [
        ("docs.find", True, 0.02), ("apply_patch", False, 0.1), ("exec_command", True, 2.0),
    ]  # fmt: skip
    assert (task.file_count, task.steps[0].error) == (2, "gone")


def test_the_shared_rollouts(shared_data):
    folder = shared_data / "codex"
    for path in sorted(folder.glob("*.jsonl")):
        assert FORMAT.fits(head_of(path)), path.name
    found = {path.name: tasks_of(path) for path in folder.glob("*.jsonl")}
    assert [t.description for t in found["as_large.jsonl"]] == ["Start", *(f"Step {n}" for n in range(1, 6))]
    assert messages(found["as_large.jsonl"][0]) == [(12091, 10880, 182)]
    # the limit's second count repeats the first
    assert messages(found["codex_053_rate_limit.jsonl"][0]) == [(12091, 10880, 182)]
    assert messages(found["codex_050_legacy.jsonl"][0]) == [(1420, 0, 910)]
    assert messages(found["codex_052_raw.jsonl"][0]) == [(980, 0, 640), (1620, 980, 240)]
    assert [t.description for t in found["as_schema_drift.jsonl"]] == ["Translate 'hello' to Spanish"]


def test_other_logs_do_not_fit(tmp_path):
    others = [
        {"type": "user", "sessionId": "s", "message": {"role": "user", "content": "x"}},
        {"id": 1, "timestamp": "2026-01-01", "cost": 2},
        {"type": "event_msg", "payload": "x"},
        {"resourceSpans": []},
    ]
    for other in others:
        assert not FORMAT.fits(head_of(written(tmp_path, json.dumps(other).encode())))


def test_an_empty_file_is_no_rollout(tmp_path):
    with pytest.raises(SourceError, match="is empty"):
        read(written(tmp_path, b""))
    with pytest.raises(SourceError, match="holds no line"):
        read(written(tmp_path, b"\n\n"))


LOGS = {"fork": forked().data(), "both": two_turns().data() + forked().data()}


@pytest.mark.parametrize("data", LOGS.values(), ids=LOGS)
@settings(max_examples=10)
@given(shares=st.lists(st.floats(0.01, 1), max_size=4))
def test_grown_in_pieces_a_fork_is_read_as_whole(tmp_path, data, shares):
    path = written(tmp_path, data)
    whole = read(path)
    assert known_after(
        grown(FORMAT, path, data, [int(len(data) * share) for share in shares])
    ) == known_after(whole)
    assert known_after([*whole, *read(path)]) == known_after(whole)


def test_long_logs_are_handed_on_in_pieces(tmp_path):
    log = Log().meta()
    for n in range(600):
        log.turn(n, f"Step {n}").tokens(n + 1, 0, n + 1)
    pieces = read(written(tmp_path, log.data()))
    assert len(pieces) > 1
    assert sum(len(piece.tasks) for piece in pieces) == 600
    assert max(len(piece.tasks) for piece in pieces) <= 500
