"""Every exit of the store, listed from the code: nothing private of others leaves by any, and no exit is forgotten.

Two worlds stand side by side. They differ in what a viewer must not know and in nothing else: the names of others, and
what others keep private (words, verdicts, ratings, ids). Whatever an exit gives of the one it must give of the other,
and no canary of the first may be in it.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
from datetime import timedelta
from pathlib import Path
from random import Random
from uuid import UUID

import click
import polars as pl
import pytest
from click.testing import CliRunner
from conftest import START

import learnlab
from learnlab import database
from learnlab.cli import main
from learnlab.feedback import own
from learnlab.feedback.agreement import adjudication
from learnlab.feedback.asking.form import RateForm
from learnlab.feedback.files import exporting
from learnlab.feedback.labelling.queues import open_queue
from learnlab.feedback.labelling.session import LabelingSession
from learnlab.people import PUBLIC, TEAM, FeedbackSubmission, Label, Viewer
from learnlab.settings import settings
from learnlab.store import Store, feedback, sqlfiles
from learnlab.store.connection import transaction
from learnlab.store.frames import conform
from learnlab.store.lines import lines_of, read_lines
from learnlab.tools.offered import offered
from learnlab.tools.tool import Desk

SOAK = bool(os.environ.get("LEARNLAB_SOAK"))
ROOT = Path(learnlab.__file__).resolve().parent
ADA = "ada-lovelace"
TASKS = [UUID(int=i) for i in range(1, 9)]
NOW = START.replace(tzinfo=None)
LATE = START + timedelta(days=999)
WORDS = {"mode": "words", "days_back": None}


class World:
    """Random acts of five people on eight executions, of which one looks on."""

    def __init__(self, seed):
        self.random = Random(seed)
        self.hidden, self.others = [], [f"person-{self.random.randrange(16**12):012x}" for _ in range(6)]
        self.people = [ADA, *self.others]
        self.pieces = []
        for hour in range(70):
            self.pieces.append(self._piece(hour))
        for hour, author in enumerate(self.people):  # enough in one cell for public figures
            self.pieces.append(self._rating(author, TASKS[0], "public", 100 + hour))

    def _canary(self):
        return f"canary-{self.random.randrange(16**12):012x}"

    def _id(self):
        return UUID(int=self.random.getrandbits(128), version=4)

    def _rating(self, author, task, visibility, hour):
        return FeedbackSubmission(
            feedback_id=self._id(),
            task_id=task,
            author=author,
            visibility=visibility,
            timestamp=START + timedelta(hours=hour),
            satisfaction="fair",
            issues=["too_slow"],
            comment=self._canary(),
            correction=self._canary(),
            success=self.random.choice([True, False, None]),
            accepted=self.random.choice([True, False, None]),
            contextual={"speed_acceptable": self.random.choice([True, False, None])},
        )

    def _piece(self, hour):
        random = self.random
        author, task = random.choice(self.people), random.choice(TASKS)
        visibility = random.choice(["private", "private", "team", "public"])
        undoable = [piece for piece in self.pieces if getattr(piece, "act", "label") == "label"]
        act = random.choice(["rating", "rating", "label", "label", "note", "skip", "adjudication", "undo"])
        if act == "rating" or (act == "undo" and not undoable):
            return self._rating(author, task, visibility, hour)
        given = {
            "feedback_id": self._id(),
            "task_id": task,
            "author": author,
            "visibility": visibility,
            "timestamp": START + timedelta(hours=hour),
            "act": act,
            "queue": "q",
            "label_schema": "outcome@000000000000",
            "comment": self._canary(),
        }
        if act in ("label", "adjudication"):
            given["success"] = random.choice([True, False])
            given["answers"] = {"success": "yes" if given["success"] else "no", "why": self._canary()}
        if act == "undo":
            undone = random.choice(undoable)
            given |= {
                "undoes": undone.feedback_id,
                "author": undone.author,
                "task_id": undone.task_id,
                "visibility": undone.visibility,
            }
        return Label(**given)

    def otherwise(self, viewer):
        """The same acts but for what a viewer must not know: the names of others, and what those keep from them.

        That is what is private, undone or replaced. It is other words and verdicts here; private pieces that replace
        nothing are not there at all.
        """
        names = {name: f"other-{i}" for i, name in enumerate(self.others)} | {ADA: "somebody else"}
        names.pop(viewer, None)
        undone = {getattr(piece, "undoes", None) for piece in self.pieces}
        latest, first_shared = {}, {}
        for piece in self.pieces:
            if piece.feedback_id not in undone:
                latest[self._part(piece)] = piece.feedback_id
            if piece.visibility != "private":
                first_shared.setdefault(self._part(piece), piece.timestamp)
        secret, dropped = {}, set()
        for piece in self.pieces:
            is_current = latest.get(self._part(piece)) == piece.feedback_id
            if piece.author in names and not (is_current and piece.visibility != "private"):
                secret[piece.feedback_id] = self._id()
                if piece.visibility == "private" and piece.timestamp < first_shared.get(
                    self._part(piece), LATE
                ):
                    dropped.add(piece.feedback_id)
        changed = []
        for piece in self.pieces:
            given = piece.model_dump()
            if piece.author in names:
                given["author"] = names[piece.author]
                self.hidden += [piece.author, str(piece.feedback_id)]
            if piece.feedback_id in secret:
                self.hidden += re.findall("canary-[0-9a-f]+", piece.model_dump_json())
                given |= {"feedback_id": secret[piece.feedback_id], "comment": "something else"}
                given["success"] = None if piece.success is None else not piece.success
                if isinstance(piece, FeedbackSubmission):
                    given |= {"satisfaction": "excellent", "issues": [], "correction": None}
                    given["accepted"] = not piece.accepted
                    given["contextual"] = {"speed_acceptable": not piece.contextual.speed_acceptable}
                elif piece.answers:
                    given["answers"] = {"success": "no" if piece.success else "yes"}
            if given.get("undoes") in secret:
                given["undoes"] = secret[given["undoes"]]
            if not {piece.feedback_id, getattr(piece, "undoes", None)} & dropped:
                changed.append(type(piece)(**given))
        assert 20 < len(changed) < len(self.pieces)
        return changed

    @staticmethod
    def _part(piece):
        """What is replaced by a later piece of the same part: a rating, a label, a skip; nothing replaces a note."""
        act = getattr(piece, "act", "rating")
        return piece.feedback_id if act in ("note", "undo") else (piece.author, piece.task_id, str(act))


def keep(store, pieces):
    frame = read_lines(lines_of(pieces).splitlines()).frames["feedback"].drop("kind", "place")
    with store.writing() as connection, transaction(connection):
        feedback.keep(connection, frame, NOW)


@pytest.fixture(scope="module")
def base(tmp_path_factory, empty, make_frame):
    """Eight executions of which nobody said how they ended but one, and a queue of them."""
    path = shutil.copy(empty, tmp_path_factory.mktemp("exits") / "exits.duckdb")
    store = Store(path)
    frame = make_frame(8, first=1, success=None, success_source="unknown").with_columns(
        task_id=pl.Series([str(task) for task in TASKS]),
        external_id=pl.Series([f"t-{i}" for i in range(8)]),
        solution_summary=pl.lit("split it"),
        propensity=pl.lit(0.5),
    )
    good, faults = conform(frame.with_columns(model_tier=pl.lit("small")))
    assert faults.is_empty()
    store.add(good)
    open_queue("q", path, tasks=[str(task) for task in TASKS[:4]], labels_per_item=9)
    return path


def parameters(name):
    """What a query in sql/queries is asked with: its own parameters, null but for those that need a value."""
    given = {
        "queue": "q",
        "model_key": "",
        "text": "split",
        "task_ids": [],
        "n": 5,
        "least_characters": 0,
        "seed": 0,
    }
    text = sqlfiles.load("queries", name).text
    return {one: given.get(one) for one in set(re.findall(r"\$([a-z_]+)", text))}


def session(store, _folder):
    if store.viewer.name is None:
        return None
    with LabelingSession("q", store.path, author=store.viewer.name) as labelling:
        return [
            labelling.item,
            labelling.progress,
            labelling.said(),
            labelling.suggestion(),
            labelling.similar(),
        ]


def rate_form(store, _folder):
    settings.cache_clear()
    form = learnlab.rate(str(TASKS[0]), db=store.path)
    assert isinstance(form, RateForm)
    return form.about


def exported(store, folder):
    if store.viewer.is_public:
        return None
    path = folder / "labels.jsonl"
    exporting.export_labels(path, store.path, viewer=store.viewer)
    return re.sub(r"(\w+_at|export_id)\W+[0-9a-fTZ:.+-]+", "", path.read_text().replace("\\", ""))


def tools(store, _folder):
    if store.viewer.name is None:
        return None
    arguments = {
        "feedback_help": {},
        "find_similar": {"task_description": "Split module 3", "mode": "words"},
        "submit_feedback": {"task_id": "no such task", "satisfaction": "good"},
        "route": None,  # it chooses by what `route` chooses by, and draws lots
    }
    offers = {tool.name: tool for tool in offered(Desk(store, store.viewer.name))}
    assert set(offers) <= set(arguments), "a tool that nobody has looked at here"
    answers = []
    for name, given in arguments.items():
        if given is not None and name in offers:
            try:
                answers.append(offers[name].call(given))
            except learnlab.LearnlabError as error:
                answers.append(str(error))
    return answers


def cli(*words):
    def run(store, folder):
        if store.viewer.name is None:
            return None
        asked = [word.format(db=store.path, folder=folder, task=TASKS[0]) for word in words]
        result = CliRunner().invoke(main, asked, env={"LEARNLAB_USER": store.viewer.name}, input="n\n")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.output

    return run


def random_queries(store, _folder):
    """Queries that somebody might type: columns of a view or of two, of some rows; plain, counted or ranked."""
    random, told = Random(os.environ["PYTEST_CURRENT_TEST"]), []
    found = store.sql(
        "select table_name, list(column_name order by column_index) from duckdb_columns() group by 1"
    )
    columns = {
        name: own for name, own in sorted(found.rows()) if name in {one.name for one in sqlfiles.views()}
    }
    of_tasks = [name for name in columns if "task_id" in columns[name]]
    assert {"feedback", "task_feedback", "outcomes"} <= set(of_tasks)
    for _ in range(40 if SOAK else 8):
        read = random.choice(["feedback", random.choice(of_tasks), random.choice(list(columns))])
        words = [f"cast({read}.{one} as varchar)" for one in columns[read] if one != "refreshed_at"]
        if read in of_tasks and random.random() < 0.4:
            other = random.choice([one for one in of_tasks if one != read])
            words += [f"cast({other}.{one} as varchar)" for one in columns[other]]
            read = f"{read} {random.choice(['', 'left ', 'full '])}join {other} on {read}.task_id = {other}.task_id"
        a, b, c = (random.choice(words) for _ in range(3))
        where = random.choice(["true", f"{c} is not null", f"length({c}) > 3", f"{c} like '%e%'"])
        rows = f"from {read} where {where}"
        shapes = (
            f"select {a} as a, {b} as b {rows}",
            f"select {a} as a, count(*) as n, count(distinct {b}) as m, max({c}) as c {rows} group by 1",
            f"with x as (select {a} as a, {b} as b {rows}) select y.b from x y join x z on y.a = z.b",
            f"select {a} as a, row_number() over (partition by {a} order by {b}) as n {rows}",
            f"select {a} as a {rows} and {b} in (select {b} {rows})",
            f"(select {a} as a {rows}) except (select {b} {rows})",
        )
        told.append(random.choice(shapes))
    return [f"{query}\n{text_of(store.sql(query))}" for query in told]


READING = {
    **{f"view {file.name}": lambda s, f, n=file.name: s.view(n) for file in sqlfiles.views()},
    **{
        f"query {name}": lambda s, f, n=name: s.query(n, parameters(n))
        for name in sorted(path.stem for path in (ROOT.parent / "sql" / "queries").glob("*.sql"))
    },
    "random queries": random_queries,
    "sql": lambda s, f: s.sql("select * exclude (given_at) from feedback"),
    "find_similar": lambda s, f: learnlab.find_similar("Split module 3", s, outcome="failure", **WORDS),
    "find_similar_batch": lambda s, f: learnlab.find_similar_batch(["Split module 3"], s, **WORDS),
    "similar_to": lambda s, f: learnlab.similar_to(TASKS[2], s, **WORDS),
    "read_tries": lambda s, f: [vars(learnlab.read_tries(s)), learnlab.read_tries(s).tasks.known],
    "mined_patterns": lambda s, f: learnlab.mined_patterns(s),
    "routers": lambda s, f: learnlab.routers(s),
    "promotions": lambda s, f: learnlab.promotions(s),
    "disagreements": lambda s, f: adjudication.disagreements("q", s.path, viewer=s.viewer),
    "history": lambda s, f: own.history(s.path, viewer=s.viewer),
}
"""What is asked while the store is held once for all of it."""

EXITS = {
    "LabelingSession": session,
    "rate": rate_form,
    "what_used": lambda s, f: own.what_used(None, s.path, author=s.viewer.name) if s.viewer.name else None,
    "export_own": lambda s, f: (
        own.export_own(f / "own.jsonl", s.path, viewer=s.viewer) and (f / "own.jsonl").read_text()
    ),
    "export_labels": exported,
    "tools": tools,
    "cli feedback history": cli("feedback", "history", "--limit", "99", "--db", "{db}"),
    "cli feedback privacy": cli("feedback", "privacy", "--db", "{db}"),
    "cli feedback delete": cli("feedback", "delete", "--all", "--db", "{db}"),
    "cli feedback submit": cli(
        "feedback", "submit", "--task", "{task}", "--satisfaction", "fair", "--db", "{db}"
    ),
    "cli feedback export": cli("feedback", "export", "{folder}/cli.csv", "--db", "{db}"),
    "cli search": cli("search", "Split module 3", "--mode", "words", "--db", "{db}"),
    "cli status": cli("status", "--db", "{db}"),
    "cli routers list": cli("routers", "list", "--db", "{db}"),
    "cli db validate": cli("db", "validate", "--db", "{db}"),
}

NO_EXITS = {
    "cli feedback import": "reads in",
    "cli encode": "makes vectors of descriptions",
    "cli mine": "prints what mined_patterns gives, which counts as the team sees",
    "cli ingest": "reads in",
    "cli watch": "reads in",
    "cli formats": "knows no store",
    "cli forget": "counts what it removes",
    "cli simulate": "makes a store",
    "cli report": "runs notebooks, which are looked at below",
    "cli lab": "opens JupyterLab",
    "cli mcp": "serves the tools, which are asked above",
    "cli train": "learns from read_tries as the team sees",
    "cli route": "chooses by routers and read_tries",
    "cli routers rollback": "puts a router back",
    "cli use": "names a store",
    "cli db upgrade": "changes the schema",
    "cli db downgrade": "changes the schema",
    "cli db reset": "empties a store",
    "cli db status": "says a version",
    "cli db retain": "moves executions, and no feedback",
    "cli db compact": "counts bytes",
    "Store": "its view, query and sql are asked above; its other methods give counts",
    "LearningDatabase": "looked at below, method by method",
    "view": "Store.view",
    "view_together": "Store.view",
    "query": "Store.query",
    "FeedbackCapturer": "asks about one's own ratings; hands out no row of anybody's",
    "LabelingWidget": "shows what LabelingSession has",
    "SearchBox": "shows what find_similar finds",
    "adjudicate": "gives, as one's own word",
    "import_labels": "reads in, and counts",
    "register_tools": "offers the tools, which are asked above",
    "encode_waiting": "makes vectors of descriptions",
    "mine_patterns": "gives what mined_patterns gives",
    "open_queue": "gives a queue's definition, which names nobody",
    "RoutingService": "chooses by routers and read_tries",
    "route": "chooses by routers and read_tries",
    "rollback_router": "puts a router back",
    "train_router": "learns from read_tries as the team sees",
    "LearnlabSpanProcessor": "captures",
    "MessageBus": "captures",
    "TelemetryCapture": "captures",
    "capture_pool": "captures",
    "captured": "captures",
    "capturing": "captures",
    "orchestrate": "captures",
    "live.look": "views and queries",
    "live.watched": "views and queries",
    "capture_sentences.spooled": "counts lines",
    "search_asking.ask": "find_similar",
    "search_asking.neighbourhood": "find_similar",
    "pattern_estimates.patterns": "mined_patterns",
    "agreement_estimates.labels": "the query queue_labels",
    "counterfactual_estimates.logged": "read_tries and queries",
    "counterfactual_estimates.truth": "the simulator's truth",
    "feedback_estimates.given": "queries and counts from five people on, by its audience",
    "labelling.Desk": "what labelling.desk gives",
    "labelling.desk": "the query queue_given, in a notebook as whoever is here, in a report as the team",
    "continual_estimates.study": "read_tries",
    "routing_estimates.experiment": "read_tries",
    "routing_judgements.judged": "the simulator's truth",
}
"""Whatever takes a store and is not asked above, and why nothing of people's feedback leaves by it."""

OF_THE_DATABASE = {
    "sql": "Store.sql",
    "find_similar_executions": "find_similar",
    "find_similar_executions_batch": "find_similar",
    "find_similar_to": "similar_to",
    "get_tier_performance": "the view",
    "get_pool_performance": "the view",
    "get_solution_patterns": "the view and the query pattern_lifts",
    "store_execution": "takes in",
    "store_executions": "takes in",
    "store_feedback": "takes in",
    "initialize": "opens",
    "close": "closes",
}


COUNTS_ALL = {"LabelingSession"}
"""Exits that count what is private as well: an item of a queue is labelled, whoever may see how."""


def text_of(answer):
    """Return all that an answer says, in an order of its own, without the moment and the place at which it was asked."""
    if isinstance(answer, pl.DataFrame):
        return "\n".join(sorted(map(repr, answer.drop("refreshed_at", strict=False).rows())))
    if isinstance(answer, dict):
        return "\n".join(f"{key}: {text_of(value)}" for key, value in answer.items())
    if isinstance(answer, list | tuple):
        return "\n".join(map(text_of, answer))
    return answer if isinstance(answer, str) else repr(answer)


def exits_of(store, folder, monkeypatch, *, all_of_them):
    folder.mkdir()
    monkeypatch.setenv("LEARNLAB_USER", store.viewer.name or "nobody")
    settings.cache_clear()
    answers = {}

    def ask(exits):
        for name, leave in exits.items():
            try:
                answers[name] = text_of(leave(store, folder)).replace(str(folder.parent), "")
            except learnlab.LearnlabError as error:
                assert store.viewer.is_public, name
                answers[name] = str(error)

    with store.reading():
        ask(READING)
    if all_of_them:
        ask(EXITS)
    return answers


VIEWERS = [Viewer(ADA), TEAM, PUBLIC, Viewer("newcomer")]


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(8 if SOAK else 1))
@pytest.mark.parametrize("viewer", VIEWERS if SOAK else VIEWERS[::2], ids=Viewer.words)
def test_nothing_private_of_others_leaves_by_any_exit(base, tmp_path, monkeypatch, viewer, seed):
    world, answers = World(seed), []
    for name, pieces in (("first", world.pieces), ("second", world.otherwise(viewer.name))):
        (tmp_path / name).mkdir()
        store = Store(shutil.copy(base, tmp_path / name / "exits.duckdb"), viewer=viewer)
        keep(store, pieces)
        whole = SOAK or (name == "first" and viewer.name is not None)
        answers.append(exits_of(store, tmp_path / name / "out", monkeypatch, all_of_them=whole))
    first, second = answers
    assert len(world.hidden) > 50
    for name, text in first.items():
        assert [one for one in world.hidden if one in text] == [], name
        assert name in COUNTS_ALL or text == second.get(name, text), name
    shared = set(re.findall("canary-[0-9a-f]+", "".join(first.values())))
    assert bool(shared) is not viewer.is_public
    assert first["view public_figures"].count("'refactor', 'small'") == 2


def _commands(command, path=("cli",)):
    if not isinstance(command, click.Group):
        return [" ".join(path)]
    return [one for name, sub in command.commands.items() for one in _commands(sub, (*path, name))]


def _takes_a_store(thing):
    try:
        parameters = inspect.signature(thing).parameters
    except (TypeError, ValueError):
        return False
    return bool({"db", "store", "database_path", "learning_db"} & set(parameters)) or any(
        "Store" in str(one.annotation) for one in parameters.values()
    )


def test_no_exit_is_forgotten():
    there = set(_commands(main))
    for name in learnlab.__all__:
        thing = getattr(learnlab, name)
        if inspect.ismodule(thing):
            own_names = [
                n for n, one in vars(thing).items() if getattr(one, "__module__", "") == thing.__name__
            ]
            there |= {
                f"{name}.{n}"
                for n in own_names
                if not n.startswith("_") and _takes_a_store(getattr(thing, n))
            }
        elif _takes_a_store(thing):
            there.add(name)
    assert there - set(EXITS) - set(READING) - set(NO_EXITS) == set(), "say here what leaves the store by it"
    assert {name for name in NO_EXITS if name in EXITS | READING} == set()
    gone = {name for name in NO_EXITS if name not in there} - {"Store"}
    assert gone == set(), "not there any more"
    public = {
        name for name, one in vars(database.LearningDatabase).items() if callable(one) and name[0] != "_"
    }
    assert public == set(OF_THE_DATABASE)


def test_notebooks_read_through_the_exits_alone():
    """What a notebook shows it has from public names, as the team sees it: none names a viewer or opens the file."""
    for path in sorted((ROOT.parent / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        assert set(re.findall(r"\bll\.(\w+)", code)) <= set(learnlab.__all__), path.name
        assert not re.search(r"viewer|duckdb|\.reading\(|\.writing\(|\.duckdb|people\.", code), path.name
