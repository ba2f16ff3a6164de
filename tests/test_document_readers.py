"""Readers of whole documents, whatever was done to the bytes: nothing is raised, everything is accounted for."""

from __future__ import annotations

import copy
import gzip
import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.errors import SourceError
from learnlab.ingest.assemble import assemble
from learnlab.ingest.batch import Batch, Position
from learnlab.ingest.logs import inspect_log, swe_agent, tau_bench
from learnlab.ingest.logs.documents import opening, parsed, pieces
from learnlab.ingest.logs.formats import LogFormat, head_of
from learnlab.ingest.logs.tasks import Piece, Step, Task
from learnlab.models import StepKind

SAMPLES = [
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
HEADER = {
    "version": 2, "status": "success",
    "eval": {"eval_id": "e", "task": "t", "model": "openai/gpt-4o", "revision": {"origin": "git@x.org:a/shop.git"}},
    "plan": {"steps": [{"solver": "generate"}]},
}  # fmt: skip
INSPECT = HEADER | {"samples": SAMPLES}
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
KINDS = [
    (inspect_log.FORMAT, INSPECT, 3), (swe_agent.FORMAT, SWE_AGENT, 1), (tau_bench.FORMAT, TAU_BENCH, 3),
]  # fmt: skip
READERS = pytest.mark.parametrize(
    ("form", "document", "n_tasks"), KINDS, ids=lambda x: getattr(x, "name", "")
)
JUNK = st.sampled_from(
    [
        None,
        True,
        "",
        "7",
        "x\0y",
        "\ud800",
        -1,
        0.5,
        10**30,
        1e308,
        [],
        {},
        [None],
        {"": None},
        [[["a"]]],
        "9" * 5000,
    ]
)


def archive(compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    with zipfile.ZipFile(stream := io.BytesIO(), "w", compression) as packed:
        packed.writestr("_journal/start.json", json.dumps(HEADER))
        for sample in SAMPLES:
            packed.writestr(f"samples/{sample['id']}_epoch_1.json", json.dumps(sample))
        packed.writestr("summaries.json", json.dumps(SAMPLES))
        packed.writestr("header.json", json.dumps(HEADER))
    return stream.getvalue()


def read_of(form: LogFormat, path: Path, content: bytes | str) -> Piece | None:
    """Return what a reader yields for a file, checked: every entry counted once; None where it is no such log."""
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    try:
        for each, _, _ in KINDS:
            each.fits(head_of(path))
        (piece,) = form.read(path, Position())
    except SourceError:
        return None
    assert sum(piece.kinds[kind] for kind in ("sample", "summary", "attempt")) == len(piece.tasks)
    assert piece.kinds["rejected"] == len(piece.faults)
    assert piece.kinds
    return piece


def batch_of(form: LogFormat, path: Path, content: bytes | str) -> Batch | None:
    """Return what a file comes to in the end, every task of it an execution or rejected."""
    piece = read_of(form, path, content)
    if piece is None:
        return None
    batch = assemble(piece, form.name, path.name)
    assert len(batch.executions) + len(batch.rejected) == batch.n_rows_read
    return batch


def keys_of(piece: Piece) -> set[str]:
    return {task.key for task in piece.tasks}


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at] * bool(at) + [place for key, part in inner for place in places(part, (*at, key))]


def replaced(document: Any, at: tuple[Any, ...], value: Any) -> Any:
    document = copy.deepcopy(document)
    part = document
    for key in at[:-1]:
        part = part[key]
    part[at[-1]] = value
    return document


@READERS
def test_a_whole_document_read_twice_or_packed_gives_the_same_records(tmp_path, form, document, n_tasks):
    text = json.dumps(document, ensure_ascii=False, indent=1)
    one, two = (batch_of(form, tmp_path / "x.json", text) for _ in range(2))
    packed = batch_of(form, tmp_path / "x.json", gzip.compress(text.encode()))
    assert one is not None
    assert len(one.executions) == n_tasks
    assert form.fits(head_of(tmp_path / "x.json"))
    for other in (two, packed):
        assert other is not None
        assert other.executions.equals(one.executions)
        assert other.steps.equals(one.steps)


@READERS
@settings(max_examples=30)
@given(share=st.floats(0, 1))
def test_a_document_cut_at_any_byte_keeps_what_is_whole(tmp_path, form, document, n_tasks, share):
    whole = json.dumps(document, ensure_ascii=False).encode()
    keys = keys_of(read_of(form, tmp_path / "x.json", whole))
    cut = read_of(form, tmp_path / "x.json", whole[: int(share * len(whole))])
    if cut is not None:
        assert keys_of(cut) <= keys
        assert len(cut.faults) == (share < 1)


@READERS
@settings(max_examples=20)
@given(data=st.data())
def test_anything_may_stand_anywhere(tmp_path, form, document, n_tasks, data):
    for _ in range(data.draw(st.integers(1, 3))):
        document = replaced(document, data.draw(st.sampled_from(places(document))), data.draw(JUNK))
    batch = batch_of(form, tmp_path / "x.json", json.dumps(document))
    assert batch is not None
    assert batch.n_rows_read <= n_tasks


@READERS
@settings(max_examples=20)
@given(junk=st.binary(max_size=60), share=st.floats(0, 1))
def test_bytes_in_between_are_no_exception(tmp_path, form, document, n_tasks, junk, share):
    whole = json.dumps(document).encode()
    at = int(share * len(whole))
    piece = read_of(form, tmp_path / "x.json", whole[:at] + junk + whole[at:])
    assert piece is None or len(piece.tasks) + len(piece.faults) <= n_tasks + 1


@READERS
def test_depth_and_length_have_their_limits(tmp_path, form, document, n_tasks):
    at = next(place for place in places(document) if place[-1] in ("content", "response"))
    long = read_of(form, tmp_path / "x.json", json.dumps(replaced(document, at, "x" * (10 << 20))))
    assert len(long.tasks) == n_tasks
    for depth in (190, 500, 900, 5000):
        deep = json.dumps(replaced(document, at, "@")).replace('"@"', "[" * depth + "]" * depth)
        piece = read_of(form, tmp_path / "x.json", deep)
        assert piece is not None
        assert 1 <= len(piece.tasks) + len(piece.faults) <= n_tasks + 1


@pytest.mark.parametrize(
    "form_and_list", [(inspect_log.FORMAT, "samples"), (tau_bench.FORMAT, None)], ids=["inspect", "tau"]
)
def test_the_order_of_entries_changes_no_record(tmp_path, form_and_list):
    form, name = form_and_list
    found = []
    for seed in range(4):
        entries = copy.deepcopy(SAMPLES if name else TAU_BENCH)
        random.Random(seed).shuffle(entries)
        batch = batch_of(form, tmp_path / "x.json", json.dumps(HEADER | {name: entries} if name else entries))
        found.append(batch.executions.drop("source_position").sort("record_key"))
    assert all(each.equals(found[0]) for each in found)


@settings(max_examples=30)
@given(share=st.floats(0, 1))
def test_an_archive_cut_at_any_byte_keeps_what_is_whole(tmp_path, share):
    whole = archive()
    keys = keys_of(read_of(inspect_log.FORMAT, tmp_path / "x.eval", whole))
    cut = read_of(inspect_log.FORMAT, tmp_path / "x.eval", whole[: int(share * len(whole))])
    assert cut is None or keys_of(cut) <= keys


@settings(max_examples=40)
@given(
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4
    )
)
def test_an_archive_with_spoilt_bytes_is_no_exception(tmp_path, changes):
    spoilt = bytearray(archive(zipfile.ZIP_STORED))
    for share, value in changes:
        spoilt[int(share * len(spoilt))] = value
    piece = read_of(inspect_log.FORMAT, tmp_path / "x.eval", bytes(spoilt))
    assert piece is None or len(piece.tasks) + len(piece.faults) >= 1


def test_what_begins_a_document_is_told_without_its_end():
    assert opening(b'\xef\xbb\xbf [{"task_id": 1, "reward": 0.5, "traj": [{"role": "us') == [
        {"task_id": 1, "reward": 0.5, "traj": [{}]}
    ]
    assert opening(b"task,success\n1,true\n") is None
    assert opening(b'{"a": 1,, }') is None


def test_a_document_with_a_fault_in_its_middle_is_not_guessed():
    found = parsed(b'{"a": 1,, "b": 2}')
    assert (found.value, found.content) == (None, '{"a": 1,, "b": 2}')
    assert found.fault.startswith("is no JSON")


def test_many_steps_come_in_several_pieces_and_every_entry_once():
    steps = [Step(StepKind.MESSAGE, str(at), at) for at in range(1999)]
    tasks = [Task(key=str(at), position=at, description="x", steps=steps) for at in range(5)]
    found = list(pieces([*(("sample", task) for task in tasks), ("rejected", (6, "broken", ""))]))
    assert [len(piece.tasks) for piece in found] == [3, 2]
    assert [dict(piece.kinds) for piece in found] == [{"sample": 3}, {"sample": 2, "rejected": 1}]
