"""Programs that capture, for tests to kill or to leave: `python tests/capture/capturing.py NAME ARG …`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from itertools import count
from typing import Any

from learnlab.capture import draining
from learnlab.capture.recorder import recorder_for
from learnlab.capture.wrapping.pools import capture_pool
from learnlab.models import ExecutionRecord

AT_ONCE = 8
"""Tasks that one program runs side by side."""


def say(**facts: object) -> None:
    """Tell the test something: one line of JSON."""
    print(json.dumps(facts), flush=True)


def task_id(worker: int, n: int) -> str:
    """Return the id of a worker's n-th task."""
    return f"{worker:08d}-0000-4000-8000-{n:012d}"


def record(worker: int, n: int) -> ExecutionRecord:
    """Return the execution of a worker's n-th task."""
    return ExecutionRecord(
        task_id=task_id(worker, n),
        task_type="docs",
        task_description=f"Describe part {n % 50}",
        repo="shop",
        model_tier="small",
        pool_type="local",
        success=True,
    )


class Pool:
    """Runs tasks, each in no time."""

    async def execute_task(self, task: dict[str, Any]) -> dict[str, Any]:
        """Say that the task is done."""
        await asyncio.sleep(0)
        return {"success": True, "output": task["prompt"]}


def work(store: str, worker: str) -> None:
    """Run tasks side by side until killed, or left alone; say the number of each that was acknowledged."""
    pool, numbers, parent = capture_pool(Pool(), store), count(), os.getppid()

    async def one_after_another() -> None:
        for n in numbers:
            if os.getppid() != parent:
                return
            task = {"task_id": task_id(int(worker), n), "prompt": f"Describe part {n % 50}", "repo": "shop"}
            await pool.execute_task(task)
            say(acknowledged=n)

    async def main() -> None:
        await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))

    asyncio.run(main())


def leave(free: str, worker: str, busy: str) -> None:
    """Capture three tasks into each of two stores and end as programs do; the last drain waits for nobody."""
    draining._LAST = 0.01
    recorders = [recorder_for(store) for store in (free, busy)]
    say(acknowledged=[one.record(record(int(worker), n)) for one in recorders for n in range(3)])


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
