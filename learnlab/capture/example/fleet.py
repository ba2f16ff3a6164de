"""The pools of the worked example and the router before them: real local work, really checked, really failing."""

from __future__ import annotations

import asyncio
import json
import lzma
import random
import sys
import time
import zlib
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from learnlab.capture.example import work
from learnlab.capture.example.jobs import Job
from learnlab.errors import LearnlabError
from learnlab.models import Tier

Task = dict[str, Any]
Result = dict[str, Any]


class ValidationFailed(LearnlabError):
    """An input that no work can be done with."""


class WorkerDied(BrokenExecutor):
    """A worker's process ended while it worked."""


class Worker:
    """A process that works (`learnlab.capture.example.work`); it `is_idle` when it has answered all that it was asked."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._is_killed = False
        self.is_idle = True

    @classmethod
    async def start(cls, megabytes: int) -> Worker:
        """Start a worker with so many megabytes of memory."""
        command = [sys.executable, "-I", "-S", work.__file__, str(megabytes)]
        pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        return cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=nothing))

    async def work(self, job: Job, effort: int) -> tuple[bytes, float]:
        """Return what the work gives and the seconds of CPU that it took.

        Raises:
            ValidationFailed: when the input is refused.
            WorkerDied: when the process ends before it answers.
        """
        asked, answered = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answered is not None
        head = json.dumps({"kind": job.kind, "effort": effort, "size": len(job.content)})
        self.is_idle = False
        try:
            asked.write(head.encode() + b"\n" + job.content)
            await asked.drain()
            said = json.loads(await answered.readuntil(b"\n"))
            output = await answered.readexactly(said["size"])
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise WorkerDied(f"the worker died with exit code {await self._process.wait()}") from error
        self.is_idle = True
        if said["refused"] is not None:
            raise ValidationFailed(said["refused"])
        return output, said["cpu_seconds"]

    def kill(self) -> None:
        """End the process now, once; `gone` waits until it has ended."""
        if not self._is_killed:
            self._is_killed = True
            with suppress(ProcessLookupError):
                self._process.kill()

    async def gone(self) -> None:
        """Take what the process still had to say, and wait until it has ended."""
        if self._process.stdout is not None:
            await self._process.stdout.read()
        await self._process.wait()


class Pool:
    """A pool of one kind and tier, which gives each task so many seconds: the threads of this process.

    A thread cannot be ended: work that is too slow goes on unheard.
    """

    def __init__(self, pool_type: str, tier: Tier, seconds: float, n_workers: int = 2) -> None:
        self.pool_id = f"example-{pool_type}"
        self.config: dict[str, Any] = {"pool_type": pool_type}
        self.tier = tier
        self.effort = {Tier.SMALL: 1, Tier.MEDIUM: 2}.get(tier, 3)
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(n_workers, thread_name_prefix=self.pool_id)

    async def execute(self, job: Job) -> Result:
        """Return what came of a job, its output checked.

        Raises:
            TimeoutError: when it takes longer than the pool allows.
            ValidationFailed: when its input is refused.
            WorkerDied: when a process dies of it.
        """
        async with asyncio.timeout(self._seconds):
            output, cpu_seconds = await self._work(job)
        why = await asyncio.to_thread(_wrong, job, output)
        result: Result = {"success": why is None, "cpu_time_seconds": cpu_seconds}
        if job.kind == "pack":
            result["quality_score"] = max(0.0, 100 * (1 - len(output) / len(job.content)))
        return result if why is None else result | {"error_type": "quality_gate", "error": why}

    async def _work(self, job: Job) -> tuple[bytes, float]:
        def timed() -> tuple[bytes, float]:
            began = time.thread_time()
            output = work.WORK[job.kind](job.content, self.effort)
            return output, time.thread_time() - began

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, timed)
        except ValueError as error:
            raise ValidationFailed(str(error)) from error

    async def close(self) -> None:
        """Let go of what the pool works with."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class ProcessPool(Pool):
    """A pool of worker processes that are kept, or of programs that are started for each task anew."""

    def __init__(
        self, pool_type: str, tier: Tier, seconds: float, *, megabytes: int, keeps: bool, n_workers: int = 2
    ) -> None:
        super().__init__(pool_type, tier, seconds, n_workers)
        self._megabytes, self._keeps = megabytes, keeps
        self._started: list[asyncio.Task[Worker]] = []
        self._places: asyncio.Queue[Worker | None] = asyncio.Queue()
        for _ in range(n_workers):
            self._places.put_nowait(None)

    async def _work(self, job: Job) -> tuple[bytes, float]:
        worker = await self._places.get()
        try:
            if worker is None:
                self._started.append(asyncio.create_task(Worker.start(self._megabytes)))
                worker = await asyncio.shield(self._started[-1])
            return await worker.work(job, self.effort)
        finally:
            if worker and not (self._keeps and worker.is_idle):
                worker.kill()
                worker = None
            self._places.put_nowait(worker)

    async def close(self) -> None:
        """End every process that was started, and wait until it has ended."""
        await super().close()
        started = await asyncio.gather(*self._started, return_exceptions=True)
        workers = [worker for worker in started if isinstance(worker, Worker)]
        for worker in workers:
            worker.kill()
        await asyncio.gather(*[worker.gone() for worker in workers])


def _wrong(job: Job, output: bytes) -> str | None:
    """Return what is wrong with an output, or None when nothing is."""
    try:
        if not job.is_right(output):
            return "the output is not what the input asks for"
    except (ValueError, zlib.error, lzma.LZMAError, EOFError) as error:
        return f"the output cannot be read: {error}"
    if job.most_bytes is not None and len(output) > job.most_bytes:
        return f"{len(output)} bytes are more than {job.most_bytes}"
    return None


CHANCES = {
    "sort": (0.6, 0.25, 0.15),
    "pack": (0.4, 0.35, 0.25),
    "unpack": (0.4, 0.4, 0.2),
    "parse": (0.5, 0.3, 0.2),
}
"""How likely the router sends each kind of work to the first, second and third pool."""


class Fleet:
    """A pool manager with three pools and a router that draws a pool by known chances.

    Threads are quick and guarded, worker processes thorough and short of memory, programs thorough beyond
    what is needed and slow. A task's work is looked up by its id in `jobs`; how each ended, and how many
    seconds it took in here, is kept in `ended`: the fleet's own account, whatever captures it.
    """

    def __init__(self, seed: int) -> None:
        threads = Pool("threads", Tier.SMALL, 0.25)
        workers = ProcessPool("workers", Tier.MEDIUM, 0.25, megabytes=16, keeps=True)
        programs = ProcessPool("programs", Tier.LARGE, 0.5, megabytes=512, keeps=False)
        self.pools = {pool.pool_id: pool for pool in (threads, workers, programs)}
        self.jobs: dict[str, Job] = {}
        self.n_decided = 0
        self.ended: dict[str, tuple[str, float]] = {}
        self._chance = random.Random(seed)

    async def route_task(self, task: Task) -> dict[str, Any]:
        """Return which pool a task goes to, with every pool that it could have gone to and how likely."""
        job = self.jobs[task["task_id"]]
        chances = CHANCES[job.kind]
        candidates = [
            {"tier": pool.tier.value, "pool": pool.config["pool_type"], "propensity": chance}
            for pool, chance in zip(self.pools.values(), chances, strict=True)
        ]
        (place,) = self._chance.choices(range(len(candidates)), weights=chances)
        chosen = list(self.pools.values())[place]
        self.n_decided += 1
        return {
            **candidates[place],
            "pool_id": chosen.pool_id,
            "candidates": candidates,
            "context": {"kind": job.kind, "bytes": len(job.content)},
            "router_version": "example-1",
        }

    async def execute_on_pool(self, pool_id: str, task: Task) -> Result:
        """Return what came of a task on one of the pools; raises what `Pool.execute` raises."""
        began, ended = time.perf_counter(), "cancelled"
        try:
            result = await self.pools[pool_id].execute(self.jobs.pop(task["task_id"]))
            ended = "succeeded" if result["success"] else "failed"
            return result
        except Exception as error:
            ended = "timed out" if isinstance(error, TimeoutError) else "failed"
            raise
        finally:
            self.ended[task["task_id"]] = ended, time.perf_counter() - began

    async def close(self) -> None:
        """Close every pool."""
        for pool in self.pools.values():
            await pool.close()
