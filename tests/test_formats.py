from __future__ import annotations

import json

import pytest

from learnlab.errors import SourceError
from learnlab.ingest.logs.formats import head_of
from learnlab.ingest.logs.registry import detect


def test_a_document_that_goes_on_over_lines_is_one_object(tmp_path):
    document = {"a": [{"b": 1}, {"c": 2}]}
    path = tmp_path / "x.json"
    path.write_text('{"a": [\n{"b": 1},\n{"c": 2}\n]}')
    assert head_of(path).objects == (document,)
    path.write_text(json.dumps(document, indent=1))
    assert head_of(path).objects == (document,)


def test_lines_are_objects_of_their_own_also_where_some_are_broken(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n{"b"\n[3]\n{"c": 3}\n')
    assert head_of(path).objects == ({"a": 1}, {"c": 3})
    path.write_text('{"b"\n{"c": 3}\n')
    assert head_of(path).objects == ({"c": 3},)
    path.write_text("a,b\n1,2\n")
    assert head_of(path).objects == ()


def test_a_file_whose_first_line_is_still_written_is_neither_a_log_nor_a_table(tmp_path):
    path = tmp_path / "x.jsonl"
    line = '{"type": "user", "sessionId": "s", "uuid": "u", "message": {}}'
    for begun in (line[:1], line[:20], "\n" + line[:-1], '{"resourceSpans": [{"scopeSpans": ['):
        path.write_text(begun)
        with pytest.raises(SourceError, match="may still be written"):
            detect(path)
    path.write_text(line)
    found = detect(path)
    assert found is not None
    assert found.name == "claude_code"
    path.write_text(line[:20] + "\n")
    assert detect(path) is None
