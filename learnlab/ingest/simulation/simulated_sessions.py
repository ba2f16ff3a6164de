"""A simulated history of agents' sessions: requests, the steps inside them, subagents and compactions.

The same seed gives the same history. Repos and people's wishes are invented; the models are real ones, so that
their list prices are those of the day, and one that no price table knows. Nobody gave a verdict on any of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from learnlab.ingest.logs.tasks import Piece, Step, Task
from learnlab.ingest.simulation.simulated_texts import texts
from learnlab.ingest.simulation.simulated_truth import LATEST
from learnlab.models import DurationSource, StepKind, Tier

NAME = "simulated_sessions"
"""What these sessions are called where a log's format has its name."""

N_SESSIONS, DAYS = 80, 75
"""How many sessions there are, and over how many days they lie."""

# fmt: off
#                model, share of the sessions, whether its cache is written at a price of its own
MODELS = {
    "claude-opus-4-5-20251101":   (0.40, True),
    "claude-sonnet-4-5-20250929": (0.35, True),
    "gpt-5-codex":                (0.17, False),
    "harrier-preview":            (0.08, False),
}
#           share of the calls, median seconds, share of errors
TOOLS = {
    "read":   (0.34, 0.3, 0.02),
    "search": (0.20, 0.8, 0.01),
    "edit":   (0.22, 0.5, 0.05),
    "shell":  (0.20, 9.0, 0.12),
    "fetch":  (0.04, 3.0, 0.10),
}
# fmt: on
HELPER = "claude-haiku-4-5-20251001"
"""The model of the subagents and the compactions, whatever the session's own is."""

TIERS = {
    "claude-opus-4-5-20251101": Tier.LARGE,
    "claude-sonnet-4-5-20250929": Tier.MEDIUM,
    "gpt-5-codex": Tier.MEDIUM,
    "harrier-preview": Tier.MEDIUM,
    HELPER: Tier.SMALL,
}
"""The tier of each model, as somebody wrote it down; a price table would not know the last but one."""

REPOS = ("orchard-api", "copper-billing", "quill-web", "latch-auth", "mill-pipeline")
REPO_SHARES = (0.38, 0.22, 0.18, 0.12, 0.10)
FULL, SUMMED_UP = 150_000, 14_000
"""Tokens of context at which a session is compacted, and what is left of it then."""

CACHE_KEEPS = timedelta(minutes=5)
"""How long what was written to the cache can be read from it."""

SUBAGENT_RATE, INTERRUPTION_RATE, PARTIAL_RATE = 0.22, 0.06, 0.02
"""The probabilities that a request starts a subagent or is interrupted, and that a message's usage is partial."""


@dataclass
class _Agent:
    """Somebody at work: whose task it is, when, with which model, and what stands in the context."""

    rng: Random
    task: Task
    now: datetime
    model: str
    context: int
    cached_at: datetime | None = None
    n_steps: int = field(default=0)

    def answers(self, fresh: int, written: int) -> None:
        """Add one message of the model that takes in what is new since the last one."""
        seconds = 1.5 + written / 65
        start, self.now = self.now, self.now + timedelta(seconds=seconds)
        is_warm = self.cached_at is not None and start - self.cached_at <= CACHE_KEEPS
        read = self.context if is_warm else 0
        plain = self.rng.randint(3, 12) if self._pays_for_writing else fresh + self.context - read
        known = self.model != "harrier-preview"
        self.task.steps.append(
            Step(
                StepKind.MESSAGE, self._key("m"), self.task.position, start, seconds, model=self.model,
                input_tokens=self.context + fresh + (plain if self._pays_for_writing else 0),
                cache_read_tokens=read if known else None,
                cache_write_tokens=self.context - read + fresh if self._pays_for_writing else None,
                output_tokens=written,
                is_partial=self.rng.random() < PARTIAL_RATE,
            )
        )  # fmt: skip
        self.context, self.cached_at = self.context + fresh + written, self.now

    def calls(self, name: str, seconds: float, error: str | None = None) -> None:
        """Add one call of a tool."""
        start, self.now = self.now, self.now + timedelta(seconds=seconds)
        self.task.steps.append(
            Step(
                StepKind.TOOL_CALL, self._key("t"), self.task.position, start, seconds, name,
                is_error=error is not None, error=error,
            )
        )  # fmt: skip

    def works(self, rounds: int) -> None:
        """Add so many rounds of an answer and the tools that it calls."""
        names, shares = list(TOOLS), [share for share, _, _ in TOOLS.values()]
        for _ in range(rounds):
            self.answers(int(self.rng.lognormvariate(7.2, 0.7)), int(self.rng.lognormvariate(5.6, 0.7)))
            for name in self.rng.choices(names, shares, k=self.rng.choice((1, 1, 1, 2))):
                _, median, errors = TOOLS[name]
                error = "exit code 1" if self.rng.random() < errors else None
                self.calls(name, median * self.rng.lognormvariate(0, 0.8), error)
        self.answers(int(self.rng.lognormvariate(6, 0.5)), int(self.rng.lognormvariate(6, 0.5)))

    @property
    def _pays_for_writing(self) -> bool:
        return self.model == HELPER or MODELS[self.model][1]

    def _key(self, kind: str) -> str:
        self.n_steps += 1
        return f"{self.task.key}-{kind}{self.n_steps}"


def simulated_sessions(seed: int = 0, *, end: datetime = LATEST, n: int = N_SESSIONS) -> Piece:
    """Return the tasks of so many sessions, the newest ending some hours before `end`.

    A request is a task; its subagents and the compaction before it are tasks with its key as `parent_key`.

    >>> piece = simulated_sessions(n=2)
    >>> len({task.session_id for task in piece.tasks}), piece.tasks[0].success
    (2, None)
    """
    rng, piece = Random(seed), Piece()
    last = end.replace(tzinfo=None) - timedelta(hours=8)
    models, shares = list(MODELS), [share for share, _ in MODELS.values()]
    for number in range(n):
        began = last - timedelta(days=DAYS * (n - 1 - number) / n, hours=rng.uniform(0, 8))
        repo = rng.choices(REPOS, REPO_SHARES)[0]
        _session(rng, piece, f"{seed}-{number}", repo, rng.choices(models, shares)[0], began)
    return piece


def _session(rng: Random, piece: Piece, name: str, repo: str, model: str, now: datetime) -> None:
    """Add the requests of one session to a piece."""
    context, cached_at = rng.randint(12_000, 26_000), None
    for number in range(1, 1 + min(14, 1 + int(rng.expovariate(0.2)))):
        task = _task(rng, piece, f"{name}-{number}", repo, f"session-{name}", "pair")
        task.timestamp = now
        if context > FULL:
            _compacted(rng, piece, task, context, now)
            context, cached_at = SUMMED_UP, None
        agent = _Agent(rng, task, now, model, context, cached_at)
        agent.works(min(40, 1 + int(rng.lognormvariate(1.7, 0.8))))
        if rng.random() < SUBAGENT_RATE:
            agent.calls("subagent", _helped(rng, piece, task, agent.now))
            agent.works(1)
        worked = (agent.now - now).total_seconds()
        _finished(task, model, worked)
        pause = worked * rng.uniform(0, 0.3) + (rng.uniform(60, 2400) if rng.random() < 0.2 else 0)
        task.metadata = {"wall_seconds": round(worked + pause, 3), "branch": "main", "version": "1.0"}
        if rng.random() < INTERRUPTION_RATE:
            task.metadata["n_interruptions"] = 1
        context, cached_at = agent.context, agent.cached_at
        now = agent.now + timedelta(seconds=pause + rng.lognormvariate(4.6, 1.0))


def _task(rng: Random, piece: Piece, key: str, repo: str, session: str, agent: str) -> Task:
    """Add a task with words of its own to a piece, and return it."""
    task_type = rng.choice(list(texts()["topics"]))
    topic = rng.choice(list(texts()["topics"][task_type].values()))
    lead, phrase = rng.choice(texts()["leads"][task_type]), rng.choice(topic["phrases"])
    task = Task(
        key, len(piece.tasks) + 1, f"{lead} {phrase}.", task_type=task_type, repo=repo, session_id=session,
        task_group=session, agent=agent,
    )  # fmt: skip
    piece.tasks.append(task)
    piece.kinds[
        "compaction" if agent.endswith("compaction") else "request" if agent == "pair" else "subagent"
    ] += 1
    return task


def _helped(rng: Random, piece: Piece, parent: Task, now: datetime) -> float:
    """Add the subagent that a request starts, and return how many seconds it took."""
    child = _task(rng, piece, f"{parent.key}-sub", str(parent.repo), str(parent.session_id), "pair/explorer")
    child.parent_key, child.timestamp = parent.key, now
    helper = _Agent(rng, child, now, HELPER, rng.randint(4_000, 9_000))
    helper.works(rng.randint(3, 12))
    worked = (helper.now - now).total_seconds()
    _finished(child, HELPER, worked)
    child.metadata = {"wall_seconds": round(worked, 3)}
    return worked


def _compacted(rng: Random, piece: Piece, parent: Task, context: int, now: datetime) -> None:
    """Add the compaction before a request: the whole context read once and summed up."""
    child = _task(
        rng, piece, f"{parent.key}-sum", str(parent.repo), str(parent.session_id), "pair/compaction"
    )
    child.parent_key, child.timestamp, child.description = parent.key, now, "Sum up the conversation so far."
    writer = _Agent(rng, child, now, HELPER, context)
    writer.answers(40, 2_500)
    _finished(child, HELPER, (writer.now - now).total_seconds())
    mark = Step(StepKind.COMPACTION, f"{parent.key}-compacted", parent.position, now, name="auto")
    parent.steps.append(mark)


def _finished(task: Task, model: str, seconds: float) -> None:
    is_stated = model.startswith("claude")
    task.duration_seconds = round(seconds, 3)
    task.duration_source = DurationSource.WORK if is_stated else DurationSource.GAPS
