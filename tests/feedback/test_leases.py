"""Leases: who may have which item, when a lease ends, and what a death in the middle leaves behind."""

from __future__ import annotations

import os
from itertools import count

import pytest

from learnlab.errors import FeedbackError
from learnlab.feedback.labelling import queuefile
from learnlab.feedback.labelling.leases import Leases, forget_acts
from learnlab.feedback.labelling.presence import Presence, _open_here, is_present, sweep
from learnlab.feedback.labelling.queuefile import LeasesLostError, QueueFile
from learnlab.people import Act

_ids = count()


class One:
    """A session of somebody on the queue `q`."""

    def __init__(self, store, author, seconds=900.0):
        self.presence = Presence(store)
        self.leases = Leases(store, "q", author, seconds)
        self.me = self.presence.name
        self.standing = self.leases.stand(self.me)

    @property
    def place(self):
        return self.standing.claim and self.standing.claim.place

    def give(self, act=Act.LABEL):
        task, feedback_id = self.standing.claim.task_id, f"f{next(_ids)}"
        is_late = self.leases.giving(self.me, task, feedback_id, act)
        self.standing = self.leases.given(self.me, task, feedback_id, act)
        return is_late

    def undo(self):
        task, ids = self.leases.undoing(self.me)
        self.standing = self.leases.undone(self.me, task, ids)


@pytest.fixture
def queue(tmp_path):
    """Return what makes the queue `q` of four items and returns the store that it stands beside."""

    def make(labels_per_item=1, n=4):
        with QueueFile(tmp_path / "s.duckdb").using() as file:
            file.execute("insert into queues values ('q', '2026-05-01', ?)", (labels_per_item,))
            rows = [(place, f"t{place}") for place in range(1, n + 1)]
            file.executemany("insert into items (queue, place, task_id) values ('q', ?, ?)", rows)
        return tmp_path / "s.duckdb"

    return make


def held(store):
    with QueueFile(store).using() as file:
        return sorted(file.execute("select task_id, author from leases").fetchall())


def test_nobody_gets_what_another_holds_or_has_labelled(queue):
    store = queue()
    ada, bob = One(store, "ada"), One(store, "bob")
    assert (ada.place, bob.place) == (1, 2)
    ada.give()
    bob.give()
    assert (ada.place, bob.place) == (3, 4)
    assert ada.give() is False
    assert ada.standing.claim is None
    bob.give()
    assert bob.standing.claim is None
    assert ada.leases.stand(ada.me).progress.n_done == 4
    assert held(store) == []


def test_an_item_that_wants_two_labels_gets_them_from_two_people(queue):
    store = queue(labels_per_item=2, n=2)
    ada, bob, cyd = (One(store, name) for name in ("ada", "bob", "cyd"))
    assert (ada.place, bob.place, cyd.place) == (1, 1, 2)
    ada.give()
    assert ada.place == 2
    bob.give()
    assert bob.standing.claim is None
    cyd.give()
    assert cyd.standing.claim is None
    ada.give()
    assert ada.standing.progress.n_labels == ada.standing.progress.n_wanted == 4
    assert ada.standing.progress.n_own == 2


def test_one_author_in_two_sessions_never_gets_an_item_twice(queue):
    store = queue(labels_per_item=3)
    one, two = One(store, "ada"), One(store, "ada")
    assert (one.place, two.place) == (1, 2)
    one.give()
    assert one.place == 3
    two.give()
    assert two.place == 4


def test_what_one_skips_is_offered_to_others_alone(queue):
    store = queue(n=2)
    ada = One(store, "ada")
    ada.give(Act.SKIP)
    bob = One(store, "bob")
    assert (ada.place, bob.place) == (2, 1)
    ada.give(Act.SKIP)
    assert ada.standing.claim is None
    assert ada.standing.progress.n_labels == 0


def test_a_lease_ends_when_time_is_up_and_a_late_label_is_said_to_be_late(queue):
    store = queue()
    ada = One(store, "ada", seconds=0)
    bob = One(store, "bob")
    assert (ada.place, bob.place) == (1, 1)
    assert ada.leases.renew(ada.me, "t1") is False
    assert ada.give() is True
    assert bob.give() is True
    assert bob.standing.progress.n_labels == 1
    assert bob.standing.progress.n_done == 1


def test_renewing_keeps_an_item_that_nobody_took_meanwhile(queue):
    store = queue()
    ada = One(store, "ada", seconds=0)
    ada.leases._seconds = 900
    assert ada.leases.renew(ada.me, "t1") is True
    assert One(store, "bob").place == 2  # and is dropped at once


def test_a_lease_of_the_dead_ends_at_once_and_their_next_session_goes_on_there(queue):
    store = queue()
    ada, bob = One(store, "ada"), One(store, "bob")
    bob.presence.leave()
    ada.presence.leave()
    after = [One(store, name) for name in ("bob", "cyd", "ada")]
    assert [one.place for one in after] == [2, 1, 3]
    assert held(store) == [("t1", "cyd"), ("t2", "bob"), ("t3", "ada")]


def test_undoing_goes_back_act_by_act_in_any_session(queue):
    store = queue()
    ada = One(store, "ada")
    ada.give()
    ada.give(Act.SKIP)
    ada.give()
    ada.undo()
    assert ada.place == 3
    ada.presence.leave()
    again = One(store, "ada")
    assert (again.place, again.standing.can_undo) == (3, True)
    again.undo()
    assert again.place == 2
    again.undo()
    assert (again.place, again.standing.can_undo) == (1, False)
    assert again.leases.undoing(again.me) is None
    assert again.standing.progress.n_labels == 0


def test_a_skip_that_is_undone_does_not_take_the_item_from_whoever_has_it(queue):
    store = queue()
    ada = One(store, "ada")
    ada.give(Act.SKIP)
    bob = One(store, "bob")
    assert bob.place == 1
    ada.undo()
    assert ada.place == 2


def test_a_mark_of_the_dead_holds_its_item_until_somebody_has_looked(queue):
    store = queue(n=1)
    ada = One(store, "ada")
    ada.leases.giving(ada.me, "t1", "f", Act.LABEL)
    bob = One(store, "bob")
    assert bob.standing.claim is None
    assert not bob.standing.is_in_doubt
    ada.presence.leave()
    assert bob.leases.stand(bob.me).is_in_doubt


def test_acts_that_were_deleted_leave_nothing(queue):
    store = queue()
    ada = One(store, "ada é")
    ada.leases.giving(ada.me, "t1", "gone", Act.LABEL)
    ada.leases.given(ada.me, "t1", "gone", Act.LABEL)
    ada.leases.let_go(ada.me)
    forget_acts(store, ["gone", "never there"])
    assert One(store, "bob").standing.progress.n_labels == 0
    assert "ada é".encode() not in QueueFile(store).path.read_bytes()
    forget_acts(store.with_name("other.duckdb"), ["x"])
    assert not QueueFile(store.with_name("other.duckdb")).path.exists()


def test_the_file_is_for_its_owner_and_says_when_it_cannot_be_used(queue, monkeypatch):
    store = queue()
    path = QueueFile(store).path
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(LeasesLostError, match="knows nothing of the queue 'other'"):
        Leases(store, "other", "ada", 9).stand("s")
    assert Leases(store, "q", "ada", 9).stand("s").claim
    monkeypatch.setattr(queuefile, "_stamp", lambda: 7)  # the machine was started anew
    with pytest.raises(LeasesLostError, match="knows nothing of the queue 'q'"):
        Leases(store, "q", "ada", 9).stand("s")
    monkeypatch.setattr(queuefile, "_stamp", lambda: 0)  # a system that does not tell
    with pytest.raises(LeasesLostError, match="knows nothing of the queue 'q'"):
        Leases(store, "q", "ada", 9).stand("s")
    path.write_bytes(b"nothing that sqlite knows" * 99)
    with pytest.raises(LeasesLostError, match="damaged"):
        Leases(store, "q", "ada", 9).stand("s")
    assert not path.exists()
    path.mkdir()
    with pytest.raises(FeedbackError, match="cannot be used"):
        Leases(store, "q", "ada", 9).stand("s")


def test_a_session_is_there_until_it_leaves_or_is_dropped(tmp_path):
    store = tmp_path / "s.duckdb"
    one = Presence(store)
    assert one.is_here
    assert is_present(store, one.name)
    one.leave()
    assert not one.is_here
    assert not is_present(store, one.name)
    name = Presence(store).name  # dropped at once
    assert not is_present(store, name)
    kept, dead = Presence(store), tmp_path / "s.duckdb.sessions" / "dead.session"
    dead.touch()
    for path in dead.parent.iterdir():
        os.utime(path, (0, 0))
    sweep(store)
    assert [path.stem for path in dead.parent.iterdir()] == [kept.name]


def test_a_child_that_is_forked_holds_nothing_of_its_parent(tmp_path):
    one = Presence(tmp_path / "s.duckdb")
    assert _open_here
    child = os.fork()
    if not child:
        os._exit(0 if not _open_here and not one.is_here else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert is_present(tmp_path / "s.duckdb", one.name)
