from __future__ import annotations

import duckdb
import pytest

from learnlab.errors import StoreError
from learnlab.store import Store, migrations


def tables(path):
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
    return {name if schema == "main" else f"{schema}.{name}" for schema, name in found}


def test_a_new_store_has_every_table_and_view_and_mode_0600(tmp_path):
    path = tmp_path / "deep" / "new.duckdb"
    assert [step.number for step in migrations.upgrade(path)] == list(range(1, migrations.latest() + 1))
    assert {
        "executions",
        "solutions",
        "people.events",
        "quality_policies",
        "ledger",
        "routing_decisions",
    } <= tables(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert migrations.upgrade(path) == []
    assert migrations.validate(path) == []
    assert migrations.status(path).version == migrations.latest()


def test_every_step_can_be_taken_back_and_again(tmp_path):
    path = tmp_path / "s.duckdb"
    migrations.upgrade(path)
    whole = tables(path)
    for expected in reversed(range(migrations.latest())):
        back, copy = migrations.downgrade(path)
        assert len(back) == 1
        assert migrations.status(path).version == expected
        assert copy.exists()
    assert tables(path) == {"schema_version"}
    assert len(migrations.upgrade(path)) == migrations.latest()
    assert tables(path) == whole
    assert migrations.validate(path) == []


def test_going_down_further_at_once(tmp_path):
    path = tmp_path / "s.duckdb"
    migrations.upgrade(path)
    assert [step.number for step in migrations.steps_down(path, 0)] == list(range(migrations.latest(), 0, -1))
    assert all("Loses" in step.loses for step in migrations.steps_down(path, 0))
    migrations.downgrade(path, 1)
    assert migrations.status(path).version == 1
    with pytest.raises(StoreError, match="cannot go down to 1"):
        migrations.downgrade(path, 1)
    with pytest.raises(StoreError, match="learnlab db upgrade"):
        Store(path).sql("select 1")


def test_a_downgrade_keeps_what_it_takes(store, make_frame):
    from learnlab.store.frames import conform

    store.add(conform(make_frame(3))[0])
    _, copy = migrations.downgrade(store.path, 0)
    with duckdb.connect(str(copy), read_only=True) as kept:
        assert kept.execute("select count(*) from executions").fetchall() == [(3,)]


def test_reset_empties_and_keeps_a_copy(store, make_frame):
    from learnlab.store.frames import conform

    store.add(conform(make_frame(3))[0])
    copy = migrations.reset(store.path)
    assert store.sql("select count(*) from executions").item() == 0
    assert migrations.validate(store.path) == []
    with duckdb.connect(str(copy), read_only=True) as kept:
        assert kept.execute("select count(*) from executions").fetchall() == [(3,)]


def test_a_store_from_a_newer_version_is_left_alone(store):
    with store.writing() as connection:
        connection.execute("insert into schema_version values (99, 'future', now()::timestamp, null)")
    before = store.path.read_bytes()
    for call in (
        lambda: migrations.upgrade(store.path),
        lambda: store.sql("select 1"),
        lambda: store.refresh(),
    ):
        with pytest.raises(StoreError, match="use a newer learnlab"):
            call()
    with pytest.raises(StoreError, match="newer than this learnlab"):
        migrations.downgrade(store.path)
    assert store.path.read_bytes() == before


@pytest.mark.parametrize("content", [b"not a database\n" * 500, b"x", b"\x00" * 20000])
def test_a_file_that_is_no_store_is_left_alone(tmp_path, content):
    path = tmp_path / "s.duckdb"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is not a DuckDB file"):
        migrations.upgrade(path)
    with pytest.raises(StoreError, match="is not a DuckDB file"):
        Store(path).sql("select 1")
    assert path.read_bytes() == content


def test_somebody_elses_database_is_left_alone(tmp_path):
    path = tmp_path / "s.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table invoices (i int)")
    for call in (lambda: migrations.upgrade(path), lambda: Store(path).sql("select 1")):
        with pytest.raises(StoreError, match="some other database: it holds invoices"):
            call()
    assert tables(path) == {"invoices"}


def test_an_empty_file_becomes_a_store(tmp_path):
    path = tmp_path / "s.duckdb"
    path.touch()
    assert len(migrations.upgrade(path)) == migrations.latest()


def test_validation_finds_what_is_wrong(store, make_frame):
    from learnlab.store.frames import conform

    store.add(conform(make_frame(3))[0])
    with store.writing() as connection:
        connection.execute("delete from executions where task_id = (select min(task_id) from executions)")
        connection.execute("delete from texts where text = 'Split module 1'")
    wrong = migrations.validate(store.path)
    assert "executions beyond what the ledger accounts for: 1" in wrong
    assert "executions without their text: 1" in wrong
    with store.writing() as connection:
        connection.execute("alter table people.events drop column comment")
    assert migrations.validate(store.path) == ["people.events has other columns than it should"]


def test_views_follow_the_package(store):
    with duckdb.connect(str(store.path)) as connection:
        connection.execute("create or replace view outcomes as select 1 as nothing")
        connection.execute("update schema_version set views = 'older'")
    assert migrations.upgrade(store.path) == []
    assert "task_id" in store.sql("select * from outcomes").columns


def test_texts_of_an_older_store_are_numbered_and_the_count_goes_on(store, make_frame):
    from learnlab.store.frames import conform

    store.add(conform(make_frame(7))[0])
    migrations.downgrade(store.path, 5)
    assert "search" not in {table.partition(".")[0] for table in tables(store.path)}
    assert migrations.upgrade(store.path)[0].number == 6
    store.add(conform(make_frame(1, first=7, task_description="another"))[0])
    assert store.sql("select text_no from texts order by text_no").to_series().to_list() == list(range(1, 9))
    assert store.sql("select text_no from texts where text = 'another'").item() == 8
    assert migrations.validate(store.path) == []
