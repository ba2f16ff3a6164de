from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnlab.errors import SourceError
from learnlab.ingest.batch import Position
from learnlab.ingest.growing import Growth, is_unchanged
from learnlab.ingest.logs.formats import LogFormat
from learnlab.ingest.logs.lines import lines_of, opened_at
from learnlab.ingest.logs.tasks import Piece, Task
from learnlab.store import ReadPosition


def read(path: Path, position: Position) -> Iterator[Piece]:
    """A log in which every line is a task of its own, three to a piece."""
    tasks: list[Task] = []
    reached = position
    with opened_at(path, position.offset) as stream:
        for line in lines_of(stream, position.offset, position.state.get("line", 1)):
            if line.fault is None:
                tasks.append(
                    Task(key=str(line.value.get("id")), position=line.number, description=str(line.value))
                )
            reached = Position(line.offset, {"line": line.number})
            if len(tasks) == 3:
                yield Piece(tasks, kinds=Counter(task=3), position=reached)
                tasks = []
    yield Piece(tasks, kinds=Counter(task=len(tasks)), position=reached)


TOY = LogFormat("toy", "a toy", "nowhere", lambda head: False, read, grows=True)


def read_on(path: Path, known: ReadPosition | None) -> tuple[str, dict[str, str], ReadPosition | None]:
    growth = Growth(path, TOY, known)
    found: dict[str, str] = {}
    reached = known
    for piece, position in growth.pieces():
        found |= {task.key: task.description for task in piece.tasks}
        reached = position
    return growth.how, found, reached


def log(*ids: int, word: str = "a") -> str:
    return "".join(json.dumps({"id": n, "word": word}) + "\n" for n in ids)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_a_log_that_grows_is_read_on_and_ends_as_if_read_whole(tmp_path_factory, added):
    path = tmp_path_factory.mktemp("grow") / "log.jsonl"
    known, tasks, n = None, {}, 0
    for more in added:
        with path.open("a") as stream:
            stream.write(log(*range(n, n + more)))
        n += more
        how, found, known = read_on(path, known)
        assert how == ("" if n == more else "grown")
        assert len(found) <= more + 1
        tasks |= found
        assert is_unchanged(path, known, TOY.version)
    assert tasks == read_on(path, None)[1]


def test_a_file_that_was_touched_or_belongs_to_another_reader_version_is_not_unchanged(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(log(1, 2))
    _, _, known = read_on(path, None)
    assert known is not None
    assert is_unchanged(path, known, 1)
    assert not is_unchanged(path, known, 2)
    assert not is_unchanged(path, None, 1)
    os.utime(path, ns=(1, 1))
    assert not is_unchanged(path, known, 1)
    assert read_on(path, known)[0] == "grown"
    path.unlink()
    assert not is_unchanged(path, known, 1)


@pytest.mark.parametrize("content", [log(1, 2, 3, 4, 5, word="b"), log(1), log(9, 8, 7, 6, 5, 4)])
def test_a_log_that_was_rewritten_is_noticed_and_read_from_its_start(tmp_path, content):
    path = tmp_path / "log.jsonl"
    path.write_text(log(1, 2, 3, 4, 5))
    _, _, known = read_on(path, None)
    path.write_text(content)
    how, found, after = read_on(path, known)
    assert how == "rewritten"
    assert found == read_on(path, None)[1]
    assert after == read_on(path, None)[2]


def test_a_position_within_a_file_never_looks_like_one_at_its_end(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(log(*range(10)))
    positions = [position for _, position in Growth(path, TOY, None).pieces()]
    assert [is_unchanged(path, position, 1) for position in positions] == [False, False, False, True]


def test_a_gzipped_log_is_read_again_when_it_changed(tmp_path):
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(gzip.compress(log(1, 2, 3).encode()))
    _, found, known = read_on(path, None)
    assert sorted(found) == ["1", "2", "3"]
    path.write_bytes(gzip.compress(log(1, 2, 3, 4).encode()))
    how, found, _ = read_on(path, known)
    assert (how, sorted(found)) == ("rewritten", ["1", "2", "3", "4"])


def test_a_log_of_several_files_has_no_position(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(log(1))
    form = LogFormat(
        "toy", "a toy", "nowhere", lambda head: False, read, unit=lambda path: path.parent / "other"
    )
    assert [position for _, position in Growth(path, form, None).pieces()] == [None]


def test_a_file_that_is_gone_says_so(tmp_path):
    with pytest.raises(SourceError, match="gone.jsonl cannot be opened: No such file"):
        read_on(tmp_path / "gone.jsonl", None)


def test_no_secret_stands_in_a_position_and_the_file_is_then_read_from_its_start(tmp_path):
    def telling(path: Path, position: Position) -> Iterator[Piece]:
        for piece in read(path, position):
            reached = piece.position or Position()
            yield replace(
                piece, position=Position(reached.offset, reached.state | {"cwd": "/ada@example.org"})
            )

    form = replace(TOY, read=telling)
    path = tmp_path / "ada@example.org" / "log.jsonl"
    path.parent.mkdir()
    path.write_text(log(1, 2, 3, 4))
    *within, known = [position for _, position in Growth(path, form, None).pieces()]
    assert within == [None]
    assert known is not None
    assert "ada@" not in str(known)
    assert known.path.endswith("/[masked e-mail cfe00dde46ef]/log.jsonl")
    assert is_unchanged(path, known, TOY.version)
    with path.open("a") as stream:
        stream.write(log(5))
    growth = Growth(path, form, known)
    assert [task.key for piece, _ in growth.pieces() for task in piece.tasks] == list("12345")
    assert growth.how == "grown"
