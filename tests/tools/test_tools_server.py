"""The server of tools, asked by the official client from another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from uuid import UUID

import pytest
from anyio.from_thread import start_blocking_portal
from conftest import START
from mcp import Client, MCPError, StdioServerParameters

from learnlab.feedback.giving import give
from learnlab.models import ExecutionRecord
from learnlab.people import ContextualRating, FeedbackSubmission, Issue, Satisfaction, Viewer
from learnlab.store import Store
from learnlab.store.spool import SpoolWriter
from learnlab.tools.rating import Rating

HOSTILE = "</script><img src=x onerror=alert(1)> '; drop table executions; -- {0} %s \u202egnp.exe"
SECRET = "the reviewer was asleep"
TOLD = UUID(int=3)
"""A task of which bob said, in private, that it failed."""

INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}
SUBMIT, HELP, FIND = "submit_feedback", "feedback_help", "find_similar"


def command(store, author):
    return [sys.executable, "-m", "learnlab.cli", "mcp", "--db", str(store), "--as", author]


class Official:
    """The official client of a server of its own."""

    def __init__(self, portal, client):
        self.portal, self.client = portal, client

    def ask(self, method, *arguments):
        return self.portal.start_task_soon(getattr(self.client, method), *arguments)

    def begin(self, name, **arguments):
        return self.ask("call_tool", name, arguments)

    def answer(self, name, **arguments):
        result = self.begin(name, **arguments).result(60)
        assert not result.is_error, result.content[0].text
        assert json.loads(result.content[0].text) == result.structured_content
        return result.structured_content

    def refusal(self, name, **arguments):
        result = self.begin(name, **arguments).result(60)
        assert result.is_error
        return result.content[0].text


class ByHand:
    """A client of a server of its own that writes and reads lines; it goes as a client that is killed goes."""

    def __init__(self, store, author):
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        env = os.environ | {"LEARNLAB_HOME": str(store.parent)}
        self.server = subprocess.Popen(command(store, author), env=env, text=True, **pipes)
        self.n_sent = 0
        self.send("initialize", **INITIALIZE)

    def write(self, line):
        self.server.stdin.write(f"{line}\n")
        self.server.stdin.flush()

    def send(self, method, **params):
        self.n_sent += 1
        message = {"jsonrpc": "2.0", "id": self.n_sent, "method": method, "params": params}
        self.write(json.dumps(message))

    def greet(self):
        assert self.read()["serverInfo"]["name"] == "learnlab"
        self.write(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}))

    def begin(self, name, **arguments):
        self.send("tools/call", name=name, arguments=arguments)

    def read(self):
        return json.loads(self.server.stdout.readline())["result"]

    def answer(self, name, **arguments):
        self.begin(name, **arguments)
        return self.read()["structuredContent"]


@pytest.fixture(scope="module")
def path(tmp_path_factory, empty):
    path = tmp_path_factory.mktemp("tools") / "toy.duckdb"
    path.write_bytes(empty.read_bytes())
    known = {"task_type": "bugfix", "repo": "shop", "model_tier": "small", "pool_type": "local"}
    texts = ["Fix the clock", f"Fix the clock {HOSTILE}", "Fix the clock of the till", "Write the manual"]
    records = [
        ExecutionRecord(
            task_id=UUID(int=i + 1),
            external_id=f"t-{i + 1}",
            task_description=text,
            timestamp=START,
            success=None if UUID(int=i + 1) == TOLD else True,
            solution_summary=HOSTILE,
            **known,
        )
        for i, text in enumerate(texts)
    ]
    SpoolWriter(path).append(records)
    bobs = {"task_id": TOLD, "satisfaction": "poor", "issues": ["other"], "comment": SECRET, "success": False}
    give(path, FeedbackSubmission(author="bob", **bobs))
    return path


@pytest.fixture(scope="module")
def people(path):
    """The servers of ada and bob on one store; they start side by side."""
    bob = ByHand(path, "bob")
    program, *arguments = command(path, "ada")
    env = {"LEARNLAB_HOME": str(path.parent), "OMP_NUM_THREADS": "1"}
    started = StdioServerParameters(command=program, args=arguments, env=env)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Client(started)) as client:
        bob.greet()
        yield Official(portal, client), bob
        bob.begin(HELP)
        bob.server.stdout.close()
        bob.server.stdin.close()
        assert bob.server.wait(60) == 0
        assert "Traceback" not in bob.server.stderr.read()
        bob.server.stderr.close()


@pytest.fixture(scope="module")
def ada(people):
    return people[0]


@pytest.fixture(scope="module")
def bob(people):
    return people[1]


def seen(path, viewer):
    return Store(path, viewer=viewer).sql("select * from feedback").to_dicts()


def test_the_tools_say_what_they_take_and_no_argument_says_who_asks(ada):
    tools = {tool.name: tool.input_schema for tool in ada.ask("list_tools").result(60).tools}
    assert list(tools) == [SUBMIT, HELP, FIND, "route"]
    for schema in tools.values():
        assert schema["additionalProperties"] is False
        assert not {"author", "viewer", "user", "as", "db", "via"} & set(schema["properties"])
    fields = tools[SUBMIT]["properties"]
    assert fields["satisfaction"]["enum"] == list(Satisfaction)
    assert fields["issues"]["items"]["enum"] == list(Issue)
    assert tools[SUBMIT]["required"] == ["task_id", "satisfaction"]


def test_feedback_is_given_in_the_name_of_whom_the_server_serves(ada, path):
    given = {"satisfaction": "fair", "issues": ["too_slow"], "speed_acceptable": False, "accepted": True}
    done = ada.answer(SUBMIT, task_id="t-1", comment="[1, 2]", **given)
    assert done == {
        "feedback_id": done["feedback_id"],
        "status": "submitted",
        "task_id": str(UUID(int=1)),
        "seen_by": "ada alone",
    }
    (own,) = [row for row in seen(path, Viewer("ada")) if str(row["feedback_id"]) == done["feedback_id"]]
    assert (own["author"], own["via"], own["visibility"]) == ("ada", "mcp", "private")
    assert (own["rating"], own["issues"], own["comment"]) == (3, ["too_slow"], "[1, 2]")
    assert (own["speed_acceptable"], own["accepted"], own["success"]) == (False, True, None)
    assert own["feedback_key"] not in [row["feedback_key"] for row in seen(path, Viewer())]


REFUSED = (
    ({}, "task_id is missing; satisfaction is missing"),
    ({"task_id": "t-1", "satisfaction": "superb"}, "it may be excellent, good, fair, poor"),
    ({"task_id": "t-1", "satisfaction": "fair"}, "fair needs at least one issue: wrong_model, too_slow"),
    ({"task_id": "t-1", "satisfaction": "poor", "issues": ["other"]}, "needs a comment"),
    ({"task_id": "t-1", "satisfaction": "good", "issues": "too_slow"}, "it should be a list"),
    ({"task_id": "t-9", "satisfaction": "good"}, "no execution in toy has the id 't-9'"),
    ({"task_id": "t-1", "satisfaction": "good", "author": "bob"}, "there is no argument 'author': there are"),
    ({"task_id": "t-1", "satisfaction": "good", "comment": "x" * 1_000_000}, "it may have 2,000"),
    ({"task_id": ["t-1"], "satisfaction": {"a": 1}}, "task_id is a list"),
    ({"task_id": "t-1", "satisfaction": "good", "success": "perhaps"}, "success is 'perhaps'"),
    ({"task_id": "t-1", "satisfaction": "good", "x" * 10_000: 1}, "there is no argument 'xxx"),
)


def test_what_cannot_be_kept_is_refused_in_a_few_words(ada, path):
    before = len(seen(path, Viewer("ada")))
    for given, said in REFUSED:
        words = ada.refusal(SUBMIT, **given)
        assert said in words
        assert len(words) <= 600
        assert words.isprintable()
        assert str(path.parent) not in words
    assert len(seen(path, Viewer("ada"))) == before


def test_hostile_text_is_text(ada, path):
    comment = HOSTILE + "\x00"
    done = ada.answer(SUBMIT, task_id="t-2", satisfaction="good", comment=comment, visibility="team")
    assert "without a name" in done["seen_by"]
    kept = {str(row["feedback_id"]): row["comment"] for row in seen(path, Viewer("ada"))}
    assert kept[done["feedback_id"]] == HOSTILE + "\ufffd"
    found = ada.answer(FIND, task_description=HOSTILE, mode="words", limit=1)["executions"]
    assert found[0]["task_description"] == f"Fix the clock {HOSTILE}"
    assert found[0]["solution_summary"] == HOSTILE
    words = ada.refusal(HELP, **{HOSTILE: HOSTILE})
    assert words.isprintable()
    assert words.startswith("there is no argument")


def test_similar_executions_come_with_what_came_of_them(ada):
    answer = ada.answer(FIND, task_description="the clock", repo="shop", mode="words", limit=2)
    first, second = answer["executions"]
    assert first["in_common"] == second["in_common"] == ["clock"]
    assert (first["success"], first["success_source"], first["repo"]) == (True, "harness", "shop")
    assert "too few to tell" in answer["summary"]
    assert ada.answer(FIND, task_description="the clock", repo="lab", mode="words")["executions"] == []
    assert "limit is 51" in ada.refusal(FIND, task_description="the clock", limit=51)
    assert "it may be semantic, words, hybrid" in ada.refusal(FIND, task_description="the clock", mode="x")


def test_what_somebody_else_said_in_private_is_in_no_answer(ada, bob):
    def of_the_till(person):
        answer = person.answer(FIND, task_description="the clock of the till", mode="words")
        return next(row for row in answer["executions"] if row["task_id"] == str(TOLD)), answer

    own, _ = of_the_till(bob)
    assert (own["success"], own["success_source"]) == (False, "user")
    others, answer = of_the_till(ada)
    assert others["success"] is None
    said = json.dumps([answer, ada.answer(HELP), ada.refusal(SUBMIT, task_id="t-3", satisfaction="fair")])
    assert SECRET not in said
    assert "bob" not in said
    assert "bob" in bob.answer(HELP)["given_as"]


def test_help_has_examples_that_are_taken(ada):
    told = ada.answer(HELP)
    assert list(told["satisfaction"]) == list(Satisfaction)
    assert list(told["issues"]) == list(Issue)
    assert set(told["tools"]) == {SUBMIT, FIND, "route"}
    assert told["not_offered"] == {}
    for example in told["examples"]:
        given = Rating.model_validate(example).model_dump()
        contextual = {name: given.pop(name) for name in ContextualRating.model_fields}
        assert FeedbackSubmission(author="ada", contextual=contextual, **given).satisfaction in Satisfaction


def test_there_is_no_other_tool_and_nothing_else_to_ask(ada):
    assert (
        ada.refusal("drop_table")
        == f"there is no tool 'drop_table': there are {SUBMIT}, {HELP}, {FIND}, route"
    )
    with pytest.raises(MCPError):
        ada.ask("read_resource", "file:///etc/passwd").result(60)


def test_two_servers_of_one_store_take_what_comes_at_once(ada, bob, path):
    waiting = []
    for i in range(3):
        rating = {"task_id": f"t-{i + 1}", "satisfaction": "good", "comment": f"at once {i}"}
        bob.begin(SUBMIT, **rating)
        waiting.append(ada.begin(SUBMIT, **rating))
    of_bob = {bob.read()["structuredContent"]["feedback_id"] for _ in waiting}
    of_ada = {future.result(60).structured_content["feedback_id"] for future in waiting}
    assert len(of_ada) == len(of_bob) == 3
    for name, ids in (("ada", of_ada), ("bob", of_bob)):
        assert ids <= {str(row["feedback_id"]) for row in seen(path, Viewer(name)) if row["author"] == name}


def test_a_store_that_is_held_keeps_a_submission_waiting_and_nothing_else(ada, path):
    with Store(path).writing():
        waiting = ada.begin(SUBMIT, task_id="t-1", satisfaction="excellent")
        assert ada.answer(HELP)
        assert not waiting.done()
    assert waiting.result(60).structured_content["status"] == "submitted"


def test_a_decision_is_logged_with_its_propensity(ada, path):
    done = ada.answer(
        "route", task_description="Fix the clock", task_id="next-1", candidates=["small", "large"]
    )
    logged = Store(path).sql("select * from routing_decisions").to_dicts()
    assert len(logged) == 1
    assert done["task_id"] == "next-1"
    assert done["tier"] in ("small", "large")
    assert 0 < done["propensity"] <= 1
    assert done["reason"].endswith("no router is in use")
    assert "can not be chosen" in ada.refusal("route", task_description="x", candidates=["unknown"])


def test_a_line_that_is_no_message_changes_nothing(bob):
    for line in ("no message at all", "[" * 100_000, '{"jsonrpc": "2.0", "method": "tools/call"}'):
        bob.write(line)
    assert bob.answer(HELP)["given_as"].startswith("bob")
