from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnlab.errors import SourceError
from learnlab.ingest.verdict_files import VERDICT_SCHEMA, read_verdicts


def written(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def rows(path: Path) -> list[tuple[object, ...]]:
    return read_verdicts(path)[0].select("joined_by", "value", "success", "success_source").rows()


def test_ci_runs_judge_branches_and_the_latest_run_counts(tmp_path):
    path = written(
        tmp_path,
        "runs.json",
        [
            {"headBranch": "fix-1", "conclusion": "success", "createdAt": "2026-05-02T10:00:00Z"},
            {"headBranch": "fix-1", "conclusion": "failure", "createdAt": "2026-05-01T10:00:00Z"},
            {"headBranch": "fix-2", "conclusion": "cancelled", "createdAt": "2026-05-01T10:00:00Z"},
            {"headBranch": "fix-3", "conclusion": "", "createdAt": "2026-05-01T10:00:00Z"},
            {"headBranch": "fix-4", "conclusion": "timed_out", "createdAt": "2026-05-01T10:00:00Z"},
        ],
    )
    assert rows(path) == [("branch", "fix-4", False, "ci"), ("branch", "fix-1", True, "ci")]
    assert read_verdicts(path)[1] == 2


def test_pull_requests_are_judged_by_people(tmp_path):
    path = written(tmp_path, "prs.csv", "headRefName,state\na,MERGED\nb,CLOSED\nc,OPEN\n")
    assert rows(path) == [("branch", "a", True, "user"), ("branch", "b", False, "user")]


def test_a_table_may_say_who_judged_and_how_well(tmp_path):
    path = written(
        tmp_path,
        "mine.csv",
        "session_id,success,success_source,quality_score\ns1,true,verifier,80\ns2,no,nonsense,800\n",
    )
    frame, n_open = read_verdicts(path)
    assert frame.schema == VERDICT_SCHEMA
    assert frame.rows() == [
        ("session", "s1", True, "verifier", 80.0, "mine.csv"),
        ("session", "s2", False, "user", None, "mine.csv"),
    ]
    assert n_open == 0


@pytest.mark.parametrize(
    "results",
    [
        {"resolved_ids": ["a"], "unresolved_ids": ["b"], "total_instances": 2},
        {"resolved": ["a"], "generated": ["a", "b"], "no_logs": []},
        {"a": {"resolved": True}, "b": {"resolved": False, "patch": "x"}},
        {"completed_ids": ["a", "b", None, 3], "resolved_ids": ["a"]},
        "\ufeff" + 100 * "\n" + '{"resolved_ids": ["a"], "unresolved_ids": ["b"]}',
    ],
)
def test_result_files_of_a_benchmark(tmp_path, results):
    found = sorted(rows(written(tmp_path, "results.json", results)))
    assert found == [("task", "a", True, "verifier"), ("task", "b", False, "verifier")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("model,success\na,true\n", "names no task, session or branch"),
        ("branch,colour\na,red\n", "has no verdict"),
        ("", "is empty"),
        ("{}", "names no task"),
    ],
)
def test_a_file_without_verdicts_says_what_it_lacks(tmp_path, content, says):
    path = written(tmp_path, "v.json" if content == "{}" else "v.csv", content)
    with pytest.raises(SourceError, match=says):
        read_verdicts(path)


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["pass", "FAILED", "open", ""])),
        max_size=8,
    )
)
def test_every_row_is_a_verdict_or_open_and_the_last_counts(tmp_path_factory, judged):
    path = tmp_path_factory.mktemp("v") / "v.csv"
    path.write_text("branch,verdict\n" + "".join(f"{branch},{word}\n" for branch, word in judged))
    frame, n_open = read_verdicts(path)
    told = [(branch, word == "pass") for branch, word in judged if word in ("pass", "FAILED")]
    assert n_open == len(judged) - len(told)
    assert dict(frame.select("value", "success").rows()) == dict(told)
