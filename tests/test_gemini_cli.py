"""Gemini CLI chats: documents and lines give the same records; rewritten messages count once."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.errors import SourceError
from learnlab.ingest.batch import Position
from learnlab.ingest.logs.formats import head_of
from learnlab.ingest.logs.gemini_cli import FORMAT
from learnlab.ingest.logs.opencode_storage import entry_of
from learnlab.ingest.logs.tasks import Piece, Step, Task
from learnlab.models import DurationSource, StepKind

SESSION = "0f8fad5b-d9cb-469f-a165-70867728950e"
META = {"sessionId": SESSION, "projectHash": "a" * 64, "startTime": "2026-03-02T09:00:00Z", "kind": "main"}


def at(second: int) -> str:
    return f"2026-03-02T09:{second // 60:02d}:{second % 60:02d}.000Z"


def user(own: str, asked: Any, second: int) -> dict[str, Any]:
    return {"id": own, "timestamp": at(second), "type": "user", "content": asked}


def gemini(own: str, second: int, said: str = "", **more: Any) -> dict[str, Any]:
    return {
        "id": own,
        "timestamp": at(second),
        "type": "gemini",
        "content": said,
        "model": "gemini-2.5-pro",
    } | more


def tokens(went_in: int, came_out: int, cached: int = 0, thoughts: int = 0, tool: int = 0) -> dict[str, int]:
    total = went_in + came_out + thoughts + tool
    return {
        "input": went_in,
        "output": came_out,
        "cached": cached,
        "thoughts": thoughts,
        "tool": tool,
        "total": total,
    }


CALL = {
    "id": "run-1", "name": "run_shell_command", "args": {"command": "ls"}, "status": "success", "timestamp": at(4),
    "result": [{"functionResponse": {"response": {"output": "Output: none\nExit Code: 2\nSignal: 0"}}}],
}  # fmt: skip

MESSAGES = [
    user("u1", [{"text": "Make it fast"}], 0),
    gemini("g1", 2, tokens=tokens(100, 10, cached=60, thoughts=5, tool=3)),
    gemini("g2", 6, "Done."),
    {"id": "i1", "timestamp": at(7), "type": "info", "content": "Request cancelled."},
    user("u0", "/stats", 8),
    user("u2", "Now test it", 30),
    {"id": "e1", "timestamp": at(31), "type": "error", "content": "Quota exceeded"},
    gemini("g3", 33, "Tested.", tokens=tokens(300, 20)),
]
"""What was said; in the lines, g1 comes again with its tool call."""

LINES = [
    META,
    *MESSAGES[:2],
    {"$set": {"lastUpdated": at(2)}},
    MESSAGES[1] | {"toolCalls": [CALL]},
    MESSAGES[2],
    {"$rewindTo": "g2"},
    *MESSAGES[3:],
    {"$set": {"messages": MESSAGES}},
]


def document() -> dict[str, Any]:
    return META | {"messages": [MESSAGES[0], MESSAGES[1] | {"toolCalls": [CALL]}, *MESSAGES[2:]]}


def as_lines(lines: list[Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def written(folder: Path, data: bytes, name: str = "session-1.jsonl") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def read(path: Path, position: Position | None = None) -> list[Piece]:
    return list(FORMAT.read(path, position or Position()))


def tasks_of(path: Path) -> list[Task]:
    return [task for piece in read(path) for task in piece.tasks]


def usage(step: Step) -> tuple[int | None, ...]:
    return step.input_tokens, step.cache_read_tokens, step.output_tokens


def test_a_message_written_again_is_one_message(tmp_path):
    first, second = tasks_of(written(tmp_path, as_lines(LINES)))
    assert (first.description, second.description) == ("Make it fast", "Now test it")
    answer, call, last = first.steps
    assert usage(answer) == (103, 60, 15)
    assert (answer.is_partial, last.is_partial, last.input_tokens) == (False, True, None)
    assert (call.kind, call.name, call.duration_seconds, call.is_error) == (
        StepKind.TOOL_CALL, "run_shell_command", 2.0, True,
    )  # fmt: skip
    assert (first.solution_summary, first.success) == ("Done.", None)
    assert first.metadata == {"wall_seconds": 7.0, "n_interruptions": 1, "n_rewinds": 1}
    assert (second.duration_seconds, second.duration_source) == (3.0, DurationSource.GAPS)
    assert (second.error_message, usage(second.steps[0])) == ("Quota exceeded", (300, 0, 20))


@pytest.mark.parametrize("indent", [2, None])
def test_a_document_gives_the_same_records(tmp_path, indent):
    by_line = tasks_of(written(tmp_path, as_lines(LINES)))
    (piece,) = read(written(tmp_path, json.dumps(document(), indent=indent).encode(), "session-1.json"))
    assert [task.key for task in piece.tasks] == [task.key for task in by_line]
    assert [usage(s) for t in piece.tasks for s in t.steps] == [usage(s) for t in by_line for s in t.steps]
    if indent:
        assert piece.kinds == {"metadata": 1, "user": 3, "gemini": 3, "info": 1, "error": 1}
        assert piece.position is None


def test_a_smaller_usage_does_not_replace_a_larger_one(tmp_path):
    lines = [META, MESSAGES[0], MESSAGES[1], MESSAGES[1] | {"tokens": tokens(1, 1)}]
    (task,) = tasks_of(written(tmp_path, as_lines(lines)))
    assert usage(task.steps[0]) == (103, 60, 15)


def test_the_folder_says_whose_chat_it_is(tmp_path):
    path = written(tmp_path, as_lines(LINES), "tmp/shop-app/chats/session-1.jsonl")
    assert {task.repo for task in tasks_of(path)} == {"shop-app"}
    (path.parents[1] / ".project_root").write_text("/home/ada/shop\n", encoding="utf-8")
    assert {task.repo for task in tasks_of(path)} == {"shop"}
    hashed = written(tmp_path, as_lines(LINES), f"tmp/{'a' * 64}/chats/session-1.jsonl")
    assert {task.repo for task in tasks_of(hashed)} == {None}


def test_a_subagent_belongs_to_the_request_that_was_under_way(tmp_path):
    written(tmp_path, as_lines(LINES), f"tmp/shop/chats/session-2026-03-02T09-00-{SESSION[:8]}.jsonl")
    meta = META | {
        "sessionId": "child",
        "kind": "subagent",
        "startTime": at(31),
        "directories": ["/home/ada/shop"],
    }
    lines = [meta, user("c1", "Look", 31), gemini("c2", 32, tokens=tokens(9, 1))]
    path = written(tmp_path, as_lines(lines), f"tmp/shop/chats/{SESSION}/child.jsonl")
    (task,) = tasks_of(path)
    assert (task.parent_key, task.session_id, task.agent) == (f"{SESSION}:u2", SESSION, "subagent")


def test_answers_without_a_request_are_kept(tmp_path):
    (task,) = tasks_of(written(tmp_path, as_lines([META, MESSAGES[-1]])))
    assert (task.description, usage(task.steps[0])) == ("", (300, 0, 20))


def test_pictures_are_requests_and_answers_of_functions_are_not(tmp_path):
    picture = user("p", [{"inlineData": {"mimeType": "image/png"}}], 1)
    function = user("f", [{"functionResponse": {"name": "x"}}], 2)
    assert [task.key for task in tasks_of(written(tmp_path, as_lines([META, picture, function])))] == [
        f"{SESSION}:p"
    ]


def test_the_shared_chats(shared_data):
    folder = shared_data / "gemini_cli"
    found = {}
    for path in sorted(folder.iterdir()):
        assert FORMAT.fits(head_of(path)), path.name
        found[path.name] = tasks_of(path)
    assert [usage(s) for s in found["jsonl_v040.jsonl"][0].steps if s.kind is StepKind.MESSAGE] == [
        (11855, 0, 81), (12069, 11502, 147),
    ]  # fmt: skip
    assert [task.description for task in found["large.json"]] == ["Run a command", "Step 1"]
    assert [s.is_error for s in found["large.json"][0].steps if s.kind is StepKind.TOOL_CALL] == [False, True]
    assert found["large.json"][0].metadata["n_interruptions"] == 1
    assert usage(found["small.json"][0].steps[0]) == (10, 0, 5)
    assert found["schema_drift.json"][0].solution_summary == "It looks like..."


def test_a_long_document_fits_by_its_beginning(tmp_path):
    long = document() | {"messages": [user(f"u{n}", "x" * 1000, n % 60) for n in range(400)]}
    path = written(tmp_path, json.dumps(long, indent=1).encode(), "session.json")
    assert FORMAT.fits(head_of(path))
    assert len(tasks_of(path)) == 400


def test_other_logs_do_not_fit(tmp_path):
    others: list[Any] = [
        {"type": "user", "sessionId": "s", "cwd": "/x", "message": {"role": "user", "content": "x"}},
        {"history": [{"role": "user", "content": "x"}]},
        {"trajectory": [], "history": [{"role": "user", "parts": []}]},
        {"projectHash": "x"},
    ]
    for other in others:
        assert not FORMAT.fits(head_of(written(tmp_path, json.dumps(other, indent=1).encode())))


def test_an_empty_file_is_no_chat(tmp_path):
    with pytest.raises(SourceError, match="holds nothing"):
        read(written(tmp_path, b"\n \n"))


WILD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["1e999", "7", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "type", "text", "content", "tokens", "input", "parts", "$set", "role"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=15)
@given(data=st.data())
def test_a_broken_document_is_accounted_for(tmp_path, data):
    entries = data.draw(st.permutations([*document()["messages"], *data.draw(st.lists(WILD, max_size=3))]))
    text = json.dumps(META | {"messages": entries}, indent=1).encode()
    (piece,) = read(written(tmp_path, text, "session.json"))
    assert sum(piece.kinds.values()) == len(entries) + 1
    assert piece.kinds["rejected"] == sum(1 for entry in entries if not isinstance(entry, dict))
    cut = text[: data.draw(st.integers(1, len(text) - 1))]
    pieces = read(written(tmp_path, cut, "session.json"))
    assert sum(sum(p.kinds.values()) for p in pieces) == sum(1 for line in cut.split(b"\n") if line.strip())


def test_a_pipe_where_the_project_is_named_is_not_waited_for(tmp_path):
    path = written(tmp_path, as_lines(LINES), "tmp/shop/chats/session-1.jsonl")
    os.mkfifo(path.parents[1] / ".project_root")
    assert {task.repo for task in tasks_of(path)} == {"shop"}
    assert entry_of(path.parents[1] / ".project_root").fault == "is no file that can be read"
