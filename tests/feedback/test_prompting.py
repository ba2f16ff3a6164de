"""When somebody is asked: every rule of the table and what goes before what, on plain facts, on a store, over a week."""

from __future__ import annotations

import asyncio
import io
import shutil
import sys
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import polars as pl
import pytest
from conftest import START
from filled import with_records

from learnlab.errors import FeedbackError
from learnlab.events import Candidate, RoutingDecision
from learnlab.feedback.asking import prompting, situations
from learnlab.feedback.asking.capturer import FeedbackCapturer
from learnlab.feedback.asking.prompting import NO_RULE, RULES, Does, Situation, asked_over, decide
from learnlab.feedback.asking.questions import QUESTIONS, worth_asking
from learnlab.feedback.asking.submitting import take_back
from learnlab.feedback.giving import give
from learnlab.ingest.simulation.simulator import simulate
from learnlab.people import FeedbackSubmission, Viewer
from learnlab.settings import settings
from learnlab.store import Store
from learnlab.store.frames import conform
from learnlab.store.spool import SpoolWriter

TASK = UUID(int=7)
SLOW = {"duration_seconds": 300.0}


def minutes(n):
    return timedelta(minutes=n)


RULE_BY_RULE = [
    ("off", {"is_on": False}, "not asked: LEARNLAB_FEEDBACK_PROMPTS is false"),
    ("nobody there", {"absence": "the variable CI is set"}, "not asked: the variable CI is set"),
    ("rated", {"is_rated": True}, "not asked: you have rated it already"),
    ("asked before", {"was_asked": True}, "not asked: you were asked about it already"),
    ("failed", {"is_failed": True}, "asked: it failed"),
    ("quick", {"duration_seconds": 9.9}, "not asked: it took 9.9 s, under 10 s"),
    ("enough for now", {"n_rated": 5}, "not asked: 5 ratings in the last hour"),
    (
        "enough for now",
        {"n_rated": 4, "n_unanswered": 1},
        "not asked: 4 ratings and 1 unanswered question in the last hour",
    ),
    (
        "same task type",
        {"since_type": minutes(59), "task_type": "docs"},
        "not asked: another docs task came up 59 minutes ago",
    ),
    ("slow", {"duration_seconds": 120.1}, "asked: it took 120 s, over 120 s"),
    ("routed", {"is_routed": True}, "asked: a router chose its tier"),
    ("swarm", {"swarm_topology": "mesh"}, "asked: a swarm ran it (mesh)"),
    (NO_RULE, {"duration_seconds": 60.0}, "not asked: nothing about it calls for it"),
]

BOUNDARIES = [
    (NO_RULE, {"duration_seconds": 10.0}),
    (NO_RULE, {"duration_seconds": 120.0}),
    (NO_RULE, {"duration_seconds": None}),
    (NO_RULE, {"n_rated": 4}),
    (NO_RULE, {"since_type": minutes(60)}),
    ("enough for now", {"n_rated": 0, "per_hour": 0}),
    ("same task type", {"since_type": minutes(0)}),
]

PRECEDENCE = [
    ("off", {"is_on": False, "is_failed": True}),
    ("nobody there", {"absence": "no terminal", "is_failed": True}),
    ("rated", {"is_rated": True, "is_failed": True}),
    ("asked before", {"was_asked": True, "is_failed": True}),
    ("failed", {"is_failed": True, "duration_seconds": 1.0}),
    ("failed", {"is_failed": True, "n_rated": 9}),
    ("failed", {"is_failed": True, "since_type": minutes(1)}),
    ("quick", {"duration_seconds": 1.0, "is_routed": True}),
    ("quick", {"duration_seconds": 1.0, "swarm_topology": "mesh"}),
    ("enough for now", {"n_rated": 5, **SLOW}),
    ("enough for now", {"n_rated": 5, "is_routed": True}),
    ("enough for now", {"n_rated": 5, "swarm_topology": "mesh"}),
    ("same task type", {"since_type": minutes(1), **SLOW}),
    ("same task type", {"since_type": minutes(1), "is_routed": True}),
    ("same task type", {"since_type": minutes(1), "swarm_topology": "mesh"}),
]


@pytest.mark.parametrize(("rule", "facts", "reason"), RULE_BY_RULE)
def test_each_rule_says_why_it_asks_or_not(rule, facts, reason):
    asking = decide(Situation(**facts))
    assert (asking.rule, asking.reason, asking.asked) == (rule, reason, reason.startswith("asked"))


@pytest.mark.parametrize(("rule", "facts"), BOUNDARIES)
def test_limits_are_where_they_are_said_to_be(rule, facts):
    assert decide(Situation(**facts)).rule == rule


@pytest.mark.parametrize(("rule", "facts"), PRECEDENCE)
def test_a_skip_goes_before_asking_but_for_a_failure(rule, facts):
    assert decide(Situation(**facts)).rule == rule


def test_every_rule_is_tested_alone_and_every_skip_before_an_ask():
    assert {rule for rule, *_ in RULE_BY_RULE} == {rule.name for rule in RULES} | {NO_RULE}
    assert {r.name for r in RULES if r.does == Does.SKIP} <= {rule for rule, _ in PRECEDENCE}


@pytest.mark.parametrize(
    ("facts", "asked"),
    [
        ({"success": None}, ["success", "accepted", "expectations_met"]),
        ({"success": True}, ["accepted", "expectations_met"]),
        ({"success": True, "user_accepted": True}, ["expectations_met"]),
        ({"success": False, "is_failed": True}, []),
        ({"success": False, "is_failed": True, **SLOW}, ["speed_acceptable"]),
        ({"success": False, "is_failed": True, "is_routed": True}, ["model_appropriate"]),
        ({"success": None, "is_failed": True}, ["success"]),
    ],
)
def test_only_questions_worth_asking_are_asked(facts, asked):
    assert [question.name for question in worth_asking(Situation(**facts))] == asked


def test_every_question_says_why():
    told = Situation(duration_seconds=300.0, model_tier="small")
    whys = {question.name: question.why(told) for question in QUESTIONS}
    assert all(whys.values())
    assert whys["speed_acceptable"] == "it took 300 s"
    assert whys["model_appropriate"] == "a router chose a small one"


class Terminal(io.StringIO):
    """A stream that somebody sits at."""

    def isatty(self):
        return True


@pytest.fixture
def somebody(monkeypatch):
    """Let somebody sit at a terminal, whoever runs the tests."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(situations, "at_terminal", lambda: True)


@pytest.fixture(scope="module")
def filled(tmp_path_factory, empty, make_record):
    """A store with one slow refactoring, and others of two task types."""
    others = [
        make_record(task_id=UUID(int=n), task_type=("docs", "refactor")[n % 2], **SLOW)
        for n in range(100, 110)
    ]
    slow = make_record(task_id=TASK, external_id="t-7", **SLOW)
    return with_records(empty, tmp_path_factory, slow, *others)


@pytest.fixture
def tried(filled, tmp_path):
    return Store(shutil.copy(filled, tmp_path))


def rates(store, number, at, author="ada", **given):
    rated = FeedbackSubmission(
        task_id=UUID(int=number), author=author, satisfaction="good", timestamp=at, **given
    )
    give(store.path, rated)
    return rated


def considered(store, task="t-7", at=START, **given):
    return FeedbackCapturer(store.path, author="ada", **given).consider(task, at=at)


def test_the_facts_come_from_the_store_and_its_spool(tried, somebody):
    assert considered(tried).reason == "asked: it took 300 s, over 120 s"
    for number in range(100, 110, 2):
        rates(tried, number, START - minutes(30))
    assert considered(tried).reason == "not asked: 5 ratings in the last hour"
    assert considered(tried, at=START + minutes(31)).rule == "slow"
    assert considered(tried, at=START - minutes(40)).rule == "slow"


def test_rating_a_task_twice_is_one_rating_and_one_taken_back_is_none(tried, somebody):
    for number in (100, 102, 104, 106, 106, 106):
        rates(tried, number, START - minutes(20))
    assert considered(tried).asked
    fifth = rates(tried, 108, START - minutes(10))
    assert considered(tried).rule == "enough for now"
    take_back(tried, fifth)
    assert considered(tried).asked


def test_only_ones_own_ratings_count(tried, somebody):
    rates(tried, 7, START - minutes(2), author="bob")
    rates(tried, 101, START - minutes(12), author="bob")
    assert considered(tried).asked
    rates(tried, 101, START - minutes(12))
    assert considered(tried).reason == "not asked: another refactor task came up 12 minutes ago"
    rates(tried, 7, START - timedelta(days=3))
    assert considered(tried).rule == "rated"


def test_a_decision_or_a_propensity_means_that_a_router_chose(store, make_record, somebody):
    decided = RoutingDecision(task_id=TASK, chosen=Candidate(tier="small"), timestamp=START)
    plain = make_record(task_id=TASK, duration_seconds=60.0)
    SpoolWriter(store.path).append([plain])
    assert considered(store, str(TASK)).rule == NO_RULE
    SpoolWriter(store.path).append([decided])
    assert considered(store, str(TASK)).rule == "routed"
    other = make_record(duration_seconds=60.0, propensity=0.5)
    assert considered(store, other).rule == "routed"


def test_a_record_need_not_be_in_the_store_nor_the_store_be_there(tmp_path, tried, make_record, somebody):
    failed = make_record(success=False, duration_seconds=1.0)
    assert considered(tried, failed).reason == "asked: it failed"
    nowhere = FeedbackCapturer(tmp_path / "none.duckdb", author="ada")
    assert nowhere.consider(failed, at=START).asked
    assert not (tmp_path / "none.duckdb").exists()
    rates(tried, failed.task_id.int, START)
    assert considered(tried, failed, at=START + minutes(1)).rule == "rated"


def test_an_unknown_task_is_an_error_in_words(tried, somebody):
    with pytest.raises(FeedbackError, match="no execution"):
        considered(tried, str(uuid4()))


@pytest.mark.parametrize(
    ("variables", "is_terminal", "reason"),
    [
        ({"LEARNLAB_FEEDBACK_PROMPTS": "false"}, True, "not asked: LEARNLAB_FEEDBACK_PROMPTS is false"),
        ({"CI": "true"}, True, "not asked: the variable CI is set"),
        ({"CI": "false"}, True, "asked: it took 300 s, over 120 s"),
        ({}, False, "not asked: there is no terminal and no notebook"),
        ({"LEARNLAB_FEEDBACK_PER_HOUR": "0"}, True, "not asked: 0 ratings in the last hour"),
    ],
)
def test_settings_and_surroundings_decide(tried, monkeypatch, somebody, variables, is_terminal, reason):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    monkeypatch.setattr(situations, "at_terminal", lambda: is_terminal)
    assert considered(tried).reason == reason


def test_nothing_is_looked_up_where_nobody_can_answer(tmp_path, monkeypatch):
    monkeypatch.setenv("CI", "1")
    missing = FeedbackCapturer(tmp_path / "none.duckdb", author="ada")
    assert missing.consider("no-such-task").rule == "nobody there"
    assert missing.capture("no-such-task") is None


@pytest.mark.parametrize(
    ("stdin", "stdout", "there"),
    [
        (Terminal(), Terminal(), True),
        (io.StringIO(), Terminal(), False),
        (Terminal(), io.StringIO(), False),
        (None, Terminal(), False),
    ],
)
def test_somebody_is_at_a_terminal_who_reads_and_types_there(monkeypatch, stdin, stdout, there):
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(sys, "stdout", stdout)
    assert situations.at_terminal() is there


@pytest.mark.parametrize(
    ("kernel", "report", "there"), [("typed", None, True), ("program", None, False), ("typed", "/r", False)]
)
def test_a_notebook_that_a_program_runs_has_nobody_in_it(monkeypatch, kernel, report, there):
    class Shell:
        pass

    shell = Shell()
    shell.kernel = Shell()
    shell.kernel._allow_stdin = kernel == "typed"
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    monkeypatch.delenv("CI", raising=False)
    if report:
        monkeypatch.setenv("LEARNLAB_PUBLISH", report)
    assert situations.in_notebook() is there
    monkeypatch.setattr(sys, "stdin", None)
    assert (situations.absence() is None) is there


def test_a_question_in_vain_counts_like_a_rating(tried, somebody, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    capturer = FeedbackCapturer(tried.path, author="ada")
    assert capturer.capture(str(UUID(int=101)), at=START) is None
    assert capturer.consider(str(UUID(int=101)), at=START).rule == "asked before"
    assert capturer.consider("t-7", at=START + minutes(9)).reason == (
        "not asked: another refactor task came up 9 minutes ago"
    )
    monkeypatch.setenv("LEARNLAB_FEEDBACK_PER_HOUR", "1")
    settings.cache_clear()
    docs = str(UUID(int=100))
    assert capturer.consider(docs, at=START + minutes(9)).reason == (
        "not asked: 1 unanswered question in the last hour"
    )
    assert capturer.consider(docs, at=START + minutes(60)).asked


def test_the_bus_hears_of_a_rating_by_its_ids_alone(tried, somebody, monkeypatch):
    heard = []

    class Bus:
        async def publish(self, message):
            heard.append(message)

    monkeypatch.setattr(sys, "stdin", io.StringIO("good\na private word\n\n\n\n\n"))
    given = FeedbackCapturer(tried.path, author="ada", message_bus=Bus()).capture("t-7", at=START)
    assert given.comment == "a private word"
    assert heard[0].type == "feedback_submitted"
    assert heard[0].payload == {"feedback_id": str(given.feedback_id), "task_id": str(TASK)}


def test_a_bus_is_told_in_its_own_loop_and_one_that_fails_spoils_nothing(tried, caplog):
    async def main():
        loops = []

        class Bus:
            async def publish(self, message):
                loops.append(asyncio.get_running_loop())
                if len(loops) == 3:
                    raise RuntimeError("a bus that is broken")

        capturer = FeedbackCapturer(tried.path, author="ada", message_bus=Bus())
        capturer.submit("t-7", "good")
        for satisfaction in ("good", "excellent"):
            await asyncio.to_thread(capturer.submit, "t-7", satisfaction)
        while len(loops) < 3:
            await asyncio.sleep(0)
        return {loop is asyncio.get_running_loop() for loop in loops}

    assert asyncio.run(main()) == {True}
    assert len(Store(tried.path, viewer=Viewer("ada")).sql("select * from feedback")) == 3
    assert "a bus that is broken" in caplog.text


@pytest.fixture(scope="module")
def weeks():
    """How one person would be asked in a week of work: tasks that a fleet does a day (some at night) → each task."""
    told = {}
    for n in (5, 20, 60, 200):
        fleet = simulate(7 * n, seed=1, days=7).executions
        by_day = fleet.filter(pl.col("metadata").str.json_path_match("$.is_nightly") == "false")
        told[n] = by_day.join(asked_over(by_day), on="task_id")
    return told


@pytest.mark.parametrize(
    ("n", "tasks", "low", "high"),
    [(5, 2, 1, 3), (20, 11, 8, 10), (60, 31, 18, 25), (200, 104, 45, 60)],
)
def test_in_a_week_of_work_somebody_is_asked_so_often_a_day(weeks, n, tasks, low, high):
    week = weeks[n]
    assert round(week.height / 7) == tasks
    assert low <= week["is_asked"].sum() / 7 <= high


def test_in_no_hour_of_the_week_is_anybody_asked_more_than_the_budget_but_for_failures(weeks):
    asked = weeks[200].filter("is_asked")
    chosen = asked.filter(pl.col("rule") != "failed").select("at", "task_type")
    hour = chosen.sort("at").rolling("at", period="1h").agg(n=pl.len(), n_types=pl.n_unique("task_type"))
    assert 1 < hour["n"].max() <= 5
    assert hour.filter(pl.col("n") != pl.col("n_types")).is_empty()
    failed = weeks[200].filter(~pl.col("success"))
    assert failed["is_asked"].all()


def test_a_replayed_week_asks_as_the_store_would(weeks, store, somebody):
    week = weeks[60].sort("at")[:6]
    assert week["is_asked"].n_unique() == 2
    executions, _ = conform(week.drop("at", "is_asked", "rule"))
    store.add(executions)
    capturer = FeedbackCapturer(store.path, author="ada")
    for row in week.iter_rows(named=True):
        asking = capturer.consider(row["task_id"], at=row["at"])
        assert (asking.asked, asking.rule) == (row["is_asked"], row["rule"])
        if asking.asked:
            rates(store, UUID(row["task_id"]).int, row["at"])


def test_the_order_of_the_rows_does_not_matter_and_none_give_none(weeks):
    week = weeks[20].drop("at", "is_asked", "rule")
    asked = asked_over(week)
    assert asked_over(week.sample(fraction=1, shuffle=True, seed=0)).equals(asked)
    assert asked_over(week.clear()).schema == asked.schema


def test_the_readme_lists_the_rules_in_their_order():
    text = Path(prompting.__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
    table = text.partition("| rule | does |")[2].partition("\n\n")[0]
    listed = [line.split(" | ")[:2] for line in table.splitlines()[2:]]
    assert [(name.removeprefix("| "), does) for name, does in listed] == [(r.name, r.does) for r in RULES]
