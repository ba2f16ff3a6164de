"""What every reader must bear: samples of each kind of log, ways to spoil them, and checks on what is read.

A new reader is one more `Sample` in `SAMPLES`; `test_readers.py` does the rest.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from transcripts import Transcript

from learnlab.errors import SourceError
from learnlab.ingest.assemble import Part, assemble_all
from learnlab.ingest.batch import Batch, Position
from learnlab.ingest.logs.formats import LogFormat, head_of
from learnlab.ingest.logs.tasks import Piece, Step, Task
from learnlab.ingest.rejected import MAX_CONTENT


@dataclass(frozen=True, repr=False)
class Sample:
    """A small log: the module of its reader, what stands in it, how many tasks it tells of.

    `content` is a list of lines where `is_lines`, else one document.
    """

    reader: str
    suffix: str
    content: Any
    n_tasks: int
    is_lines: bool = True

    def __repr__(self) -> str:
        return f"the sample of {self.reader}"

    @property
    def form(self) -> LogFormat:
        """The format under test."""
        form: LogFormat = import_module(f"learnlab.ingest.logs.{self.reader}").FORMAT
        return form

    def bytes_of(self, content: Any) -> bytes:
        """Return a content as it stands in a file."""
        if not self.is_lines:
            return json.dumps(content).encode()
        return b"".join(json.dumps(line).encode() + b"\n" for line in content)


def _claude_code() -> list[Any]:
    log = Transcript("s1").asks("Make it fast").answers("Looking", tool="Read", tool_id="t1", output=7)
    log.returns("t1", "no such file", is_error=True).answers("Done", output=9)
    log.line(type="system", subtype="turn_duration", durationMs=4000)
    log.line(type="system", subtype="compact_boundary", compactMetadata={"trigger": "auto", "preTokens": 9})
    log.line(type="file-history-snapshot", messageId="m", snapshot={})
    log.asks("Now test it").answers("Tested", output=3, model="claude-opus-4-5-20251101")
    return [json.loads(line) for line in log.lines.splitlines()]


def _codex() -> list[Any]:
    def line(second: int, kind: str, **payload: Any) -> dict[str, Any]:
        return {"timestamp": f"2026-03-02T09:00:{second:02d}.000Z", "type": kind, "payload": payload}

    def tokens(second: int, went_in: int, cached: int, out: int) -> dict[str, Any]:
        used = {"input_tokens": went_in, "cached_input_tokens": cached, "output_tokens": out}
        info = {"total_token_usage": used, "last_token_usage": used}
        return line(second, "event_msg", type="token_count", info=info)

    def asked(second: int, words: str) -> list[Any]:
        said = [{"type": "input_text", "text": words}]
        return [
            line(
                second, "turn_context", cwd="/home/somebody/shop", model="gpt-5.2", turn_id=f"turn-{second}"
            ),
            line(second, "event_msg", type="task_started", turn_id=f"turn-{second}"),
            line(second, "response_item", type="message", role="user", content=said),
            line(second, "event_msg", type="user_message", message=words),
        ]

    own = "019c1234-5678-7abc-8def-0123456789ab"
    call = {"name": "shell", "call_id": "c1"}
    return [
        line(
            0,
            "session_meta",
            id=own,
            cwd="/home/somebody/shop",
            cli_version="0.140.0",
            git={"branch": "main"},
        ),
        *asked(1, "Make it fast"),
        line(2, "response_item", type="function_call", arguments="{}", **call),
        line(
            4, "response_item", type="function_call_output", call_id="c1", output="Exit code: 2\nOutput:\nno"
        ),
        tokens(5, 1000, 600, 50),
        tokens(6, 1000, 600, 50),
        line(7, "event_msg", type="token_count", info=None),
        line(8, "event_msg", type="agent_message", message="Done."),
        tokens(9, 2500, 2000, 80),
        line(10, "event_msg", type="task_complete", last_agent_message="Done."),
        *asked(20, "Now test it"),
        line(21, "compacted", message="short"),
        tokens(22, 300, 0, 20),
        line(23, "event_msg", type="turn_aborted", reason="interrupted"),
    ]


def _gemini_cli() -> list[Any]:
    def at(second: int) -> str:
        return f"2026-03-02T09:00:{second:02d}.000Z"

    used = {"input": 100, "output": 10, "cached": 60, "thoughts": 5, "tool": 3, "total": 118}
    answer = {"id": "g1", "timestamp": at(2), "type": "gemini", "content": "Done.", "model": "gemini-2.5-pro"}
    call = {"id": "run-1", "name": "run_shell_command", "args": {}, "status": "error", "timestamp": at(4)}
    return [
        {"sessionId": "0f8fad5b-d9cb", "projectHash": "a" * 64, "startTime": at(0), "kind": "main"},
        {"id": "u1", "timestamp": at(1), "type": "user", "content": [{"text": "Make it fast"}]},
        answer | {"tokens": used},
        {"$set": {"lastUpdated": at(2)}},
        answer | {"tokens": used, "toolCalls": [call]},
        {"id": "i1", "timestamp": at(7), "type": "info", "content": "Request cancelled."},
        {"id": "u2", "timestamp": at(30), "type": "user", "content": "Now test it"},
        {"id": "e1", "timestamp": at(31), "type": "error", "content": "Quota exceeded"},
        answer | {"id": "g3", "timestamp": at(33), "tokens": used | {"output": 20}},
    ]


def _otel() -> list[Any]:
    # No span above another has tokens: which of two counts while a trace grows is for test_otel.
    def span(own: int, parent: int, second: int, **said: Any) -> dict[str, Any]:
        begin = 1_777_555_053 + second
        pairs = [
            {
                "key": key.replace("__", "."),
                "value": {"stringValue" if isinstance(v, str) else "intValue": str(v)},
            }
            for key, v in said.items()
        ]
        spans = [
            {
                "traceId": f"{1 + own // 10:032x}", "spanId": f"{own:016x}", "name": f"span {own}",
                "parentSpanId": f"{parent:016x}" if parent else "", "attributes": pairs, "status": {"code": 0},
                "startTimeUnixNano": str(begin * 10**9), "endTimeUnixNano": str((begin + 2) * 10**9),
            }
        ]  # fmt: skip
        return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"spans": spans}]}]}

    chat: dict[str, Any] = {"gen_ai__operation__name": "chat", "gen_ai__response__model": "gpt-4.1-mini"}
    used = {"gen_ai__usage__input_tokens": 100, "gen_ai__usage__output_tokens": 10}
    agent = {"gen_ai__operation__name": "invoke_agent", "gen_ai__agent__name": "helper"}
    return [
        span(12, 11, 1, **chat, **used),
        span(13, 11, 3, gen_ai__operation__name="execute_tool", gen_ai__tool__name="ls"),
        span(11, 0, 0, **agent),
        span(22, 21, 11, **chat, **used),
        span(21, 0, 10, **agent),
    ]


INSPECT_SAMPLES = [
    {
        "id": number, "epoch": 1, "input": [{"role": "user", "content": f"Größe {number}?"}], "uuid": f"u{number}",
        "scores": {"match": {"value": "C"}}, "total_time": 2.5, "started_at": "2026-03-01T10:00:00+00:00",
        "model_usage": {"openai/gpt-4o": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}},
        "events": [
            {"event": "model", "model": "openai/gpt-4o", "timestamp": "2026-03-01T10:00:01+00:00", "output": {}},
            {"event": "tool", "function": "ls", "error": {"message": "none"}, "events": [{"event": "model"}]},
        ],
        "output": {"choices": [{"message": {"content": "attachment://a"}}]}, "attachments": {"a": "12"},
        "error": {"message": "late"}, "limit": {"type": "time"},
    }
    for number in (1, 2, 3)
]  # fmt: skip
INSPECT_HEADER = {
    "version": 2, "status": "success",
    "eval": {"eval_id": "e", "task": "t", "model": "openai/gpt-4o", "revision": {"origin": "git@x.org:a/shop.git"}},
    "plan": {"steps": [{"solver": "generate"}]},
}  # fmt: skip
INSPECT = INSPECT_HEADER | {"samples": INSPECT_SAMPLES}
SWE_AGENT = {
    "environment": "main",
    "trajectory": [
        {"action": "ls -a", "response": "Look", "execution_time": 0.5, "state": {"working_dir": "/shop"}},
        {"action": "submit", "response": "Done", "execution_time": 1, "state": {"working_dir": "/shop"}},
    ],
    "history": [{"role": "user", "content": [{"type": "text", "text": "ISSUE:\nÄrger"}], "agent": "main"}],
    "info": {
        "exit_status": "exit_cost",
        "submission": "diff",
        "model_stats": {"instance_cost": 1, "tokens_sent": 5},
    },
    "replay_config": {"agent": {"model": {"name": "gpt-4o"}}, "problem_statement": {"id": "a__b-1"}},
}
TAU_BENCH = [
    {
        "task_id": number, "reward": 1.0, "info": {"task": {"instruction": "Hilf"}, "user_cost": 0.1}, "trial": 0,
        "traj": [
            {"role": "user", "content": "Grüß Gott"},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": {"name": "find"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "Error: none"},
        ],
    }
    for number in (1, 2, 3)
]  # fmt: skip

SAMPLES = (
    Sample("claude_code", ".jsonl", _claude_code(), 2),
    Sample("codex", ".jsonl", _codex(), 2),
    Sample("gemini_cli", ".jsonl", _gemini_cli(), 2),
    Sample("otel", ".jsonl", _otel(), 2),
    Sample("inspect_log", ".json", INSPECT, 3, is_lines=False),
    Sample("swe_agent", ".traj", SWE_AGENT, 1, is_lines=False),
    Sample("tau_bench", ".json", TAU_BENCH, 3, is_lines=False),
)

JUNK = st.sampled_from(
    [
        None, True, "", "7", "x\0y", "\ud800", -1, 0.5, 10**30, 1e308, [], {}, [None], {"": None}, [[["a"]]],
        "9" * 5000, "1e999", "2026-13-45T99:99:99Z", {"type": {}}, [{"type": "text", "text": 5}], 2**53, "-5",
    ]
)  # fmt: skip
"""Values that stand where another kind was expected."""

SPOILT_LINES = (
    "[1]",
    "7",
    '"text"',
    "null",
    "{",
    '{"type": "telepathy"}',
    '{"type": 5}',
    "{}",
    "\0",
    "\ud800x",
    "}{",
)
"""Lines that mean nothing to any reader."""


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at] * bool(at) + [place for key, part in inner for place in places(part, (*at, key))]


@st.composite
def spoilt(draw: st.DrawFn, sample: Sample) -> bytes:
    """Return a sample with values replaced, numbers as texts, lines shuffled, repeated, broken, and its end missing."""
    content = copy.deepcopy(sample.content)
    for _ in range(draw(st.integers(0, 6))):
        found = places(content)
        *above, key = found[draw(st.integers(0, len(found) - 1))]
        part = content
        for step in above:
            part = part[step]
        part[key] = str(part[key]) if draw(st.booleans()) else copy.deepcopy(draw(JUNK))
    data = sample.bytes_of(content)
    if sample.is_lines:
        lines = data.split(b"\n")[:-1]
        if draw(st.booleans()):
            lines = draw(st.permutations(lines))
        for _ in range(draw(st.integers(0, 3))):
            at = draw(st.integers(0, len(lines)))
            lines.insert(
                at,
                draw(
                    st.sampled_from([*lines[:3], *(text.encode(errors="replace") for text in SPOILT_LINES)])
                ),
            )
        data = b"\n".join(lines) + b"\n"
    if draw(st.booleans()):
        data = data[: draw(st.integers(1, len(data)))]
    return data


def pieces_of(form: LogFormat, path: Path, position: Position | None = None) -> list[Piece]:
    """Return what a reader yields from a position on; every fault is counted, and detection bears the file."""
    form.fits(head_of(path))
    found = list(form.read(path, position or Position()))
    for piece in found:
        assert piece.kinds.get("rejected", 0) == len(piece.faults)
        assert all(type(name) is str and count > 0 for name, count in piece.kinds.items()), piece.kinds
    return found


def batches_of(form: LogFormat, pieces: Sequence[Piece]) -> list[Batch]:
    """Return pieces as batches: every task is a valid execution, every step belongs to one."""
    batches = assemble_all([Part(piece, form.name, "log") for piece in pieces])
    for piece, batch in zip(pieces, batches, strict=True):
        assert len(batch.executions) == len(piece.tasks), batch.rejected
        assert len(batch.rejected) == len(piece.faults)
        assert batch.n_rows_read == len(piece.tasks) + len(piece.faults)
        assert batch.steps["record_key"].is_in(batch.executions["record_key"].implode()).all()
        assert all(len(content) < MAX_CONTENT + 60 for content in batch.rejected["content"])
    return batches


def outcome(form: LogFormat, path: Path) -> list[Piece] | str:
    """Return what a file comes to, or why it is no such log."""
    try:
        return pieces_of(form, path)
    except SourceError as error:
        return str(error)


def kinds_of(pieces: Iterable[Piece]) -> Counter[str]:
    """Return the account of all pieces together."""
    return sum((piece.kinds for piece in pieces), Counter())


def known_after(pieces: Sequence[Piece]) -> tuple[dict[str, Any], dict[tuple[str, str], Any]]:
    """Return the tasks and steps that a store has after some pieces, by their keys.

    The last version of a task holds. A step is where it was first, with the largest usage, of equals the one
    with a duration, then the newest; it is partial while every version is.
    """
    tasks: dict[str, Any] = {}
    steps: dict[tuple[str, str], Any] = {}
    for task in (task for piece in pieces for task in piece.tasks):
        tasks[task.key] = {field.name: getattr(task, field.name) for field in fields(Task)}
        for step in tasks[task.key].pop("steps"):
            row = {field.name: getattr(step, field.name) for field in fields(Step)} | {"task": task.key}
            known = steps.get((step.kind, step.key))
            if known is not None:
                first = {name: known[name] for name in ("task", "position")}
                is_partial = known["is_partial"] and row["is_partial"]
                row = (row if _weight(row) >= _weight(known) else known) | first | {"is_partial": is_partial}
            steps[step.kind, step.key] = row
    return tasks, steps


def grown(form: LogFormat, path: Path, content: bytes, cuts: Iterable[int]) -> list[Piece]:
    """Return what a reader yields while a log grows up to each cut in turn, then to its end, then not at all."""
    found: list[Piece] = []
    position = Position()
    for cut in [*sorted(cuts), len(content), len(content)]:
        path.write_bytes(content[:cut])
        try:
            new = pieces_of(form, path, position)
        except SourceError as error:
            assert position.offset == 0, error
            continue
        found += new
        reached = new[-1].position or position
        assert position.offset <= reached.offset <= cut
        position = Position(reached.offset, json.loads(json.dumps(reached.state)))
    return found


def _weight(step: dict[str, Any]) -> tuple[int, bool]:
    used = (step["input_tokens"] or 0) + (step["output_tokens"] or 0)
    return used, step["duration_seconds"] is not None
