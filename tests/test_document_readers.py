"""Readers of whole documents, whatever was done to the bytes: nothing is raised, everything is accounted for."""

from __future__ import annotations

import copy
import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hostile import INSPECT, INSPECT_HEADER, INSPECT_SAMPLES, SWE_AGENT, TAU_BENCH, places
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

KINDS = [
    (inspect_log.FORMAT, INSPECT, 3), (swe_agent.FORMAT, SWE_AGENT, 1), (tau_bench.FORMAT, TAU_BENCH, 3),
]  # fmt: skip
READERS = pytest.mark.parametrize(
    ("form", "document", "n_tasks"), KINDS, ids=lambda x: getattr(x, "name", "")
)


def archive(compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    with zipfile.ZipFile(stream := io.BytesIO(), "w", compression) as packed:
        packed.writestr("_journal/start.json", json.dumps(INSPECT_HEADER))
        for sample in INSPECT_SAMPLES:
            packed.writestr(f"samples/{sample['id']}_epoch_1.json", json.dumps(sample))
        packed.writestr("summaries.json", json.dumps(INSPECT_SAMPLES))
        packed.writestr("header.json", json.dumps(INSPECT_HEADER))
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


def replaced(document: Any, at: tuple[Any, ...], value: Any) -> Any:
    document = copy.deepcopy(document)
    part = document
    for key in at[:-1]:
        part = part[key]
    part[at[-1]] = value
    return document


@READERS
@settings(max_examples=15)
@given(share=st.floats(0, 1))
def test_a_document_cut_at_any_byte_keeps_what_is_whole(tmp_path, form, document, n_tasks, share):
    whole = json.dumps(document, ensure_ascii=False).encode()
    keys = keys_of(read_of(form, tmp_path / "x.json", whole))
    cut = read_of(form, tmp_path / "x.json", whole[: int(share * len(whole))])
    if cut is not None:
        assert keys_of(cut) <= keys
        assert len(cut.faults) == (share < 1)


@READERS
@settings(max_examples=10)
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
        entries = copy.deepcopy(INSPECT_SAMPLES if name else TAU_BENCH)
        random.Random(seed).shuffle(entries)
        batch = batch_of(
            form, tmp_path / "x.json", json.dumps(INSPECT_HEADER | {name: entries} if name else entries)
        )
        found.append(batch.executions.drop("source_position").sort("record_key"))
    assert all(each.equals(found[0]) for each in found)


@settings(max_examples=15)
@given(share=st.floats(0, 1))
def test_an_archive_cut_at_any_byte_keeps_what_is_whole(tmp_path, share):
    whole = archive()
    keys = keys_of(read_of(inspect_log.FORMAT, tmp_path / "x.eval", whole))
    cut = read_of(inspect_log.FORMAT, tmp_path / "x.eval", whole[: int(share * len(whole))])
    assert cut is None or keys_of(cut) <= keys


@settings(max_examples=20)
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
