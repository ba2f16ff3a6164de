"""Traces of the GenAI conventions: hand-made ones, the real exports, and whatever else may stand in such files."""

from __future__ import annotations

import base64
import gzip
import json
import random
import sys
from collections import Counter
from pathlib import Path

import pytest
from hostile import grown
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.errors import SourceError
from learnlab.ingest.assemble import assemble
from learnlab.ingest.batch import Position
from learnlab.ingest.logs import otel, otel_traces
from learnlab.ingest.logs.formats import Head
from learnlab.ingest.logs.lines import loaded
from learnlab.ingest.logs.otel import FORMAT
from learnlab.ingest.logs.otel_binary import exports_of
from learnlab.ingest.logs.otel_spans import spans_of
from learnlab.models import DurationSource, ErrorType, StepKind, SuccessSource

TRACE = "0af7651916cd43dd8448eb211c80319c"
SECOND = 10**9
BEGIN = 1_777_555_053 * SECOND  # 2026-04-30 13:17:33 UTC

USAGE = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10}
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.response.model": "gpt-4.1-mini"}
AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper"}


def wrapped(value):
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [wrapped(one) for one in value]}}
    return {"stringValue": value}


def attributes(**said):
    return [{"key": key, "value": wrapped(value)} for key, value in said.items()]


def span(own, parent="", name="span", at=0.0, seconds=1.0, trace=TRACE, events=(), status=None, **said):
    """One span of OTLP/JSON; `own` and `parent` are small numbers, `at` and `seconds` count from BEGIN."""
    return {
        "traceId": trace,
        "spanId": f"{own:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": name,
        "startTimeUnixNano": str(BEGIN + round(at * SECOND)),
        "endTimeUnixNano": str(BEGIN + round((at + seconds) * SECOND)),
        "attributes": attributes(**said),
        "events": [{"name": event, "attributes": attributes(**given)} for event, given in events],
        "status": status or {},
    }


def export(*spans):
    resource = {"attributes": attributes(**{"service.name": "shop"})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": list(spans)}]}]}


def lines(*groups):
    return b"".join(json.dumps(export(*group)).encode() + b"\n" for group in groups)


def read(path, position=None):
    return list(FORMAT.read(path, position or Position()))


@pytest.fixture
def read_back(tmp_path):
    """Return a function that writes bytes (or spans, a line each) and reads them: tasks, kinds, faults."""

    def back(*given, name="spans.jsonl"):
        path = tmp_path / name
        path.write_bytes(given[0] if isinstance(given[0], bytes) else lines(*([one] for one in given)))
        pieces = read(path)
        kinds = sum((piece.kinds for piece in pieces), Counter())
        return (
            [task for piece in pieces for task in piece.tasks],
            kinds,
            [fault for piece in pieces for fault in piece.faults],
        )

    return back


def tokens(task):
    return (
        sum(step.input_tokens or 0 for step in task.steps),
        sum(step.output_tokens or 0 for step in task.steps),
    )


def said_in(pieces):
    """Return what stands in a store after some pieces: the last state of each task, each step once."""
    tasks, steps = {}, {}
    for piece in pieces:
        for task in piece.tasks:
            told = {name: getattr(task, name) for name in task.__slots__ if name not in ("steps", "position")}
            tasks[task.key] = told
            for step in task.steps:
                steps.setdefault(
                    step.key, (step.kind, step.model, step.name, step.input_tokens, step.output_tokens)
                )
    return tasks, steps


# --- the real exports


def test_the_tempo_trace_counts_each_token_once(shared_data):
    path = shared_data / "otel" / "agentevals_tempo_export_with_batches.json"
    (piece,) = read(path)
    (task,) = piece.tasks
    assert tokens(task) == (4648, 129)
    assert [step.kind.value for step in task.steps] == ["message", "tool_call", "message"]
    assert task.description == "list all helm releases"
    assert task.solution_summary.startswith("There are two Helm releases currently deployed")
    assert (task.agent, task.duration_seconds, task.success) == ("helm_agent", 4.6350894, None)
    assert task.session_id == "ctx-eff35888-55ab-4eb0-b90d-7b21f711f91f"
    assert piece.kinds == {"spans of agents": 9, "other spans": 77}
    assert piece.position is None


def test_the_collector_s_lines_of_the_same_trace_give_the_same_records(shared_data):
    folder = shared_data / "otel"
    names = ("agentevals_tempo_export_with_batches.json", "DERIVED_from_tempo_otlp_file_exporter.jsonl")
    one, other = (assemble(read(folder / name)[0], "otel", "same") for name in names)
    where = ["source_position"]
    assert one.executions.drop(where).equals(other.executions.drop(where))
    assert one.steps.drop(where).equals(other.steps.drop(where))
    assert one.steps["cost_usd"].sum() == pytest.approx(4648 * 0.4e-6 + 129 * 1.6e-6)


def test_the_jaeger_export(shared_data):
    (piece,) = read(shared_data / "otel" / "agentevals_helm.json")
    (task,) = piece.tasks
    assert tokens(task) == (1820 + 1956, 13 + 117)
    assert [step.cache_read_tokens for step in task.steps if step.kind is StepKind.MESSAGE] == [0, 1792]
    assert (task.description, task.agent) == ("list all Helm releases", "helm_agent")
    assert task.duration_seconds == 4.163849
    assert task.error_message is None
    assert piece.kinds.total() == 96


def test_the_real_lines_read_as_they_grow_give_what_the_whole_gives(shared_data, tmp_path):
    whole = shared_data / "otel" / "DERIVED_from_tempo_otlp_file_exporter.jsonl"
    data = whole.read_bytes()
    ends = [at + 1 for at in range(len(data)) if data[at : at + 1] == b"\n"]
    cuts = sorted([*ends, 10, ends[0] + 5000, ends[1] + 40_000, len(data) - 3])
    assert said_in(grown(FORMAT, tmp_path / "spans.jsonl", data, cuts)) == said_in(read(whole))


# --- what counts as a step


def test_usage_repeated_on_spans_around_a_call_counts_once(read_back):
    tasks, _, _ = read_back(
        span(1, name="invoke_agent helper", seconds=9, **AGENT, **USAGE),
        span(2, 1, at=1, **USAGE, **{"gen_ai.system": "gemini"}),
        span(3, 2, at=1, name="chat", **CHAT, **USAGE),
        span(4, 3, at=1, name="POST", status={"code": 2}),
        span(5, 1, at=3, name="chat", **CHAT, **(USAGE | {"gen_ai.usage.output_tokens": 5})),
        span(6, 1, at=5, **CHAT),
    )
    (task,) = tasks
    assert tokens(task) == (200, 15)
    assert [step.key for step in task.steps] == [f"{TRACE} {own:016x}" for own in (3, 5, 6)]
    assert task.steps[2].input_tokens is None
    assert (task.duration_seconds, task.duration_source) == (9.0, DurationSource.WALL)
    assert task.success is None
    assert task.error_message is None


def test_a_call_without_tokens_inside_one_that_has_them_is_the_same_call(read_back):
    (task,), _, _ = read_back(span(1, 9, **CHAT, **USAGE), span(2, 1, name="stream", **CHAT))
    assert [(step.key[-1], step.input_tokens) for step in task.steps] == [("1", 100)]


def test_a_tool_seen_at_two_levels_is_called_once(read_back):
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    (task,), _, _ = read_back(
        span(1, **AGENT),
        span(2, 1, **{"openinference.span.kind": "TOOL", "tool.name": "search"}),
        span(3, 2, at=0.5, seconds=0.25, status={"code": 2, "message": "no index"}, **tool),
        span(4, 1, at=2, **(tool | {"gen_ai.tool.name": "open"})),
    )
    assert [(step.name, step.is_error, step.error) for step in task.steps] == [
        ("search", True, "no index"),
        ("open", False, None),
    ]
    assert task.steps[0].duration_seconds == 0.25
    assert task.error_message is None


DIALECTS = {
    "new": {"gen_ai.usage.input_tokens": 70, "gen_ai.usage.output_tokens": 7,
            "gen_ai.usage.cache_read.input_tokens": 20, "gen_ai.usage.cache_creation.input_tokens": 5,
            "gen_ai.response.model": "m", "gen_ai.request.model": "alias"},
    "old": {"gen_ai.usage.prompt_tokens": 70, "gen_ai.usage.completion_tokens": "7",
            "gen_ai.usage.cache_read_input_tokens": 20, "gen_ai.usage.cache_creation_input_tokens": 5,
            "gen_ai.request.model": "m", "gen_ai.system": "openai"},
    "llm.usage": {"llm.usage.prompt_tokens": 70.0, "llm.usage.completion_tokens": 7,
                  "llm.usage.cache_read_input_tokens": 20, "llm.usage.cache_creation_input_tokens": 5,
                  "llm.request.model": "m", "llm.request.type": "chat"},
    "OpenInference": {"llm.token_count.prompt": 70, "llm.token_count.completion": 7,
                      "llm.token_count.prompt_details.cache_read": 20,
                      "llm.token_count.prompt_details.cache_write": 5,
                      "llm.model_name": "m", "openinference.span.kind": "LLM"},
}  # fmt: skip


@pytest.mark.parametrize("said", DIALECTS.values(), ids=DIALECTS)
def test_each_convention_s_names_say_the_same(read_back, said):
    (task,), _, _ = read_back(span(1, **said))
    (step,) = task.steps
    assert (step.kind, step.model, step.provider) == (StepKind.MESSAGE, "m", None)
    assert (step.input_tokens, step.cache_read_tokens) == (70, 20)
    assert (step.cache_write_tokens, step.output_tokens) == (5, 7)


@pytest.mark.parametrize(
    ("given", "total", "expected"),
    [(100, None, 100), (10, None, 10 + 55), (100, 110, 100), (100, 165, 155)],
    ids=["inside", "more than the input", "inside, by the total", "beside, by the total"],
)
def test_what_the_cache_did_is_a_part_of_the_input(read_back, given, total, expected):
    said = {
        "gen_ai.usage.input_tokens": given,
        "gen_ai.usage.output_tokens": 10,
        "gen_ai.usage.cache_read.input_tokens": 50,
        "gen_ai.usage.cache_creation.input_tokens": 5,
    }
    said |= {} if total is None else {"gen_ai.usage.total_tokens": total}
    (task,), _, _ = read_back(span(1, **CHAT, **said))
    assert task.steps[0].input_tokens == expected


def test_the_provider_counts_only_where_it_sells_others_models(read_back):
    (task,), _, _ = read_back(
        span(1, at=1, **CHAT, **USAGE, **{"gen_ai.system": "gcp.vertex.agent"}),
        span(2, at=2, **CHAT, **USAGE, **{"gen_ai.provider.name": "aws.bedrock"}),
    )
    assert [step.provider for step in task.steps] == [None, "aws"]


# --- what counts as a task


def test_agents_below_an_agent_work_on_its_task(read_back):
    tasks, _, _ = read_back(
        span(3, 2, at=2, **CHAT, **USAGE),
        span(2, 1, at=1, **(AGENT | {"gen_ai.agent.name": "searcher"})),
        span(1, 9, at=0, seconds=5, **AGENT, **{"session.id": "s1"}),
        span(9, at=0, name="POST /chat"),
    )
    (task,) = tasks
    assert (task.key, task.agent, task.session_id, task.external_id) == (TRACE, "helper", "s1", TRACE)
    assert task.metadata["agents"] == ["helper", "searcher"]
    assert task.duration_seconds == 5.0


def test_agents_side_by_side_under_a_known_root_are_tasks_of_their_own(read_back):
    tasks, _, _ = read_back(
        span(9, name="evaluate", seconds=60),
        span(1, 9, at=10, seconds=5, **AGENT),
        span(2, 9, at=20, seconds=6, **AGENT),
        span(3, 1, at=11, **CHAT, **USAGE),
        span(4, 2, at=21, **CHAT, **USAGE),
        span(5, 9, at=30, **CHAT, **USAGE),
        span(6, 9, at=40, **AGENT),
    )
    assert [(task.key, len(task.steps), task.duration_seconds) for task in tasks] == [
        (TRACE, 2, 5.0),
        (f"{TRACE} {2:016x}", 1, 6.0),
    ]


def test_agents_whose_parents_are_missing_make_one_task(read_back):
    tasks, _, _ = read_back(
        span(1, 8, at=10, seconds=5, **AGENT),
        span(2, 9, at=20, seconds=6, **AGENT),
        span(3, 1, at=11, **CHAT, **USAGE),
        span(4, 2, at=21, **CHAT, **USAGE),
    )
    (task,) = tasks
    assert (task.key, len(task.steps), task.duration_seconds) == (TRACE, 2, 16.0)


def test_a_trace_without_agents_is_one_task_and_one_without_models_is_none(read_back):
    other = "1" * 32
    tasks, kinds, _ = read_back(
        span(1, name="GET /", seconds=3),
        span(2, 1, at=1, **{"openinference.span.kind": "LLM"}, **USAGE),
        span(3, trace=other, name="GET /health"),
        span(4, trace=other, **AGENT),
    )
    assert [(task.key, task.description, task.duration_seconds) for task in tasks] == [(TRACE, "GET /", 3.0)]
    assert kinds == {"spans of agents": 2, "other spans": 2}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("traceloop", {"traceloop.span.kind": "workflow", "traceloop.entity.name": "helper"}),
        ("OpenInference", {"openinference.span.kind": "AGENT", "agent.name": "helper"}),
    ],
)
def test_agents_of_other_conventions(read_back, kind, said):
    (task,), _, _ = read_back(span(1, seconds=4, **said), span(2, 1, **CHAT, **USAGE))
    assert (task.agent, task.duration_seconds) == ("helper", 4.0), kind


def test_an_agent_that_failed_is_no_verdict(read_back):
    raised = [("exception", {"exception.type": "APITimeoutError", "exception.message": "Request timed out."})]
    (task,), _, _ = read_back(
        span(1, status={"code": 2}, events=raised, **AGENT), span(2, 1, **CHAT, **USAGE)
    )
    assert (task.success, task.error_type, task.error_message) == (
        None,
        ErrorType.TIMEOUT,
        "Request timed out.",
    )


# --- verdicts

VERDICTS = [
    ([("pass", None)], True, None),
    ([("Fail", 0.9)], False, None),
    ([(None, 1.0)], None, 100.0),
    ([(None, 0)], None, 0.0),
    ([(None, 0.75)], None, 75.0),
    ([("relevant", 1.0)], None, 100.0),
    ([(None, 4.0)], None, None),
    ([("pass", None), ("fail", 0)], False, None),
    ([("pass", None), (None, 0.5)], True, 50.0),
    ([(None, None)], None, None),
]


@pytest.mark.parametrize(("given", "success", "quality"), VERDICTS)
@pytest.mark.parametrize("way", ["event", "span", "log"])
def test_only_an_evaluation_is_a_verdict(read_back, way, given, success, quality):
    said = [
        {"gen_ai.evaluation.name": f"check {at}"}
        | ({"gen_ai.evaluation.score.label": label} if label is not None else {})
        | ({"gen_ai.evaluation.score.value": score} if score is not None else {})
        for at, (label, score) in enumerate(given)
    ]
    name = "gen_ai.evaluation.result"
    agent = span(1, events=[(name, one) for one in said] if way == "event" else (), **AGENT)
    spans = [agent, span(2, 1, status={"code": 1}, **CHAT, **USAGE)]
    if way == "span":
        spans += [span(10 + at, 1, name=name, **one) for at, one in enumerate(said)]
    data = lines(spans)
    if way == "log":
        records = [
            {"traceId": TRACE, "spanId": f"{1:016x}", "eventName": name, "attributes": attributes(**one)}
            for one in said
        ]
        data += json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode() + b"\n"
    (task,), kinds, _ = read_back(data)
    expected = SuccessSource.UNKNOWN if success is None else SuccessSource.VERIFIER
    assert (task.success, task.success_source, task.quality_score) == (success, expected, quality)
    assert set(task.metadata["evaluations"]) == {f"check {at}" for at in range(len(given))}
    assert kinds == {"spans of agents": 1} | ({"logs and metrics": 1} if way == "log" else {})


# --- texts

ASKED = {
    "gen_ai.input.messages": ({
        "gen_ai.input.messages": json.dumps([
            {"role": "system", "parts": [{"type": "text", "content": "Be brief"}]},
            {"role": "user", "parts": [{"type": "text", "content": "Earlier"}]},
            {"role": "assistant", "parts": [{"type": "tool_call", "name": "f"}]},
            {"role": "user", "parts": [{"type": "text", "content": "Fix it"}]}]),
        "gen_ai.output.messages": json.dumps([
            {"role": "assistant", "parts": [{"type": "reasoning", "content": "Hm"},
                                            {"type": "text", "content": "Fixed"}]}])}, ()),
    "gen_ai.prompt": ({
        "gen_ai.prompt.0.role": "system", "gen_ai.prompt.0.content": "Be brief",
        "gen_ai.prompt.1.role": "user", "gen_ai.prompt.1.content": "Fix it\n",
        "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "Fixed"}, ()),
    "OpenInference": ({
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.contents.0.message_content.text": "Fix it",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": "Fixed"}, ()),
    "values": ({"input.value": "Fix it", "output.value": '{"answer": "Fixed"}'}, ()),
    "request and response": ({
        "input.value": '{"model": "m", "messages": [{"role": "user", "content": "Fix it"}]}',
        "output.value": '{"choices": [{"message": {"role": "assistant", "content": "Fixed"}}]}'}, ()),
    "ADK": ({
        "gcp.vertex.agent.llm_request":
            '{"config": {"system": "Be brief"}, "contents": [{"role": "user", "parts": [{"text": "Fix it"}]}]}',
        "gcp.vertex.agent.llm_response": '{"content": {"role": "model", "parts": [{"text": "Fixed"}]}}'}, ()),
    "events": ({}, [("gen_ai.user.message", {"content": "Fix it"}),
                    ("gen_ai.choice", {"message": '{"role": "assistant", "content": "Fixed"}'})]),
}  # fmt: skip


@pytest.mark.parametrize(("said", "events"), ASKED.values(), ids=ASKED)
def test_what_was_asked_and_answered(read_back, said, events):
    (task,), _, _ = read_back(
        span(1, **AGENT), span(2, 1, at=1, events=events, **CHAT, **USAGE, **said), span(3, 1, at=2, **CHAT)
    )
    assert (task.description, task.solution_summary) == ("Fix it", "Fixed")


def test_an_answer_that_only_calls_tools_is_no_answer(read_back):
    calls = '[{"role": "assistant", "parts": [{"type": "tool_call", "name": "f", "arguments": {}}]}]'
    (task,), _, _ = read_back(span(1, name="chat m", **CHAT, **{"gen_ai.output.messages": calls}))
    assert (task.description, task.solution_summary) == ("chat m", None)


# --- containers


def as_jaeger(spans):
    return {"data": [{"traceID": TRACE, "processes": {"p1": {"serviceName": "shop"}}, "spans": [
        {"traceID": one["traceId"], "spanID": one["spanId"], "operationName": one["name"], "processID": "p1",
         "references": [{"refType": "CHILD_OF", "traceID": TRACE, "spanID": one["parentSpanId"]}],
         "startTime": int(one["startTimeUnixNano"]) // 1000,
         "duration": (int(one["endTimeUnixNano"]) - int(one["startTimeUnixNano"])) // 1000,
         "tags": [{"key": tag["key"], "value": next(iter(tag["value"].values()))} for tag in one["attributes"]],
         "logs": []} for one in spans]}]}  # fmt: skip


def as_base64(spans):
    def turned(text):
        return base64.b64encode(bytes.fromhex(text)).decode()

    ids = ("traceId", "spanId", "parentSpanId")
    return [one | {key: turned(one[key]) for key in ids if one[key]} for one in spans]


SPANS = [
    span(9, name="POST", seconds=7),
    span(1, 9, name="agent", at=1, seconds=5, **AGENT, **{"session.id": "s1", "input.value": "Fix it"}),
    span(2, 1, at=2, **CHAT, **USAGE, **{"gen_ai.completion.0.content": "Fixed"}),
    span(3, 1, at=3, **{"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}),
]
CONTAINERS = {
    "pretty": json.dumps(export(*SPANS), indent=2),
    "Tempo": json.dumps({"batches": [{"instrumentationLibrarySpans": [{"spans": SPANS}],
                                      "resource": export()["resourceSpans"][0]["resource"]}]}),
    "Tempo 2": json.dumps({"trace": export(*SPANS)}, indent=1),
    "Jaeger": json.dumps(as_jaeger(SPANS), indent=4),
    "Jaeger on a line": json.dumps(as_jaeger(SPANS)),
    "base64": json.dumps(export(*as_base64(SPANS))),
    "other way round": json.dumps(export(*reversed(SPANS)), indent=2),
}  # fmt: skip


@pytest.mark.parametrize("given", CONTAINERS.values(), ids=CONTAINERS)
def test_every_container_gives_the_same(tmp_path, given):
    whole, path = tmp_path / "lines.jsonl", tmp_path / "export.json"
    whole.write_bytes(lines(*([one] for one in SPANS)))
    path.write_text(given)
    assert said_in(read(path)) == said_in(read(whole))
    start = path.read_bytes()
    value = loaded(start)
    assert FORMAT.fits(Head(path, start, (value,)))
    assert FORMAT.fits(Head(path, start[: len(start) // 2]))


def binary(spans, count=1):
    """Return spans as protobuf writes them, made by another way than the reader's: field by field."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    messages = []
    for part in (spans[at::count] for at in range(count)):
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add()
        group.resource.attributes.add(key="service.name").value.string_value = "shop"
        scope = group.scope_spans.add()
        for one in part:
            made = scope.spans.add(
                trace_id=bytes.fromhex(one["traceId"]),
                span_id=bytes.fromhex(one["spanId"]),
                parent_span_id=bytes.fromhex(one["parentSpanId"]),
                name=one["name"],
                start_time_unix_nano=int(one["startTimeUnixNano"]),
                end_time_unix_nano=int(one["endTimeUnixNano"]),
            )
            for said in one["attributes"]:
                value = made.attributes.add(key=said["key"]).value
                ((kind, inner),) = said["value"].items()
                if kind == "intValue":
                    value.int_value = int(inner)
                else:
                    value.string_value = inner
        messages.append(request.SerializeToString())
    if count == 1:
        return messages[0]
    return b"".join(len(message).to_bytes(4, "big") + message for message in messages)


@pytest.mark.parametrize("count", [1, 3])
def test_binary_gives_the_same_as_json(tmp_path, count):
    whole, path = tmp_path / "lines.jsonl", tmp_path / "spans.bin"
    whole.write_bytes(lines(*([one] for one in SPANS)))
    path.write_bytes(binary(SPANS, count))
    (piece,) = read(path)
    assert said_in([piece]) == said_in(read(whole))
    assert piece.kinds == {"spans of agents": 3, "other spans": 1}
    assert FORMAT.fits(Head(path, path.read_bytes()))


def test_binary_that_breaks_off_is_read_as_far_as_it_goes(read_back):
    data = binary(SPANS, 3)
    _, kinds, faults = read_back(data[:-2], name="spans.bin")
    assert (kinds["rejected"], [fault[1] for fault in faults]) == (1, ["the file ends inside a message"])
    assert kinds.total() == 4
    (tasks, kinds, faults) = read_back(binary(SPANS)[:-2], name="spans.bin")
    assert (tasks, kinds, len(faults)) == ([], {"rejected": 1}, 1)


def test_binary_without_its_package_says_what_to_install(read_back, monkeypatch):
    data = binary(SPANS)
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.collector.trace.v1.trace_service_pb2", None)
    with pytest.raises(SourceError, match=r'pip install "learnlab\[otel\]"'):
        read_back(data, name="spans.bin")


def test_binary_values_of_every_kind():
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    made = request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    made.attributes.add(key="input.value").value.array_value.values.add().string_value = "a"
    pair = made.attributes.add(key="output.value").value.kvlist_value.values.add(key="k")
    pair.value.double_value = 0.5
    made.attributes.add(key="error.type").value.bytes_value = b"x"
    made.attributes.add(key="gen_ai.prompt")
    made.events.add(name="gen_ai.choice").attributes.add(key="message").value.bool_value = True
    (found,) = exports_of(request.SerializeToString())
    (one,) = spans_of(found)
    assert one.attributes == {
        "input.value": ["a"],
        "output.value": {"k": 0.5},
        "error.type": None,
        "gen_ai.prompt": None,
    }
    assert one.events == (("gen_ai.choice", {"message": True}),)


def test_an_error_and_a_server_s_half_in_a_jaeger_export(read_back):
    given = as_jaeger([span(9, name="POST"), span(1, 9, **AGENT), span(2, 1, **CHAT, **USAGE)])
    spans = given["data"][0]["spans"]
    spans[1]["tags"] += [{"key": "error", "value": True}, {"key": "otel.status_description", "value": "down"}]
    spans[1]["references"].insert(0, {"refType": "FOLLOWS_FROM", "traceID": TRACE, "spanID": "77"})
    spans += [None, {"spanID": "1"}]
    given["data"].append(None)
    (task,), kinds, faults = read_back(json.dumps(given, indent=1).encode())
    assert (task.error_message, task.error_type, task.success) == ("down", ErrorType.UNKNOWN, None)
    assert (task.metadata["service"], kinds["rejected"], len(faults)) == ("shop", 3, 3)


def test_a_document_that_is_too_long_is_refused(read_back, monkeypatch):
    monkeypatch.setattr(otel, "MAX_DOCUMENT", 1 << 10)
    with pytest.raises(SourceError, match="export it in parts"):
        read_back(CONTAINERS["pretty"].encode())


def test_gzipped_lines(read_back):
    (task,), kinds, _ = read_back(gzip.compress(lines([span(1, **CHAT, **USAGE)])), name="spans.jsonl.gz")
    assert (tokens(task), kinds) == ((100, 10), {"spans of agents": 1})


def test_a_file_whose_first_lines_are_broken_is_read_line_by_line(read_back):
    data = b'{"resourceSpans": [\n' * 25 + lines([span(1, **CHAT, **USAGE)])
    _, kinds, _ = read_back(b'{"resourceSpans": [\n{"scopeSpans": [\n' + lines([span(1, **CHAT, **USAGE)]))
    assert kinds == {"rejected": 2, "spans of agents": 1}
    tasks, kinds, faults = read_back(data)
    assert (len(tasks), kinds, len(faults)) == (1, {"rejected": 25, "spans of agents": 1}, 25)


FOREIGN = [
    b'{"type": "user", "message": {"role": "user", "content": "hi"}}',
    b'{"data": [{"id": 1}], "trace": {"a": 1}, "result": "resourceSpans"}',
    b'{"data": [{"spans": []}]}',
    b'{"batches": [1, 2], "resourceSpans": 3}',
    b"a,b\n1,2\n",
    b"\n\n{}",
    b"\0\0\0\0",
    b"PAR1",
]


@pytest.mark.parametrize("start", FOREIGN)
def test_other_files_are_not_claimed(start):
    try:
        value = loaded(start)
    except ValueError:
        value = None
    assert not FORMAT.fits(Head(Path("spans.otlp"), start, (value,) if isinstance(value, dict) else ()))


def test_what_is_no_such_file_is_refused(read_back):
    with pytest.raises(SourceError, match="holds no OpenTelemetry spans"):
        read_back(b"a,b\n1,2\n")
    with pytest.raises(SourceError, match="is empty"):
        read_back(b"")


# --- accounts


def test_every_line_is_accounted_for(read_back):
    data = lines([span(1, **CHAT, **USAGE)], [span(2, name="GET /")], [])
    data += b'{"resourceMetrics": []}\n\n{"resourceSpans": [null]}\n{broken\n{"spam": 1}\n[1]\n'
    bad = b'[null, {"spanId": "1"}, {"traceId": "0", "spanId": "1"}]'
    data += b'{"resourceSpans": [{"scopeSpans": [{"spans": %s}]}]}\n' % bad
    data += b'{"resourceSpans": [{"sco'
    tasks, kinds, faults = read_back(data)
    assert kinds == {
        "spans of agents": 1,
        "other spans": 2,
        "logs and metrics": 1,
        "rejected": 4,
        "unknown: spam": 1,
        "unfinished": 1,
    }
    assert [(line, reason[:40]) for line, reason, _ in faults] == [
        (6, "a group of spans is no JSON object (1 ti"),
        (7, faults[1][1][:40]),
        (9, "is a JSON array, not an object"),
        (10, "a span has no trace id or no span id (2 "),
    ]
    assert faults[3][1].endswith("a span is no JSON object (1 times)")
    assert len(tasks) == 1


def test_parents_in_a_ring_doubled_ids_and_times_that_are_none(read_back):
    bad = span(5, 5, **CHAT, **USAGE) | {"startTimeUnixNano": "soon", "endTimeUnixNano": -1}
    late = span(6, 7, at=9, seconds=-4, **CHAT, **USAGE)
    ring = [span(2, 3, **CHAT, **USAGE), span(3, 4, **AGENT), span(4, 2), span(2, 3, name="server half")]
    (task,), _, faults = read_back(*ring, bad, late)
    assert faults == []
    assert tokens(task) == (300, 30)
    assert {step.key[-1]: step.duration_seconds for step in task.steps} == {"2": 1.0, "5": None, "6": None}


def test_values_of_every_kind(read_back):
    odd = [
        None,
        [],
        {},
        {"intValue": None},
        {"kvlistValue": 3},
        {"bytesValue": "AA=="},
        {"intValue": 10**400},
    ]
    odd += [{"arrayValue": {"values": [None, 3]}}, {"doubleValue": "NaN"}, {"stringValue": "\ud800\0"}, True]
    names = ["gen_ai.usage.input_tokens", "gen_ai.response.model", "session.id", "gen_ai.prompt.0.content"]
    names += ["gen_ai.input.messages", "gen_ai.evaluation.score.value", "gen_ai.agent.name", "error.type"]
    spans = [
        span(100 + at, trace=f"{at + 1:032x}", **AGENT, **USAGE)
        | {"attributes": [*attributes(**CHAT, **USAGE), *({"key": name, "value": value} for name in names)]}
        for at, value in enumerate(odd)
    ]
    data = b"".join(json.dumps(export(one)).encode() + b"\n" for one in spans)
    tasks, kinds, faults = read_back(data)
    assert (len(tasks), len(faults), kinds["spans of agents"]) == (len(odd), 0, len(odd))
    assert len(assemble(read_pieces_of(tasks), "otel", "x").executions) == len(odd)


def read_pieces_of(tasks):
    from learnlab.ingest.logs.tasks import Piece

    return Piece(tasks=tasks)


def test_an_attribute_nested_too_deeply_is_none_and_its_span_is_read(read_back):
    nested = '{"arrayValue": {"values": [' * 300 + "1" + "]}}" * 300
    deep = json.dumps(export(span(1, **CHAT, **USAGE))).replace('{"stringValue": "chat"}', nested, 1)
    tasks, kinds, _ = read_back(deep.encode())
    assert kinds == {"spans of agents": 1}
    assert tokens(tasks[0]) == (100, 10)


# --- growing, shuffled, broken


def some_traces(rank, is_children_first):
    """Return spans of a few traces, each with one agent at its head, over lines of any size.

    Only the leaves of a tree use tokens: whether a span above them does is told by what is below it.
    """
    said = [CHAT, {"gen_ai.tool.name": "search"}, AGENT, {}]
    spans = []
    for at in range(rank.randint(1, 4)):
        trace, n = f"{at + 1:032x}", rank.randint(1, 5)
        spans.append(span(1, trace=trace, seconds=20, **AGENT, **{"input.value": f"Request {at}"}))
        for own in range(2, 2 + n):
            spans.append(span(own, rank.randint(1, own - 1), trace=trace, at=own, **rank.choice(said)))
        for own in range(20, 20 + rank.randint(1, 3)):
            spans.append(span(own, rank.randint(1, 1 + n), trace=trace, at=own - 10, **CHAT, **USAGE))
    rank.shuffle(spans)
    if is_children_first:
        own_order = {}
        for one in sorted(spans, key=lambda one: int(one["spanId"], 16)):
            own_order.setdefault(one["traceId"], []).append(one)
        spans = [own_order[one["traceId"]].pop() for one in spans]
    groups, at = [], 0
    while at < len(spans):
        step = rank.randint(0, 3)
        groups.append(spans[at : at + step])
        at += step
    return groups, spans


@pytest.mark.parametrize("small", [False, True], ids=["at once", "quiet after two lines"])
@settings(max_examples=10)
@given(
    seed=st.integers(0, 2**32), shares=st.lists(st.floats(0, 1), max_size=5), is_children_first=st.booleans()
)
def test_growing_twice_and_whole_give_the_same(small, seed, shares, is_children_first, tmp_path_factory):
    groups, spans = some_traces(random.Random(seed), is_children_first)
    folder = tmp_path_factory.mktemp("grown")
    whole, text = folder / "whole.jsonl", lines(*groups)
    whole.write_bytes(text)
    cuts = [1 + round(share * (len(text) - 1)) for share in shares]
    with pytest.MonkeyPatch.context() as patch:
        if small:
            patch.setattr(otel_traces, "QUIET", 2)
            patch.setattr(otel, "LINES_A_PIECE", 2)
        pieces = read(whole)
        expected = said_in(pieces)
        tasks, steps = said_in(grown(FORMAT, folder / "growing.jsonl", text, cuts))
        assert said_in(read(whole) + read(whole)) == expected
    assert sum(piece.kinds.total() for piece in pieces) == len(groups)
    used = {f"{one['traceId']} {one['spanId']}" for one in spans if int(one["spanId"], 16) >= 20}
    assert used <= set(steps)
    assert {key: steps[key] for key in used} == {key: expected[1][key] for key in used}
    assert set(tasks) == set(expected[0]) == {one["traceId"] for one in spans}
    if is_children_first and not small:
        assert steps == expected[1]
    if not small:
        assert tasks == expected[0]
        document = folder / "document.json"
        document.write_text(json.dumps(export(*spans), indent=1))
        assert said_in(read(document)) == expected


def test_what_is_over_is_handed_on_and_not_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(otel_traces, "QUIET", 3)
    monkeypatch.setattr(otel, "LINES_A_PIECE", 4)
    long, short = "a" * 32, "b" * 32
    path = tmp_path / "spans.jsonl"
    rows = [[span(1, trace=short, **CHAT, **USAGE)]]
    rows += [[span(own, trace=long, at=own, **CHAT, **USAGE)] for own in range(2, 4)]
    rows += [[span(5, trace=short, **CHAT, **USAGE)]]
    rows += [[span(own, trace=long, at=own, **CHAT, **USAGE)] for own in range(6, 20)]
    path.write_bytes(lines(*rows))
    pieces = read(path)
    assert [[task.key for task in piece.tasks] for piece in pieces] == [[], [short], [], [], [long]]
    assert [len(task.steps) for piece in pieces for task in piece.tasks] == [2, 16]
    position = pieces[-1].position
    assert position == Position(len(lines(*rows[:1])), {"line": 2, "over": {short: len(lines(*rows[:3]))}})
    with path.open("ab") as file:
        file.write(lines([span(30, trace=short, at=30, **CHAT, **USAGE)]))
    (task_long,), (task_short,) = (
        [task for piece in read(path, position) for task in piece.tasks if task.key == key]
        for key in (long, short)
    )
    assert (len(task_long.steps), [step.key[-2:] for step in task_short.steps]) == (16, ["1e"])


def test_traces_beyond_what_may_be_held_are_handed_on(tmp_path, monkeypatch):
    monkeypatch.setattr(otel_traces, "MOST_HELD", 5000)
    path = tmp_path / "spans.jsonl"
    path.write_bytes(lines(*([span(1, trace=f"{at:032x}", at=at, **CHAT, **USAGE)] for at in range(1, 40))))
    traces, held = otel_traces.Traces(), []
    monkeypatch.setattr(otel, "Traces", lambda position: traces)
    for piece in FORMAT.read(path, Position()):
        held.append(len(traces._open))
        assert len({task.key for task in piece.tasks}) == 39
    assert held == [held[0]]
    assert held[0] <= 10


WHOLES = {name: one.encode() for name, one in CONTAINERS.items()}
WHOLES |= {"message": binary(SPANS), "frames": binary(SPANS, 3)}


@pytest.mark.parametrize("given_bytes", WHOLES.values(), ids=WHOLES)
@settings(max_examples=5)
@given(kept=st.floats(0, 1), seed=st.integers(0, 2**20))
def test_documents_cut_or_spoilt_anywhere_do_not_break_the_reader(given_bytes, kept, seed, tmp_path_factory):
    path = tmp_path_factory.mktemp("cut") / "export"
    rank = random.Random(seed)
    spoilt = bytearray(given_bytes[: 1 + round(kept * len(given_bytes))])
    for _ in range(seed % 3):
        spoilt[rank.randrange(len(spoilt))] = rank.randrange(256)
    path.write_bytes(bytes(spoilt))
    try:
        pieces = read(path)
    except SourceError as error:
        assert "holds no OpenTelemetry spans" in str(error)
        return
    total = sum((piece.kinds for piece in pieces), Counter())
    assert total["rejected"] == sum(len(piece.faults) for piece in pieces)
    assert total.total() > 0
    for piece in pieces:
        assert len(assemble(piece, "otel", "x").executions) == len(piece.tasks)
