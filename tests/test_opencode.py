"""opencode: the storage and the database give the same records; costs of 0 are unknown; no id leads outside."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.errors import SourceError
from learnlab.ingest.assemble import assemble
from learnlab.ingest.batch import Position
from learnlab.ingest.logs.formats import head_of
from learnlab.ingest.logs.opencode import FORMAT
from learnlab.ingest.logs.tasks import Piece, Step, Task
from learnlab.models import DurationSource, StepKind

T0 = 1_772_442_000_000


def time(created: int, completed: int | None = None) -> dict[str, int]:
    return {"created": T0 + created} | ({"completed": T0 + completed} if completed is not None else {})


def session(own: str = "ses_1", created: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "id": own, "version": "1.1.4", "projectID": "p", "directory": "/home/ada/shop", "title": "Speed",
        "time": time(created),
    } | more  # fmt: skip


def user(own: str, created: int) -> dict[str, Any]:
    return {"id": own, "sessionID": "ses_1", "role": "user", "time": time(created), "agent": "build"}


def answer(
    own: str, created: int, completed: int | None, tokens: Any, cost: Any = 0.25, **more: Any
) -> dict[str, Any]:
    return {
        "id": own, "sessionID": "ses_1", "role": "assistant", "time": time(created, completed), "agent": "build",
        "modelID": "claude-sonnet-4-5", "providerID": "anthropic", "tokens": tokens, "cost": cost,
    } | more  # fmt: skip


def used(went_in: int, output: int, reasoning: int = 0, read: int = 0, write: int = 0) -> dict[str, Any]:
    return {
        "input": went_in,
        "output": output,
        "reasoning": reasoning,
        "cache": {"read": read, "write": write},
    }


def said(own: str, message: str, words: str, **more: Any) -> dict[str, Any]:
    return {"id": own, "messageID": message, "sessionID": "ses_1", "type": "text", "text": words} | more


TOOL = {
    "id": "prt_3", "messageID": "msg_2", "sessionID": "ses_1", "type": "tool", "tool": "bash", "callID": "c",
    "state": {
        "status": "completed", "output": "no such file\n", "metadata": {"exit": 1},
        "time": {"start": T0 + 2000, "end": T0 + 5000},
    },
}  # fmt: skip
MESSAGES = [
    user("msg_1", 1000),
    answer("msg_2", 1500, 8000, used(100, 10, reasoning=5, read=600, write=50)),
    user("msg_3", 9000),
    answer("msg_4", 9000, 10_000, used(7, 3), cost=0),
    user("msg_5", 60_000),
    answer(
        "msg_6",
        61_000,
        None,
        used(0, 0),
        error={"name": "MessageAbortedError", "data": {"message": "aborted"}},
    ),
]
PARTS = [
    said("prt_1", "msg_1", "Make it fast"),
    said("prt_2", "msg_1", "Contents of the file", synthetic=True),
    TOOL,
    {
        "id": "prt_4",
        "messageID": "msg_2",
        "sessionID": "ses_1",
        "type": "patch",
        "hash": "x",
        "files": ["/a", "/b", "/a"],
    },
    said("prt_5", "msg_2", "Done."),
    said("prt_6", "msg_3", "Continue", synthetic=True),
    {"id": "prt_7", "messageID": "msg_3", "sessionID": "ses_1", "type": "compaction", "auto": True},
    said("prt_8", "msg_5", "Now test it"),
]


def stored(root: Path, given: dict[str, Any] | None = None, messages: Any = None, parts: Any = None) -> Path:
    """Write a session into a storage folder and return its file."""
    given, messages, parts = given or session(), messages or MESSAGES, PARTS if parts is None else parts
    for folder, name, value in [
        ("session/p", given["id"], given),
        *((f"message/{given['id']}", found["id"], found) for found in messages),
        *((f"part/{found['messageID']}", found["id"], found) for found in parts),
    ]:
        path = root / folder / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, indent=2), encoding="utf-8")
    return root / "session" / "p" / f"{given['id']}.json"


SCHEMA = """
create table session (id text primary key, project_id text not null, parent_id text, directory text not null,
    title text not null, version text not null, time_created integer not null, time_updated integer not null);
create table message (id text primary key, session_id text not null, time_created integer not null,
    time_updated integer not null, data text not null);
create table part (id text primary key, message_id text not null, session_id text not null,
    time_created integer not null, time_updated integer not null, data text not null);
"""


def database(path: Path, sessions: list[dict[str, Any]] | None = None) -> Path:
    """Write the same session, and others without messages, as the rows that newer versions keep."""
    with sqlite3.connect(path) as connection:
        connection.executescript(SCHEMA)
        for given in sessions or [session()]:
            created = given["time"]["created"]
            row = (
                given["id"],
                "p",
                given.get("parentID"),
                given["directory"],
                "Speed",
                given["version"],
                created,
                0,
            )
            connection.execute("insert into session values (?, ?, ?, ?, ?, ?, ?, ?)", row)
        for found in MESSAGES:
            data = json.dumps(
                {name: value for name, value in found.items() if name not in ("id", "sessionID")}
            )
            row = (found["id"], found["sessionID"], found["time"]["created"], 0, data)
            connection.execute("insert into message values (?, ?, ?, ?, ?)", row)
        for found in PARTS:
            data = json.dumps({n: v for n, v in found.items() if n not in ("id", "sessionID", "messageID")})
            row = (found["id"], found["messageID"], "ses_1", 0, 0, data)
            connection.execute("insert into part values (?, ?, ?, ?, ?, ?)", row)
    connection.close()
    return path


def read(path: Path) -> list[Piece]:
    return list(FORMAT.read(path, Position()))


def tasks_of(path: Path) -> list[Task]:
    return [task for piece in read(path) for task in piece.tasks]


def usage(step: Step) -> tuple[int | None, ...]:
    return step.input_tokens, step.cache_read_tokens, step.cache_write_tokens, step.output_tokens


def test_a_session_becomes_its_requests(tmp_path):
    first, second = tasks_of(stored(tmp_path))
    assert (first.description, second.description) == ("Make it fast", "Now test it")
    tool, dear, compaction, cheap = first.steps
    assert usage(dear) == (750, 600, 50, 15)
    assert (dear.cost_usd, dear.model, dear.provider) == (0.25, "claude-sonnet-4-5", "anthropic")
    assert (tool.name, tool.duration_seconds, tool.is_error, tool.error) == (
        "bash",
        3.0,
        True,
        "no such file",
    )
    assert dear.duration_seconds == 3.5
    assert (compaction.kind, cheap.kind) == (StepKind.COMPACTION, StepKind.MESSAGE)
    assert (first.duration_seconds, first.duration_source) == (7.5, DurationSource.WORK)
    assert (first.repo, first.file_count, first.agent, first.session_id) == ("shop", 2, "build", "ses_1")
    assert (first.solution_summary, first.success) == ("Done.", None)
    assert (second.metadata["n_interruptions"], second.error_message) == (1, None)
    assert (second.steps[0].is_partial, second.steps[0].input_tokens) == (True, None)


@pytest.mark.parametrize(
    ("model", "tokens", "cost", "known"),
    [
        ("claude-sonnet-4-5", used(7, 3), 0, None),
        ("grok-code-free", used(7, 3), 0, 0.0),
        ("claude-sonnet-4-5", used(7, 3), {"input": 2}, None),
        ("claude-sonnet-4-5", used(7, 3), "0.5", 0.5),
        ("claude-sonnet-4-5", used(0, 0), 0, None),
    ],
)
def test_a_cost_of_nothing_is_unknown_unless_the_model_is_free(tmp_path, model, tokens, cost, known):
    messages = [MESSAGES[0], answer("msg_2", 1500, 8000, tokens, cost, modelID=model)]
    (task,) = tasks_of(stored(tmp_path, messages=messages, parts=PARTS[:1]))
    assert task.steps[0].cost_usd == known


def test_several_steps_of_one_message_are_added_up(tmp_path):
    finished = {"messageID": "msg_2", "type": "step-finish", "tokens": used(100, 10), "cost": 0.1}
    parts = [PARTS[0], finished | {"id": "prt_a"}, finished | {"id": "prt_b"}]
    (task,) = tasks_of(
        stored(tmp_path, messages=[MESSAGES[0], answer("msg_2", 1500, 8000, used(100, 10))], parts=parts)
    )
    assert usage(task.steps[0]) == (200, 0, 0, 20)


def plain(tasks: list[Task]) -> list[Any]:
    return [
        (
            task.key,
            task.description,
            task.duration_seconds,
            task.parent_key,
            [(s.key, s.kind, usage(s)) for s in task.steps],
        )
        for task in tasks
    ]


def test_the_database_gives_the_same_records(tmp_path):
    path = database(tmp_path / "open code?#.db")
    assert FORMAT.fits(head_of(path))
    assert plain(tasks_of(path)) == plain(tasks_of(stored(tmp_path / "storage")))
    before = path.read_bytes()
    read(path)
    assert path.read_bytes() == before


def test_a_subagent_belongs_to_the_request_that_was_under_way(tmp_path):
    child = session("ses_2", created=60_500, parentID="ses_1")
    root = tmp_path / "storage"
    stored(root)
    messages = [user("msg_7", 60_600), answer("msg_8", 60_700, 60_900, used(5, 5))]
    parts = [said("prt_9", "msg_7", "Look")]
    (task,) = tasks_of(stored(root, child, messages, parts))
    assert (task.parent_key, task.session_id) == ("ses_1:msg_5", "ses_1")
    path = database(tmp_path / "a.db", [session(), child])
    with sqlite3.connect(path) as connection:
        data = json.dumps(answer("msg_8", 60_700, 60_900, used(5, 5)))
        connection.execute("insert into message values ('msg_8', 'ses_2', ?, 0, ?)", (T0 + 60_700, data))
    connection.close()
    assert tasks_of(path)[-1].parent_key == "ses_1:msg_5"


def test_what_a_fork_copied_does_not_count(tmp_path):
    fork = session("ses_9", created=59_000)
    path = stored(tmp_path, fork)
    (piece,) = read(path)
    assert [task.description for task in piece.tasks] == ["Now test it"]
    assert piece.kinds["copied"] == 4 + 7


def test_the_second_generation_of_tables(tmp_path):
    path = tmp_path / "two.db"
    rows = [
        ("m1", "user", {"text": "Make it fast", "time": time(1000)}),
        ("m2", "assistant", {
            "model": {"id": "gpt-5.2", "providerID": "openai"}, "tokens": used(10, 2, read=5), "cost": 0.5,
            "time": time(2000, 4000), "content": [
                {"type": "text", "text": "Done."},
                {"type": "tool", "id": "t", "name": "shell", "state": {"status": "error", "error": {"message": "gone"}},
                 "time": {"created": T0 + 2000, "ran": T0 + 2500, "completed": T0 + 3000}},
            ],
        }),
        ("m3", "compaction", {"summary": "short", "time": time(5000)}),
        ("m4", "idle", {"outcome": "completed"}),
    ]  # fmt: skip
    with sqlite3.connect(path) as connection:
        connection.execute(
            "create table session_v2 (id text, parent_id text, directory text, time_created integer)"
        )
        connection.execute(
            "create table session_message (id text, session_id text, type text, seq integer, data text)"
        )
        connection.execute("insert into session_v2 values ('s', null, '/shop', ?)", (T0,))
        for seq, (own, kind, data) in enumerate(rows):
            connection.execute(
                "insert into session_message values (?, 's', ?, ?, ?)", (own, kind, seq, json.dumps(data))
            )
    connection.close()
    assert FORMAT.fits(head_of(path))
    (piece,) = read(path)
    (task,) = piece.tasks
    assert [(s.kind.value, s.name, s.duration_seconds, s.is_error, s.error) for s in task.steps] == [
        ("tool_call", "shell", 0.5, True, "gone"), ("message", None, 1.5, None, None),
        ("compaction", None, None, None, None),
    ]  # fmt: skip
    assert (usage(task.steps[1]), task.steps[1].model, task.steps[1].cost_usd) == (
        (15, 5, 0, 2),
        "gpt-5.2",
        0.5,
    )
    assert sum(piece.kinds.values()) == 1 + 4 + 4


def test_a_changed_part_is_its_sessions_change(tmp_path):
    path = stored(tmp_path)
    for changed in [tmp_path / "part/msg_2/prt_3.json", tmp_path / "message/ses_1/msg_4.json", path]:
        assert FORMAT.fits(head_of(changed))
        assert FORMAT.unit(changed) == path
    nameless = tmp_path / "part/msg_2/prt_x.json"
    nameless.write_text('{"id": "prt_x", "type": "text", "text": "more"}', encoding="utf-8")
    assert FORMAT.unit(nameless) == path
    lost = tmp_path / "part/msg_lost/prt_y.json"
    lost.parent.mkdir()
    lost.write_text('{"id": "prt_y", "type": "text", "text": "more"}', encoding="utf-8")
    assert FORMAT.unit(lost) == lost
    assert read(lost)[0].faults[0][1] == "belongs to no session that is here"


@pytest.mark.parametrize("hostile", ["../../outside", "..", "/etc", "a/b", "", "x" * 300])
def test_no_id_leads_out_of_the_storage(tmp_path, hostile):
    root = tmp_path / "in" / "storage"
    path = stored(root)
    outside = tmp_path / "outside"
    outside.mkdir()
    secret = answer("secret", 1, 2, used(999, 999))
    for folder in (outside, root, root / "message"):
        (folder / "secret.json").write_text(json.dumps(secret), encoding="utf-8")
    (root / "message" / "ses_1" / "link.json").symlink_to(outside / "secret.json")
    path.write_text(json.dumps(session() | {"id": hostile, "parentID": hostile}), encoding="utf-8")
    assert tasks_of(path) == []
    path.write_text(json.dumps(session() | {"parentID": hostile}), encoding="utf-8")
    (root / "message/ses_1/msg_1.json").write_text(
        json.dumps(MESSAGES[0] | {"id": hostile}), encoding="utf-8"
    )
    assert all(999 not in usage(step) for task in tasks_of(path) for step in task.steps)
    part = root / "part/msg_1/prt_1.json"
    part.write_text(json.dumps(PARTS[0] | {"sessionID": hostile, "messageID": hostile}), encoding="utf-8")
    assert FORMAT.unit(part).is_relative_to(root)


def test_other_files_do_not_fit(tmp_path):
    plain_file = tmp_path / "a.json"
    plain_file.write_text(json.dumps(session()), encoding="utf-8")
    assert not FORMAT.fits(head_of(plain_file))
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("create table session (id text)")
    connection.close()
    assert not FORMAT.fits(head_of(other))
    path = stored(tmp_path / "storage")
    project = path.parents[1] / "p" / "note.json"
    project.write_text('{"id": "x", "type": "note"}', encoding="utf-8")
    assert not FORMAT.fits(head_of(project))


def test_a_view_is_no_table(tmp_path):
    path = tmp_path / "view.db"
    with sqlite3.connect(path) as connection:
        connection.executescript("create view session as select 1 id; create view message as select 1 id;"
                                 "create view part as select 1 id;")  # fmt: skip
    connection.close()
    assert not FORMAT.fits(head_of(path))


def test_the_shared_storage(shared_data):
    folder = shared_data / "opencode"
    found: dict[str, list[Task]] = {}
    units = {}
    for path in sorted(folder.rglob("*.json")):
        assert FORMAT.fits(head_of(path)), path.name
        units[path] = FORMAT.unit(path)
    assert len(set(units.values())) == 3
    for path in set(units.values()):
        (piece,) = read(path)
        found[path.stem] = piece.tasks
        assert sum(piece.kinds.values()) == sum(1 for unit in units.values() if unit == path)
    assert [task.description for task in found["ses_s_stage0_large"]] == ["Step 1", "Step 2"]
    assert [s.cost_usd for s in found["ses_s_stage0_large"][0].steps if s.kind is StepKind.MESSAGE] == [
        0.0011
    ]
    assert found["ses_s_stage0_small"][0].solution_summary == "Found 2 files."
    assert [s.name for s in found["ses_s_stage0_drift"][0].steps] == ["bash", None]


WILD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["1e999", "7", "\ud800", "../x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "type", "text", "time", "created", "input", "state"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
FIELDS = [
    "all",
    "id",
    "time",
    "tokens",
    "cost",
    "role",
    "type",
    "state",
    "text",
    "error",
    "sessionID",
    "files",
]


def held_in(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None


@settings(max_examples=12)
@given(data=st.data())
def test_whatever_stands_there_every_file_is_accounted_for(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("storage")
    path = stored(root)
    names = sorted(p for p in root.rglob("*.json") if p != path)
    for name in data.draw(st.lists(st.sampled_from(names), max_size=6)):
        held = name.read_bytes()
        field = data.draw(st.sampled_from(["cut", "deep", *FIELDS]))
        if field == "cut":
            name.write_bytes(held[: data.draw(st.integers(0, len(held)))])
        elif field == "deep":
            name.write_bytes(b"[" * 5000)
        elif held.startswith(b"{") and held.endswith(b"}"):
            wild = data.draw(WILD)
            name.write_text(
                json.dumps(wild if field == "all" else json.loads(held) | {field: wild}), encoding="utf-8"
            )
    (piece,) = read(path)
    messages = sorted((root / "message" / "ses_1").iterdir())
    folders = {p.parent.name for p in names if p.parent.parent.name == "part"}
    ids = [found.get("id") for name in messages if isinstance(found := held_in(name), dict)]
    n_parts = [
        len(list((root / "part" / own).iterdir())) for own in ids if isinstance(own, str) and own in folders
    ]
    assert sum(piece.kinds.values()) == 1 + len(messages) + sum(n_parts)
    assert len(assemble(piece, FORMAT.name, "opencode:x").rejected) == piece.kinds["rejected"]
    assert FORMAT.unit(data.draw(st.sampled_from(names))).is_relative_to(root)


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> bytes:
    return database(tmp_path_factory.mktemp("sound") / "a.db").read_bytes()


@settings(max_examples=20)
@given(data=st.data())
def test_a_broken_database_does_not_raise(tmp_path_factory, sound, data):
    path = tmp_path_factory.mktemp("db") / "a.db"
    held = bytearray(sound)
    for at in data.draw(st.lists(st.integers(16, len(held) - 1), max_size=20)):
        held[at] = data.draw(st.integers(0, 255))
    path.write_bytes(held[: data.draw(st.integers(16, len(held)))])
    FORMAT.fits(head_of(path))
    try:
        pieces = read(path)
    except SourceError:
        return
    for piece in pieces:
        assert len(assemble(piece, FORMAT.name, "opencode:x").rejected) == piece.kinds["rejected"]


def test_rows_that_hold_no_json_are_rejected(tmp_path):
    path = database(tmp_path / "a.db")
    with sqlite3.connect(path) as connection:
        connection.execute("update message set data = '{' where id = 'msg_2'")
        connection.execute("update part set data = '[1]' where id = 'prt_1'")
    connection.close()
    (piece,) = read(path)
    assert [reason.split(":")[0] for _, reason, _ in piece.faults] == [
        "part is no JSON object",
        "message is no JSON",
    ]
    assert sum(piece.kinds.values()) == 1 + len(MESSAGES) + len(PARTS)
