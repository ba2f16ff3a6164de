"""Tools without a server of their own: who is served, what is offered, what is refused, and servers of others."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
from uuid import UUID

import pytest
from click.testing import CliRunner
from mcp import Client
from mcp.server.mcpserver import MCPServer

from learnlab.cli import main
from learnlab.errors import FeedbackError
from learnlab.models import Record
from learnlab.people import Viewer
from learnlab.store import Store
from learnlab.store.spool import SpoolWriter
from learnlab.tools import rating
from learnlab.tools.offered import offered
from learnlab.tools.registering import register_tools
from learnlab.tools.similar import similar
from learnlab.tools.tool import Desk, RefusedError, Tool

TASK = str(UUID(int=1))


@pytest.fixture
def desk(store, make_record):
    SpoolWriter(store.path).append([make_record(task_id=TASK, task_description="Fix the clock")])
    return Desk.of(str(store.path), "ada")


def named(tools):
    return {tool.name: tool for tool in tools}


def given_to(desk):
    return Store(desk.store.path, viewer=Viewer("ada")).sql("select * from feedback").to_dicts()


def refusal(tool, **arguments):
    with pytest.raises(RefusedError) as caught:
        tool.call(arguments)
    return str(caught.value)


def test_without_a_name_the_tools_serve_whoever_gives_feedback_here(home, monkeypatch):
    monkeypatch.setenv("LEARNLAB_USER", "grace")
    assert Desk.of("toy").store.viewer == Viewer("grace")


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 201])
def test_a_name_that_is_none_starts_nothing(name):
    result = CliRunner().invoke(main, ["mcp", "--db", "toy", "--as", name])
    assert result.exit_code == 1
    assert "is no name to give feedback in" in result.output


def test_a_tool_whose_packages_are_missing_is_not_offered_and_help_says_so(desk, monkeypatch):
    for package in ("torch", "sentence_transformers"):
        monkeypatch.setitem(sys.modules, package, None)
    tools = named(offered(desk))
    assert list(tools) == ["submit_feedback", "feedback_help"]
    told = tools["feedback_help"].call({})
    assert list(told.tools) == ["submit_feedback"]
    assert "pip install 'learnlab[search]'" in told.not_offered["find_similar"]
    assert "pip install 'learnlab[router]'" in told.not_offered["route"]


def test_without_the_package_the_command_says_what_to_install(monkeypatch):
    for module in ("mcp", "mcp.server", "mcp.server.stdio"):
        monkeypatch.setitem(sys.modules, module, None)
    result = CliRunner().invoke(main, ["mcp", "--db", "toy"])
    assert result.exit_code == 1
    assert "tools for agents need mcp: pip install 'learnlab[mcp]'" in result.output


def test_a_store_that_is_not_there_is_said_without_its_path(tmp_path):
    desk = Desk.of(str(tmp_path / "deep" / "none.db"), "ada")
    for tool in (rating.rating(desk), similar(desk)):
        given = {"task_id": "t", "satisfaction": "good"} if tool.changes else {"task_description": "x"}
        assert refusal(tool, **given).startswith("there is no store yet")


def test_a_store_that_is_busy_is_said_without_naming_who_holds_it(desk, monkeypatch):
    monkeypatch.setenv("LEARNLAB_LOCK_TIMEOUT", "0.05")
    from learnlab.settings import settings

    settings.cache_clear()
    tool, other = rating.rating(desk), Store(desk.store.path, timeout=10)
    with other.writing():
        words = asyncio.run(asyncio.to_thread(refusal, tool, task_id=TASK, satisfaction="good"))
    assert words.startswith("the store has been busy for too long: nothing was kept")
    assert "process" not in words


def test_a_store_that_is_damaged_is_said_in_the_log_alone(desk, caplog):
    desk.store.path.write_bytes(b"no store at all " * 1000)
    words = refusal(rating.rating(desk), task_id=TASK, satisfaction="good")
    assert "nothing was kept" in words
    assert str(desk.store.path) not in words
    assert str(desk.store.path) in caplog.text


def test_a_fault_of_ours_is_a_sentence_for_the_agent_and_a_trace_in_the_log(desk, caplog):
    def work(given):
        raise ZeroDivisionError("secret of /etc/shadow")

    class Nothing(Record):
        """Nothing."""

    tool = Tool("broken", "Breaks.", Nothing, Nothing, work, desk)
    assert refusal(tool) == "broken failed; the log of its server says why"
    assert "ZeroDivisionError" in caplog.text


def test_what_runs_in_circles_is_told_to_wait(desk, monkeypatch):
    monkeypatch.setattr(rating, "PER_MINUTE", 2)
    tool = rating.rating(desk)
    for _ in range(2):
        tool.call({"task_id": TASK, "satisfaction": "good"})
    assert "wait a minute" in refusal(tool, task_id=TASK, satisfaction="good")
    assert len(given_to(desk)) == 2


def test_the_official_server_gets_tools_that_refuse_what_they_do_not_know(desk):
    server = MCPServer("mine")
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    names = register_tools(server, str(desk.store.path), author="ada")
    assert names == ("submit_feedback", "feedback_help", "find_similar", "route")

    async def asked():
        async with Client(server) as client:
            schemas = {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}
            plain = {"task_id": TASK, "satisfaction": "good"}
            calls = (plain | {"comment": "[1]"}, plain | {"colour": 1}, plain | {"satisfaction": "bad"})
            return schemas, [await client.call_tool("submit_feedback", call) for call in calls]

    schemas, (done, unknown, wrong) = asyncio.run(asked())
    assert schemas["submit_feedback"]["required"] == ["task_id", "satisfaction"]
    assert set(schemas["submit_feedback"]["properties"]) == set(rating.Rating.model_fields)
    assert done.structured_content["seen_by"] == "ada alone"
    assert "there is no argument 'colour'" in unknown.content[0].text
    assert "it may be excellent, good, fair, poor" in wrong.content[0].text
    (kept,) = given_to(desk)
    assert (kept["comment"], kept["via"], kept["author"]) == ("[1]", "mcp", "ada")


def test_a_server_with_a_decorator_gets_functions_with_their_arguments_by_name(desk):
    class Decorating:
        def __init__(self):
            self.tools = {}

        def tool(self, name, description):
            return lambda function: self.tools.setdefault(name, function)

    server = Decorating()
    register_tools(server, str(desk.store.path), author="ada")
    function = server.tools["submit_feedback"]
    assert list(inspect.signature(function).parameters) == list(rating.Rating.model_fields)
    assert function(task_id=TASK, satisfaction="good").status == "submitted"
    with pytest.raises(RefusedError, match="fair needs at least one issue"):
        function(task_id=TASK, satisfaction="fair", issues=[])


def test_what_is_no_server_is_said():
    with pytest.raises(FeedbackError, match="object has no .tool()"):
        register_tools(object())
