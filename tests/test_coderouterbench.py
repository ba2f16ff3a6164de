"""CodeRouterBench through its mapping, against figures worked out from the files with the csv module alone."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from learnlab.ingest import ingest
from learnlab.secrets import mask_text
from learnlab.store import Store

TIERS = {
    "claude-opus-4-6": "large", "claude-sonnet-4-6": "large", "gpt-5.4": "large", "kimi-k2.5": "medium",
    "MiniMax-M2.7": "medium", "Qwen3-Max": "medium", "glm-5": "small", "qwen3.5-plus": "small",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "coderouterbench"


@pytest.fixture(scope="module")
def bench(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with the whole folder in it."""
    store = Store(tmp_path_factory.mktemp("bench") / "bench.duckdb").ensure()
    report = ingest(folder, store)
    assert [file.notes.mapping for file in report.files] == ["coderouterbench"] * 2
    assert (report.counts.n_accepted, report.counts.n_rows_read) == (24_760, 24_760)
    assert {Path(name).name for name, _ in report.unreadable} == {"LICENSE", "models.json", "summary.json"}
    return store


@pytest.fixture(scope="module")
def id_rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "id_test_results_long.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def ood_rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "ood176_results_long.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ID = "source like '%id_test_results_long.csv'"
OOD = "source like '%ood176_results_long.csv'"


def test_the_mean_score_of_each_model_is_the_files(bench: Store, id_rows: list[dict[str, str]]) -> None:
    scores = defaultdict(list)
    for row in id_rows:
        scores[row["model"]].append(float(row["score"]))
    wanted = {model: (len(values), round(sum(values) / len(values), 4)) for model, values in scores.items()}
    found = bench.sql(
        f"""select model, count(*) as n, round(avg(quality_score) / 100, 4) as mean
            from executions where {ID} group by model"""
    )
    assert {model: (n, mean) for model, n, mean in found.rows()} == wanted
    assert len(wanted) == 8
    assert sum(n for n, _ in wanted.values()) == 23_352


def test_the_cost_is_the_files_total(bench: Store, folder: Path) -> None:
    summary = json.loads((folder / "summary.json").read_text())
    for where, told in ((ID, summary["id"]["splits"]["id_test"]), (OOD, summary["ood176"])):
        total = bench.sql(f"select sum(actual_cost) as total from executions where {where}")["total"][0]
        assert total == pytest.approx(told["cost_usd_total"], abs=1e-6)


def test_what_the_file_does_not_know_is_unknown(bench: Store, id_rows: list[dict[str, str]]) -> None:
    found = bench.sql(
        f"""select count(*) filter (actual_cost is null) as cost, count(*) filter (input_tokens is null) as tokens,
            count(*) filter (duration_seconds is null) as time, count(*) filter (duration_seconds = 0) as instant,
            count(*) filter (actual_cost is null and cost_source = 'unknown') as said from executions where {ID}"""
    ).row(0, named=True)
    n_missing = sum(row["cost_source"].startswith("missing_token_record") for row in id_rows)
    n_untimed = sum(float(row["latency_ms"]) == 0 for row in id_rows)
    assert n_missing == 42
    assert found == {"cost": 42, "tokens": 42, "time": n_untimed, "instant": 0, "said": 42}


def test_success_comes_from_the_stated_threshold_and_the_verifier(
    bench: Store, id_rows: list[dict[str, str]]
) -> None:
    wanted = Counter(float(row["score"]) >= 1 for row in id_rows)
    found = bench.sql(
        f"select success, success_source, count(*) as n from executions where {ID} group by all"
    )
    assert set(found.rows()) == {(True, "verifier", wanted[True]), (False, "verifier", wanted[False])}


def test_the_eight_models_of_a_task_share_its_group(bench: Store) -> None:
    groups = bench.sql(
        f"select task_group, count(*) as n, count(distinct model) as m from executions where {ID} group by 1"
    )
    assert len(groups) == 2919
    assert set(groups["n"]) == set(groups["m"]) == {8}


def test_there_is_no_time(bench: Store) -> None:
    assert bench.sql("select distinct time_source from executions")["time_source"].to_list() == ["ingestion"]


def test_tiers_are_joined_when_read(bench: Store) -> None:
    found = bench.sql("select distinct model, model_tier from outcomes where model is not null")
    assert dict(found.rows()) == TIERS
    assert bench.sql("select distinct model_tier from executions")["model_tier"].to_list() == ["unknown"]


def test_the_second_file_has_its_texts_and_repos(
    bench: Store, folder: Path, ood_rows: list[dict[str, str]]
) -> None:
    with (folder / "ood176_tasks.jsonl").open(encoding="utf-8") as file:
        prompts = {task["task_id"]: mask_text(task["prompt"])[0] for task in map(json.loads, file)}
    found = bench.sql(
        f"select external_id, repo, text from executions join texts on text_hash = description_hash where {OOD}"
    )
    assert len(found) == 1408
    assert all(text == prompts[task] for task, _, text in found.rows())
    assert sum("[masked e-mail]" in text for text in found["text"]) > 0
    repos = dict(found.select("external_id", "repo").rows())
    by_original = {row["original_task_id"]: repos[row["task_id"]] for row in ood_rows}
    examples = {
        "astropy__astropy-13033": "astropy/astropy",
        "anthropics__claude-agent-sdk-python__91315e__22fa9f": "anthropics/claude-agent-sdk-python",
        "61810_cow": "unknown", "cs61_fa24_hw08": "unknown", "ap1400_2_hw26": "unknown",
    }  # fmt: skip
    assert {task: by_original[task] for task in examples} == examples
    assert (
        by_original[next(t for t in by_original if t.startswith("Lightning-AI"))]
        == "Lightning-AI/pytorch-lightning"
    )
    assert all((repo == "unknown") == ("__" not in task) for task, repo in by_original.items())


def test_runs_without_a_record_have_unknown_cost_and_tokens(
    bench: Store, ood_rows: list[dict[str, str]]
) -> None:
    n_blank = sum(row["in_tok"] == row["out_tok"] == row["calls"] == "0" for row in ood_rows)
    found = bench.sql(
        f"""select count(*) filter (actual_cost is null) as cost, count(*) filter (input_tokens is null) as tokens,
            count(*) filter (success) as resolved from executions where {OOD}"""
    ).row(0, named=True)
    assert found == {
        "cost": n_blank,
        "tokens": n_blank,
        "resolved": sum(row["resolved"] == "1" for row in ood_rows),
    }
    assert n_blank == 406


def test_another_source_model_stays_in_the_metadata(bench: Store, ood_rows: list[dict[str, str]]) -> None:
    found = bench.sql(f"select model, metadata->>'source_model' as source_model from executions where {OOD}")
    assert Counter(found.rows()) == Counter((row["model"], row["source_model"]) for row in ood_rows)


def test_the_same_folder_again_counts_nothing(bench: Store, folder: Path) -> None:
    counts = ingest(folder, bench).counts
    assert (counts.n_accepted, counts.n_duplicates) == (0, 24_760)
    alone = ingest(folder / "ood176_results_long.csv", bench, mapping="coderouterbench").counts
    assert (alone.n_accepted, alone.n_duplicates) == (0, 1408)
