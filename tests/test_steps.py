from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.ingest.batch import STEPS_SCHEMA
from learnlab.store import Counts, migrations, sqlfiles
from learnlab.store.frames import conform
from learnlab.store.merge import Addition, merge

DAY = datetime(2026, 5, 1)
TOTALS = "input_tokens, cached_tokens, output_tokens, actual_cost, cost_source, price_version"


class Books:
    """The tables of a store in memory: what `merge` writes to, without a file."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        for step in migrations.steps():
            self.connection.execute(step.up)

    def add(self, executions: pl.DataFrame, steps: pl.DataFrame | None = None) -> Counts:
        return merge(self.connection, [Addition(executions, steps=steps)])[0]

    def rows(self, query: str) -> list[tuple]:
        return self.connection.sql(query).pl().rows()

    def totals(self) -> list[tuple]:
        return self.rows(f"select {TOTALS} from executions order by task_id")

    def cleared(self) -> Books:
        names = self.connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
        for schema, name in names:
            self.connection.execute(f'delete from "{schema}"."{name}"')
        return self

    def wrong(self) -> dict[str, int]:
        checks = self.rows(sqlfiles.load("queries", "integrity").text)
        return {what: n for what, n in checks if n}


@pytest.fixture
def books() -> Iterator[Books]:
    found = Books()
    yield found
    found.connection.close()


@pytest.fixture(scope="module")
def two_books() -> tuple[Books, Books]:
    return Books(), Books()


def uuid(kind: int, number: int) -> str:
    return f"{kind:08}-0000-4000-8000-{number:012}"


def executions(*tasks: tuple[int, int], **columns) -> pl.DataFrame:
    """Return executions as a reader gives them: (number, version) each; a version is another content."""
    frame = pl.DataFrame(
        {
            "task_id": [uuid(1, number) for number, _ in tasks],
            "record_key": [uuid(1, number) for number, _ in tasks],
            "content_hash": [uuid(2, 1000 * number + version) for number, version in tasks],
            "timestamp": [DAY + timedelta(minutes=number) for number, _ in tasks],
            "task_description": [f"Task {number}" for number, _ in tasks],
        }
    ).with_columns(
        task_type=pl.lit("test"), repo=pl.lit("shop"), model_tier=pl.lit("small"), pool_type=pl.lit("x")
    )
    return conform(frame.with_columns(**{name: pl.lit(value) for name, value in columns.items()}))[0]


def step(key: int, task: int, position: int = 1, **given) -> dict:
    plain = dict.fromkeys(STEPS_SCHEMA)
    plain |= {
        "step_key": uuid(3, key),
        "record_key": uuid(1, task),
        "kind": "message",
        "cost_source": "unknown",
        "is_partial": False,
        "is_counted": True,
        "source_position": position,
    }
    return plain | given


def priced(key: int, task: int, tokens: int, **given) -> dict:
    usage = {
        "input_tokens": tokens,
        "cache_read_tokens": 5,
        "output_tokens": 10,
        "cost_usd": tokens / 8,
        "cost_source": "list_price",
        "price_version": "table 1",
    }
    return step(key, task, **(usage | given))


def frame(*steps: dict) -> pl.DataFrame:
    return pl.DataFrame(list(steps), schema=STEPS_SCHEMA)


def test_the_schema_of_batches_is_the_table(books):
    assert books.connection.sql("from steps").columns == list(STEPS_SCHEMA)


def test_totals_are_the_sums_of_counted_messages(books):
    steps = frame(
        priced(1, 1, 100),
        priced(2, 1, 300, price_version="table 2"),
        step(3, 1, kind="tool_call", name="bash", duration_seconds=2.5),
        priced(4, 1, 999, kind="compaction"),
        step(5, 1),
    )
    books.add(executions((1, 1)), steps=steps)
    assert books.totals() == [(400, 10, 20, 50.0, "list_price", "table 2")]
    assert books.rows("select count(*) from steps") == [(5,)]
    assert books.wrong() == {}


@pytest.mark.parametrize(
    ("steps", "cost"),
    [
        ([priced(1, 1, 100), priced(2, 1, 8, cost_usd=None, cost_source="unknown")], (None, "unknown", None)),
        (
            [priced(k, 1, 8, cost_source="reported", price_version=None) for k in (1, 2)],
            (2.0, "reported", None),
        ),
        ([priced(1, 1, 8), priced(2, 1, 8, cost_source="reported")], (2.0, "list_price", "table 1")),
        (
            [step(1, 1, input_tokens=0, output_tokens=0, cost_usd=0.0, cost_source="list_price")],
            (None, "unknown", None),
        ),
        ([step(1, 1, cost_usd=0.25, cost_source="reported")], (0.25, "reported", None)),
        ([step(1, 1)], (None, "unknown", None)),
    ],
    ids=[
        "one without a price",
        "all reported",
        "mixed",
        "no tokens",
        "no tokens but reported",
        "nothing known",
    ],
)
def test_what_a_cost_is_made_of(books, steps, cost):
    books.add(executions((1, 1)), steps=frame(*steps))
    assert books.totals()[0][3:] == cost
    assert books.wrong() == {}


def test_what_nobody_counted_stays_unknown(books):
    books.add(executions((1, 1)), steps=frame(step(1, 1, input_tokens=7), step(2, 1)))
    assert books.totals()[0][:3] == (7, None, None)


def test_an_execution_without_counted_steps_keeps_its_own_totals(books):
    own = executions((1, 1), input_tokens=77, actual_cost=0.5, cost_source="reported")
    books.add(own, steps=frame(priced(1, 1, 100, is_counted=False), priced(2, 1, 100, kind="tool_call")))
    assert books.totals() == [(77, None, None, 0.5, "reported", None)]
    assert books.wrong() == {}


def test_a_repeated_step_counts_once_with_its_largest_usage_where_it_was_first(books):
    books.add(executions((1, 1)), steps=frame(priced(1, 1, 100, is_partial=True)))
    books.add(executions((2, 1)), steps=frame(priced(1, 2, 400, position=9), priced(2, 2, 8)))
    books.add(executions((3, 1)), steps=frame(priced(1, 3, 50)))
    kept = books.rows(
        "select record_key, input_tokens, source_position, is_partial from steps order by step_key"
    )
    assert kept == [(uuid(1, 1), 400, 1, False), (uuid(1, 2), 8, 1, False)]
    assert [row[0] for row in books.totals()] == [400, 8, None]
    assert books.wrong() == {}


def test_in_one_batch_the_task_that_stands_first_in_the_file_keeps_the_step(books):
    steps = frame(
        priced(1, 2, 300, position=20), priced(1, 1, 100, position=10), priced(1, 2, 200, position=30)
    )
    books.add(executions((1, 1), (2, 1)), steps=steps)
    assert books.rows("select record_key, input_tokens from steps") == [(uuid(1, 1), 300)]


def test_of_equal_usage_the_one_with_a_duration_then_the_newest(books):
    call = {"kind": "tool_call", "name": "bash"}
    books.add(executions((1, 1)), steps=frame(step(1, 1, **call, duration_seconds=3.0), step(2, 1, **call)))
    newer = frame(step(1, 1, **call, error="lost"), step(2, 1, **call, error="failed"))
    books.add(executions((1, 2)), steps=newer)
    kept = books.rows("select duration_seconds, error from steps order by step_key")
    assert kept == [(3.0, None), (None, "failed")]


def test_a_newer_version_keeps_the_steps_and_has_their_sums_with_or_without_steps_of_its_own(books):
    books.add(executions((1, 1)), steps=frame(priced(1, 1, 100)))
    assert books.add(executions((1, 2)), steps=frame(priced(2, 1, 300))).n_replaced == 1
    assert books.totals()[0][0] == 400
    assert books.add(executions((1, 3))).n_replaced == 1
    assert books.totals()[0][0] == 400
    assert books.wrong() == {}


def test_steps_of_duplicates_change_nothing(books):
    books.add(executions((1, 1)), steps=frame(priced(1, 1, 100)))
    counts = books.add(executions((1, 1)), steps=frame(priced(1, 1, 900), priced(2, 1, 900)))
    assert counts == Counts(n_rows_read=1, n_duplicates=1)
    assert books.totals()[0][0] == 100
    assert books.rows("select count(*) from steps") == [(1,)]


def test_a_failure_among_the_steps_leaves_everything_as_it_was(books):
    books.add(executions((1, 1)), steps=frame(priced(1, 1, 100)))
    with pytest.raises(Exception, match="no uuid"):
        books.add(
            executions((1, 2), (2, 1)), steps=frame(priced(1, 1, 900), priced(2, 2, 1, step_key="no uuid"))
        )
    assert books.totals() == [(100, 5, 10, 12.5, "list_price", "table 1")]
    assert books.rows("select count(*) from ledger") == [(1,)]
    assert books.wrong() == {}


def test_archived_steps_can_be_queried_and_count_no_second_time(store):
    old = executions((1, 1), timestamp=DAY - timedelta(days=100))
    store.add(old, steps=frame(priced(1, 1, 100), priced(2, 1, 300)))
    store.add(executions((2, 1)), steps=frame(priced(3, 2, 8)))
    store.add(executions((3, 1)))
    assert store.retain(30).n_rows == 1
    assert store.sql("select step_key from steps").rows() == [(uuid(3, 3),)]
    archived = store.sql("select step_key, input_tokens from steps_archive order by step_key")
    assert archived.rows() == [(uuid(3, 1), 100), (uuid(3, 2), 300)]
    store.add(executions((4, 1)), steps=frame(priced(1, 4, 900), priced(5, 4, 16)))
    assert store.sql("select input_tokens from executions order by task_id").to_series().to_list()[-1] == 16
    assert migrations.validate(store.path) == []


def test_an_archive_without_steps_shows_none(store):
    store.add(executions((1, 1), timestamp=DAY - timedelta(days=100)))
    store.add(executions((2, 1)))
    moved = store.retain(30)
    assert store.sql("select * from steps_archive").columns == list(STEPS_SCHEMA)
    assert [path.name for path in moved.path.parent.iterdir()] == [moved.path.name]


def test_what_is_wrong_with_steps_is_found(books):
    books.add(executions((1, 1), (2, 1)), frame(priced(1, 1, 100), priced(2, 2, 100)))
    books.connection.execute(
        "insert into steps select * from steps where step_key = (select min(step_key) from steps)"
    )
    books.connection.execute(
        "insert into steps select * replace (uuid() as record_key, uuid() as step_key) from steps limit 1"
    )
    assert books.wrong() == {
        "steps that stand twice": 1,
        "steps without their execution": 1,
        "executions whose totals differ from their counted steps": 1,
    }


VERSIONS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 5), st.booleans(), st.booleans()),
    min_size=1,
    max_size=25,
)


@settings(max_examples=12)
@given(VERSIONS, st.data())
def test_whole_in_pieces_or_twice_the_steps_and_totals_are_the_same(two_books, versions, data):
    """Each line is (step, task, usage, timed, partial); a task is read again from its first line when it grows."""
    lines = [
        priced(key, task, tokens, position=at, is_partial=partial, duration_seconds=1.0 if timed else None)
        for at, (key, task, tokens, timed, partial) in enumerate(versions)
    ]
    tasks = [task for _, task, *_ in versions]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(lines)), max_size=2)) | {len(lines)})

    def read(books: Books, start: int, end: int) -> None:
        grown = set(tasks[start:end])
        rows = [line for line, task in zip(lines[:end], tasks, strict=False) if task in grown]
        content = executions(*((task, tasks[:end].count(task)) for task in sorted(grown)))
        books.add(content, frame(*rows))

    whole, pieces = (books.cleared() for books in two_books)
    read(whole, 0, len(lines))
    for start, end in zip([0, *cuts], cuts, strict=False):
        if end > start:
            read(pieces, start, end)
    read(pieces, 0, len(lines))
    in_whole, in_pieces = (books.rows("select * from steps order by step_key") for books in (whole, pieces))
    assert in_pieces == in_whole
    assert pieces.totals() == whole.totals()
    assert whole.wrong() == pieces.wrong() == {}
    assert {row[0]: (row[1], row[7]) for row in in_whole} == by_hand(lines)


def by_hand(lines: list[dict]) -> dict[str, tuple[str, int]]:
    """Return of each step the task that had it first and its largest usage."""
    found: dict[str, tuple[str, int]] = {}
    for line in lines:
        first, most = found.get(line["step_key"], (line["record_key"], 0))
        found[line["step_key"]] = (first, max(most, line["input_tokens"]))
    return found
