"""SWE-agent's trajectories: what was asked, run, paid and submitted, and who says whether it was resolved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from learnlab.errors import SourceError
from learnlab.ingest import ingest
from learnlab.ingest.assemble import assemble
from learnlab.ingest.batch import Position
from learnlab.ingest.logs.formats import head_of
from learnlab.ingest.logs.swe_agent import FORMAT
from learnlab.ingest.logs.tasks import Piece
from learnlab.models import DurationSource, ErrorType, StepKind, SuccessSource

ISSUE = "We're currently solving the following issue.\nISSUE:\nTimes are off by one.\n\nINSTRUCTIONS:\nNow, …"
TURNS = [
    {
        "action": "ls -a\n",
        "thought": "Look",
        "response": "Look",
        "observation": "main.py",
        "execution_time": 0.25,
    },
    {"action": "", "thought": "Think", "response": "Think", "observation": ""},
    {"action": "submit", "thought": "Done", "response": "Done", "observation": "…", "execution_time": 1.5},
]


def trajectory(status: str | None = "submitted", **more: Any) -> dict[str, Any]:
    history = [
        {"role": "system", "content": "SETTING: …", "agent": "main"},
        {"role": "user", "content": "Here is a demonstration", "agent": "main", "is_demo": True},
        {"role": "user", "content": ISSUE, "agent": "main"},
    ]
    stats = {"instance_cost": 0.5, "tokens_sent": 900, "tokens_received": 30, "api_calls": 3}
    info = {"exit_status": status, "submission": "diff --git a/x b/x", "model_stats": stats}
    return {"environment": "main", "trajectory": TURNS, "history": history, "info": info} | more


def write(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def read(path: Path) -> Piece:
    (piece,) = FORMAT.read(path, Position())
    return piece


def task_in(folder: Path, value: Any, name: str = "acme__shop-12") -> Any:
    return read(write(folder / f"{name}.traj", value)).tasks[0]


def test_an_attempt_is_what_was_asked_run_paid_and_submitted(tmp_path):
    task = task_in(tmp_path, trajectory())
    assert (task.description, task.task_type, task.repo) == ("Times are off by one.", "issue", "shop")
    assert (task.external_id, task.task_group) == ("acme__shop-12", "acme__shop-12")
    assert (task.actual_cost, task.input_tokens, task.output_tokens) == (0.5, 900, 30)
    assert (task.duration_seconds, task.duration_source) == (1.75, DurationSource.WORK)
    assert (task.solution_summary, task.timestamp) == ("diff --git a/x b/x", None)
    assert [(step.kind, step.name, step.duration_seconds) for step in task.steps] == [
        (StepKind.MESSAGE, None, None),
        (StepKind.TOOL_CALL, "ls", 0.25),
        (StepKind.MESSAGE, None, None),
        (StepKind.MESSAGE, None, None),
        (StepKind.TOOL_CALL, "submit", 1.5),
    ]
    assert not any(step.is_counted for step in task.steps)


def test_submitted_is_not_resolved_and_nothing_paid_is_unknown(tmp_path):
    nothing = {"instance_cost": 0, "tokens_sent": 0, "tokens_received": 0, "api_calls": 0}
    task = task_in(tmp_path, trajectory(info={"exit_status": "submitted", "model_stats": nothing}))
    assert (task.success, task.success_source, task.error_type) == (None, SuccessSource.UNKNOWN, None)
    assert (task.actual_cost, task.input_tokens, task.output_tokens) == (None, None, None)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("exit_cost", ErrorType.UNKNOWN), ("submitted (exit_context)", ErrorType.UNKNOWN),
        ("exit_format", ErrorType.VALIDATION), ("exit_command_timeout", ErrorType.TIMEOUT),
        ("exit_total_execution_time", ErrorType.TIMEOUT), ("exit_environment_error", ErrorType.CRASH),
        ("exit_error", ErrorType.CRASH), ("exit_api", ErrorType.CRASH),
    ],
)  # fmt: skip
def test_a_run_that_ended_otherwise_says_how_and_has_no_verdict(tmp_path, status, kind):
    task = task_in(tmp_path, trajectory(status))
    assert (task.error_type, task.error_message, task.success) == (kind, f"the run ended with {status}", None)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("results.json", {"resolved": ["acme__shop-12"], "generated": ["acme__shop-12", "acme__shop-13"]}),
        ("gpt.results.json", {"resolved_ids": ["acme__shop-12"], "unresolved_ids": ["acme__shop-13"]}),
        ("report.json", {"acme__shop-12": {"resolved": True}, "acme__shop-13": {"resolved": False}}),
    ],
)
def test_a_results_file_beside_it_is_the_verifier(tmp_path, name, said):
    write(tmp_path / name, said)
    found = [task_in(tmp_path, trajectory(), f"acme__shop-{number}") for number in (12, 13, 14)]
    assert [task.success for task in found] == [True, False, None]
    assert [task.success_source.value for task in found] == ["verifier", "verifier", "unknown"]


def test_results_stand_above_where_every_instance_has_its_folder_and_not_elsewhere(tmp_path):
    write(tmp_path / "results.json", {"resolved": ["acme__shop-12"]})
    assert task_in(tmp_path / "acme__shop-12", trajectory()).success is True
    assert task_in(tmp_path / "other_run", trajectory()).success is None


def test_results_that_disagree_or_are_broken_say_nothing_and_new_ones_are_noticed(tmp_path):
    results = write(tmp_path / "results.json", {"resolved": ["acme__shop-12"]})
    assert task_in(tmp_path, trajectory()).success is True
    other = write(tmp_path / "report.json", {"acme__shop-12": {"resolved": False}})
    assert task_in(tmp_path, trajectory()).success is None
    other.unlink()
    results.write_text('{"resolved": [')
    assert task_in(tmp_path, trajectory()).success is None
    write(results, {"resolved": [], "unresolved": ["acme__shop-12"]})
    assert task_in(tmp_path, trajectory()).success is False


def test_results_that_come_after_the_attempt_was_read_are_its_verdict(tmp_path, store):
    verdict = "select success, success_source from executions"
    write(tmp_path / "runs" / "acme__shop-12.traj", trajectory())
    ingest(tmp_path / "runs", store)
    assert store.sql(verdict).rows() == [(None, "unknown")]
    write(tmp_path / "runs" / "results.json", {"resolved": ["acme__shop-12"]})
    ingest(tmp_path / "runs", store)
    assert store.sql(verdict).rows() == [(True, "verifier")]


def test_the_configuration_names_the_instance_the_problem_and_the_model(tmp_path):
    config = {
        "problem_statement": {"id": "acme__till-7", "text": "The till is shut."},
        "agent": {"model": {"name": "anthropic/claude-sonnet-4-5"}},
    }
    for value in (config, json.dumps(config)):
        task = task_in(tmp_path, trajectory(replay_config=value))
        assert (task.external_id, task.repo, task.description) == (
            "acme__till-7",
            "till",
            "The till is shut.",
        )
        assert task.model == "claude-sonnet-4-5"


def test_the_name_of_the_run_names_the_model_and_people_are_none(tmp_path):
    for run, model in (
        ("gpt4__dev__default__t-0.00__p-0.95", "gpt4"),
        ("human__dev__x__t-0.00", None),
        ("run", None),
    ):
        assert task_in(tmp_path / run, trajectory()).model == model


def test_the_working_directory_is_the_repository_where_the_instance_names_none(tmp_path):
    for place, repo in (("/home/me/shop", "shop"), ("/acme__shop", "shop"), ("/testbed", None), ("/", None)):
        for state in ({"working_dir": place}, json.dumps({"working_dir": place})):
            turn = TURNS[0] | {"state": state}
            assert task_in(tmp_path, trajectory(trajectory=[turn]), "katy").repo == repo


def test_an_attempt_that_has_not_ended_is_left_for_later_and_the_same_content_is_one(tmp_path):
    open_one = read(write(tmp_path / "a.traj", trajectory(None)))
    assert (open_one.tasks, open_one.kinds) == ([], {"unfinished": 1})
    task, again = task_in(tmp_path, trajectory()), task_in(tmp_path / "copy", trajectory())
    other = task_in(tmp_path, trajectory(trajectory=TURNS[:1]))
    assert task.key == again.key != other.key


def test_only_trajectories_are_claimed(tmp_path, shared_data):
    claimed = [path for path in shared_data.rglob("*") if path.is_file() and FORMAT.fits(head_of(path))]
    assert {path.parent.name for path in claimed} == {"swe_agent"}
    assert {path.suffix for path in claimed} == {".traj"}
    long = write(tmp_path / "long.traj", trajectory(trajectory=TURNS * 3000))
    assert long.stat().st_size > 256 << 10
    assert FORMAT.fits(head_of(long))


def test_what_is_no_trajectory_is_an_error_and_a_broken_one_is_rejected(tmp_path):
    with pytest.raises(SourceError, match="is no trajectory"):
        read(write(tmp_path / "x.traj", {"messages": []}))
    path = write(tmp_path / "y.traj", trajectory())
    path.write_bytes(path.read_bytes()[:-9])
    piece = read(path)
    assert (piece.kinds, len(piece.tasks), len(piece.faults)) == ({"rejected": 1}, 0, 1)


def test_the_real_trajectories_give_the_figures_of_their_own_lines(shared_data):
    paths = sorted((shared_data / "swe_agent").glob("*.traj"))
    found = {path.name.split("__")[0]: read(path).tasks[0] for path in paths}
    assert {name: task.actual_cost for name, task in found.items()} == {
        "crypto": None, "demonstrations": None, "gpt4": 0.53839, "human_thought": None, "replay": None,
    }  # fmt: skip
    assert (found["gpt4"].input_tokens, found["gpt4"].output_tokens, found["gpt4"].model) == (
        52861,
        326,
        "gpt4",
    )
    assert [task.success for task in found.values()] == [None] * 5
    assert found["demonstrations"].description.startswith("SyntaxError: invalid syntax")
    assert found["replay"].repo == "marshmallow"
    raw = json.loads(next(path for path in paths if path.name.startswith("replay")).read_text())
    seconds = sum(turn["execution_time"] for turn in raw["trajectory"])
    assert found["replay"].duration_seconds == pytest.approx(seconds)
    for path in paths:
        turns = json.loads(path.read_text()).get("trajectory") or [None] * 5
        steps = found[path.name.split("__")[0]].steps
        assert sum(step.kind is StepKind.MESSAGE for step in steps) == len(turns)
        batch = assemble(read(path), FORMAT.name, path.name)
        assert (len(batch.executions), len(batch.rejected), len(batch.steps)) == (1, 0, len(steps))
