"""Every reader on logs that are cut, shuffled, broken and grown: nothing is raised, lost or counted twice."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from hostile import SAMPLES, Sample, batches_of, grown, kinds_of, known_after, outcome, pieces_of, spoilt
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from learnlab.ingest.logs.registry import FORMATS, detect

ALL = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.reader)
LINES = pytest.mark.parametrize(
    "sample", [sample for sample in SAMPLES if sample.is_lines], ids=lambda sample: sample.reader
)
EXAMPLES = 200 if os.environ.get("LEARNLAB_SOAK") else 15
BUT_FILES = {"opencode"}
"""Formats whose logs are folders: their own tests spoil those file by file."""


def n_lines(data: bytes) -> int:
    return sum(bool(line.strip()) for line in data.split(b"\n"))


def written(folder: Path, sample: Sample, data: bytes) -> Path:
    path = folder / f"log{sample.suffix}"
    path.write_bytes(data)
    return path


def test_every_format_has_a_sample():
    assert {sample.form.name for sample in SAMPLES} | BUT_FILES == set(FORMATS)


@ALL
def test_a_sample_is_told_by_its_content_and_read(tmp_path, sample):
    path = written(tmp_path, sample, sample.bytes_of(sample.content))
    assert detect(path) is sample.form
    pieces = pieces_of(sample.form, path)
    tasks, steps = known_after(pieces)
    n_valid = sum(len(batch.executions) for batch in batches_of(sample.form, pieces))
    assert len(tasks) == n_valid == sample.n_tasks
    assert not any(piece.faults for piece in pieces)
    for step in steps.values():
        cached = (step["cache_read_tokens"] or 0) + (step["cache_write_tokens"] or 0)
        assert cached <= (step["input_tokens"] or 0)
    assert not sample.is_lines or kinds_of(pieces).total() == len(sample.content)


@ALL
def test_a_packed_sample_is_the_same(tmp_path, sample):
    data = sample.bytes_of(sample.content)
    path = written(tmp_path, sample, data)
    plain = known_after(pieces_of(sample.form, path))
    path.write_bytes(gzip.compress(data))
    assert detect(path) is sample.form
    assert known_after(pieces_of(sample.form, path)) == plain


@ALL
@hypothesis_settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_whatever_stands_in_a_log_is_read_and_accounted_for_twice_alike(tmp_path, sample, data):
    content = data.draw(spoilt(sample))
    path = written(tmp_path, sample, content)
    first, again = outcome(sample.form, path), outcome(sample.form, path)
    assert first == again
    if isinstance(first, str):
        return
    batches_of(sample.form, first)
    if first[-1].position is not None:
        assert kinds_of(first).total() == n_lines(content)


@LINES
@hypothesis_settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_read_as_it_grows_it_comes_to_what_it_is_read_whole(tmp_path, sample, data):
    content = data.draw(spoilt(sample))
    cuts = data.draw(st.lists(st.integers(1, len(content)), max_size=4))
    path = written(tmp_path, sample, content)
    whole = outcome(sample.form, path)
    if not isinstance(whole, str):
        assert known_after(grown(sample.form, path, content, cuts)) == known_after(whole)


@LINES
def test_a_very_long_line_and_a_very_deep_one_are_two_lines(tmp_path, sample):
    long = json.dumps({"type": "user", "text": "x" * (10 << 20)}).encode()
    deep = b'{"type": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    path = written(tmp_path, sample, sample.bytes_of(sample.content) + long + b"\n" + deep + b"\n")
    pieces = pieces_of(sample.form, path)
    assert kinds_of(pieces).total() == len(sample.content) + 2
    assert len(known_after(pieces)[0]) == sample.n_tasks


@LINES
@hypothesis_settings(max_examples=4)
@given(names=st.lists(st.text(min_size=1, max_size=80), min_size=30, max_size=60, unique=True))
def test_unknown_kinds_do_not_flood_the_account(tmp_path, sample, names):
    strange = [{"type": f"odd {name}"} for name in names]
    path = written(tmp_path, sample, sample.bytes_of([*sample.content, *strange]))
    kinds = kinds_of(pieces_of(sample.form, path))
    assert kinds.total() == len(sample.content) + len(names)
    assert Counter(name.startswith("unknown") for name in kinds)[True] <= 21
    assert max(map(len, kinds)) <= len("unknown: ") + 40
