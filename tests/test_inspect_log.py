"""Inspect's logs: samples, scores, usage, and archives that somebody damaged or made to do harm."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow
import pytest

from learnlab.errors import SourceError
from learnlab.ingest.assemble import assemble
from learnlab.ingest.batch import Position
from learnlab.ingest.logs.formats import head_of
from learnlab.ingest.logs.inspect_log import FORMAT
from learnlab.ingest.logs.tasks import Piece
from learnlab.models import DurationSource, ErrorType, StepKind, SuccessSource

HEADER = {
    "version": 2,
    "status": "success",
    "eval": {
        "eval_id": "e1",
        "task": "sums",
        "created": "2026-03-01T10:00:00+01:00",
        "model": "openai/gpt-4o",
    },
}


def sample(number: int = 1, epoch: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": number, "epoch": epoch, "input": f"What is {number} + 1?"} | more


def read(path: Path) -> Piece:
    (piece,) = FORMAT.read(path, Position())
    return piece


def log_of(folder: Path, *samples: Any, **more: Any) -> Path:
    path = folder / "log.json"
    path.write_text(json.dumps(HEADER | more | {"samples": list(samples)}))
    return path


def task_of(folder: Path, **more: Any) -> Any:
    return read(log_of(folder, sample(**more))).tasks[0]


def zipped(*entries: tuple[str, Any], **spoilt: Any) -> bytes:
    """Return an archive written by hand; `spoilt` changes what is said of its last entry."""
    body, directory = BytesIO(), BytesIO()
    for at, (name, value) in enumerate(entries):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        said = {"method": 93, "flags": 0, "size": len(data), "crc": zlib.crc32(data), "offset": body.tell()}
        said |= spoilt if at == len(entries) - 1 else {}
        packed = said.get("packed") or pyarrow.compress(data, codec="zstd", asbytes=True)
        fields = (said["flags"], said["method"], 0, 0, said["crc"], len(packed), said["size"])
        body.write(struct.pack("<4s5H3L2H", b"PK\3\4", 45, *fields, len(name), 0) + name.encode() + packed)
        directory.write(
            struct.pack("<4s6H3L5H2L", b"PK\1\2", 45, 45, *fields, len(name), 0, 0, 0, 0, 0, said["offset"])
        )
        directory.write(name.encode())
    n, size, at = len(entries), len(directory.getvalue()), body.tell()
    return (
        body.getvalue() + directory.getvalue() + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, n, n, size, at, 0)
    )


def eval_of(folder: Path, *entries: tuple[str, Any], **spoilt: Any) -> Path:
    path = folder / "log.eval"
    path.write_bytes(zipped(("header.json", HEADER), *entries, **spoilt))
    return path


@pytest.mark.parametrize(
    ("value", "success", "quality"),
    [
        ("C", True, 100), ("I", False, 0), ("N", False, 0), ("P", None, 50), (1, None, None), (0.0, None, None),
        (0.25, None, None), ("1", None, None), (True, True, 100), ("yes", True, 100), (7, None, None), (-0.5, None, None),
        ("fine", None, None), (float("nan"), None, None), ({"a": 1}, None, None), ([1], None, None), (None, None, None),
    ],
)  # fmt: skip
def test_a_letter_or_a_truth_value_is_a_verdict_and_a_number_is_none(tmp_path, value, success, quality):
    task = task_of(tmp_path, scores={"match": {"value": value}, "style": {"value": "C"}})
    assert (task.success, task.quality_score) == (success, quality)
    assert task.success_source is (SuccessSource.UNKNOWN if success is None else SuccessSource.VERIFIER)
    assert task.metadata["scores"]["style"] == "C"


def test_a_finished_run_without_scores_is_no_success_and_a_failed_run_keeps_its_verdicts(tmp_path):
    assert task_of(tmp_path).success is None
    failed = read(log_of(tmp_path, sample(scores={"m": {"value": "C"}}), status="error")).tasks[0]
    assert (failed.success, failed.metadata["log_status"]) == (True, "error")


def test_a_sample_that_broke_off_or_was_declared_invalid_has_no_verdict(tmp_path):
    broken = task_of(tmp_path, error={"message": "Timed out after 60 s", "traceback": "…"})
    assert (broken.success, broken.error_type, broken.error_message) == (
        None, ErrorType.TIMEOUT, "Timed out after 60 s",
    )  # fmt: skip
    invalid = task_of(tmp_path, scores={"m": {"value": "C"}}, invalidation={"author": "somebody"})
    assert (invalid.success, invalid.metadata["is_invalidated"]) == (None, True)
    assert task_of(tmp_path, limit={"type": "token", "limit": 10}).metadata["limit"] == "token"


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ((100, 20, 120, None, None, None), (100, None, 20)),
        ((10, 20, 1130, 1000, 100, None), (1110, 1000, 20)),
        ((10, 20, None, 1000, 100, None), (1110, 1000, 20)),
        ((1000, 20, 1020, 900, None, 15), (1000, 900, 20)),
        ((1000, 20, 1035, 900, None, 15), (1000, 900, 35)),
        ((100, 20, 1020, 900, None, None), (1000, 900, 20)),
        ((0, 0, 0, None, None, None), (None, None, None)),
        (("100", "20", "120", None, None, None), (100, None, 20)),
        ((None, 20, 20, None, None, None), (None, None, None)),
    ],
)
def test_every_token_counts_once_wherever_the_cache_is_stated(tmp_path, usage, tokens):
    names = ("input_tokens", "output_tokens", "total_tokens", "input_tokens_cache_read")
    names += ("input_tokens_cache_write", "reasoning_tokens")
    stated = {name: value for name, value in zip(names, usage, strict=True) if value is not None}
    task = task_of(tmp_path, model_usage={"anthropic/claude-sonnet-4-5": stated})
    assert (task.input_tokens, task.cached_tokens, task.output_tokens) == tokens
    assert list(task.usage_by_model) == (["claude-sonnet-4-5"] if tokens[0] else [])


def test_the_usage_of_several_models_adds_up_and_a_stated_cost_is_taken(tmp_path):
    stated = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "total_cost": 0.25}
    usage = {"openai/gpt-4o": stated, "openai/azure/gpt-4o": stated, "ollama/llama3.1": stated}
    task = task_of(tmp_path, model_usage=usage)
    assert (task.input_tokens, task.output_tokens, task.actual_cost) == (30, 15, 0.75)
    assert task.usage_by_model == {"gpt-4o": (20, 0, 0, 10), "ollama/llama3.1": (10, 0, 0, 5)}


def test_where_a_sample_states_no_usage_its_events_count_and_what_came_from_a_cache_does_not(tmp_path):
    output = {"usage": {"input_tokens": 66, "output_tokens": 2, "total_tokens": 68}}
    fresh = {
        "event": "model",
        "model": "openai/gpt-4o",
        "output": output,
        "working_time": 1.5,
        "role": "grader",
    }
    inner = {
        "event": "subtask",
        "events": [fresh | {"cache": "read"}, None, {"event": "tool", "function": "ls"}],
    }
    task = task_of(tmp_path, events=[None, fresh, inner, fresh | {"error": "overloaded"}])
    assert task.input_tokens is None
    assert [(s.kind, s.name, s.input_tokens, s.is_counted, s.error) for s in task.steps] == [
        (StepKind.MESSAGE, "grader", 66, True, None),
        (StepKind.MESSAGE, "grader", None, True, None),
        (StepKind.TOOL_CALL, "ls", None, True, None),
        (StepKind.MESSAGE, "grader", 66, True, "overloaded"),
    ]
    counted = task_of(tmp_path, events=[fresh], model_usage={"openai/gpt-4o": output["usage"]})
    assert (counted.input_tokens, [step.is_counted for step in counted.steps]) == (66, [False])


def test_without_events_the_messages_are_the_steps(tmp_path):
    messages = [
        {"role": "user", "content": "List them"},
        {"role": "assistant", "model": "gpt-4o", "content": "", "tool_calls": [{"function": "ls"}]},
        {"role": "tool", "function": "ls", "error": {"type": "timeout", "message": ""}},
        {"role": "tool", "function": "cat", "content": "…"},
    ]
    steps = task_of(tmp_path, messages=messages).steps
    assert [(s.kind, s.name, s.is_error, s.error) for s in steps] == [
        (StepKind.MESSAGE, None, None, None),
        (StepKind.TOOL_CALL, "ls", True, "timeout"),
        (StepKind.TOOL_CALL, "cat", False, None),
    ]


def test_texts_are_put_back_from_their_attachments(tmp_path):
    picture = [{"type": "text", "text": "attachment://a1"}, {"type": "image", "image": "attachment://b2"}]
    asked = [{"role": "system", "content": "Be brief"}, {"role": "user", "content": picture}]
    answer = {
        "choices": [{"message": {"content": [{"type": "reasoning"}, {"type": "text", "text": "A cat"}]}}]
    }
    task = task_of(tmp_path, input=asked, output=answer, attachments={"a1": "What is this?", "b2": "data:…"})
    assert (task.description, task.solution_summary) == ("What is this?\n[image]", "A cat")
    old = task_of(tmp_path, input="tc://a1", transcript={"events": [], "content": {"a1": "As of old"}})
    assert old.description == "As of old"


def test_time_is_work_where_it_is_stated_and_begins_with_the_sample(tmp_path):
    at = {"started_at": "2026-03-01T10:00:05+00:00", "completed_at": "2026-03-01T10:01:05+00:00"}
    work = task_of(tmp_path, **at, working_time=12.5, total_time=60)
    assert (work.duration_seconds, work.duration_source, work.metadata["wall_seconds"]) == (
        12.5,
        DurationSource.WORK,
        60,
    )
    assert work.timestamp == datetime(2026, 3, 1, 10, 0, 5)
    assert (task_of(tmp_path, **at).duration_seconds, task_of(tmp_path, total_time=9).duration_seconds) == (
        60,
        9,
    )
    events = [{"timestamp": "2026-03-01T09:30:00Z"}, {"timestamp": "2026-03-01T09:30:10Z"}]
    seen = task_of(tmp_path, events=events)
    assert (seen.timestamp, seen.duration_seconds, seen.duration_source) == (
        datetime(2026, 3, 1, 9, 30), 10, DurationSource.WALL,
    )  # fmt: skip
    assert task_of(tmp_path).timestamp == datetime(2026, 3, 1, 9, 0)


def test_epochs_are_attempts_and_a_sample_carried_over_to_another_log_is_the_same(tmp_path):
    first = read(log_of(tmp_path, sample(1, 1), sample(1, 2), sample(2, uuid="u2")))
    again = read(
        log_of(tmp_path, sample(2, uuid="u2"), sample(1, 1), eval=HEADER["eval"] | {"eval_id": "e2"})
    )
    assert [task.attempt for task in first.tasks] == [1, 2, 1]
    assert [task.task_group for task in first.tasks] == ["sums/1", "sums/1", "sums/2"]
    assert len({task.key for task in first.tasks}) == 3
    assert again.tasks[0].key == first.tasks[2].key
    assert again.tasks[1].key not in {task.key for task in first.tasks}


def test_what_is_no_sample_is_rejected_with_its_reason(tmp_path):
    piece = read(log_of(tmp_path, sample(), None, "x", sample(None), sample(True)))
    assert piece.kinds == {"header": 1, "sample": 1, "rejected": 4}
    assert [fault[0] for fault in piece.faults] == [2, 3, 4, 5]
    assert {fault[1] for fault in piece.faults} == {"the sample is no JSON object", "the sample has no id"}


def test_a_log_that_breaks_off_gives_what_is_whole_before(tmp_path):
    path = log_of(tmp_path, sample(1), sample(2), sample(3))
    path.write_bytes(path.read_bytes()[:-30])
    piece = read(path)
    assert [task.external_id for task in piece.tasks] == ["1", "2"]
    assert piece.kinds == {"header": 1, "sample": 2, "rejected": 1}


def test_an_archive_gives_what_the_document_gives_and_counts_every_entry(tmp_path):
    told = [sample(1, scores={"m": {"value": "C"}}), sample("a/../b", uuid="u")]
    entries = [(f"samples/{each['id']}_epoch_1.json", each) for each in told]
    others = [
        ("_journal/start.json", HEADER),
        ("summaries.json", told),
        ("reductions.json", []),
        ("notes.txt", b"?"),
    ]
    piece = read(eval_of(tmp_path, *others, *entries))
    assert piece.tasks == read(log_of(tmp_path, *told)).tasks
    assert piece.kinds == {
        "header": 1, "journal": 1, "summaries": 1, "reductions": 1, "unknown: notes.txt": 1, "sample": 2,
    }  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.eval", "log.json"]


def test_of_entries_of_one_name_the_last_counts(tmp_path):
    name = "samples/1_epoch_1.json"
    piece = read(eval_of(tmp_path, (name, sample(input="old")), (name, sample(input="new"))))
    assert [task.description for task in piece.tasks] == ["new"]
    assert piece.kinds == {"header": 1, "superseded": 1, "sample": 1}


def test_an_unfinished_archive_is_read_by_its_journal_and_its_local_headers(tmp_path):
    whole = zipped(
        ("_journal/start.json", HEADER),
        ("samples/1_epoch_1.json", sample()),
        ("samples/2_epoch_1.json", sample(2)),
    )
    path = tmp_path / "log.eval"
    path.write_bytes(whole[: whole.index(b"samples/2") + 20])
    piece = read(path)
    assert [(task.external_id, task.session_id) for task in piece.tasks] == [("1", "e1")]
    assert piece.kinds == {"journal": 1, "sample": 1, "rejected": 1}
    assert "table of contents" in piece.faults[0][1]
    assert FORMAT.fits(head_of(path))


def test_samples_that_only_the_summaries_tell_of_are_read_from_there(tmp_path):
    told = [sample(1), sample(2, scores={"m": {"value": "I"}}, error="out of memory")]
    entries = [("samples/1_epoch_1.json", told[0]), ("_journal/summaries/1.json", told)]
    piece = read(eval_of(tmp_path, *entries))
    assert [(task.external_id, task.success) for task in piece.tasks] == [("1", None), ("2", False)]
    assert piece.tasks[1].error_message == "out of memory"
    assert piece.kinds == {"header": 1, "sample": 1, "journal": 1, "summary": 1}


def test_a_sample_in_parts_is_read_by_its_shell(tmp_path):
    parts = [("samples/1_epoch_1/sample.json", sample()), ("samples/1_epoch_1/events/0.json", [])]
    piece = read(eval_of(tmp_path, *parts))
    assert [task.external_id for task in piece.tasks] == ["1"]
    assert piece.kinds == {"header": 1, "sample": 1, "part of a sample": 1}


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        ({"flags": 1}, "is encrypted"),
        ({"size": 2**30 + 1}, "would unpack to more than 1 GB"),
        ({"size": 10}, "is larger than the archive says"),
        ({"crc": 1}, "is damaged: its size or checksum is wrong"),
        ({"method": 14}, "is packed by method 14, which cannot be read"),
        ({"method": 8}, "is damaged: it cannot be unpacked"),
        ({"packed": b"nothing"}, "is damaged: it cannot be unpacked"),
        ({"offset": 0}, "shares its bytes with another entry"),
        ({"offset": 2**31}, "is not where the archive says"),
        (
            {"method": 0, "packed": b"[" * 5000, "size": 5000, "crc": zlib.crc32(b"[" * 5000)},
            "is no JSON: nested too deeply",
        ),
        (
            {"method": 0, "packed": b"{} {}", "size": 5, "crc": zlib.crc32(b"{} {}")},
            "is no JSON: Extra data (column 4)",
        ),
    ],
)
def test_an_entry_that_cannot_be_trusted_is_rejected_and_the_others_are_read(tmp_path, spoilt, reason):
    good, bad = ("samples/1_epoch_1.json", sample(1)), ("samples/2_epoch_1.json", sample(2))
    piece = read(eval_of(tmp_path, good, bad, **spoilt))
    assert [task.external_id for task in piece.tasks] == ["1"]
    assert piece.faults == [(3, f"samples/2_epoch_1.json {reason}", "")]


def test_a_bomb_is_not_unpacked_beyond_what_it_states(tmp_path):
    bomb = pyarrow.compress(bytes(300 << 20), codec="zstd", asbytes=True)
    piece = read(eval_of(tmp_path, ("samples/1_epoch_1.json", b"{}"), packed=bomb))
    assert piece.faults[0][1].endswith("is larger than the archive says")


def test_frames_of_zstd_one_after_another_are_one_entry(tmp_path):
    data = json.dumps(sample(3)).encode()
    frames = b"".join(pyarrow.compress(part, codec="zstd", asbytes=True) for part in (data[:9], data[9:]))
    piece = read(eval_of(tmp_path, ("samples/3_epoch_1.json", data), packed=frames))
    assert [task.external_id for task in piece.tasks] == ["3"]


def test_an_archive_whose_headers_are_spoilt_still_gives_its_samples(tmp_path):
    path = tmp_path / "log.eval"
    path.write_bytes(zipped(("samples/1_epoch_1.json", sample(1)), ("header.json", HEADER), crc=1))
    piece = read(path)
    assert [task.external_id for task in piece.tasks] == ["1"]
    assert piece.kinds == {"sample": 1, "rejected": 1}


def test_other_files_are_not_claimed(tmp_path, shared_data):
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    (tmp_path / "plain.json").write_text('{"version": 2, "status": "ok", "eval": "fine"}')
    (tmp_path / "table.jsonl").write_text('{"task": "a", "success": true}\n' * 3)
    others = [path for path in tmp_path.iterdir() if path.is_file()]
    others += [path for path in shared_data.rglob("*") if path.is_file() and path.parent.name != "inspect"]
    assert [path.name for path in others if FORMAT.fits(head_of(path))] == []


def test_what_is_no_log_at_all_is_an_error(tmp_path):
    for content in ("[1, 2]", '{"rows": []}'):
        (tmp_path / "x.json").write_text(content)
        with pytest.raises(SourceError, match="is no Inspect log"):
            list(FORMAT.read(tmp_path / "x.json", Position()))
    (tmp_path / "x.eval").write_bytes(zipped())
    assert not FORMAT.fits(head_of(tmp_path / "x.eval"))


def test_the_real_archive_of_zstd_gives_the_records_of_its_document(shared_data):
    folder = shared_data / "inspect"
    pieces = [
        read(folder / name)
        for name in ("2025-05-12T20-28-26-04-00_security-guide.json", "rewritten_zstd_security-guide.eval")
    ]
    document, archive = (assemble(piece, FORMAT.name, "same") for piece in pieces)
    assert document.executions.equals(archive.executions)
    assert document.steps.equals(archive.steps)
    assert (document.executions["input_tokens"].sum(), document.executions["output_tokens"].sum()) == (
        959,
        1033,
    )


def test_the_real_logs_give_the_figures_that_they_state_themselves(shared_data):
    for path in sorted((shared_data / "inspect").iterdir()):
        assert FORMAT.fits(head_of(path)), path.name
        piece = read(path)
        assert not piece.faults
        if path.suffix != ".json":
            continue
        log = json.loads(path.read_text())
        assert len(piece.tasks) == len(log["samples"])
        scored = [task for task in piece.tasks if task.success is not None]
        if scored:
            accuracy = log["results"]["scores"][0]["metrics"]["accuracy"]["value"]
            assert sum(task.success for task in scored) / len(scored) == pytest.approx(accuracy)
            stated = log["stats"]["model_usage"].values()
            assert sum(task.input_tokens for task in piece.tasks) == sum(
                usage["input_tokens"] for usage in stated
            )


def test_the_real_cancelled_run_keeps_its_samples_and_its_tool_errors_are_no_verdict(shared_data):
    cancelled = read(shared_data / "inspect" / "2025-05-12T20-28-13-04-00_popularity.json")
    assert [task.success for task in cancelled.tasks] == [True, True, False]
    errors = read(shared_data / "inspect" / "log_tool_call_error.json").tasks[0]
    assert (len(errors.steps), errors.success, errors.attempt) == (11, None, 4)
    assert all(step.is_error for step in errors.steps)
