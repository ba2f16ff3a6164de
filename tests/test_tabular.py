"""The tabular reader: every format, every way of being broken, and every row accounted for."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from learnlab.errors import SourceError
from learnlab.ingest.batch import REJECTED_SCHEMA, Batch
from learnlab.ingest.report import Notes
from learnlab.ingest.tables import csvfile, jsonfile
from learnlab.ingest.tables.csvfile import read_csv
from learnlab.ingest.tables.hashes import hashes_of, json_objects
from learnlab.ingest.tables.jsonfile import read_json_array, read_json_lines
from learnlab.ingest.tables.parquetfile import read_parquet
from learnlab.ingest.tables.raw import RawRows
from learnlab.ingest.tables.tabular import read_batches
from learnlab.store.limits import SCHEMA

HEADER = "task_id,prompt,model,success,cost_usd\n"


def write(tmp_path: Path, content: str | bytes, name: str = "runs.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(tmp_path: Path, content: str | bytes, name: str = "runs.csv", notes: Notes | None = None) -> Batch:
    """Return a small file as one batch, checked to be whole."""
    batches = list(read_batches(write(tmp_path, content, name), notes=notes))
    for batch in batches:
        assert dict(batch.executions.schema) == SCHEMA
        assert dict(batch.rejected.schema) == REJECTED_SCHEMA
        assert batch.n_rows_read == len(batch.executions) + len(batch.rejected)
    assert len(batches) == 1
    return batches[0]


def refused(batch: Batch) -> list[tuple[int, str]]:
    return batch.rejected.sort("source_position").select("source_position", "reason").rows()


def test_a_row_becomes_an_execution(tmp_path: Path) -> None:
    batch = read(
        tmp_path,
        "runId,Created At,Prompt,task type,repository,LLM,tier,pool,status,Latency (ms),prompt_tokens,colour\n"
        "r-1,2026-03-01T10:00:00+02:00,Fix it,Bug Fixing,shop,big,Large,local,PASSED,1500,12,red\n",
    )
    row = batch.executions.row(0, named=True)
    expected = {
        "external_id": "r-1", "task_id": None, "timestamp_text": "2026-03-01 08:00:00", "time_source": "recorded",
        "task_description": "Fix it", "task_type": "bugfix", "repo": "shop", "model": "big", "model_tier": "large",
        "pool_type": "local", "success": True, "success_source": "harness", "duration_seconds": 1.5,
        "input_tokens": 12, "actual_cost": None, "source_position": 2,
    }  # fmt: skip
    row["timestamp_text"] = str(row["timestamp"])
    assert {name: row[name] for name in expected} == expected
    assert json.loads(row["metadata"]) == {"colour": "red", "task_type": "Bug Fixing"}


def test_what_the_source_does_not_say_is_unknown(tmp_path: Path) -> None:
    notes = Notes()
    batch = read(tmp_path, "model,duration\nm,1\n", notes=notes)
    row = batch.executions.row(0, named=True)
    assert [row[name] for name in ("repo", "task_type", "pool_type", "model_tier")] == ["unknown"] * 4
    assert (row["task_description"], row["success"], row["actual_cost"]) == ("", None, None)
    assert (row["timestamp"], row["time_source"], notes.n_untimed) == (None, "ingestion", 1)
    assert (row["success_source"], row["cost_source"]) == ("unknown", "unknown")


@pytest.mark.parametrize(
    ("column", "word", "expected"),
    [("success", "true", True), ("success", "0", False), ("passed", "Yes", True), ("success", "completed", None),
     ("status", "done", None), ("status", "finished", None), ("status", "ok", None), ("status", "success", None),
     ("status", "failed", False), ("status", "pass", True), ("success", "0.7", None)],
)  # fmt: skip
def test_only_words_that_are_verdicts_decide(
    tmp_path: Path, column: str, word: str, expected: bool | None
) -> None:
    notes = Notes()
    batch = read(tmp_path, f"prompt,{column}\nFix,{word}\n", notes=notes)
    assert batch.executions["success"][0] is expected
    assert notes.n_no_verdicts == (expected is None)
    assert json.loads(batch.executions["metadata"][0]) == ({column: word} if expected is None else {})


def test_words_outside_a_vocabulary_are_kept_in_the_metadata(tmp_path: Path) -> None:
    batch = read(
        tmp_path, "prompt,tier,error_type,topology,cost_source,cost\nFix,premium,KeyError,ring,tokens,1\n"
    )
    row = batch.executions.row(0, named=True)
    assert (row["model_tier"], row["error_type"], row["swarm_topology"]) == ("unknown", "unknown", None)
    assert row["cost_source"] == "reported"
    assert json.loads(row["metadata"]) == {
        "tier": "premium", "error_type": "KeyError", "topology": "ring", "cost_source": "tokens",
    }  # fmt: skip


def test_a_uuid_is_the_task_id_and_a_text_is_not(tmp_path: Path) -> None:
    uuid = "0F8FAD5B-D9CB-469F-A165-70867728950E"
    batch = read(tmp_path, f"task_id,prompt,model,parent_task_id\n{uuid},a,m,p-1\nt-2,b,m,{uuid}\n")
    assert batch.executions["task_id"].to_list() == [uuid.lower(), None]
    assert batch.executions["external_id"].to_list() == [None, "t-2"]
    assert batch.executions["parent_task_id"].to_list() == [None, uuid.lower()]
    assert json.loads(batch.executions["metadata"][0]) == {"parent_task_id": "p-1"}


def test_the_sources_own_metadata_stay_an_object(tmp_path: Path) -> None:
    rows = [
        {"prompt": "a", "model": "m", "metadata": {"k": [1]}, "extra": 2},
        {"prompt": "b", "metadata": "[no"},
    ]
    batch = read(tmp_path, "\n".join(map(json.dumps, rows)), "runs.jsonl")
    assert [json.loads(text) for text in batch.executions["metadata"]] == [
        {"k": [1], "extra": "2"}, {"metadata": "[no"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,Fix,m,true,-0.5", "actual_cost is -0.5, below 0"),
        ("1,Fix,m,true,NaN", "actual_cost is NaN, not a finite number"),
        ("1,Fix,m,true,inf", "actual_cost is inf, not a finite number"),
        ("1,Fix,m,true,cheap", "actual_cost is 'cheap', not a number"),
        ("1,Fix,m,true", "has 4 fields, the header has 5"),
        ("1,Fix,m,true,1,2", "has 6 fields, the header has 5"),
        (",,,,", "is empty"),
        ("1,Fix\0it,m,true,1", "holds a NUL byte"),
        ("1,,m,true,1", "task_description is missing"),
        ('1,"Fix,m,true,1', "has a quote that is never closed"),
        ('1,"Fix" it,m,true,1', "is no CSV: ',' expected after '\"'"),
        ("1,Fi\rx,m,true,1", "is no CSV: new-line character seen in unquoted field"),
    ],
)
def test_one_bad_row_is_refused_with_its_reason_and_the_rest_stays(
    tmp_path: Path, row: str, reason: str
) -> None:
    batch = read(tmp_path, f"{HEADER}0,Good,m,true,1\n{row}\n2,Good,m,true,1\n")
    assert batch.executions["external_id"].to_list() == ["0", "2"]
    assert batch.executions["source_position"].to_list() == [2, 4]
    ((position, why),) = refused(batch)
    assert (position, why.split(" - ")[0]) == (3, reason)
    assert batch.n_rows_read == 3


@pytest.mark.parametrize(
    ("latency", "reason"),
    [("soon", "duration_seconds is 'soon', not a number"), ("-1", "duration_seconds is -0.001, below 0")],
)
def test_a_number_with_a_unit_is_checked_too(tmp_path: Path, latency: str, reason: str) -> None:
    assert refused(read(tmp_path, f"prompt,latency_ms\nFix,{latency}\n")) == [(2, reason)]


def test_bytes_that_are_not_utf8_spoil_their_row_alone(tmp_path: Path) -> None:
    batch = read(tmp_path, HEADER.encode() + "1,é,m,true,1\n".encode() + "2,é,m,true,1\n".encode("latin-1"))
    assert batch.executions["task_description"].to_list() == ["é"]
    assert refused(batch) == [(3, "is not UTF-8 (byte 3 is 0xe9)")]
    assert batch.rejected["content"].to_list() == ["2,\ufffd,m,true,1"]


def test_times_without_a_zone_are_utc_and_counted(tmp_path: Path) -> None:
    notes = Notes()
    rows = ["2026-03-01 10:00:00", "2026-03-01T10:00:00Z", "2026-03-01T12:00:00+02:00", "1772359200", ""]
    batch = read(tmp_path, "prompt,model,timestamp\n" + "".join(f"x,m,{row}\n" for row in rows), notes=notes)
    assert batch.executions["timestamp"].cast(str).to_list() == ["2026-03-01 10:00:00.000000"] * 4 + [None]
    assert (notes.n_naive_times, notes.n_untimed) == (1, 1)


def test_a_time_in_the_far_future_is_refused(tmp_path: Path) -> None:
    ((_, reason),) = refused(read(tmp_path, "prompt,model,timestamp\nx,m,2999-01-01T00:00:00Z\n"))
    assert "timestamp is 2999-01-01" in reason
    assert "future" in reason


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("last", [True, False])
def test_byte_order_marks_and_line_ends_do_not_count(
    tmp_path: Path, newline: str, bom: str, last: bool
) -> None:
    text = bom + newline.join(["prompt,model", "a,m", "", '"b', 'c",m', "d,m"]) + (newline if last else "")
    batch = read(tmp_path, text)
    assert batch.executions["task_description"].to_list() == ["a", f"b{newline}c", "d"]
    assert batch.executions["source_position"].to_list() == [2, 4, 6]


@pytest.mark.parametrize(
    ("name", "delimiter"), [("a.tsv", "\t"), ("a.csv", ";"), ("a.csv", "|"), ("a.tab", "\t")]
)
def test_the_delimiter_is_found(tmp_path: Path, name: str, delimiter: str) -> None:
    batch = read(tmp_path, f"prompt{delimiter}model\na, b{delimiter}m\n", name)
    assert batch.executions["task_description"].to_list() == ["a, b"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\n \n", "is empty"),
        ("a.csv", "prompt,model\na,b\n".encode("utf-16"), "is UTF-16"),
        ("a.csv", "prömpt,model\na,b\n".encode("latin-1"), "line 1: the header is not UTF-8"),
        ("a.csv", b"prompt\0,model\n", "NUL bytes in the header"),
        ("a.csv", b"prompt,model,model\n1,2,3\n", "several columns are called 'model'"),
        ("a.csv", b'"prompt,model\n', "the header has a quote that is never closed"),
        ("a.csv", b"colour,shape\nred,round\n", "does not look like executions"),
        ("a.csv", b"x" * (1 << 20) + b",model\n", "no end of the header"),
        ("a.parquet", b"not parquet", "is no Parquet file"),
        ("a.parquet", b"PAR1 but nothing more", "cannot be read as Parquet"),
        ("a.json", b'{\n  "models": []\n}\n', "holds one JSON object"),
        ("a.txt", b"prompt,model\n", r"no reader for \.txt"),
        ("LICENSE", b"MIT", "no reader for files without an ending"),
        ("a.csv.gz", b"\x1f\x8bnonsense", "is no sound gzip file"),
        ("a.csv.gz", gzip.compress(b"", mtime=0), "is empty"),
    ],
)
def test_a_file_that_is_no_source_says_why_in_one_line(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        list(read_batches(write(tmp_path, content, name)))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    for content in (HEADER, HEADER.strip()):
        assert list(read_batches(write(tmp_path, content))) == []


def test_a_field_of_ten_megabytes_is_refused_and_cut(tmp_path: Path) -> None:
    batch = read(tmp_path, f'{HEADER}1,"{"x" * 10_000_000}",m,true,1\n2,b,m,true,1\n')
    assert refused(batch) == [(2, "task_description has 10000000 characters, 1000000 at most")]
    assert len(batch.rejected["content"][0]) < 101_000
    assert batch.executions["external_id"].to_list() == ["2"]


@pytest.mark.parametrize("name", ["runs.csv", "runs.jsonl"])
def test_a_row_too_long_to_hold_is_refused(tmp_path: Path, name: str) -> None:
    long = "x" * (17 << 20)
    rows = [long, "fine"]
    if name == "runs.csv":
        content = "prompt,model\n" + "".join(f"{text},m\n" for text in rows)
    else:
        content = "".join(json.dumps({"prompt": text, "model": "m"}) + "\n" for text in rows)
    batch = read(tmp_path, content, name)
    assert [reason for _, reason in refused(batch)] == ["is longer than 16 MB"]
    assert batch.executions["task_description"].to_list() == ["fine"]


def test_json_lines_that_are_none_are_refused(tmp_path: Path) -> None:
    lines = [
        b'\xef\xbb\xbf{"prompt": "a", "model": "m", "cost": 0.10, "n": 1e2, "deep": {"x": [1, null]}, "gone": null}',
        b"", b"[1]", b"7", b'{"prompt": "b"', b'{"prompt": "\xff"}', b'{"prompt": "\\ud800"}', b'{"prompt": "\\u0000"}',
        b'{"prompt": "c", "cost": NaN}', b"[" * 100_000, b'{"prompt": "d", "model": 9}', b"{}",
    ]  # fmt: skip
    batch = read(tmp_path, b"\r\n".join(lines), "runs.jsonl")
    assert batch.executions["task_description"].to_list() == ["a", "d"]
    assert json.loads(batch.executions["metadata"][0]) == {"n": "100.0", "deep": '{"x":[1,null]}'}
    reasons = [(position, reason.split(":")[0].split(" (")[0]) for position, reason in refused(batch)]
    assert reasons == [
        (3, "is a JSON array, not an object"), (4, "is a single value, not an object"), (5, "is no JSON"),
        (6, "is not UTF-8, or holds half of a surrogate pair"), (7, "is not UTF-8, or holds half of a surrogate pair"),
        (8, "holds a NUL byte"), (9, "actual_cost is NaN, not a finite number"), (10, "is no JSON"), (12, "is empty"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "n_good", "reasons"),
    [
        ('[{"prompt":"a","model":"m"}]', 1, []),
        (' [ {"prompt":"a","model":"m"} , {"prompt":"b","model":"m"} ] \n', 2, []),
        ('[{"prompt":"a","model":"m"}, 3]', 1, ["is a single value, not an object"]),
        ('[{"prompt":"a","model":"m"}, {"prompt":', 1, ["from here on is no JSON: Expecting value"]),
        ('[{"prompt":"a","model":"m"}', 0, ["from here on is no JSON: the array is cut off"]),
        ('[{"prompt":"a","model":"m"}] more', 1, ["stands after the end of the array"]),
        ('[{"prompt":"a","model":"m"} {"prompt":"b"}]', 0, ["from here on is no JSON: Expecting ',' or ']'"]),
    ],
)
def test_json_arrays(tmp_path: Path, text: str, n_good: int, reasons: list[str]) -> None:
    raw = list(read_json_array(io.BytesIO(text.encode())))
    assert sum(len(piece.positions) for piece in raw) == n_good
    assert [fault[1] for piece in raw for fault in piece.faults] == reasons


def test_the_format_of_a_json_file_is_told_by_its_content(tmp_path: Path) -> None:
    row = {"prompt": "a", "model": "m"}
    for name in ("a.json", "a.jsonl"):
        for text in (json.dumps([row, row]), f"{json.dumps(row)}\n{json.dumps(row)}\n"):
            assert len(read(tmp_path, text, name).executions) == 2


def hostile() -> st.SearchStrategy[str]:
    """Texts that break things: quotes, delimiters, newlines, markup, emoji, long and empty ones."""
    nasty = st.sampled_from(
        ['"', '""', ",", ";", "\n", "\r\n", "\r", "</script><img src=x onerror=alert(1)>", "😀", "\u2028", "'", "\\",
         "'; drop table executions; --", "{0}", "%s", "x" * 5000, " ", "\t", "null", "NaN", "\x1b[31m"]
    )  # fmt: skip
    return st.lists(nasty | st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=4).map(
        "".join
    )


names = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8).filter(
        lambda name: name.strip() == name
    ),
    min_size=2, max_size=5, unique=True,
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[tuple[str, ...]]]:
    columns = draw(names)
    return columns, draw(st.lists(st.tuples(*[hostile()] * len(columns)), max_size=6))


def csv_bytes(columns: list[str], rows: list[tuple[str, ...]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([columns, *rows])
    return out.getvalue().encode()


def parquet_bytes(columns: list[str], rows: list[tuple[str, ...]]) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row").write_parquet(out)
    return out.getvalue()


def json_bytes(columns: list[str], rows: list[tuple[str, ...]], ascii_only: bool = False) -> bytes:
    objects = [dict(zip(columns, row, strict=True)) for row in rows]
    return "\n".join(json.dumps(item, ensure_ascii=ascii_only) for item in objects).encode()


def seen(pieces: Iterator[RawRows], columns: list[str]) -> tuple[list[tuple[str, ...]], int]:
    rows, n_faults = [], 0
    for piece in pieces:
        full = piece.frame.with_columns(
            pl.lit(None, pl.String).alias(c) for c in columns if c not in piece.frame.columns
        )
        rows += [tuple(row[c] or "" for c in columns) for row in full.rows(named=True)] if full.width else []
        n_faults += len(piece.faults)
    return rows, n_faults


@settings(max_examples=60)
@given(tables())
def test_any_table_reads_back_equal_from_every_format(table: tuple[list[str], list[tuple[str, ...]]]) -> None:
    columns, rows = table
    sound = [row for row in rows if "\0" not in "".join(row)]
    n_nul = len(rows) - len(sound)
    readers: list[tuple[Callable[[io.BytesIO], Iterator[RawRows]], bytes]] = [
        (read_csv, csv_bytes(columns, rows)), (read_parquet, parquet_bytes(columns, rows)),
        (read_json_lines, json_bytes(columns, rows)), (read_json_lines, json_bytes(columns, rows, True)),
        (read_json_array, b"[" + json_bytes(columns, rows).replace(b"\n", b",") + b"]"),
    ]  # fmt: skip
    for reader, content in readers:
        found, n_faults = seen(reader(io.BytesIO(content)), columns)
        # A row of one empty column cannot be told from an empty line; JSON readers refuse an empty object.
        assert [row for row in found if any(row)] == [row for row in sound if any(row)]
        is_json = reader not in (read_csv, read_parquet)
        assert n_faults == n_nul + (sum(not any(row) for row in sound) if is_json else 0)


@settings(max_examples=60)
@given(tables())
def test_the_canonical_text_is_sorted_json_and_its_hash_sha256(
    table: tuple[list[str], list[tuple[str, ...]]],
) -> None:
    columns, rows = table
    frame = pl.DataFrame(
        [[value or None for value in row] for row in rows],
        schema=dict.fromkeys(columns, pl.String),
        orient="row",
    )
    texts = json_objects(frame, columns)
    wanted = [{name: row[at] for at, name in enumerate(columns) if row[at]} for row in rows]
    assert [json.loads(text) for text in texts] == wanted
    assert all(list(json.loads(text)) == sorted(json.loads(text)) for text in texts)
    assert hashes_of(texts).to_list() == [sha256(text.encode()).hexdigest()[:32] for text in texts]
    assert json_objects(frame, columns[::-1]).to_list() == texts.to_list()


def test_the_canonical_text_never_changes() -> None:
    frame = pl.DataFrame({"b": ['a "b"\\\n\t/é😀\x1f\u2028'], "a": ["1"]})
    assert json_objects(frame, ["b", "a"])[0] == '{"a":"1","b":"a \\"b\\"\\\\\\n\\t/é😀\\u001f\u2028"}'


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from(['"', ",", "\n", "a", "\r", '""', "é", "1,2\n", '"x"']), max_size=30).map(
        "".join
    )
)
def test_any_text_after_a_header_is_accounted_for(text: str) -> None:
    pieces = list(read_csv(io.BytesIO(b"a,b\n" + text.encode())))
    positions = sorted(
        [at for piece in pieces for at in piece.positions]
        + [fault[0] for piece in pieces for fault in piece.faults]
    )
    assert len(set(positions)) == len(positions)
    rows = {at for piece in pieces for at in piece.positions}
    refused_lines = {
        line
        for piece in pieces
        for at, _, said in piece.faults
        for line in range(at, at + said.count("\n") + 1)
    }
    for number, line in enumerate(text.split("\n"), 2):
        if line.strip("\r") and number not in rows | refused_lines:
            assert any(at < number for at in rows), f"line {number} is in no row"


@settings(max_examples=30)
@given(st.integers(0, 200), st.lists(st.sampled_from([b'"', b"\xff", b"\0", b"\n", b",", b"\r"]), max_size=6))
def test_small_chunks_read_as_one_does(at: int, noise: list[bytes]) -> None:
    rows = [(str(i), 'x "quoted"\nline' if i % 3 else "plain", "m") for i in range(40)]
    content = csv_bytes(["id", "prompt", "model"], rows)
    cut = len(b'"id","prompt","model"\n') + at
    content = content[:cut] + b"".join(noise) + content[cut:]
    whole = seen(read_csv(io.BytesIO(content)), ["id", "prompt", "model"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csvfile, "CHUNK", 64)
        patch.setattr(csvfile, "HEADER", 300)
        patch.setattr(csvfile, "_FEW", 2)
        pieces = list(read_csv(io.BytesIO(content)))
    assert seen(iter(pieces), ["id", "prompt", "model"]) == whole


def test_a_field_longer_than_a_chunk_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(f"{i}", "line\n" * 50, "m") for i in range(5)]
    monkeypatch.setattr(csvfile, "CHUNK", 64)
    monkeypatch.setattr(csvfile, "HEADER", 64)
    pieces = list(read_csv(io.BytesIO(csv_bytes(["id", "prompt", "model"], rows))))
    assert seen(iter(pieces), ["id", "prompt", "model"]) == (rows, 0)
    assert [at for piece in pieces for at in piece.positions] == [2 + 51 * i for i in range(5)]


def test_json_in_small_chunks_reads_as_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    columns, rows = ["id", "prompt"], [(f"{i}", "word, ] } " * (i % 7)) for i in range(60)]
    monkeypatch.setattr(jsonfile, "CHUNK", 16)
    array = b"[" + json_bytes(columns, rows).replace(b"\n", b" ,\n") + b"]"
    for reader, content in ((read_json_array, array), (read_json_lines, json_bytes(columns, rows))):
        pieces = list(reader(io.BytesIO(content)))
        assert len(pieces) > 5
        assert seen(iter(pieces), columns) == (rows, 0)
        broken = list(reader(io.BytesIO(content.replace(b'{"id": "30"', b'{"id" "30"'))))
        assert sum(piece.n_rows_read for piece in broken) == (31 if reader is read_json_array else 60)


def test_a_number_too_long_to_read_spoils_its_row_alone() -> None:
    (piece,) = read_json_lines(io.BytesIO(b'{"n": ' + b"9" * 5000 + b'}\n{"n": 1}\n'))
    assert piece.frame.rows() == [("1",)]
    assert [fault[0] for fault in piece.faults] == [1]


@pytest.mark.parametrize("name", ["runs.csv", "runs.jsonl", "runs.json", "runs.csv.gz"])
def test_every_truncation_accounts_for_its_rows(tmp_path: Path, name: str) -> None:
    rows = [('Fix "it"\nnow', "m"), ("Dö", "m")]
    columns = ["prompt", "model"]
    whole = {"runs.csv": csv_bytes(columns, rows), "runs.jsonl": json_bytes(columns, rows)}
    whole["runs.json"] = b"[" + whole["runs.jsonl"].replace(b"\n", b",") + b"]"
    whole["runs.csv.gz"] = gzip.compress(whole["runs.csv"], mtime=0)
    complete = read(tmp_path, whole[name], name).executions
    assert len(complete) == 2
    for end in range(len(whole[name])):
        path = write(tmp_path, whole[name][:end], name)
        try:
            batches = list(read_batches(path))
        except SourceError:
            continue
        for batch in batches:
            assert batch.n_rows_read == len(batch.executions) + len(batch.rejected)
            untouched = batch.executions["content_hash"].is_in(complete["content_hash"].implode())
            assert len(batch.executions) - untouched.sum() <= (0 if name != "runs.csv" else 1)


def test_a_gzip_file_that_breaks_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    rows = [(str(i), f"Fix {random.Random(i).random()}", "m", "true", "1") for i in range(2000)]
    packed = gzip.compress(csv_bytes(HEADER.strip().split(","), rows))
    batch = read(tmp_path, packed[: len(packed) // 2], "runs.csv.gz")
    assert 500 < len(batch.executions) < 1500
    assert [reason for _, reason in refused(batch)] == ["the gzip file breaks off in this row"]
    assert batch.executions["external_id"].to_list() == [str(i) for i in range(len(batch.executions))]


def test_gzip_is_told_by_its_magic_and_packs_every_format(tmp_path: Path) -> None:
    columns, rows = ["prompt", "model"], [("a", "m"), ("b", "m")]
    makers = {"csv": csv_bytes, "jsonl": json_bytes, "parquet": parquet_bytes}
    hashes = {
        tuple(
            read(tmp_path, gzip.compress(make(columns, rows)), f"x.{ending}{suffix}").executions[
                "content_hash"
            ]
        )
        for ending, make in makers.items()
        for suffix in ("", ".gz")
    }
    assert len(hashes) == 1


def test_parquet_columns_of_every_type_become_text(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "prompt": ["a"], "timestamp": [datetime(2026, 3, 1, 10, 0, 0, 500, tzinfo=UTC)], "cost": [0.1],
            "success": [True], "tokens_in": [7], "tags": [["x", "y"]], "deep": [{"k": 1, "l": None}],
            "day": [date(2026, 3, 1)], "duration": [timedelta(seconds=1.5)], "raw": [b"\x00\xff"],
            "price": [Decimal("1.10")], "nothing": [None], "kind": pl.Series(["c"], dtype=pl.Categorical),
        }
    )  # fmt: skip
    out = io.BytesIO()
    frame.write_parquet(out)
    row = read(tmp_path, out.getvalue(), "runs.parquet").executions.row(0, named=True)
    assert str(row["timestamp"]) == "2026-03-01 10:00:00.000500"
    assert (row["actual_cost"], row["success"], row["input_tokens"], row["duration_seconds"]) == (
        0.1,
        True,
        7,
        1.5,
    )
    assert json.loads(row["metadata"]) == {
        "tags": '["x","y"]', "deep": '{"k":1,"l":null}', "day": "2026-03-01", "raw": "00ff", "price": "1.10", "kind": "c",
    }  # fmt: skip


def test_parquet_with_broken_texts_refuses_those_rows(tmp_path: Path) -> None:
    broken = pa.array([b"good", b"bad \xff", b"nul \x00"]).cast(pa.binary())
    texts = pa.Array.from_buffers(pa.string(), 3, broken.buffers())
    out = io.BytesIO()
    parquet.write_table(pa.table({"prompt": texts, "model": ["m"] * 3}), out)
    batch = read(tmp_path, out.getvalue(), "runs.parquet")
    assert batch.executions["task_description"].to_list() == ["good"]
    assert refused(batch) == [(2, "is not UTF-8"), (3, "holds a NUL byte")]


def test_identity_is_of_the_content_not_of_the_file(tmp_path: Path) -> None:
    first = read(tmp_path, "id,prompt,cost\n1,a,0.5\n2,b,\n").executions
    other = read(tmp_path, '{"cost":"0.5","id":"1","prompt":"a","nothing":null}\n', "other.jsonl").executions
    assert other["content_hash"][0] == first["content_hash"][0]
    assert other["record_key"][0] == first["record_key"][0]
    corrected = read(tmp_path, "id,prompt,cost\n1,a,0.75\n").executions
    assert corrected["record_key"][0] == first["record_key"][0]
    assert corrected["content_hash"][0] != first["content_hash"][0]
    nameless = read(tmp_path, "id,prompt,cost\n,a,0.5\n,a,0.75\n").executions
    assert nameless["record_key"].to_list() == nameless["content_hash"].to_list()
    assert nameless["record_key"].n_unique() == 2


def test_large_pieces_come_in_bounded_batches(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    pl.DataFrame({"prompt": [f"p{i}" for i in range(250_000)]}).with_columns(model=pl.lit("m")).write_csv(
        path
    )
    batches = list(read_batches(path))
    assert [len(batch.executions) for batch in batches] == [122_880, 122_880, 4240]
    assert pl.concat(batch.executions["task_description"] for batch in batches).n_unique() == 250_000


def test_an_array_is_a_line_of_json_lines_and_loses_none_after_it(tmp_path: Path) -> None:
    lines = '[1,2]\n["prompt"]\n{"prompt":"a","model":"m","success":true}\n'
    for name in ("runs.jsonl", "runs.json"):
        batch = read(tmp_path, lines, name)
        assert len(batch.executions) == 1
        assert refused(batch) == [
            (1, "is a JSON array, not an object"),
            (2, "is a JSON array, not an object"),
        ]
    broken = read(tmp_path, '[1,2\n{"prompt":"a","model":"m","success":true}\n', "runs.jsonl")
    assert (len(broken.executions), [at for at, _ in refused(broken)]) == (1, [1])
    array = '[{"prompt":"a","model":"m"},\n{"prompt":"b","model":"m"}]\n'
    assert len(read(tmp_path, array, "runs.jsonl").executions) == 2


@pytest.mark.parametrize(("time", "n_naive"), [
    ("2026-01-01", 1), ("2026-01-01 10:00", 1), ("2026-01-01T10:00:00Z", 0), ("2026-01-01T10:00:00-01", 0),
    ("2026-01-01 10:00:00+0530", 0), ("2026-01-01T10:00:00.5+05:30", 0),
])  # fmt: skip
def test_a_date_alone_is_a_time_without_a_zone(tmp_path: Path, time: str, n_naive: int) -> None:
    notes = Notes()
    read(tmp_path, f"prompt,model,timestamp\na,m,{time}\n", notes=notes)
    assert notes.n_naive_times == n_naive


@pytest.mark.parametrize("text", ['{}\n{}\n{"a":null}\n', '[{},{},{"a":null}]'])
def test_objects_that_say_nothing_are_refused(tmp_path: Path, text: str) -> None:
    batch = read(tmp_path, text, "runs.json")
    assert refused(batch) == [(at, "is empty") for at in (1, 2, 3)]


@pytest.mark.parametrize("depth", range(900, 1100, 20))
def test_deep_nesting_spoils_its_row_alone(tmp_path: Path, depth: int) -> None:
    deep = "[" * depth + "]" * depth
    text = f'{{"prompt":"a","model":"m","x":{deep}}}\n{{"prompt":"b","model":"m"}}\n'
    batch = read(tmp_path, text, "runs.jsonl")
    assert "b" in batch.executions["task_description"].to_list()
    assert all("nested too deeply" in reason for _, reason in refused(batch))


def _broken_texts() -> pa.Array:
    return pa.Array.from_buffers(pa.string(), 2, pa.array([b"a\xff", b"ok"]).buffers())


@pytest.mark.parametrize(("column", "texts", "n_faults"), [
    (pa.array([[b"\xff", b"a"], None], pa.list_(pa.binary())), ['["ff","61"]', None], 0),
    (pa.array([{"a": b"\xff"}, {"a": None}]), ['{"a":"ff"}', '{"a":null}'], 0),
    (pa.array([1, None], pa.decimal256(60, 2)), ["1.00", None], 0),
    (pa.array([2**62, 0], pa.timestamp("ms")), ["1970-01-01T00:00:00"], 1),
    (pa.array([2**30, 0], pa.date32()), ["1970-01-01"], 1),
    (pa.array([0], pa.timestamp("ms", "+05:30")), ["1970-01-01T00:00:00+00:00"], 0),
    (pa.array([0], pa.timestamp("ms", "Nowhere/City")), ["1970-01-01T00:00:00+00:00"], 0),
    (pa.array([[1]], pa.list_(pa.timestamp("ns"))), ['["1970-01-01 00:00:00.000000001"]'], 0),
    (pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), _broken_texts()), ["ok"], 1),
    (pa.ListArray.from_arrays([0, 1, 2], _broken_texts()), ['["ok"]'], 1),
])  # fmt: skip
def test_parquet_values_that_polars_cannot_read(
    column: pa.Array, texts: list[str | None], n_faults: int
) -> None:
    packed = io.BytesIO()
    parquet.write_table(pa.table({"x": column}), packed)
    piece = next(read_parquet(packed))
    assert piece.frame["x"].to_list() == texts
    assert len(piece.faults) == n_faults


@pytest.mark.parametrize("given", ['{"a":"\\ud800"}', '{"a":1e400}', '{"a":%s}' % ("7" * 5000), "\\ud800"])
def test_odd_metadata_are_kept_as_text(tmp_path: Path, given: str) -> None:
    line = json.dumps({"prompt": "a", "model": "m", "metadata": given, "x": "1"})
    batch = read(tmp_path, line + "\n", "runs.jsonl")
    assert json.loads(batch.executions["metadata"][0]) == {"metadata": given, "x": "1"}
