"""Labelling queues: opened once, joined by whoever comes later, and never another than they say."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from learnlab.errors import FeedbackError
from learnlab.feedback.labelling.queues import MOST_ITEMS, joined, known_queue, open_queue
from learnlab.feedback.labelling.schemas import EXPERT, OUTCOME
from learnlab.store import Store
from learnlab.store.frames import conform
from learnlab.store.spool import SpoolWriter


@pytest.fixture(scope="module")
def untouched(empty, make_frame, tmp_path_factory):
    """A store of twelve executions that no test writes to."""
    store = Store(shutil.copy(empty, tmp_path_factory.mktemp("queues") / "store.duckdb"))
    store.add(conform(make_frame(12))[0])
    return store


@pytest.fixture
def filled(untouched, tmp_path):
    return Store(shutil.copy(untouched.path, tmp_path / "store.duckdb"))


def ids(n):
    return [f"00000000-0000-4000-8000-{i:012d}" for i in range(n)]


def test_a_queue_is_made_once_and_joined_as_it_is(filled):
    first = open_queue("audit", filled, schema=EXPERT, labels_per_item=2, n=5, ordered_by="random", seed=3)
    again = open_queue("audit", filled, n=9, seed=4)
    assert again == first == joined("audit", filled)
    assert (again.schema, again.labels_per_item, again.ordered_by) == (EXPERT, 2, "random")
    items = again.items()
    assert items["place"].to_list() == [1, 2, 3, 4, 5]
    assert items["task_id"].n_unique() == 5
    assert items["why"].null_count() == 0


def test_a_queue_asks_for_the_outcome_of_each_item_once_unless_told_otherwise(filled):
    queue = open_queue("audit", filled, n=5)
    assert (queue.schema, queue.labels_per_item) == (OUTCOME, 1)
    assert queue.schema.key == filled_key(filled)


def filled_key(store):
    with store.reading() as connection:
        return connection.execute("select label_schema from people.queues").fetchone()[0]


def test_whoever_asks_for_another_queue_of_the_name_is_told(filled):
    open_queue("audit", filled, n=5, ordered_by="random")
    for asked, says in (
        ({"schema": EXPERT}, "asks outcome@"),
        ({"labels_per_item": 3}, "wants labels an item: 1, and not 3"),
        ({"ordered_by": "age"}, "is ordered by random, and not age"),
        ({"tasks": ids(2)}, "is ordered by random, and not given"),
    ):
        with pytest.raises(FeedbackError, match=says):
            open_queue("audit", filled, **asked)


def test_a_queue_of_named_tasks_has_them_in_their_order_each_once(filled, make_record):
    SpoolWriter(filled.path).append([make_record(task_id="mine", external_id="t-1")])
    wanted = [ids(12)[7], ids(12)[2], "t-1", ids(12)[7]]
    queue = open_queue("named", filled, tasks=wanted)
    found = queue.items()["task_id"].to_list()
    assert found[:2] == wanted[:2]
    assert len(found) == 3
    assert str(UUID(found[2])) == found[2]


def test_items_whose_execution_is_gone_are_no_items(filled):
    queue = open_queue("named", filled, tasks=ids(3))
    with filled.writing() as connection:
        connection.execute("delete from executions where task_id = $id", {"id": ids(3)[1]})
    assert queue.items()["place"].to_list() == [1, 3]


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201, "right\u202eleft", "nul\0", 7])
def test_what_is_no_name_is_refused(untouched, name):
    with pytest.raises(FeedbackError, match="no name for a queue"):
        open_queue(name, untouched, n=2)


def test_a_hostile_name_is_a_name_like_any_other(filled):
    name = "'; drop table people.queues; -- </script><b> ../../etc Ärger 第一 {0.name} %s"
    queue = open_queue(f" {name} ", filled, n=2)
    assert queue.name == name
    assert known_queue(name, filled) == queue
    assert len(queue.items()) == 2


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"n": 0}, "1 to 10,000 items, not 0"),
        ({"n": MOST_ITEMS + 1}, "not 10,001"),
        ({"tasks": []}, "not 0"),
        ({"tasks": ["9f8c2b1e-5a44-4c1d-9d0e-6f7a8b9c0d1e"]}, "no execution"),
        ({"n": 1.5}, "not 1.5"),
        ({"labels_per_item": 0}, "1 to 1,000 people, not by 0"),
        ({"labels_per_item": 1.5}, "not by 1.5"),
        ({"labels_per_item": 10**30}, "not by 1,000,"),
        ({"schema": "expert"}, "'expert' is no schema: take OUTCOME, EXPERT"),
        ({"ordered_by": "beauty"}, "no order 'beauty'"),
        ({"ordered_by": "age", "tasks": ids(1)}, "not both"),
        ({"repo": "nowhere"}, "nothing to label"),
    ],
)
def test_a_queue_that_cannot_be_made_is_refused_and_leaves_nothing(untouched, asked, says):
    with pytest.raises(FeedbackError, match=says):
        open_queue("audit", untouched, **asked)
    assert known_queue("audit", untouched) is None
    with pytest.raises(FeedbackError, match="no queue 'audit'"):
        joined("audit", untouched)


def test_many_who_open_a_queue_at_once_open_one(filled):
    with ThreadPoolExecutor(3) as pool:
        queues = list(pool.map(lambda seed: open_queue("race", filled, n=6, seed=seed), range(3)))
    assert len({queue.opened_at for queue in queues}) == 1
    assert len(queues[0].items()) == 6
