"""Spans of an instrumented program, as they end: the records of a collector's file, each once, whatever happens."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("opentelemetry.sdk.trace")

from opentelemetry import trace as api
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

from learnlab.capture.spans import files as span_files
from learnlab.capture.spans import processor as otel
from learnlab.capture.spans.processor import LearnlabSpanProcessor
from learnlab.errors import LearnlabError, StoreError
from learnlab.ingest import ingest
from learnlab.ingest.assemble import assemble
from learnlab.ingest.batch import Position
from learnlab.ingest.logs.lines import lines_of
from learnlab.ingest.logs.otel import FORMAT
from learnlab.ingest.logs.otel_spans import attributes_of, spans_of
from learnlab.ingest.logs.tasks import Piece
from learnlab.settings import settings as learnlab_settings
from learnlab.store import Store
from learnlab.store.lock import held

AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper", "session.id": "s1"}
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.response.model": "gpt-4.1-mini",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
}
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
RESOURCE = Resource({"service.name": "shop", "vcs.repository.name": "acme/shop"})
PROGRAM = Path(__file__).with_name("span_programs.py")


@pytest.fixture
def path(tmp_path, empty):
    return Path(shutil.copy(empty, tmp_path / "live.duckdb"))


@pytest.fixture
def processor(path):
    made = LearnlabSpanProcessor(path)
    yield made
    made.shutdown()


@pytest.fixture
def writer(processor):
    """A processor that writes traces beside the store and leaves them there, as one in a forked process does."""
    processor._is_child = True
    return processor


@pytest.fixture
def collected():
    """What a collector beside the processor would have got."""
    return InMemorySpanExporter()


@pytest.fixture
def tracer(processor, collected):
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    provider.add_span_processor(SimpleSpanProcessor(collected))
    return provider.get_tracer("tests")


def work(tracer, asked="Fix it", n_chats=1, **said):
    """One trace: an agent that was asked something, calls of a model, a tool that fails."""
    with tracer.start_as_current_span("run", attributes=AGENT | {"input.value": asked} | said):
        for _ in range(n_chats):
            tracer.start_span("chat", attributes=CHAT).end()
        with tracer.start_as_current_span("look", attributes=TOOL) as tool:
            tool.set_status(Status(StatusCode.ERROR, "nothing found"))
            tool.add_event("exception", {"exception.type": "LookupError", "exception.message": "none"})


def rows(path, columns="*", table="executions"):
    return Store(path).sql(f"select {columns} from {table}")


def total(path):
    """Return the executions, their input tokens and the steps in a store."""
    return rows(path, "count(*), sum(input_tokens), (select count(*) from steps)").row(0)


def written(path):
    """Return the tasks, input tokens and steps that wait beside a store."""
    tasks = span_files._read(span_files.waiting(path)).tasks
    steps = [step for task in tasks for step in task.steps]
    return len(tasks), sum(step.input_tokens or 0 for step in steps), len(steps)


def proto_value(into, value):
    if isinstance(value, bool):
        into.bool_value = value
    elif isinstance(value, int):
        into.int_value = value
    elif isinstance(value, float):
        into.double_value = value
    elif isinstance(value, str):
        into.string_value = value
    else:
        into.array_value.SetInParent()
        for one in value:
            proto_value(into.array_value.values.add(), one)


def proto_pairs(into, attributes):
    for name, value in (attributes or {}).items():
        pair = into.add()
        pair.key = name
        proto_value(pair.value, value)


def collector_file(path, spans):
    """Write spans as the collector's file exporter does in its binary encoding, by protobuf's own classes."""
    request = ExportTraceServiceRequest()
    for span in spans:
        group = request.resource_spans.add()
        proto_pairs(group.resource.attributes, span.resource.attributes)
        raw = group.scope_spans.add().spans.add()
        raw.trace_id, raw.span_id = span.context.trace_id.to_bytes(16), span.context.span_id.to_bytes(8)
        raw.parent_span_id = span.parent.span_id.to_bytes(8) if span.parent else b""
        raw.name, raw.start_time_unix_nano, raw.end_time_unix_nano = span.name, span.start_time, span.end_time
        raw.status.code, raw.status.message = span.status.status_code.value, span.status.description or ""
        proto_pairs(raw.attributes, span.attributes)
        for event in span.events:
            made = raw.events.add()
            made.name, made.time_unix_nano = event.name, event.timestamp
            proto_pairs(made.attributes, event.attributes)
    data = request.SerializeToString()
    path.write_bytes(len(data).to_bytes(4) + data)
    return path


def span_of(number, parent=None, name="span", attributes=None, flags=1, trace=7, **more):
    """One finished span with ids of its own, as the SDK hands it to processors."""
    context = SpanContext(trace, number, False, TraceFlags(flags))
    above = SpanContext(trace, parent, False) if parent else None
    begin = 1_777_555_053 * 10**9 + number
    return ReadableSpan(
        name, context, above, RESOURCE, attributes, start_time=begin, end_time=begin + 10**9, **more
    )


# --- the same records as a collector's file


def test_capturing_live_and_ingesting_the_file_counts_nothing_twice(
    tracer, processor, collected, path, tmp_path, empty
):
    work(tracer, "Fix the parser", n_chats=2)
    work(tracer, "Describe it", **{"gen_ai.evaluation.name": "review"})
    with tracer.start_as_current_span("two agents"):
        for name in ("first", "second"):
            with tracer.start_as_current_span(name, attributes=AGENT | {"gen_ai.agent.name": name}):
                tracer.start_span("chat", attributes=CHAT).end()
    spans = collected.get_finished_spans()
    file = collector_file(tmp_path / "spans.bin", spans)

    assert processor.force_flush()
    assert total(path) == (4, 500, 7)
    (report,) = ingest(file, Store(path)).files
    assert (report.counts.n_accepted, report.counts.n_duplicates) == (0, 4)
    assert total(path) == (4, 500, 7)

    other = Store(shutil.copy(empty, tmp_path / "other.duckdb"))
    ingest(file, other)
    where = ["source", "source_position", "uploaded_at"]
    live, read = (rows(one).drop(where).sort("record_key") for one in (path, other.path))
    assert live.equals(read)
    steps = [rows(one, "*", "steps").drop("source_position").sort("step_key") for one in (path, other.path)]
    assert steps[0].equals(steps[1])

    span_files.write(other.path, [span_files.export_of(span) for span in spans])
    counts = span_files.take_in(other.path, 10)
    assert (counts.n_accepted, counts.n_duplicates) == (0, 4)


def test_a_real_trace_gives_the_records_of_its_file(shared_data, writer, path):
    file = shared_data / "otel" / "DERIVED_from_tempo_otlp_file_exporter.jsonl"
    for line in lines_of(file.open("rb")):
        for group in line.value["resourceSpans"]:
            resource = Resource(attributes_of(group["resource"]["attributes"]))
            for raw in (raw for scope in group["scopeSpans"] for raw in scope["spans"]):
                (span,) = spans_of({"resourceSpans": [{"scopeSpans": [{"spans": [raw]}]}]})
                trace = int(span.trace, 16)
                parent = SpanContext(trace, int(span.parent, 16), False) if span.parent else None
                writer.on_end(
                    ReadableSpan(
                        span.name,
                        SpanContext(trace, int(span.id, 16), False, TraceFlags(1)),
                        parent,
                        resource,
                        span.attributes,
                        [Event(name, said) for name, said in span.events],
                        status=Status(StatusCode.ERROR if span.is_error else StatusCode.UNSET, span.message)
                        if span.is_error
                        else Status(StatusCode.UNSET),
                        start_time=span.start,
                        end_time=span.end,
                    )
                )
    assert writer.force_flush()
    (live,) = span_files._read(span_files.waiting(path)).tasks
    ((read,),) = (piece.tasks for piece in FORMAT.read(file, Position()))
    batches = [assemble(Piece([task]), "otel", "x").executions for task in (live, read)]
    what = ["record_key", "content_hash"]
    assert batches[0].select(what).equals(batches[1].select(what))
    assert written(path) == (1, 4648, 3)


WORDS = st.text(max_size=12) | st.lists(st.text(max_size=5), max_size=3)
NUMBERS = st.integers(-(10**15), 10**15)
ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={name: NUMBERS if ".usage." in name else WORDS for name in [*CHAT, *AGENT, *TOOL]}
    | {
        "input.value": WORDS,
        "gen_ai.prompt.0.content": WORDS,
        "gen_ai.usage.cost": st.floats(allow_nan=False),
    },
)


@settings(max_examples=15)
@given(st.lists(ATTRIBUTES, min_size=1, max_size=4), st.text(max_size=10))
def test_whatever_spans_say_both_ways_say_the_same(tmp_path_factory, said, message):
    status = Status(StatusCode.ERROR, message)
    spans = [span_of(1, None, "run", AGENT, status=status)]
    spans += [
        span_of(at, at - 1, "", own, events=[Event("exception", {"exception.message": message}, 1)])
        for at, own in enumerate(said, 2)
    ]
    file = collector_file(tmp_path_factory.mktemp("spans") / "spans.bin", spans)
    lines = file.with_suffix(".jsonl")
    exports = [span_files.export_of(span) for span in spans]
    lines.write_text("".join(json.dumps(export) + "\n" for export in exports), encoding="ascii")
    live, read = (assemble(next(FORMAT.read(one, Position())), "otel", "x") for one in (lines, file))
    what = ["record_key", "content_hash"]
    assert live.executions.select(what).equals(read.executions.select(what))
    assert live.steps.drop("source_position").equals(read.steps.drop("source_position"))


# --- when a trace is handed over


def test_a_trace_is_captured_when_its_root_ends(tracer, path):
    remote = SpanContext(5, 6, True, TraceFlags(1))
    with tracer.start_as_current_span(
        "run", api.set_span_in_context(api.NonRecordingSpan(remote)), attributes=AGENT
    ):
        tracer.start_span("chat", attributes=CHAT).end()
    end = time.monotonic() + 60
    while not (path.exists() and rows(path).height) and time.monotonic() < end:
        threading.Event().wait(0.05)
    assert rows(path, "agent, input_tokens, repo").rows() == [("helper", 100, "shop")]


def test_what_comes_later_is_added_to_its_task(tracer, writer, path):
    with tracer.start_as_current_span("run", attributes=AGENT | {"input.value": "Fix it"}):
        tracer.start_span("chat", attributes=CHAT).end()
        slow = tracer.start_span("chat", attributes=CHAT)
    assert writer.force_flush()
    assert written(path) == (1, 100, 1)
    slow.end()
    assert writer.force_flush()
    assert written(path) == (1, 200, 2)
    (task,) = span_files._read(span_files.waiting(path)).tasks
    assert task.description == "Fix it"


def test_a_root_that_never_ends_is_captured_as_far_as_it_is(tracer, writer, path):
    root = tracer.start_span("run", attributes=AGENT)
    tracer.start_span("chat", api.set_span_in_context(root), attributes=CHAT).end()
    writer.shutdown()
    assert written(path) == (1, 100, 1)
    root.end()
    assert writer.n_refused == 1


def test_a_trace_that_is_quiet_for_long_is_written_and_let_go_of(tracer, writer, path, monkeypatch):
    monkeypatch.setattr(otel, "_QUIET", -1.0)
    monkeypatch.setattr(otel, "_LOOK", -1.0)
    root = tracer.start_span("run", attributes=AGENT)
    for _ in range(2):
        tracer.start_span("chat", api.set_span_in_context(root), attributes=CHAT).end()
        assert writer._hand_over()
        assert writer._held == 0
    root.end()
    assert writer.force_flush()
    assert written(path) == (1, 200, 2)


def test_traces_without_agents_are_counted_and_dropped(tracer, writer, path):
    for _ in range(3):
        with tracer.start_as_current_span("GET /", attributes={"http.method": "GET", "input.value": "x"}):
            tracer.start_span("select").end()
    assert writer.force_flush()
    assert (writer.n_without_agents, writer._held) == (3, 0)
    assert span_files.waiting(path) == []


def test_spans_that_are_not_sampled_are_not_captured(writer, path):
    writer.on_end(span_of(1, None, "run", AGENT | CHAT, flags=0))
    assert writer.force_flush()
    assert span_files.waiting(path) == []


# --- many, and not enough room


def test_a_large_trace_is_let_go_of_and_added_to(tracer, writer, path, monkeypatch):
    monkeypatch.setattr(otel, "_LARGE", 3)
    with tracer.start_as_current_span("run", attributes=AGENT):
        for _ in range(5):
            tracer.start_span("chat", attributes=CHAT).end()
        late = tracer.start_span("chat", attributes=CHAT)
    assert writer._hand_over()
    assert writer._held == 0
    late.end()
    assert writer.force_flush()
    assert written(path) == (1, 600, 6)


def test_ten_thousand_spans_of_several_threads_are_there(writer, path):
    def program(first):
        for trace in range(first, first + 40):
            at = trace * 50
            for own in range(at + 1, at + 49):
                writer.on_end(span_of(own, at, "select", trace=trace))
            writer.on_end(span_of(at + 49, at, "chat", CHAT, trace=trace))
            writer.on_end(span_of(at, None, "run", AGENT, trace=trace))

    threads = [threading.Thread(target=program, args=[1 + 40 * n]) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.force_flush()
    lines = b"".join(file.read_bytes() for file in span_files.waiting(path)).splitlines()
    said = [sum(words in line for line in lines) for words in (b"spanId", b"invoke_agent", b"input_tokens")]
    assert (said, writer.n_refused) == ([10_000, 200, 200], 0)


def test_who_ends_spans_faster_than_they_are_written_waits(tracer, writer, path, monkeypatch):
    monkeypatch.setattr(otel, "MOST_HELD", 20_000)
    for _ in range(60):
        with tracer.start_as_current_span("run", attributes=AGENT):
            tracer.start_span("chat", attributes=CHAT).end()
    assert writer._held <= 20_000
    assert writer.force_flush()
    assert (*written(path)[:2], writer.n_refused) == (60, 6000, 0)


def test_two_processors_on_one_store(path):
    def program():
        own = LearnlabSpanProcessor(path)
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(own)
        for _ in range(5):
            work(provider.get_tracer("x"))
        provider.shutdown()

    threads = [threading.Thread(target=program) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    span_files.take_in(path, 10)
    assert total(path) == (10, 1000, 20)


# --- what goes wrong


def test_the_disk_refuses_and_nothing_is_lost(tracer, writer, path, caplog):
    folder = span_files.folder(path)
    folder.write_text("in the way")
    work(tracer)
    assert not writer.force_flush()
    assert "what is not written is held and tried again" in caplog.text
    folder.unlink()
    assert writer.force_flush()
    assert written(path) == (1, 100, 2)


def test_what_cannot_be_written_at_the_end_is_said(tracer, writer, path, caplog):
    span_files.folder(path).write_text("in the way")
    work(tracer)
    writer.shutdown()
    assert "3 spans were not captured: they could not be written before the end" in caplog.text


def test_shutting_down_lets_what_is_being_taken_in_end(tracer, processor, monkeypatch):
    """A thread that the end of the program cuts off inside DuckDB aborts the program."""
    began, take_in = threading.Event(), span_files.take_in

    def slow(*given):
        began.set()
        threading.Event().wait(0.3)
        take_in(*given)

    monkeypatch.setattr(otel, "_PATIENCE", 0.01)
    monkeypatch.setattr(span_files, "take_in", slow)
    work(tracer)
    assert began.wait(60)
    processor.shutdown()
    assert not processor._thread.is_alive()


def test_a_file_that_is_no_store_is_said_once_and_the_traces_wait(tracer, processor, path, caplog):
    path.write_text("no store")
    for _ in range(2):
        work(tracer)
        assert processor.force_flush()
    assert caplog.text.count("traces wait in") == 1
    assert written(path) == (2, 200, 4)


def test_no_room_and_no_disk_is_said_and_counted(tracer, writer, path, monkeypatch, caplog):
    monkeypatch.setattr(otel, "MOST_HELD", 10_000)
    span_files.folder(path).write_text("in the way")
    work(tracer)
    assert not writer.force_flush()
    for _ in range(4):
        work(tracer)
    assert 0 < writer.n_refused <= 12
    assert "spans were not captured so far: what is held cannot be written" in caplog.text
    span_files.folder(path).unlink()
    assert writer.force_flush()
    assert written(path)[0] > 0


def test_no_more_waits_than_the_disk_can_spare(tracer, writer, path, monkeypatch, caplog):
    monkeypatch.setattr(span_files, "MOST_WAITING", 10)
    work(tracer)
    assert not writer.force_flush()
    assert "the store has not taken them in" in caplog.text


def test_hostile_spans_break_nothing(tracer, writer, path, caplog):
    nasty = "\x00\ud800'; drop table executions; --{0}</script>$name"
    said = {
        "input.value": nasty,
        "gen_ai.usage.input_tokens": 1 << 70,
        "gen_ai.usage.cost": float("nan"),
        "gen_ai.prompt": "[" * 5000,
        "gen_ai.agent.name": [nasty, "x"],
        nasty: nasty,
    }
    work(tracer, asked=nasty, **said)
    writer.on_end(span_of(9, 1, nasty, {"input.value": {"a": [b"\xff", None, {"b": object()}]}}))
    writer.on_end(None)
    writer.on_end(span_of(11, 1, attributes={5: "no name"}))
    assert writer.force_flush()
    assert written(path) == (1, 100, 2)
    assert "a span was not captured" in caplog.text
    assert "a span was not captured: it cannot be written down" in caplog.text


def test_a_store_that_is_held_makes_nobody_wait_and_no_secret_reaches_the_disk(
    tracer, processor, collected, path, tmp_path, monkeypatch
):
    monkeypatch.setattr(otel, "_PATIENCE", 0.1)
    key = "AKIAIOSFODNN7EXAMPLE"
    path.unlink()
    with held(path, exclusive=True, timeout=10):
        work(tracer, asked=f"Use {key}", **{"session.id": f"of {key}", "http.header": "x"})
        assert processor.force_flush()
        (file,) = span_files.waiting(path)
        waits = file.read_text()
        assert key not in waits
        assert "masked AWS key" in waits
        assert "http.header" not in waits
        assert file.stat().st_mode & 0o077 == 0
    span_files.take_in(path, 10)
    assert span_files.waiting(path) == []
    live = rows(path, "session_id, task_group, repo").row(0)
    ingest(collector_file(tmp_path / "spans.bin", collected.get_finished_spans()), Store(path))
    assert total(path) == (1, 100, 2)
    assert rows(path, "session_id, task_group, repo").row(0) == live


def test_the_store_is_deleted_and_a_line_damaged(tracer, processor, path):
    work(tracer)
    assert processor.force_flush()
    for left in [*path.parent.glob("live.duckdb"), *path.parent.glob("live.duckdb.*lock")]:
        left.unlink()
    work(tracer)
    assert processor._hand_over()
    folder = span_files.folder(path)
    (folder / "a.jsonl").write_text('{"resourceSpans": [{"scopeSpans": [{"spans": [7]}]}]}\n{"res\n')
    old, new = folder / ".old.jsonl", folder / ".new.jsonl"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    assert processor.force_flush()
    assert total(path) == (1, 100, 2)
    print(rows(path, "*", "rejected").rows())
    reasons = rows(path, "reason", "rejected")["reason"].to_list()
    assert len(reasons) == 2
    assert "a span is no JSON object" in reasons
    assert [old.exists(), new.exists()] == [False, True]


# --- processes


def test_a_forked_process_captures_too(tracer, writer, path):
    work(tracer)
    child = os.fork()
    if not child:
        work(tracer)
        os._exit(0 if writer.force_flush() else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert writer.force_flush()
    assert written(path) == (2, 200, 4)


@pytest.mark.soak
def test_what_was_flushed_survives_a_kill(path, soak):
    safe = 0
    for _ in range(20 if soak else 1):
        program = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3):
            n = json.loads(program.stdout.readline())["safe"]
        program.kill()
        rest = program.communicate()[0].splitlines()
        safe += max([n, *(json.loads(line)["safe"] for line in rest if line.endswith("}"))])
    next_one = LearnlabSpanProcessor(path)
    assert next_one.force_flush()
    next_one.shutdown()
    n, n_ids = rows(path, "count(*), count(distinct record_key)").row(0)
    assert n == n_ids >= safe
    found = rows(path, "input_tokens, count(*) as n", "executions group by input_tokens")
    assert dict(found.rows())[30] == (20 if soak else 1)


# --- without the extra


def test_a_missing_extra_is_named(monkeypatch, path):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    spec = importlib.util.spec_from_file_location("otel_without_sdk", otel.__file__)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "otel_without_sdk", module)
    spec.loader.exec_module(module)
    with pytest.raises(LearnlabError, match=r"pip install 'learnlab\[otel\]'"):
        module.LearnlabSpanProcessor(path)


def test_a_wrong_name_of_a_store_is_said():
    with pytest.raises(StoreError, match="no name for a store"):
        LearnlabSpanProcessor("Not A Name")


def test_importing_learnlab_brings_no_tracing():
    program = "import sys, learnlab; print('opentelemetry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


def test_batched_mode_does_not_wait_for_the_disk(tracer, writer, path, monkeypatch):
    monkeypatch.setenv("LEARNLAB_DURABLE", "false")
    learnlab_settings.cache_clear()
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    work(tracer)
    assert writer._hand_over()
    assert synced == []
