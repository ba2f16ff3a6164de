"""What keeps people's feedback theirs: the guard on queries, what search and mining see, what a refresh keeps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from uuid import UUID

import duckdb
import pytest

import learnlab
from learnlab.errors import StoreError
from learnlab.feedback.giving import give
from learnlab.patterns import material
from learnlab.people import PUBLIC, TEAM, FeedbackSubmission, Viewer
from learnlab.store import Store, guard
from learnlab.store.spool import SpoolWriter

TASK = UUID(int=7)
CANARY = "canary-4711"


@pytest.fixture(scope="module")
def told(tmp_path_factory, empty, make_record):
    """A store in which ada keeps something private and bob shares a word; it is opened once, for reading."""
    path = tmp_path_factory.mktemp("guard") / "told.duckdb"
    path.write_bytes(empty.read_bytes())
    SpoolWriter(path).append([make_record(task_id=TASK, success=None)])
    plain = {"task_id": TASK, "satisfaction": "good"}
    give(
        path,
        FeedbackSubmission(author="ada", comment=CANARY, success=False, **plain),
        FeedbackSubmission(author="bob", comment="17", success=True, visibility="team", **plain),
    )
    store = Store(path)
    assert len(learnlab.find_similar("Split the billing module", store, mode="words", days_back=None)) == 1
    with store.reading():
        assert store.view("feedback").height == 1
        yield store


@pytest.mark.parametrize(
    "query",
    [
        "select * from people.events",
        'from "people" . /* here */ "EVENTS"',
        "select * from told.people.events",
        "table people.events",
        "select (select max(comment) from people.events) as c",
        "select * from outcomes where task_id in (select task_id from people.events)",
        "select * from range(3), people.events",
        "with events as (from people.events) from events",
        "with recursive t as (select 1 as n union all select n + 1 from t, people.events) from t",
        "from outcomes o join lateral (from people.events e where e.task_id = o.task_id) on true",
        "select 1 as a union all select rating from people.events",
        "summarize people.events",
        "describe people.events",
        "show tables from people",
        "pivot people.events on visibility using count(*)",
        "from (pivot people.events on visibility in ('team') using count(*))",
        "explain analyze select * from people.events",
        "select 1; select * from people.events",
        "use people; select * from events",
        "set schema = 'people'; select * from events",
        "set variable viewer = 'ada'; select * from feedback",
        "prepare p as select * from people.events; execute p",
        "from query_table('people.events')",
        "from query_table(['people.events'])",
        "from query('from people.' || 'events')",
        "from json_execute_serialized_sql(json_serialize_sql('from people.events'))",
        "from histogram('people.events', comment)",
        "from duckdb_table_sample('people.events')",
        "from pragma_storage_info('people.events')",
        "call pragma_storage_info('people.events')",
        "from read_duckdb('{path}', table_name = 'people.events')",
        "from '{path}'",
        "from read_blob('{path}')",
        "from read_text('{path}.spool/*')",
        "from read_blob('{here}/tol?.duckdb')",
        "from read_blob('{here}/**')",
        "from read_blob(['{here}/no', '{here}/[t]old.duckdb'])",
        "from read_blob('{here}/to' || 'ld.duckdb')",
        "from (values ('{here}/to' || 'ld.duckdb')) v(file), read_blob(file)",
        "from '{here}/t*d.duckdb'",
        "pivot (from read_blob('{here}/tol?.duckdb')) on filename using max(content)",
        "copy people.events to '{folder}/out.csv'",
        "copy (from people.events) to '{folder}/out.csv'",
        "export database '{folder}/out'",
        "attach '{path}' as other",
        "create temp table t as from people.events",
        "from people.queues",
        "from people.public_shares",
    ],
)
def test_the_raw_tables_are_not_read_by_sql(told, tmp_path, query):
    for viewer in (TEAM, Viewer("bob"), PUBLIC):
        places = {"path": told.path, "here": told.path.parent, "folder": tmp_path}
        with pytest.raises(StoreError, match="^(?!.*Error: )") as refused:
            Store(told.path, viewer=viewer).sql(query.format(**places))
        assert CANARY not in str(refused.value)
    assert list(tmp_path.glob("out*")) == []


@pytest.mark.parametrize(
    "query",
    [
        "select * from feedback",
        "from main.feedback",
        "select people.task_id from outcomes people",
        "with people as (select 1 as events) select people.events from people",
        "select 'people.events' as said",
        "describe feedback",
        "summarize outcomes",
        "explain select * from executions",
        "pivot executions on repo using count(*)",
        "select table_name from information_schema.tables",
        "select unnest(range(3)) as n",
        "select * from range(3) t(n), executions",
    ],
)
def test_other_queries_are_as_free_as_ever(told, query):
    assert told.sql(query).height > 0


def test_files_of_ones_own_are_read_by_their_names(told, tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("n\n1\n", encoding="utf-8")
    for files in (
        f"'{tmp_path}/a.csv'",
        f"'{tmp_path}/*.csv'",
        f"read_csv(['{tmp_path}/a.csv', '{tmp_path}/[b].csv'])",
    ):
        assert set(told.sql(f"select n from {files}")["n"]) == {1}


def test_a_view_over_the_raw_table_gives_away_nothing_by_its_errors(told):
    for query in (
        "select * from feedback where cast(comment as integer) = 17",
        "select cast(comment as integer) as n from feedback",
        "select * from feedback where case when comment like 'canary%' then error(comment) else true end",
    ):
        assert told.sql(query).height == 1


def test_a_query_that_is_wrong_is_explained_in_the_words_of_duckdb(told):
    with pytest.raises(StoreError, match="syntax error"):
        told.sql("selec 1")
    with pytest.raises(StoreError, match="nowhere"):
        told.sql("select * from nowhere")
    with pytest.raises(StoreError, match="2 statements"):
        told.sql("select 1; select 2")


def test_every_table_function_is_either_harmless_or_refused(told):
    """New functions of a later DuckDB are refused until somebody has looked at them."""
    with told.reading() as connection:
        known = {
            name
            for (name,) in connection.execute(
                "select distinct function_name from duckdb_functions() where function_type in ('table', 'table_macro')"
            ).fetchall()
        }
        assert guard._FUNCTIONS - known == set()
        for name in known - guard._FUNCTIONS:
            with pytest.raises(StoreError, match="table through"):
                guard.check(connection, told.path, f"from \"{name}\"('people.events')", TEAM)


def test_what_was_computed_for_the_team_is_not_the_publics(told):
    for name in ("solutions", "routers", "tier_performance_mv"):
        told.sql("select * from solutions")
        with pytest.raises(StoreError, match="shared with this store's users"):
            Store(told.path, viewer=PUBLIC).sql(f"select * from {name}")


def test_a_verdict_counts_for_whom_it_is_shared_with(told):
    def success(viewer):
        return Store(told.path, viewer=viewer).sql("select success from outcomes").item()

    assert (success(TEAM), success(Viewer("bob")), success(PUBLIC)) == (True, True, None)
    assert success(Viewer("ada")) is None  # her word against bob's


@pytest.mark.parametrize(
    ("viewer", "success", "rating"),
    [(TEAM, True, 4.0), (Viewer("bob"), True, 4.0), (Viewer("ada"), None, 4.0), (PUBLIC, None, None)],
)
def test_search_tells_the_outcome_that_its_viewer_may_see(told, viewer, success, rating):
    store = Store(told.path, viewer=viewer)
    asked = {"mode": "words", "days_back": None, "db": store}
    (row,) = learnlab.find_similar("Split the billing module", **asked)
    assert (row["success"], row["user_rating"]) == (success, rating)
    assert row["success_source"] == ("unknown" if success is None else "user")
    named = {True: "success", False: "failure", None: "unknown"}
    for value, outcome in named.items():
        found = learnlab.find_similar("Split the billing module", outcome=outcome, **asked)
        assert len(found) == (value is success), outcome


def test_viewers_in_turn_on_one_connection_see_each_their_own(told):
    asked = {"mode": "words", "days_back": None, "outcome": "success"}
    with told.reading():
        for viewer, n in ((TEAM, 1), (Viewer("ada"), 0), (PUBLIC, 0), (TEAM, 1)):
            found = learnlab.find_similar(
                "Split the billing module", Store(told.path, viewer=viewer), **asked
            )
            assert len(found) == n


def test_mining_counts_what_is_shared_whoever_mines(told):
    for viewer in (TEAM, Viewer("ada"), PUBLIC):
        uses = material.read(Store(told.path, viewer=viewer)).uses
        assert (uses["n_verdicts"].sum(), uses["n_successes"].sum()) == (1, 1)


def test_only_some_modules_speak_of_the_raw_events():
    """Who reads people.events sees names and private words: a new place is thought about, and listed here."""
    root = Path(learnlab.__file__).parent
    allowed = {
        "feedback/files/exporting.py": "notes which pieces went into a file",
        "feedback/files/importing.py": "looks whether a piece in a file is known, and as whose",
        "feedback/labelling/details.py": "shows a labeller their own note",
        "feedback/givers.py": "counts how many people gave what may be seen, from 5 on",
        "feedback/labelling/recounting.py": "counts labels by their authors for a queue; hands out numbers",
        "store/feedback.py": "keeps and deletes",
        "store/forget.py": "deletes what is said of forgotten executions",
        "store/public.py": "counts people for public figures",
        "store/said.py": "asks whether anything was said of some executions before it asks the views",
    }
    speak = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if "people.events" in path.read_text(encoding="utf-8") and "sql" not in path.relative_to(root).parts
    }
    assert speak == set(allowed)
    sql = root.parent / "sql"
    assert {
        path.name
        for kind in ("views", "queries")
        for path in (sql / kind).glob("*.sql")
        if "people.events" in path.read_text(encoding="utf-8").split("\nwith", 1)[-1]
    } == {"feedback.sql"}


def test_no_notebook_and_no_page_reads_more_than_the_view():
    root = Path(learnlab.__file__).parent.parent
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        assert "people." not in code.replace("learnlab.people.", ""), path.name


def test_the_file_is_its_owners_alone(told, tmp_path):
    assert told.path.stat().st_mode & 0o077 == 0
    with duckdb.connect(
        shutil.copy(told.path, tmp_path), read_only=True
    ) as whoever:  # who can read the file reads all
        assert whoever.execute("select count(*) from people.events").fetchall() == [(2,)]
