"""Adding executions to an open store: each content once, newer content in the place of older, all or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from uuid import UUID, uuid4

import duckdb
import polars as pl

from learnlab.models import now
from learnlab.secrets import mask_frame, mask_text
from learnlab.store import attempts, feedback, ledger, masking, verdicts
from learnlab.store.connection import fetch, lent, transaction
from learnlab.store.forgotten import REJECTED_IS_WANTED, without_forgotten
from learnlab.store.limits import SCHEMA
from learnlab.store.positions import ReadPosition, keep_positions
from learnlab.store.steps import has_steps, merge_steps

_STORED = [name for name in SCHEMA if name != "task_description"]
_TEXT_HASH = "cast(sha256(task_description)[1:32] as uuid)"
_NOT_CONTENT = ("uploaded_at", "duration_source", "source", "source_position", "record_key", "content_hash")


@dataclass(frozen=True)
class Counts:
    """What became of the rows that were read; accepted, duplicates and rejected add up to them.

    `n_replaced` of the accepted took the place of an older version of the same record; `n_masked` secrets
    were masked in what was kept of all.

    >>> Counts(3, 2, 0, 1, 0) + Counts(1, 0, 0, 0, 1)
    Counts(n_rows_read=4, n_accepted=2, n_replaced=0, n_duplicates=1, n_rejected=1, n_masked=0)
    """

    n_rows_read: int = 0
    n_accepted: int = 0
    n_replaced: int = 0
    n_duplicates: int = 0
    n_rejected: int = 0
    n_masked: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def with_identity(connection: duckdb.DuckDBPyConnection, executions: pl.DataFrame) -> pl.DataFrame:
    """Return a conformed frame with `content_hash` and `record_key` filled in where they are null.

    The content is every column but the bookkeeping; a timestamp that is only the time of ingestion does not
    count. A record that has a task_id is known by it, any other by its content.
    """
    content = [pl.col(name) for name in SCHEMA if name not in (*_NOT_CONTENT, "timestamp")]
    timed = pl.when(pl.col("time_source") == "recorded").then(pl.col("timestamp"))
    text = executions.select(pl.struct(*content, timed.alias("timestamp")).struct.json_encode().alias("text"))
    with lent(connection, contents=text):
        query = "select cast(sha256(text)[1:32] as uuid)::varchar as hash from contents"
        hashes = fetch(connection, query)["hash"]
    return executions.with_columns(
        content_hash=pl.coalesce("content_hash", hashes),
        record_key=pl.coalesce("record_key", "task_id", hashes),
    )


@dataclass(frozen=True)
class Addition:
    """What one source gives to a store: a conformed frame of executions, their steps, what was rejected.

    `rejected` has the columns of `ingest.batch.REJECTED_SCHEMA`, `steps` those of `STEPS_SCHEMA` there. `kinds`
    (kind of line → number) accounts for the lines read and goes into the ledger row; `position`, how far the
    log was read with this, is kept in its table. `captured` is what live capture gives besides executions.
    `feedback` is what people gave, with the columns of `people.COLUMNS`.
    `ingest_id` is the id of its row in the ledger where that is another than the one of the whole.
    """

    executions: pl.DataFrame
    rejected: pl.DataFrame | None = None
    steps: pl.DataFrame | None = None
    kinds: Mapping[str, int] | None = None
    position: ReadPosition | None = None
    captured: attempts.Captured | None = None
    feedback: pl.DataFrame | None = None
    n_rows_read: int | None = None
    source: str | None = None
    mapping: str | None = None
    ingest_id: UUID | None = None


def merge(
    connection: duckdb.DuckDBPyConnection,
    additions: Sequence[Addition],
    *,
    ingest_id: UUID | None = None,
    kind: str = "ingest",
) -> list[Counts]:
    """Add what some sources give, all of it in one transaction, and return what became of the rows of each.

    A content that the store has, or had before newer content replaced it, is a duplicate, and so is what
    somebody wanted forgotten. Another content under a known record_key replaces what is there and keeps its
    place. A task_id that some other record has already gives way to the record_key. Steps are merged as
    `steps.merge_steps` says. Secrets are masked in whatever is kept, and verdicts that the store knows are
    given to what is new. Each source has a row in the ledger.
    """
    moment = now().replace(tzinfo=None)
    ingest_id = ingest_id or uuid4()
    executions = _of_all([one.executions for one in additions])
    steps = _of_all([one.steps for one in additions])
    with transaction(connection):
        identified, n_masked = _identified(connection, executions)
        unknown = _met(connection, identified).filter(~pl.col("is_known"))
        unknown, n_in_unknown = _masked(unknown, masking.EXECUTION_TEXTS)
        fresh = without_forgotten(connection, unknown, moment)
        n_masked += n_in_unknown
        n_replaced: Counter[int] = Counter()
        if len(fresh):
            n_replaced = _replace(connection, fresh, moment)
            n_masked += _keep_steps(connection, fresh, steps)
            verdicts.apply_to(connection, fresh)
        n_masked += _keep_rejected(connection, additions, ingest_id, moment)
        for one in additions:
            if one.captured:
                attempts.keep(connection, one.captured, fresh, moment)
            if one.feedback is not None:
                feedback.keep(connection, one.feedback, moment)
        keep_positions(connection, [one.position for one in additions if one.position], moment)
        n_fresh = Counter(fresh["part"].to_list())
        all_counts = []
        for part, one in enumerate(additions):
            n_rejected = 0 if one.rejected is None else len(one.rejected)
            n_rows_read = len(one.executions) + n_rejected if one.n_rows_read is None else one.n_rows_read
            counts = Counts(
                n_rows_read=n_rows_read,
                n_accepted=n_fresh[part],
                n_replaced=n_replaced[part],
                n_duplicates=len(one.executions) - n_fresh[part],
                n_rejected=n_rejected,
                n_masked=n_masked[part],
            )
            all_counts.append(counts)
            ledger.note(
                connection,
                kind,
                moment,
                asdict(counts),
                source=one.source and mask_text(one.source, "source")[0],
                mapping=one.mapping,
                ingest_id=one.ingest_id or ingest_id,
                kinds=one.kinds,
            )
    return all_counts


def _of_all(frames: Sequence[pl.DataFrame | None]) -> pl.DataFrame:
    """Return the frames of all additions as one, each row with the number of its addition (part)."""
    return pl.concat(
        [
            frame.with_columns(part=pl.lit(part, dtype=pl.Int64))
            for part, frame in enumerate(frames)
            if frame is not None
        ]
        or [pl.DataFrame(schema={"part": pl.Int64})]
    )


def _masked(frame: pl.DataFrame, columns: Sequence[str]) -> tuple[pl.DataFrame, Counter[int]]:
    """Return a frame with its secrets masked, and how many there were in each part."""
    masked, n_masked = mask_frame(frame, columns)
    if not n_masked:
        return frame, Counter()
    parts = frame.partition_by("part", as_dict=True)
    if len(parts) == 1:
        return masked, Counter({frame["part"][0]: n_masked})
    return masked, Counter({int(part): mask_frame(own, columns)[1] for (part,), own in parts.items()})


def _identified(
    connection: duckdb.DuckDBPyConnection, executions: pl.DataFrame
) -> tuple[pl.DataFrame, Counter[int]]:
    """Return a frame with its identity, and how many secrets were masked before it was worked out.

    A record that comes without identity gets that of its masked content, which is the same whether it came
    through the spool or not. Rows that have not even an id get it before: two rows that differ only in what
    is masked stay two.
    """
    if not executions["content_hash"].has_nulls() and not executions["record_key"].has_nulls():
        return executions, Counter()
    n_masked: Counter[int] = Counter()
    if not executions["task_id"].has_nulls():
        executions, n_masked = _masked(executions, masking.EXECUTION_TEXTS)
    return with_identity(connection, executions), n_masked


def _keep_steps(
    connection: duckdb.DuckDBPyConnection, fresh: pl.DataFrame, steps: pl.DataFrame
) -> Counter[int]:
    """Merge the steps of fresh executions, if there are any or were; return how many secrets were masked."""
    if len(steps):
        coming = steps.join(fresh.select("record_key"), on="record_key", how="semi")
        coming, n_masked = _masked(coming, masking.STEP_TEXTS)
        merge_steps(connection, fresh, coming)
        return n_masked
    if has_steps(connection):
        merge_steps(connection, fresh, None)
    return Counter()


_MET = """
with n as (
    select row, cast(content_hash as uuid) as content_hash, cast(record_key as uuid) as record_key,
        cast(task_id as uuid) as task_id
    from ids
)
select row,
    content_hash in (select content_hash from executions)
        or content_hash in (select content_hash from superseded) as is_known,
    record_key in (select record_key from executions) as is_newer,
    task_id is null or task_id in (select task_id from executions) as is_taken,
from n order by row
"""


def _met(connection: duckdb.DuckDBPyConnection, executions: pl.DataFrame) -> pl.DataFrame:
    """Return each first occurrence of a content with what the store has of it: content, record_key, task_id."""
    once = executions.drop("row", strict=False).filter(pl.col("content_hash").is_first_distinct())
    once = once.with_row_index("row")
    ids = once.select("row", "content_hash", "record_key", "task_id")
    with lent(connection, ids=ids):
        met = fetch(connection, _MET)
    return pl.concat([once, met.drop("row")], how="horizontal")


def _replace(connection: duckdb.DuckDBPyConnection, fresh: pl.DataFrame, moment: datetime) -> Counter[int]:
    """Put fresh rows into executions in the place of older versions; return how many versions gave way, by part.

    Versions that give way are remembered in `superseded`, those within `fresh` as well. A version that
    replaces another keeps its task_id.
    """
    latest = fresh.filter(pl.col("record_key").is_last_distinct())
    older = fresh.filter(~pl.col("record_key").is_last_distinct()).select("content_hash", "part")
    if len(older):
        with lent(connection, older=older):
            connection.execute("insert into superseded select cast(content_hash as uuid) from older")
    newer = latest.filter("is_newer").select("record_key", "part")
    if len(newer):
        latest = latest.join(_take_out(connection, newer), on="record_key", how="left").with_columns(
            task_id=pl.coalesce("kept_id", "task_id"),
            is_taken=pl.col("is_taken") & pl.col("kept_id").is_null(),
        )
    _insert(connection, latest, moment)
    return Counter([*older["part"], *newer["part"]])


def _take_out(connection: duckdb.DuckDBPyConnection, newer: pl.DataFrame) -> pl.DataFrame:
    """Move the versions of some record_keys from executions to superseded; return their task_ids (kept_id)."""
    where = "record_key in (select cast(record_key as uuid) from newer)"
    ids = "record_key::varchar as record_key, task_id::varchar as kept_id"
    with lent(connection, newer=newer):
        kept = fetch(connection, f"select {ids} from executions where {where}")
        connection.execute(f"insert into superseded select content_hash from executions where {where}")
        connection.execute(f"delete from executions where {where}")
    return kept


def _insert(connection: duckdb.DuckDBPyConnection, latest: pl.DataFrame, moment: datetime) -> None:
    taken = ~pl.col("task_id").is_first_distinct() | pl.col("is_taken")
    placed = latest.with_columns(
        pl.when(taken).then("record_key").otherwise("task_id").alias("task_id"),
        pl.col("timestamp", "uploaded_at").fill_null(moment),
    ).sort("timestamp")
    columns = ", ".join(f'"{name}"' for name in _STORED)
    new_texts = placed.select("task_description").unique(maintain_order=True).with_row_index("row")
    with lent(connection, placed=placed, new_texts=new_texts):
        connection.execute(
            f"""
            insert into texts (text_hash, text)
            select n.text_hash, n.text
            from (select {_TEXT_HASH} as text_hash, task_description as text, row from new_texts) n
            anti join texts t on t.text_hash = n.text_hash
            order by n.row
            """
        )
        connection.execute(
            f"insert into executions (description_hash, {columns}) select {_TEXT_HASH}, {columns} from placed"
        )


_REFUSED = """
with refused as (
    select part, source, source_position, reason, content,
        cast(sha256(concat(coalesce(source, ''), chr(31), unmasked))[1:32] as uuid) as content_hash,
    from refused_rows
)
insert into rejected
select $ingest_id, source, source_position, reason, content, content_hash, $now
from refused r
where not exists (select 1 from rejected k where k.content_hash = r.content_hash)
    and {is_wanted}
qualify row_number() over (partition by content_hash order by part, source_position) = 1
"""


def _keep_rejected(
    connection: duckdb.DuckDBPyConnection, additions: Sequence[Addition], ingest_id: UUID, moment: datetime
) -> Counter[int]:
    """Keep each rejected content of a source once; return how many secrets were masked in them."""
    rejected = _of_all(
        [
            None
            if one.rejected is None or not len(one.rejected)
            else one.rejected.with_columns(
                source=pl.lit(one.source and mask_text(one.source, "source")[0], dtype=pl.String),
                unmasked="content",
            )
            for one in additions
        ]
    )
    if not len(rejected):
        return Counter()
    refused, n_masked = _masked(rejected, masking.REJECTED_TEXTS)
    with lent(connection, refused_rows=refused):
        connection.execute(
            _REFUSED.format(is_wanted=REJECTED_IS_WANTED), {"ingest_id": ingest_id, "now": moment}
        )
    return n_masked
