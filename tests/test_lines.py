from __future__ import annotations

import gzip
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.errors import SourceError
from learnlab.ingest.logs.lines import UNFINISHED, lines_of, loaded, opened_at
from learnlab.ingest.logs.shapes import items, moment, number, obj, text, whole
from learnlab.ingest.rejected import MAX_RECORD

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=30)
@given(st.lists(st.dictionaries(st.text(max_size=5), JSON, max_size=3), max_size=6), st.data())
def test_a_log_cut_anywhere_reads_as_its_whole_lines_and_what_is_left(objects, data):
    whole_log = b"".join(json.dumps(value).encode() + b"\n" for value in objects)
    cut = data.draw(st.integers(0, len(whole_log)))
    found = list(lines_of(io.BytesIO(whole_log[:cut])))
    n_whole = whole_log[:cut].count(b"\n")
    assert [line.number for line in found[:n_whole]] == list(range(1, n_whole + 1))
    assert all(line.fault is None for line in found[:n_whole])
    assert [line.fault for line in found[n_whole:]] in ([], [None], [UNFINISHED])
    for line in found:
        rest = list(lines_of(io.BytesIO(whole_log[line.offset : cut]), line.offset, line.number))
        assert [one[:2] for one in rest] == [one[:2] for one in found if one.offset >= line.offset]


@settings(max_examples=30)
@given(st.binary(max_size=300))
def test_bytes_of_any_kind_are_lines_or_faults(data):
    found = list(lines_of(io.BytesIO(data)))
    blank = sum(not piece.strip() for piece in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"))
    assert len(found) == data.count(b"\n") + 1 - blank
    assert all(line.fault or isinstance(line.value, dict) for line in found)


def test_a_line_may_hold_half_a_character_or_be_deep_within_reason():
    assert loaded(b'{"a": "\\ud83d"}') == {"a": "\ud83d"}
    assert text(loaded(b'{"a": "\\ud83d!"}')["a"]) == "\ufffd!"
    assert isinstance(loaded(b'{"a": ' + b"[" * 300 + b"]" * 300 + b"}"), dict)
    with pytest.raises(ValueError, match="nested too deeply"):
        loaded(b"[" * 200_000 + b"]" * 200_000)
    with pytest.raises(ValueError, match="is no JSON"):
        loaded(b'{"a": ' + b"9" * 5000 + b"}")


def test_a_line_beyond_the_limit_is_a_fault_and_the_next_one_is_read():
    log = b'{"a": "' + b"x" * (MAX_RECORD + 10) + b'"}\n{"b": 1}\n'
    long, after = lines_of(io.BytesIO(log))
    assert long.fault == "is longer than 16 MB"
    assert (after.number, after.offset, after.value) == (2, log.index(b'{"b"'), {"b": 1})


def test_a_log_opens_at_a_byte_plain_or_gzipped(tmp_path):
    plain, packed = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz"
    plain.write_bytes(b'{"a": 1}\n{"b": 2}\n')
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    for path in (plain, packed):
        with opened_at(path, 9) as stream:
            assert [line.value for line in lines_of(stream, 9, 2)] == [{"b": 2}]
    with pytest.raises(SourceError, match="cannot be opened"), opened_at(tmp_path / "none"):
        pass


@settings(max_examples=30)
@given(JSON)
def test_every_shape_answers_in_its_kind(value):
    assert isinstance(obj(value), dict)
    assert isinstance(items(value), list)
    known = text(value)
    assert known is None or (known and "\0" not in known and known.encode())
    count, amount, at = whole(value), number(value), moment(value)
    assert count is None or (isinstance(count, int) and 0 <= count <= 2**53)
    assert amount is None or 0 <= amount <= 1e15
    assert at is None or at.tzinfo is None


def test_times_of_every_scale_are_one_moment():
    second = 1_769_853_600
    texts = ["2026-01-31T10:00:00Z", "2026-01-31T11:00:00+01:00", "2026-01-31 10:00:00"]
    assert {moment(value) for value in [*texts, *(second * 1000**n for n in range(4))]} == {moment(second)}
    assert moment("1999-12-31") is None
    assert moment("2999-12-31") is None
