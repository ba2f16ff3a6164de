"""Messages, tokens and cost of Claude Code sessions by the slow way: every line, one dictionary, prices by hand.

It shares nothing with the package, so that the reader can be held against it: python tests/slow_claude.py FILE …
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

# US dollars for a million tokens, from the public price list (context up to 200,000 tokens):
# input, cache read, cache write kept 5 minutes, cache write kept 1 hour, output
PRICES = {
    "claude-opus-4-6": (5.00, 0.50, 6.25, 10.00, 25.00),
    "claude-sonnet-4-5-20250929": (3.00, 0.30, 3.75, 6.00, 15.00),
    "claude-haiku-4-5-20251001": (1.00, 0.10, 1.25, 2.00, 5.00),
}
TOKENS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")


def files_of(session):
    """Return the file of a session and those of its subagents."""
    return [session, *sorted((session.parent / session.stem).glob("subagents/*.jsonl"))]


def largest_usages(files):
    """Return message and request id → model and largest usage, over all assistant lines of the files."""
    usages = {}
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            if not isinstance(record, dict) or record.get("type") != "assistant":
                continue
            message = record["message"]
            usage = message["usage"]
            written = usage["cache_creation_input_tokens"]
            one_hour = usage["cache_creation"]["ephemeral_1h_input_tokens"]
            counts = (
                usage["input_tokens"],
                usage["cache_read_input_tokens"],
                written - one_hour,
                one_hour,
                usage["output_tokens"],
            )
            key = (message["id"], record["requestId"])
            if key not in usages or counts[4] > usages[key][1][4]:
                usages[key] = (message["model"], counts)
    return usages


def totals(files):
    """Return the messages of files, their tokens by kind and their cost in US dollars."""
    usages = largest_usages(files)
    found = {"messages": len(usages)} | dict.fromkeys(TOKENS, 0) | {"cost": 0.0}
    for model, counts in usages.values():
        for i in range(5):
            found[TOKENS[i]] += counts[i]
            found["cost"] += counts[i] * PRICES[model][i] / 1_000_000
    return found


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name, totals(files_of(Path(name))))
