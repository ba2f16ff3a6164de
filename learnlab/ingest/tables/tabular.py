"""The reader of tables: CSV, TSV, JSON, JSON lines and Parquet files as batches of executions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import polars as pl

from learnlab.errors import MappingError, SourceError
from learnlab.ingest.batch import Batch
from learnlab.ingest.rejected import Fault, rejected_frame
from learnlab.ingest.report import Notes
from learnlab.ingest.sources import Format, Stream, opened, printable
from learnlab.ingest.tables.csvfile import read_csv
from learnlab.ingest.tables.fields import TELLING, looks_like_events
from learnlab.ingest.tables.hashes import hashes_of, json_objects
from learnlab.ingest.tables.jsonfile import is_json_lines, read_json_array, read_json_lines
from learnlab.ingest.tables.mapping import BY_NAME, Mapping, TableMapping, check_columns, mapping_for
from learnlab.ingest.tables.parquetfile import UNREADABLE, read_parquet
from learnlab.ingest.tables.plan import Plan
from learnlab.ingest.tables.raw import ROWS_A_BATCH, RawRows, exact, regrouped
from learnlab.ingest.tables.typed import typed
from learnlab.store.frames import conform


def raw_rows(stream: Stream, form: Format, name: str) -> Iterator[RawRows]:
    """Yield a stream's rows as text, whatever its format; the first piece comes even when there are no rows.

    Raises:
        SourceError: when it cannot be read as this format at all.

    >>> import io
    >>> piece = next(raw_rows(io.BufferedReader(io.BytesIO(b"a,b\\n1,2\\n")), Format.CSV, "x.csv"))
    >>> piece.frame.rows(), piece.positions.to_list()
    ([('1', '2')], [2])
    """
    try:
        yield from _pieces(stream, form, name)
    except UNREADABLE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise SourceError(f"{name} cannot be read: {reason}") from None


def _pieces(stream: Stream, form: Format, name: str) -> Iterator[RawRows]:
    if form is Format.PARQUET:
        yield from read_parquet(stream, name)
        return
    if form is Format.CSV:
        pieces = read_csv(stream, name)
    elif is_json_lines(stream.peek(), name, is_lines=form is Format.JSONL):
        pieces = read_json_lines(stream)
    else:
        pieces = read_json_array(stream)
    for piece in pieces:
        yield _with_cut_row(piece)


def _with_cut_row(piece: RawRows) -> RawRows:
    """Say of the row that `sources.opened` spoilt with a NUL byte that the file breaks off there."""
    if not piece.faults or not piece.faults[-1][2].endswith("\0"):
        return piece
    position, _, content = piece.faults[-1]
    cut = (position, "the gzip file breaks off in this row", content.removesuffix("\0"))
    return replace(piece, faults=[*piece.faults[:-1], cut])


def columns_of(path: Path) -> list[str]:
    """Return the column names of a file, from its first piece.

    Raises:
        SourceError: when it cannot be read.
    """
    with opened(path) as (stream, form):
        return next(raw_rows(stream, form, printable(path))).frame.columns


def read_batches(
    path: Path, mapping: Mapping | None = None, notes: Notes | None = None, source: str = ""
) -> Iterator[Batch]:
    """Yield the executions of one file in batches of at most 122,880 rows, whatever the size of the file.

    Without a mapping the packaged one that fits is used, else columns are found by their names. `notes` is
    filled on the way; `source` is how the file is called in what is stored. A time that the file does not
    have is left null for the store to fill in.

    Raises:
        SourceError: when the file cannot be read, or no column tells of executions.
        MappingError: when the mapping does not fit it.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "runs.csv"
    >>> _ = path.write_text("prompt,model,cost\\nFix it,a,0.5\\nTest it,b,-1\\n")
    >>> batch, = read_batches(path)
    >>> batch.executions["actual_cost"].to_list(), batch.rejected["reason"].to_list()
    ([0.5], ['actual_cost is -1.0, below 0'])
    """
    name = printable(path)
    notes = Notes() if notes is None else notes
    with opened(path) as (stream, form):
        pieces = raw_rows(stream, form, name)
        first = next(pieces)
        columns = first.frame.columns
        if mapping is None:
            mapping, table = mapping_for(columns)
        else:
            table = mapping.table_for(columns, name)
        joined = _join_frame(path, mapping, table, columns)
        extra = joined.columns[1:] if joined is not None else []
        check_columns(mapping, table, [*columns, *extra], name)
        plan = Plan(columns, table, extra)
        is_events = mapping is BY_NAME and looks_like_events(columns)
        if columns and (is_events or sum(plan.has(telling) for telling in TELLING) < 2):
            shown = ", ".join(columns)[:300]
            raise SourceError(
                f"{name} is a log of events, not a table with one execution a row ({shown})"
                if is_events
                else f"{name} does not look like executions: hardly a column tells what was asked, of whom or what "
                f"came of it ({shown}); say what they mean in a mapping"
            )
        notes.format, notes.mapping, notes.tiers = form.value, mapping.name, dict(table.tiers)
        reader = _Reader(table, joined, f"{form.value}:{source or name}"[:4000], notes)
        for piece in regrouped(chain([first], pieces)):
            yield from reader.batches(piece)


def _join_frame(path: Path, mapping: Mapping, table: TableMapping, columns: list[str]) -> pl.DataFrame | None:
    """Return the key and the columns of the second file that a mapping joins, or None where it joins none."""
    join = table.join
    if join is None:
        return None
    place = f"mapping {mapping.name}, join"
    files = sorted(path.parent.glob(join.file))
    if not files:
        raise MappingError(f"{place}: there is no {join.file} beside {printable(path)}; put it there")
    if clash := [name for name in join.columns if name in columns]:
        raise MappingError(f"{place}: {printable(path)} has a column {clash[0]!r} of its own")
    parts = []
    for file in files:
        with opened(file) as (stream, form):
            for piece in raw_rows(stream, form, printable(file)):
                wanted = [join.on, *join.columns]
                if missing := [name for name in wanted if name not in piece.frame.columns]:
                    raise MappingError(f"{place}: {printable(file)} has no column {missing[0]!r}")
                parts.append(piece.frame.select(exact(*wanted)))
    both = pl.concat(parts).filter(exact(join.on).is_not_null()).unique(maintain_order=True)
    twice = both.filter(both[join.on].is_duplicated())
    if len(twice):
        raise MappingError(
            f"{place}: {join.on} {twice[join.on][0][:100]!r} stands in {join.file} with different texts"
        )
    return both


class _Reader:
    """What stays the same over the pieces of one file; columns met once are known from then on."""

    def __init__(self, table: TableMapping, joined: pl.DataFrame | None, source: str, notes: Notes) -> None:
        self.table, self.joined, self.source, self.notes = table, joined, source, notes
        self.columns: dict[str, None] = {}

    def batches(self, piece: RawRows) -> Iterator[Batch]:
        """Yield a piece as batches of bounded size, the rows that could not be read in the first of them."""
        self.columns |= dict.fromkeys(piece.frame.columns)
        n_rows = len(piece.positions)
        for start in range(0, n_rows, ROWS_A_BATCH):
            part = RawRows(
                piece.frame.slice(start, ROWS_A_BATCH),
                piece.positions.slice(start, ROWS_A_BATCH),
                piece.faults if start == 0 else (),
            )
            yield self._batch(part)
        if not n_rows and piece.faults:
            yield self._batch(piece)

    def _batch(self, piece: RawRows) -> Batch:
        present = set(piece.frame.columns)
        absent = [name for name in self.columns if name not in present]
        frame = piece.frame.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in absent)
        content = json_objects(frame, frame.columns)
        joined = [] if self.joined is None else self.joined.columns[1:]
        plan = Plan(frame.columns, self.table, joined)
        content_hash, record_key = _identity(frame, content, plan)
        rows = typed(plan, self._with_joined(frame))
        identified = rows.rows.with_columns(
            source=pl.lit(self.source),
            source_position=piece.positions,
            record_key=record_key,
            content_hash=content_hash,
        )
        reasons = rows.reasons.set(content == "{}", "is empty")
        good, faulty = conform(identified)
        bad = reasons.is_not_null()
        if bad.any():
            good = good.filter(~pl.lit(bad).gather(pl.col("row")))
        faults: list[Fault] = list(piece.faults)
        known = dict(faulty.select("row", "reason").iter_rows())
        known |= {at: reasons[at] for at in bad.arg_true()}
        faults += [(piece.positions[at], known[at], content[at]) for at in sorted(known)]
        self.notes.n_naive_times += rows.n_naive_times
        self.notes.n_no_verdicts += rows.n_no_verdicts
        self.notes.n_untimed += int((good["time_source"] == "ingestion").sum())
        return Batch(good.drop("row"), rejected_frame(faults), piece.n_rows_read)

    def _with_joined(self, frame: pl.DataFrame) -> pl.DataFrame:
        if self.joined is None or self.table.join is None:
            return frame
        on = self.table.join.on
        found = frame.join(
            self.joined, left_on=exact(on), right_on=exact(on), how="left", maintain_order="left"
        )
        self.notes.n_unmatched += len(frame) - int(frame[on].is_in(self.joined[on].implode()).sum())
        return found


def _identity(frame: pl.DataFrame, content: pl.Series, plan: Plan) -> tuple[pl.Series, pl.Series]:
    """Return each row's content hash and record key; a row without its id is known by its content."""
    content_hash = hashes_of(content)
    if not plan.identity:
        return content_hash, content_hash
    keys = hashes_of(json_objects(frame, plan.identity, plan.key_constants), "key\n")
    id_columns = plan.mapping.key or [rule.column for rule in plan.rules["task_id"]]
    has_id = frame.select(pl.any_horizontal(exact(*id_columns).is_not_null())).to_series()
    return content_hash, keys.zip_with(has_id, content_hash)
