"""What the tests of the span processor run in a process of its own: an instrumented program that is killed."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

from opentelemetry.sdk.trace import TracerProvider

from learnlab.capture.spans.processor import LearnlabSpanProcessor


def run(store: str) -> None:
    """End one trace of an agent after another; say how many are safe after each ten."""
    processor = LearnlabSpanProcessor(Path(store))
    provider = TracerProvider()
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("program")
    for n in itertools.count(1):
        with tracer.start_as_current_span("run", attributes={"gen_ai.operation.name": "invoke_agent"}):
            said = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": n, "gen_ai.prompt": f"{n}"}
            tracer.start_span("chat", attributes=said).end()
        if n % 10 == 0 and processor.force_flush():
            print(json.dumps({"safe": n}), flush=True)


if __name__ == "__main__":
    run(sys.argv[1])
