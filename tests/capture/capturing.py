"""Programs that capture, for tests to kill or to leave: `python tests/capture/capturing.py NAME ARG …`."""

from __future__ import annotations

import asyncio
import json
import sys
from itertools import count

from learnlab.capture import draining
from learnlab.capture.recorder import recorder_for
from learnlab.models import ExecutionRecord

AT_ONCE = 8
"""Tasks that one program runs side by side."""


def say(**facts: object) -> None:
    """Tell the test something: one line of JSON."""
    print(json.dumps(facts), flush=True)


def record(worker: int, n: int) -> ExecutionRecord:
    """Return the execution of a worker's n-th task."""
    return ExecutionRecord(
        task_id=f"{worker:08d}-0000-4000-8000-{n:012d}",
        task_type="docs",
        task_description=f"Describe part {n % 50}",
        repo="shop",
        model_tier="small",
        pool_type="local",
        success=True,
    )


def work(store: str, worker: str) -> None:
    """Run tasks side by side until killed; say the number of each that was acknowledged."""
    recorder, numbers = recorder_for(store), count()

    async def one_after_another() -> None:
        for n in numbers:
            if await recorder.arecord(record(int(worker), n)):
                say(acknowledged=n)

    async def main() -> None:
        await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))

    asyncio.run(main())


def leave(store: str, worker: str, patience: str) -> None:
    """Capture three tasks and end as programs do; the last drain has so many seconds."""
    draining._LAST = float(patience)
    recorder = recorder_for(store)
    say(acknowledged=[recorder.record(record(int(worker), n)) for n in range(3)])


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
