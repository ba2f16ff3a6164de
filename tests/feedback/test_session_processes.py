"""Several people at one queue, each in a process of their own, one of them killed: each item is labelled as asked."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from learnlab.feedback.labelling.queuefile import QueueFile
from learnlab.feedback.labelling.queues import open_queue
from learnlab.feedback.labelling.session import LabelingSession
from learnlab.store.frames import conform

PROGRAMS = Path(__file__).with_name("labelling_programs.py")


class Program:
    """One of the programs of labelling_programs.py, what it says kept in a file that its death leaves whole."""

    def __init__(self, folder, *words):
        self.author, self.said = words[2], folder / f"{words[2]}-{time.monotonic_ns()}.said"
        with self.said.open("wb") as file:
            command = [sys.executable, str(PROGRAMS), *map(str, words)]
            self.process = subprocess.Popen(command, stdout=file, stderr=subprocess.PIPE, text=True)

    def facts(self):
        *lines, _ = self.said.read_bytes().split(b"\n")
        return [json.loads(line) for line in lines]

    def wait_for(self, n, queue):
        """Wait until it has said so many things of a queue, or has ended; the test fails with its error."""
        while [fact[0] for fact in self.facts()].count(queue) < n and self.process.poll() is None:
            time.sleep(0.02)
        assert not self.process.poll(), self.process.stderr.read()

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def finish(self):
        _, error = self.process.communicate(timeout=400)
        assert self.process.returncode == 0, error


def ids(n):
    return [f"00000000-0000-4000-8000-{i:012d}" for i in range(n)]


@pytest.fixture
def opened(store, make_frame):
    """Return what makes a store with queues, each of n executions, labelled by so many people each."""

    def make(**queues):
        with store.writing():
            store.add(conform(make_frame(max(n for n, _ in queues.values())))[0])
            for name, (n, wanted) in queues.items():
                open_queue(name, store, tasks=ids(n), labels_per_item=wanted)
        return store

    return make


def labels_of(store, queue):
    """Return (task, author) of every label of a queue that is in the store."""
    with store.reading() as connection:
        rows = connection.execute(
            "select cast(task_id as varchar), author from people.events "
            "where feedback_type = 'label' and queue = $queue",
            {"queue": queue},
        )
        return rows.fetchall()


@pytest.mark.soak
def test_every_item_is_labelled_as_often_as_asked_and_nothing_is_lost_though_some_are_killed(
    opened, tmp_path, soak
):
    rng = random.Random(0)
    n_items, n_people, n_kills = (500, 8, 16) if soak else (40, 2, 1)
    store = opened(q1=(n_items, 1), q2=(n_items if soak else 12, 2), own=(8, 1))
    first = Program(tmp_path, "begin", store.path, "p0", "own", "q1", "q2")
    alive = [first, *(Program(tmp_path, "work", store.path, f"p{i}", "q1", "q2") for i in range(1, n_people))]
    killed = []
    for kill in range(n_kills):
        victim = alive.pop(0)
        victim.wait_for(rng.randrange(1, n_items // n_people), "q2" if kill % 2 else "q1")
        victim.kill()
        killed.append(victim)
        alive.append(Program(tmp_path, "work", store.path, victim.author, "q1", "q2"))
    goes_on_where_the_killed_one_was(store, [fact[1:] for fact in first.facts()[:5]])
    for program in alive:
        program.finish()

    for queue, wanted, n in (("q1", 1, n_items), ("q2", 2, n_items if soak else 12)):
        found = labels_of(store, queue)
        acknowledged = [
            (fact[1], program.author)
            for program in [*killed, *alive]
            for fact in program.facts()
            if fact[0] == queue
        ]
        assert len(found) == len(set(found)) == n * wanted
        assert set(Counter(task for task, _ in found).values()) == {wanted}
        assert set(acknowledged) <= set(found)
        assert len(acknowledged) == len(set(acknowledged)) >= len(found) - n_kills
    with QueueFile(store.path).using() as file:
        assert file.execute("select count(*) from leases").fetchone() == (0,)
        assert file.execute("select count(*) from acts where mark is not null").fetchone() == (0,)


def goes_on_where_the_killed_one_was(store, facts):
    (*done, (in_hand, _)) = facts
    with LabelingSession("own", store, author="p0") as session:
        own = session.said().select("task_id", pl.col("answers").str.json_path_match("$.success")).rows()
        assert [list(row) for row in own] == done
        assert session.item.task_id == in_hand
        assert session.undo().item.task_id == session.item.task_id == done[3][0]
        assert session.undo().item.task_id == session.item.task_id == done[2][0]
        assert session.said()["is_undone"].to_list() == [False, False, True, True, False, False]
