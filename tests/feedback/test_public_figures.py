"""Public figures: a cell changes only when at least five people changed it, and is never of fewer."""

from __future__ import annotations

import os
from datetime import timedelta
from random import Random
from uuid import UUID

import pytest
from conftest import START

from learnlab.feedback.giving import give
from learnlab.people import PUBLIC, FeedbackSubmission, Label, Viewer
from learnlab.store import Store
from learnlab.store.connection import transaction
from learnlab.store.feedback import delete, keep
from learnlab.store.lines import lines_of, read_lines
from learnlab.store.public import republish
from learnlab.store.spool import SpoolWriter

TASKS = [UUID(int=i) for i in range(1, 5)]
NOW = START.replace(tzinfo=None)


def rating(author, task=TASKS[0], satisfaction="good", hours=0, **given):
    plain = {"visibility": "public", "issues": ["too_slow"] if satisfaction in ("fair", "poor") else []}
    when = START + timedelta(hours=hours)
    return FeedbackSubmission(
        task_id=task, author=author, satisfaction=satisfaction, timestamp=when, **(plain | given)
    )


def undoing(piece, hours):
    given = {"act": "undo", "queue": "rate", "label_schema": "rating", "undoes": piece.feedback_id}
    when = START + timedelta(hours=hours)
    return Label(task_id=piece.task_id, author=piece.author, timestamp=when, **given)


def kept(con, *pieces):
    frame = read_lines(lines_of(pieces).splitlines()).frames["feedback"].drop("kind", "place")
    with transaction(con):
        keep(con, frame, NOW)


def cells(con):
    rows = con.execute("select * from public_figures order by all").fetchall()
    return {tuple(map(str, row[:4])): row[4:] for row in rows}


def figures(con):
    return {key[3]: value for key, value in cells(con).items()}


@pytest.fixture
def tried(con, make_frame):
    """Two tasks of one cell and two of another, whose tier only the table of tiers knows."""
    with transaction(con):
        for i, task in enumerate(TASKS):
            con.execute(
                "insert into executions by name select $task as task_id, $start as timestamp, 'recorded' as time_source, "
                "$start as uploaded_at, $type as task_type, uuid() as description_hash, 'shop' as repo, 0 as file_count, "
                "0 as estimated_tokens, $model as model, $tier as model_tier, 'local' as pool_type, "
                "'unknown' as success_source, 'unknown' as cost_source, uuid() as record_key, uuid() as content_hash",
                {
                    "task": task,
                    "start": NOW,
                    "type": "refactor" if i < 2 else "fix",
                    "model": "m-9",
                    "tier": "small" if i < 2 else "unknown",
                },
            )
        con.execute("insert or replace into model_tiers values ('m-9', 'large')")
    return con


def test_a_cell_is_there_from_five_people_on(tried):
    kept(tried, *(rating(f"p{i}") for i in range(4)))
    assert cells(tried) == {}
    kept(tried, rating("p3", TASKS[1], "poor"))
    assert cells(tried) == {}
    kept(tried, rating("p4"))
    assert cells(tried) == {("2026-04-01", "refactor", "small", "good"): (5, 5)}


def test_what_is_not_public_is_in_no_cell(tried):
    kept(tried, *(rating(f"p{i}", visibility="team") for i in range(9)))
    kept(tried, *(rating(f"p{i}", visibility="private") for i in range(9)))
    assert cells(tried) == {}


def test_issues_are_figures_and_the_tier_is_looked_up(tried):
    kept(tried, *(rating(f"p{i}", TASKS[2], "fair", 3000) for i in range(6)))
    assert cells(tried) == {
        ("2026-07-01", "fix", "large", "fair"): (6, 6),
        ("2026-07-01", "fix", "large", "too_slow"): (6, 6),
    }


@pytest.mark.parametrize("how", ["rate", "undo", "private", "delete", "all of it"])
def test_one_person_never_shows(tried, how):
    pieces = [rating(f"p{i}") for i in range(6)]
    kept(tried, *pieces)
    before = cells(tried)
    if how in ("rate", "all of it"):
        kept(tried, rating("new"), rating("new", TASKS[1]), rating("p0", satisfaction="poor", hours=1))
    if how in ("undo", "all of it"):
        kept(tried, undoing(pieces[0], 2))
    if how in ("private", "all of it"):
        kept(tried, rating("p0", hours=3, visibility="private"))
    if how in ("delete", "all of it"):
        with transaction(tried):
            delete(tried, "p0", None, NOW)
    assert cells(tried) == before == {("2026-04-01", "refactor", "small", "good"): (6, 6)}


def test_a_cell_is_gone_once_five_have_left_it_with_fewer_than_five(tried):
    pieces = [rating(f"p{i}") for i in range(8)]
    kept(tried, *pieces)
    for i in range(4):
        kept(tried, undoing(pieces[i], 1))
        assert figures(tried) == {"good": (8, 8)}
    kept(tried, undoing(pieces[4], 1))
    assert cells(tried) == {}


def test_who_deletes_leaves_no_name_and_still_counts_as_one_who_changed_it(tried):
    kept(tried, *(rating(f"p{i}") for i in range(9)))
    for i in range(5):
        assert figures(tried) == {"good": (9, 9)}
        with transaction(tried):
            delete(tried, f"p{i}", None, NOW)
        left = tried.execute("select count(*) from people.public_shares where person = $p", {"p": f"p{i}"})
        assert left.fetchall() == [(0,)]
    assert figures(tried) == {}


def test_who_deletes_and_comes_back_is_one_person_not_two(tried):
    kept(tried, *(rating(f"p{i}") for i in range(9)))
    for i in range(3):
        with transaction(tried):
            delete(tried, f"p{i}", None, NOW)
        kept(tried, rating(f"p{i}", TASKS[1]), rating(f"p{i}"))
    assert figures(tried) == {"good": (9, 9)}
    kept(tried, rating("q0"), rating("q1"))
    assert figures(tried) == {"good": (14, 11)}


def test_what_counts_is_what_the_view_feedback_says_counts(tried):
    random = Random(5)
    pieces, undone = [], []
    for hour in range(80):
        visibility = random.choice(["public", "public", "team"])
        author, task = f"p{random.randrange(7)}", random.choice(TASKS)
        pieces.append(rating(author, task, "good", hour, visibility=visibility))
        if random.random() < 0.4:
            undone.append(undoing(random.choice(pieces), hour))
    kept(tried, *pieces, *undone)
    with transaction(tried):
        republish(tried, NOW)
        counted = tried.execute("select person, sum(n_ratings) from shares group by 1 order by 1").fetchall()
    seen = []
    for i in range(7):
        tried.execute(f"set variable viewer = 'p{i}'")
        own = "select count(*) from feedback where is_own and is_current and visibility = 'public'"
        seen += [(f"p{i}", n) for (n,) in tried.execute(own).fetchall() if n]
    assert counted == seen
    assert {n for _, n in seen} > {1, 2}


def _contributions(pieces, undone):
    """Who counts how often in the cell of good ratings of the first two tasks, worked out apart from any SQL."""
    latest = {}
    for piece in pieces:
        if piece.feedback_id not in undone:
            latest[(piece.author, piece.task_id)] = piece
    counts = {}
    for (author, _), piece in latest.items():
        if piece.visibility == "public" and piece.satisfaction == "good":
            counts[author] = counts.get(author, 0) + 1
    return counts


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(25 if os.environ.get("LEARNLAB_SOAK") else 1))
def test_whatever_two_states_somebody_sees_fewer_than_five_never_make_the_difference(tried, seed):
    random = Random(seed)
    people = [f"p{i}" for i in range(random.choice([6, 8, 11]))]
    pieces, undone, acted = [rating(person) for person in people], set(), set()
    kept(tried, *pieces)
    before, shown = _contributions(pieces, undone), (len(people), len(people))
    assert figures(tried) == {"good": shown}

    def look():
        nonlocal before, shown
        now, seen = _contributions(pieces, undone), figures(tried).get("good")
        acted.update(person for person in people if now.get(person) != before.get(person))
        before = now
        if seen != shown:
            assert len(acted) >= 5, (shown, seen, acted)
            assert seen is None or seen == (sum(now.values()), len(now))
            shown = seen
            acted.clear()
        assert seen is None or seen[1] >= 5

    for hour in range(1, 18):
        fresh = []
        for minute in range(random.choice([1, 1, 3])):
            if random.random() < 0.8 or not pieces:
                satisfaction = "good" if random.random() < 0.85 else "excellent"
                visibility = "public" if random.random() < 0.85 else "private"
                task = random.choice(TASKS[:2])
                fresh.append(
                    rating(
                        random.choice(people), task, satisfaction, hour + minute / 60, visibility=visibility
                    )
                )
                pieces.append(fresh[-1])
            else:
                fresh.append(undoing(random.choice(pieces), hour))
                undone.add(fresh[-1].undoes)
        kept(tried, *fresh)
        look()
        if random.random() < 0.3:
            who = random.choice(people)
            pieces[:] = [piece for piece in pieces if piece.author != who]
            with transaction(tried):
                delete(tried, who, None, NOW)
            look()


def test_the_public_sees_the_cells_and_nothing_else(store, make_record):
    SpoolWriter(store.path).append([make_record(task_id=TASKS[0])])
    give(store.path, *(rating(f"p{i}") for i in range(5)))
    public = Store(store.path, viewer=PUBLIC)
    assert public.view("public_figures")["n_people"].to_list() == [5]
    assert public.view("feedback").is_empty()
    assert public.view("task_feedback").is_empty()
    assert Store(store.path, viewer=Viewer("p1")).view("public_figures").equals(public.view("public_figures"))


def test_archived_executions_stay_in_their_cells(store, make_record):
    late = make_record(timestamp=START + timedelta(days=30))
    SpoolWriter(store.path).append([make_record(task_id=TASKS[0]), late])
    give(store.path, *(rating(f"p{i}") for i in range(6)))
    before = store.view("public_figures")
    assert store.retain(7).n_rows == 1
    give(store.path, *(rating(f"q{i}") for i in range(5)))
    after = store.view("public_figures")
    assert (before["n_people"].to_list(), after["n_people"].to_list()) == ([6], [11])
    assert store.view("task_feedback")["n_ratings"].to_list() == [11]
