"""The reader of Claude Code transcripts: real sessions by another method, made ones by hand, hostile ones."""

from __future__ import annotations

import json
from collections import Counter
from copy import deepcopy
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hostile import grown, known_after
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_claude import files_of, totals

from learnlab.errors import SourceError
from learnlab.ingest.assemble import assemble
from learnlab.ingest.batch import Position
from learnlab.ingest.logs.claude_code import FORMAT
from learnlab.ingest.logs.claude_parents import session_beside
from learnlab.ingest.logs.formats import head_of
from learnlab.models import DurationSource, ErrorType, StepKind, SuccessSource

NINE = datetime(2026, 3, 2, 9)
SESSIONS = ("4d5611e5-241a-462a-8d15-5122611a9569", "fa812bfe-b295-4cca-9c2f-fdf01028cb46")


def event(kind, seconds, uuid, **more):
    """Return a line of a transcript, so many seconds after nine."""
    at = (NINE + timedelta(seconds=seconds)).isoformat() + "Z"
    common = {"sessionId": "s", "cwd": "/home/ada/shop", "gitBranch": "fix-1", "version": "2.1.0"}
    return {"type": kind, "uuid": uuid, "timestamp": at, "isSidechain": False} | common | more


def user(seconds, uuid, content, **more):
    return event("user", seconds, uuid, message={"role": "user", "content": content}, **more)


def answer(seconds, uuid, key, output, *blocks, fresh=10, **more):
    """Return an assistant line of message `key`; 100 tokens read from the cache, 40 written to it."""
    usage = {
        "input_tokens": fresh,
        "output_tokens": output,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 40,
        "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 10},
    }
    said = {
        "id": key,
        "model": "claude-opus-4-6",
        "content": list(blocks),
        "usage": usage,
        "stop_reason": None,
    }
    more.setdefault("requestId", f"req_{key}")
    return event("assistant", seconds, uuid, message=said | more.pop("said", {}), **more)


def words(text):
    return {"type": "text", "text": text}


def call(key, name, **given):
    return {"type": "tool_use", "id": key, "name": name, "input": given}


def result(seconds, uuid, key, content="ok", **more):
    block = {"type": "tool_result", "tool_use_id": key, "content": content}
    return user(seconds, uuid, [block | more.pop("said", {})], **more)


def bytes_of(records):
    return b"".join(
        (json.dumps(record) if isinstance(record, dict) else record).encode() + b"\n" for record in records
    )


def pieces_of(path, position=None):
    return list(FORMAT.read(path, position or Position()))


def read(tmp_path, *records):
    """Return the tasks of session s by their key within it, checked against the account of its lines."""
    path = tmp_path / "s.jsonl"
    path.write_bytes(bytes_of(records))
    pieces = pieces_of(path)
    assert sum(piece.kinds.total() for piece in pieces) == len(records)
    return {task.key.removeprefix("s "): task for piece in pieces for task in piece.tasks}


def of_kind(task, kind):
    return {step.key: step for step in task.steps if step.kind is kind}


# -- real sessions --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SESSIONS)
def test_a_real_session_has_the_messages_tokens_and_cost_that_the_slow_script_counts(shared_data, name):
    files = files_of(shared_data / "claude_code" / f"{name}.jsonl")
    batches = [assemble(piece, FORMAT.name, "x") for file in files for piece in pieces_of(file)]
    steps = pl.concat([batch.steps for batch in batches]).filter(pl.col("kind") == "message", "is_counted")
    steps = steps.sort(pl.col("input_tokens") + pl.col("output_tokens")).unique("step_key", keep="last")
    slow = totals(files)
    assert len(files) > 2
    assert len(steps) == slow["messages"]
    sums = steps.select(pl.col(pl.Int64, pl.Float64).sum()).row(0, named=True)
    assert sums["output_tokens"] == slow["output"]
    assert sums["cache_read_tokens"] == slow["cache_read"]
    assert sums["cache_write_tokens"] == slow["cache_write_5m"] + slow["cache_write_1h"]
    assert sums["input_tokens"] == slow["input"] + slow["cache_read"] + sums["cache_write_tokens"]
    assert sums["cost_usd"] == pytest.approx(slow["cost"], abs=1e-6)
    assert slow["cost"] == pytest.approx({"4": 10.1136956, "f": 10.5123498}[name[0]], abs=1e-6)


def test_real_sessions_are_requests_with_their_subagents_and_compactions(shared_data):
    folder = shared_data / "claude_code"
    tasks = [
        task
        for name in SESSIONS
        for file in files_of(folder / f"{name}.jsonl")
        for piece in pieces_of(file)
        for task in piece.tasks
    ]
    requests = [task for task in tasks if task.agent == "claude_code"]
    assert [(task.position, task.duration_seconds, task.duration_source) for task in requests] == [
        (7, 341.765, DurationSource.WORK),
        (280, 1528.816, DurationSource.WORK),
        (7, 788.638, DurationSource.WORK),
        (671, 1528.499, DurationSource.WORK),
    ]
    assert requests[1].description == "continue"
    assert requests[1].metadata["branch"] == "spotter-dov"
    assert requests[1].metadata["wall_seconds"] > 2600
    assert {(task.repo, task.success, task.success_source) for task in tasks} == {
        (repo, None, SuccessSource.UNKNOWN) for repo in ("spotter-dov", "spotter-a0y")
    }
    by_agent = [(task.agent, task.parent_key) for task in tasks if task.agent != "claude_code"]
    assert by_agent == [
        ("claude_code/Explore", requests[0].key),
        ("claude_code/compaction", requests[1].key),
        ("claude_code/Explore", requests[2].key),
        ("claude_code/Explore", requests[3].key),
        ("claude_code/compaction", requests[3].key),
    ]
    assert {task.session_id for task in tasks} == set(SESSIONS)


def test_every_real_transcript_is_told_and_accounted_for_and_nothing_else_is(shared_data):
    for path in sorted(shared_data.rglob("*")):
        if not path.is_file() or path.stat().st_size > 5e6:
            continue
        is_transcript = shared_data / "claude_code" in path.parents
        assert FORMAT.fits(head_of(path)) == is_transcript, path
        if is_transcript:
            lines = sum(bool(line.strip()) for line in path.read_bytes().split(b"\n"))
            assert sum(piece.kinds.total() for piece in pieces_of(path)) == lines, path


def test_defects_of_real_transcripts_are_faults_with_their_line(shared_data):
    (piece,) = pieces_of(shared_data / "claude_code" / "daaain_edge_cases.jsonl")
    assert [(number, reason) for number, reason, _ in piece.faults] == [
        (11, "is a line of type user without a message"),
        (13, "is a JSON text, not an object"),
        (15, "is a JSON value, not an object"),
        (16, "is a JSON array, not an object"),
    ]
    assert piece.kinds["unknown: none"] == 1
    assert piece.tasks[1].metadata["n_tool_errors"] == 1


def test_a_real_slash_command_with_work_is_a_request_and_local_ones_are_none(shared_data):
    folder = shared_data / "claude_code"
    asked = [task.description for piece in pieces_of(folder / "subagent.jsonl") for task in piece.tasks]
    assert [words[:40] for words in asked] == ["/handgemacht:create-beads websearch to l", "create the beads"]
    asked = [
        task.description[:14] for piece in pieces_of(folder / "tool_heavy.jsonl") for task in piece.tasks
    ]
    assert asked == ["start phoenix ", "scrolling back"]


# -- made by hand ---------------------------------------------------------------------------------


def test_a_message_of_several_lines_counts_once_with_its_largest_usage(tmp_path):
    task = read(
        tmp_path,
        user(0, "u1", "Fix the total"),
        answer(4, "a1", "m1", 3, words("Looking.")),
        answer(6, "a2", "m1", 250, call("t1", "Edit", file_path="/home/ada/shop/a.py")),
        result(9, "u2", "t1"),
        answer(7, "a3", "m1", 8, call("t2", "Write", file_path="/home/ada/shop/b.py")),
        result(
            10, "u3", "t2", [words("no space left")], said={"is_error": True}, toolUseResult="Error: full"
        ),
        answer(15, "a4", "m2", 20, words("Done. "), said={"stop_reason": "end_turn"}),
    )["u1"]
    messages, calls = of_kind(task, StepKind.MESSAGE), of_kind(task, StepKind.TOOL_CALL)
    first, last = messages["m1 req_m1"], messages["m2 req_m2"]
    assert len(messages) == 2
    assert (first.input_tokens, first.cache_read_tokens, first.cache_write_tokens) == (150, 100, 40)
    assert (first.cache_write_1h_tokens, first.output_tokens, first.is_partial) == (10, 250, True)
    assert (first.started_at, first.duration_seconds) == (NINE, 7.0)
    assert (last.started_at, last.duration_seconds) == (NINE + timedelta(seconds=10), 5.0)
    assert (last.is_partial, last.model) == (False, "claude-opus-4-6")
    assert [(key, step.name, step.duration_seconds, step.is_error) for key, step in calls.items()] == [
        ("t1", "Edit", 3.0, False),
        ("t2", "Write", 3.0, True),
    ]
    assert calls["t2"].error == "no space left"
    assert (task.description, task.solution_summary, task.file_count) == ("Fix the total", "Done.", 2)
    assert (task.session_id, task.task_group, task.repo, task.agent) == ("s", "s", "shop", "claude_code")
    assert (task.duration_seconds, task.duration_source, task.success) == (15.0, DurationSource.GAPS, None)
    assert task.metadata == {"branch": "fix-1", "version": "2.1.0", "wall_seconds": 15.0, "n_tool_errors": 1}


def test_an_unknown_usage_stays_unknown_and_the_logs_own_cost_is_kept(tmp_path):
    task = read(
        tmp_path,
        user(0, "u1", "Go"),
        answer(1, "a1", "m1", 5, said={"usage": None}),
        answer(2, "a2", "m2", 5, costUSD=0.25),
        event("assistant", 3, "a3", message={"content": "No id, no usage."}),
    )["u1"]
    messages = of_kind(task, StepKind.MESSAGE)
    assert list(messages) == ["m1 req_m1", "m2 req_m2", "s a3"]
    assert (messages["m1 req_m1"].input_tokens, messages["m1 req_m1"].output_tokens) == (None, None)
    assert (messages["m2 req_m2"].cost_usd, messages["s a3"].model) == (0.25, None)


def test_what_is_written_to_the_cache_for_an_hour_has_its_own_price(tmp_path):
    path = tmp_path / "s.jsonl"
    path.write_bytes(bytes_of([user(0, "u1", "Go"), answer(1, "a1", "m1", 5)]))
    (cost,) = assemble(pieces_of(path)[0], FORMAT.name, "s").steps["cost_usd"]
    assert cost == pytest.approx((10 * 5 + 100 * 0.5 + 30 * 6.25 + 10 * 10 + 5 * 25) / 1e6)


@pytest.mark.parametrize(
    ("content", "more", "kind"),
    [
        ("Fix it", {}, "request"),
        ([words("<ide_selection>x</ide_selection>"), words("Fix it")], {}, "request"),
        ([{"type": "image", "source": {}}], {}, "request"),
        ("<command-message>review</command-message>\n<command-name>/review</command-name>", {}, "request"),
        ("<command-name>/model</command-name>\n<command-args>opus</command-args>", {}, "command"),
        ("<local-command-stdout>set</local-command-stdout>", {}, "command"),
        ("<bash-input>ls</bash-input>", {}, "command"),
        ("Expanded prompt", {"isMeta": True}, "meta"),
        ("This session is being continued from a previous conversation that …", {}, "compact summary"),
        ("Summary", {"isCompactSummary": True}, "compact summary"),
        ("<task-notification>\n<status>completed</status></task-notification>", {}, "notification"),
        ("Read it", {"origin": {"kind": "task-notification"}}, "notification"),
        ([words("[Request interrupted by user for tool use]")], {}, "interruption"),
        ([{"type": "tool_result", "tool_use_id": "t9", "content": "ok"}], {}, "tool result"),
        (None, {}, "meta"),
    ],
)
def test_only_a_human_line_begins_a_task(tmp_path, content, more, kind):
    path = tmp_path / "s.jsonl"
    path.write_bytes(bytes_of([user(0, "u1", "First"), user(1, "u2", content, **more)]))
    (piece,) = pieces_of(path)
    assert piece.kinds == Counter(["request", kind])
    assert [task.key for task in piece.tasks] == (["s u1", "s u2"] if kind == "request" else ["s u1"])
    assert piece.tasks[0].metadata.get("n_interruptions") == (1 if kind == "interruption" else None)


def test_ids_of_lines_that_are_no_uuids_stand_for_them_within_their_session_only(tmp_path):
    uuid = "0b7dfb12-74ee-41b3-8681-7f2ddab1f56b"
    keys = [
        [
            task.key
            for task in read(
                tmp_path, user(0, "u1", "Go", sessionId=own), user(1, uuid, "On", sessionId=own)
            ).values()
        ]
        for own in ("s", "t")
    ]
    assert keys == [["s u1", uuid], ["t u1", uuid]]


def test_a_slash_command_is_described_by_its_name_and_arguments(tmp_path):
    said = (
        "<command-message>is reviewing</command-message>\n"
        "<command-name>/review</command-name>\n<command-args>the cart</command-args>"
    )
    assert read(tmp_path, user(0, "u1", said))["u1"].description == "/review the cart"


def test_time_is_what_the_log_calls_a_turn_else_the_span_without_pauses(tmp_path):
    timed = read(
        tmp_path,
        user(0, "u1", "One"),
        answer(60, "a1", "m1", 1),
        event("system", 61, "s1", subtype="turn_duration", durationMs=58_000),
        event("progress", 2_000, "p1", data={}),
        event("system", 2_001, "s2", subtype="turn_duration", durationMs="1500"),
    )["u1"]
    assert (timed.duration_seconds, timed.duration_source) == (59.5, DurationSource.WORK)
    assert timed.metadata["wall_seconds"] == 2_000.0
    spanned = read(
        tmp_path,
        user(0, "u1", "One"),
        answer(400, "a1", "m1", 1),
        event("progress", 200, "p1", data={}),
        answer(5_000, "a2", "m2", 1),
        answer(5_030, "a3", "m2", 1),
    )["u1"]
    assert (spanned.duration_seconds, spanned.duration_source) == (430.0, DurationSource.GAPS)
    late = of_kind(spanned, StepKind.MESSAGE)["m2 req_m2"]
    assert (late.started_at, late.duration_seconds) == (NINE + timedelta(seconds=5_000), 30.0)


def test_what_stands_before_the_first_request_is_a_task_only_if_it_counts(tmp_path):
    snapshot = {"type": "file-history-snapshot", "snapshot": {}}
    boundary = event(
        "system", 1, "b1", subtype="compact_boundary", compactMetadata={"trigger": "auto", "durationMs": 2500}
    )
    assert list(read(tmp_path, snapshot, user(5, "u1", "Go"))) == ["u1"]
    tasks = read(tmp_path, snapshot, boundary, answer(2, "a1", "m1", 9), user(5, "u1", "Go"))
    assert list(tasks) == ["before", "u1"]
    before = tasks["before"]
    assert (before.description, before.session_id) == ("(no request recorded)", "s")
    (compaction,) = of_kind(before, StepKind.COMPACTION).values()
    assert (compaction.key, compaction.name, compaction.duration_seconds) == ("s b1", "auto", 2.5)


def test_an_api_error_at_the_end_is_an_error_but_no_verdict(tmp_path):
    failure = answer(
        9,
        "a2",
        "e1",
        0,
        words("API Error: Request timed out."),
        isApiErrorMessage=True,
        said={"model": "<synthetic>"},
    )
    task = read(tmp_path, user(0, "u1", "Go"), answer(1, "a1", "m1", 1, words("Right.")), failure)["u1"]
    assert (task.error_type, task.error_message) == (ErrorType.TIMEOUT, "API Error: Request timed out.")
    assert (task.success, task.solution_summary) == (None, "Right.")
    step = of_kind(task, StepKind.MESSAGE)["e1 req_e1"]
    assert (step.is_error, step.model) == (True, None)
    recovered = read(tmp_path, user(0, "u1", "Go"), failure, answer(10, "a3", "m2", 1))["u1"]
    assert (recovered.error_type, recovered.error_message) == (None, None)


def test_a_users_changes_to_an_edit_are_counted(tmp_path):
    lines = [user(0, "u1", "Go"), result(1, "u2", "t1", toolUseResult={"userModified": True})]
    assert read(tmp_path, *lines)["u1"].metadata["n_user_modified"] == 1


def test_subagents_in_a_sessions_own_file_are_tasks_of_the_request(tmp_path):
    def side(record, parent):
        return record | {"isSidechain": True, "parentUuid": parent}

    tasks = read(
        tmp_path,
        user(0, "u1", "Go"),
        answer(1, "a1", "m1", 1, call("t1", "Task", prompt="Look for X", subagent_type="Explore")),
        side(user(2, "x1", "Look for X"), None),
        side(user(2, "y1", "Look for Y"), None),
        side(answer(3, "x2", "mx", 7, call("tx", "Read")), "x1"),
        side(answer(3, "y2", "my", 9), "y1"),
        side(result(5, "x3", "tx"), "x2"),
        event("progress", 5, "p1", data={"message": answer(3, "x2", "mx", 7)}),
        result(6, "u2", "t1", toolUseResult={"usage": {"output_tokens": 16}}),
        user(20, "u3", "Next"),
        side(answer(21, "x4", "mz", 2), "x3"),
    )
    assert [(key, task.parent_key, task.agent) for key, task in tasks.items()] == [
        ("u1", None, "claude_code"),
        ("x1", "s u1", "claude_code/Explore"),
        ("y1", "s u1", "claude_code/subagent"),
        ("u3", None, "claude_code"),
        ("x4", "s u3", "claude_code/subagent"),
    ]
    assert tasks["x1"].description == "Look for X"
    assert {key: sum(step.output_tokens or 0 for step in task.steps) for key, task in tasks.items()} == {
        "u1": 1, "x1": 7, "y1": 9, "u3": 0, "x4": 2,
    }  # fmt: skip
    assert of_kind(tasks["x1"], StepKind.TOOL_CALL)["tx"].duration_seconds == 2.0


def _subagent(folder: Path, agent: str, first: float, *more) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    side = {"isSidechain": True, "agentId": agent}
    path = folder / f"agent-{agent}.jsonl"
    lines = [user(first, "x1", "Look for X"), answer(first + 4, "x2", "mx", 7), *more]
    path.write_bytes(bytes_of([line | side for line in lines]))
    return path


@pytest.mark.parametrize("folder", [".", "s/subagents", "s/subagents/workflows/w1"])
def test_a_subagents_file_belongs_to_the_request_that_was_under_way(tmp_path, folder):
    path = _subagent(tmp_path / folder, "abc", 50, result(56, "x3", "t9"))
    (alone,) = pieces_of(path)[0].tasks
    assert (alone.parent_key, alone.agent, alone.key) == (None, "claude_code/subagent", "s abc")
    began = answer(41, "a1", "m1", 1, call("t1", "Task", prompt="Look for X", subagent_type="Explore"))
    session = [user(0, "u1", "One"), user(40, "u2", "Two"), began, user(60, "u3", "Three")]
    (tmp_path / "s.jsonl").write_bytes(bytes_of([*session, "not json", {"type": "user"}]))
    (task,) = pieces_of(path)[0].tasks
    assert (task.parent_key, task.agent, task.session_id) == ("s u2", "claude_code/Explore", "s")
    assert (task.description, task.duration_seconds) == ("Look for X", 6.0)
    (early,) = pieces_of(_subagent(tmp_path / folder, "acompact-1", -5))[0].tasks
    assert (early.parent_key, early.agent) == (None, "claude_code/compaction")


def test_a_session_that_grows_is_looked_into_again(tmp_path):
    path = _subagent(tmp_path / "s" / "subagents", "abc", 50)
    (tmp_path / "s.jsonl").write_bytes(bytes_of([user(0, "u1", "One")]))
    at = NINE + timedelta(seconds=50)
    assert session_beside(path, "s").request_at(at) == "s u1"
    (tmp_path / "s.jsonl").write_bytes(bytes_of([user(0, "u1", "One"), user(40, "u2", "Two")]))
    assert session_beside(path, "s").request_at(at) == "s u2"


def test_a_name_in_the_log_never_becomes_a_path(tmp_path):
    (tmp_path / "secret.jsonl").write_bytes(bytes_of([user(0, "u1", "One")]))
    path = tmp_path / "project" / "agent-abc.jsonl"
    path.parent.mkdir()
    side = {"isSidechain": True, "agentId": "../abc", "sessionId": "../secret"}
    path.write_bytes(bytes_of([user(5, "x1", "Look") | side, answer(6, "x2", "m", 1) | side]))
    (task,) = pieces_of(path)[0].tasks
    assert task.parent_key is None


def test_what_is_finished_is_handed_on_while_the_rest_is_read(tmp_path):
    path = tmp_path / "s.jsonl"
    lines = [
        line
        for n in range(1_500)
        for line in (user(n, f"u{n}", "Go"), answer(n, f"a{n}", f"m{n}", 1), '{"x"')
    ]
    path.write_bytes(bytes_of(lines))
    pieces = pieces_of(path)
    assert len(pieces) > 2
    assert max(len(piece.tasks) + len(piece.faults) for piece in pieces) < 2_001
    assert sum(len(piece.tasks) for piece in pieces) == 1_500
    assert sum(piece.kinds["rejected"] for piece in pieces) == 1_500
    middle = pieces[0].position
    later = [task.key for piece in pieces_of(path, middle) for task in piece.tasks]
    assert later == [f"s u{n}" for n in range(1_500 - len(later), 1_500)]
    assert 1_500 - len(later) == len(pieces[0].tasks)


def test_a_file_that_cannot_be_opened_or_is_empty_says_so(tmp_path):
    (tmp_path / "empty.jsonl").touch()
    for name, words in (("empty.jsonl", "is empty"), ("none.jsonl", "cannot be opened")):
        with pytest.raises(SourceError, match=words):
            pieces_of(tmp_path / name)


def test_long_lines_and_deep_ones_are_read_or_rejected(tmp_path):
    def nested(depth):
        opened = '{"type": "user", "uuid": "u9", "message": {"content": "Deep"}, "x": ' + "[" * depth
        return opened + "]" * depth + "}"

    long = user(1, "u2", "x" * (10 << 20))
    tasks = read(
        tmp_path, user(0, "u1", "Go"), long, nested(150), '{"a":' * 100_000, answer(2, "a1", "m1", 1)
    )
    assert list(tasks) == ["u1", "u2", "u9"]
    assert len(tasks["u2"].description) == 10 << 20


# -- hostile and growing --------------------------------------------------------------------------

ODD = st.sampled_from(
    [None, 0, -1, 2**70, 1.5, True, "", "7", "x", [], [None, 3], {}, {"type": []}, ["text"]]
).map(deepcopy)


def _log() -> list[dict[str, object]]:
    side = {"isSidechain": True}
    return [
        {"type": "summary", "summary": "Cart", "leafUuid": "l"},
        event("progress", 0, "p0", data={}),
        answer(1, "a0", "m0", 4),
        user(2, "u1", "One"),
        answer(3, "a1", "m1", 4, words("Hm."), call("t1", "Edit", file_path="a.py")),
        result(4, "r1", "t1", said={"is_error": True}),
        answer(5, "a2", "m1", 90, call("t2", "Task", prompt="Look", subagent_type="Explore")),
        user(6, "x1", "Look", parentUuid=None) | side,
        answer(7, "x2", "mx", 30, parentUuid="x1") | side,
        result(8, "r2", "t2"),
        event("system", 9, "s1", subtype="turn_duration", durationMs=7000),
        {"type": "attachment", "attachment": {}, "uuid": "at", "sessionId": "s"},
        user(20, "u2", [words("Two")]),
        user(21, "x3", "More", agentId="b") | side,
        answer(22, "a3", "m1", 95),
        event("system", 23, "c1", subtype="compact_boundary", compactMetadata={"trigger": "auto"}),
        answer(24, "a4", "m2", 4, isApiErrorMessage=True),
        user(25, "n1", "<task-notification>done</task-notification>"),
        user(30, "u3", "Three", sessionId=None),
        answer(31, "a5", "m3", 4, costUSD=0.5),
    ]


@st.composite
def logs(draw):
    """Return a log with values of its lines replaced, lines shuffled, repeated and broken."""
    records = _log()
    for _ in range(draw(st.integers(0, 8))):
        record = draw(st.sampled_from(records))
        while True:
            key = draw(st.sampled_from(sorted(record)))
            inner = record[key]
            inner = inner[0] if isinstance(inner, list) and inner else inner
            if not isinstance(inner, dict) or not inner or draw(st.booleans()):
                record[key] = draw(ODD)
                break
            record = inner
    if draw(st.booleans()):
        records = draw(st.permutations(records))
    lines = [json.dumps(record) for record in records]
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        broken = ["{" + lines[at], "[1]", "", '{"type": "telepathy"}', lines[at][1:], lines[at]]
        lines.insert(at, draw(st.sampled_from(broken)))
    return "\n".join(lines).encode() + b"\n"


@settings(max_examples=20)
@given(logs(), st.lists(st.floats(0, 1), max_size=4))
def test_subagents_in_a_log_read_as_it_grows_are_those_of_the_log_read_whole(tmp_path, log, shares):
    path = tmp_path / "s.jsonl"
    path.write_bytes(log)
    whole = known_after(pieces_of(path))
    cuts = [1 + int(share * (len(log) - 1)) for share in shares]
    assert known_after(grown(FORMAT, path, log, cuts)) == whole


def test_a_compaction_that_is_told_twice_stays_where_it_was_told_first(tmp_path):
    said = {"type": "system", "uuid": "c1", "sessionId": "s", "subtype": "compact_boundary"}
    asked = {"type": "user", "uuid": "u1", "sessionId": "s", "message": {"role": "user", "content": "Go"}}
    timed = said | {"compactMetadata": {"durationMs": 1500}}
    path = tmp_path / "s.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in (asked, said, timed, said)))
    (task,) = [task for piece in pieces_of(path) for task in piece.tasks]
    assert [(step.position, step.duration_seconds) for step in task.steps] == [(2, 1.5)]
