"""What the README tells a newcomer works as it is written."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from encoders import WordEncoder

import learnlab as ll
from learnlab.ingest import ingest
from learnlab.ingest.simulation.sample import simulate_into
from learnlab.search import encoders
from learnlab.search.encoders.weights import PACKAGED_KEY
from learnlab.store import Store
from learnlab.store.spool import SpoolWriter

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str, containing: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    (found,) = [text for text in blocks if containing in text]
    return found


def test_the_mapping_reads_a_file(tmp_path):
    (tmp_path / "mine.toml").write_text(block("toml", "[columns]"))
    (tmp_path / "logs.csv").write_text(
        "problem,category,score,graded,latency_ms,model\np1,fix,1.0,1,1500,big-model\np1,fix,0.5,1,200,other\n"
    )
    store = Store(tmp_path / "s.duckdb").ensure()
    assert ingest(tmp_path / "logs.csv", store, mapping=tmp_path / "mine.toml").counts.n_accepted == 2
    rows = store.sql(
        "select task_group, success, quality_score, duration_seconds, repo, model_tier from outcomes order by success"
    )
    assert rows.rows() == [
        ("p1", False, 50.0, 0.2, "my-benchmark", "unknown"),
        ("p1", True, 100.0, 1.5, "my-benchmark", "large"),
    ]


def test_the_python_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    simulate_into(Store("sample").ensure(), 200)
    names: dict[str, object] = {}
    code = compile(block("python", "ll.sql("), "README.md", "exec")
    exec(code, names)
    body = block("python", "store_execution(").replace("\n", "\n    ")
    exec(f"async def example():\n    {body}\n    return rows", names)
    (row,) = asyncio.run(names["example"]())
    assert (row["repo"], row["total_executions"]) == ("shop", 1)


def test_the_search_finds_what_is_like_it(monkeypatch, capsys):
    simulate_into(Store("sample").ensure(), 60)
    monkeypatch.setattr(encoders, "encoder", lambda name="": WordEncoder(PACKAGED_KEY))
    body = block("python", "ll.find_similar(").replace("\n", "\n    ")
    names: dict[str, object] = {"ll": ll}
    exec(f"async def example():\n    {body}\n    return found, similar, likewise", names)
    found, similar, likewise = asyncio.run(names["example"]())
    assert 0 < found.best_similarity < 1
    assert len(capsys.readouterr().out.splitlines()) == len(found) + 1
    assert all(row["repo"] == "orchard-api" for row in similar)
    assert likewise == [] or similar


def test_an_execution_is_rated_and_a_queue_is_labelled(make_record):
    store = Store("my-agents").ensure()
    simulate_into(store, 200)
    SpoolWriter(store.path).append([make_record(task_id="task-abc-123", success=None)])
    exec(block("python", "ll.rate("), {"ll": ll})
    labelled = store.sql("select feedback_type, success, queue from feedback where queue like 'did it%'")
    assert labelled.rows() == [("label", True, "did it succeed")]


def test_a_router_is_trained_and_routes(capsys):
    simulate_into(Store("sample").ensure(), 400)
    names: dict[str, object] = {"ll": ll}
    exec(block("python", "ll.train_router("), names)
    assert "sona" in capsys.readouterr().out
    decision, record = names["decision"], names["record"]
    assert 0 < decision.propensity == record.propensity <= 1
    assert record.model_tier == decision.chosen.tier
    assert record.task_id == decision.task_id


class Pool:
    """A pool as somebody would bring it."""

    pool_type = "local"

    async def execute_task(self, task: dict[str, str]) -> dict[str, object]:
        return {"success": True, "model_tier": "small", "cost_usd": 0.25}


class Provider:
    """What OpenTelemetry's tracer provider is asked to do."""

    def __init__(self) -> None:
        self.processors: list[ll.LearnlabSpanProcessor] = []

    def add_span_processor(self, processor: ll.LearnlabSpanProcessor) -> None:
        self.processors.append(processor)


def test_what_is_captured_is_there():
    pytest.importorskip("opentelemetry.sdk")
    provider = Provider()
    names: dict[str, object] = {
        "ll": ll,
        "pool": Pool(),
        "provider": provider,
        "review_passes": lambda: False,
    }
    body = block("python", "pool = ll.capture_pool").replace("\n", "\n    ")
    exec(f"async def example(pool):\n    {body}\n    return result", names)
    assert asyncio.run(names["example"](names["pool"]))["cost_usd"] == 0.25
    body = block("python", "ll.TelemetryCapture").replace("\n", "\n    ")
    exec(f"async def told():\n    {body}", names)
    asyncio.run(names["told"]())
    exec(block("python", "@ll.captured"), names)
    names["explain"]("the cache")
    rows = ll.sql(
        "select task_type, model_tier, pool_type, success, actual_cost from executions order by all",
        db="my-agents",
    )
    assert rows.rows() == [
        ("docs", "small", "local", None, None),
        ("refactor", "small", "local", True, 0.25),
        ("review", "unknown", "unknown", False, None),
        ("unknown", "small", "unknown", True, None),
    ]
    provider.processors[0].shutdown()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([a-z-]+)", README))))
def test_every_make_target_is_there(target):
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_every_linked_file_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
