"""tau-bench's results: attempts, rewards, tool errors, and costs that are not the agent's."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from learnlab.errors import SourceError
from learnlab.ingest.assemble import assemble
from learnlab.ingest.batch import Position
from learnlab.ingest.logs.formats import head_of
from learnlab.ingest.logs.tasks import Piece
from learnlab.ingest.logs.tau_bench import FORMAT
from learnlab.models import ErrorType, StepKind, SuccessSource


def call(number: int, name: str, answer: str) -> list[dict[str, Any]]:
    calls = [{"id": f"c{number}", "function": {"name": name, "arguments": "{}"}}]
    return [
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": f"c{number}", "name": name, "content": answer},
    ]


def attempt(task_id: Any = 3, trial: Any = 0, reward: Any = 1.0, **more: Any) -> dict[str, Any]:
    said = [
        {"role": "system", "content": "# Retail agent policy\n\n…"},
        {"role": "user", "content": "Hello"},
        *call(1, "find_user", "Error: user not found"),
        *call(1, "find_user", '{"user": 1}'),
        {"role": "assistant", "content": "It is done."},
        {"role": "user", "content": "###STOP###"},
    ]
    info = {"task": {"user_id": "u7", "instruction": "You want your money back."}, "user_cost": 0.02}
    return {"task_id": task_id, "reward": reward, "info": info, "traj": said, "trial": trial} | more


def read(path: Path) -> Piece:
    (piece,) = FORMAT.read(path, Position())
    return piece


def results(folder: Path, *attempts: Any, name: str = "results.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(attempts, indent=2))
    return path


def test_an_attempt_is_its_instruction_its_reward_and_what_was_said(tmp_path):
    (task,) = read(results(tmp_path, attempt(trial=2))).tasks
    assert (task.description, task.solution_summary) == ("You want your money back.", "It is done.")
    assert (task.task_group, task.attempt, task.external_id, task.repo) == (
        "retail/3",
        3,
        "3",
        "tau_bench/retail",
    )
    assert (task.success, task.success_source, task.quality_score) == (True, SuccessSource.VERIFIER, 100)
    assert (task.timestamp, task.input_tokens, task.actual_cost) == (None, None, None)
    assert task.metadata == {"user_cost": 0.02, "reward": 1.0, "user_id": "u7", "n_turns": 2}
    assert [(step.kind, step.name, step.is_error, step.error) for step in task.steps] == [
        (StepKind.MESSAGE, None, None, None),
        (StepKind.TOOL_CALL, "find_user", True, "Error: user not found"),
        (StepKind.MESSAGE, None, None, None),
        (StepKind.TOOL_CALL, "find_user", False, None),
        (StepKind.MESSAGE, None, None, None),
    ]


@pytest.mark.parametrize(
    ("reward", "success", "quality"),
    [
        (1, True, 100), ("1.0", True, 100), (0.9999999, True, 100), (0.0, False, 0), (0.5, None, 50),
        (2, None, None), (-1, None, None), (None, None, None), (float("nan"), None, None),
    ],
)  # fmt: skip
def test_only_a_whole_reward_is_success(tmp_path, reward, success, quality):
    (task,) = read(results(tmp_path, attempt(reward=reward))).tasks
    assert (task.success, task.quality_score) == (success, quality)
    assert task.success_source is (SuccessSource.UNKNOWN if success is None else SuccessSource.VERIFIER)


def test_an_attempt_that_broke_off_was_judged_by_the_harness_alone(tmp_path):
    info = {"error": "RateLimitError: slow down", "traceback": "…"}
    (task,) = read(results(tmp_path, attempt(reward=0.0, info=info, traj=[]))).tasks
    assert (task.success, task.success_source, task.quality_score) == (False, SuccessSource.HARNESS, None)
    assert (task.error_type, task.error_message) == (ErrorType.CRASH, "RateLimitError: slow down")


def test_the_cost_of_the_agent_is_taken_where_the_file_has_one(tmp_path):
    info = {"task": {"instruction": "Help"}, "user_cost": 0.02, "agent_cost": 0.3}
    (task,) = read(results(tmp_path, attempt(info=info))).tasks
    assert task.actual_cost == 0.3


def test_trials_are_attempts_and_a_file_that_grew_gives_the_same_ones(tmp_path):
    two = read(results(tmp_path, attempt(3, 0), attempt(3, 1))).tasks
    three = read(
        results(tmp_path, attempt(3, 0, reward=0.0), attempt(3, 1), attempt(4, 0), name="b.json")
    ).tasks
    assert [task.key for task in three[:2]] == [task.key for task in two]
    assert len({task.key for task in three}) == 3
    assert [task.task_group for task in three] == ["retail/3", "retail/3", "retail/4"]


def test_the_names_of_files_give_model_and_domain_where_nothing_else_does(tmp_path):
    silent = attempt(traj=[{"role": "user", "content": "Hello"}])
    for name, model, repo in (
        ("tool-calling-gpt-4o-0.0_range_0--1_user-gpt-4o-llm_0101.json", "gpt-4o", "tau_bench"),
        ("sonnet-35-new-retail.json", "sonnet-35-new", "tau_bench/retail"),
        ("results.json", None, "tau_bench"),
    ):
        (task,) = read(results(tmp_path, silent, name=name)).tasks
        assert (task.model, task.repo) == (model, repo)


def test_what_is_no_attempt_is_rejected_and_a_cut_file_gives_what_is_whole(tmp_path):
    piece = read(results(tmp_path, attempt(), None, {"task_id": 1}, "x"))
    assert piece.kinds == {"attempt": 1, "rejected": 3}
    assert [fault[0] for fault in piece.faults] == [2, 3, 4]
    path = results(tmp_path, attempt(1), attempt(2), attempt(3))
    path.write_bytes(path.read_bytes()[:-40])
    cut = read(path)
    assert [task.external_id for task in cut.tasks] == ["1", "2"]
    assert cut.kinds == {"attempt": 2, "rejected": 1}


def test_only_results_are_claimed(tmp_path, shared_data):
    claimed = [path for path in shared_data.rglob("*") if path.is_file() and FORMAT.fits(head_of(path))]
    assert {path.parent.name for path in claimed} == {"tau_bench"}
    table = results(tmp_path, {"task_id": 1, "reward": 0.5, "info": "a table"}, name="table.json")
    assert not FORMAT.fits(head_of(table))
    (tmp_path / "object.json").write_text('{"attempts": []}')
    with pytest.raises(SourceError, match="it is no JSON array"):
        read(tmp_path / "object.json")


def test_the_real_results_are_two_hundred_attempts_and_eighty_four_successes(shared_data):
    path = shared_data / "tau_bench" / "gpt-4o-airline.json"
    raw = json.loads(path.read_text())
    piece = read(path)
    batch = assemble(piece, FORMAT.name, path.name)
    found = batch.executions
    assert (piece.kinds, len(found), found["success"].sum()) == ({"attempt": 200}, 200, 84)
    assert (found["task_group"].n_unique(), found["record_key"].n_unique()) == (50, 200)
    assert Counter(found["attempt"]) == {1: 50, 2: 50, 3: 50, 4: 50}
    assert set(found["repo"]) == {"tau_bench/airline"}
    assert set(found["success_source"]) == {"verifier"}
    assert found["actual_cost"].null_count() == found["input_tokens"].null_count() == 200
    said = [message for each in raw for message in each["traj"]]
    kinds = Counter(batch.steps["kind"])
    assert kinds == {
        "message": sum(message["role"] == "assistant" for message in said),
        "tool_call": sum(len(message.get("tool_calls") or []) for message in said),
    }
    errors = sum(message["role"] == "tool" and message["content"].startswith("Error") for message in said)
    assert batch.steps["is_error"].sum() == errors > 0
    assert batch.steps["step_key"].n_unique() == len(batch.steps)
    costs = [task.metadata.get("user_cost") for task in piece.tasks]
    assert costs == [each["info"]["user_cost"] for each in raw]
    assert any(costs)
