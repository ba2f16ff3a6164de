"""What a span says about models, tools and agents, under whichever convention's names it says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from learnlab.ingest.logs.otel_spans import EVALUATION, Span
from learnlab.ingest.logs.shapes import number, text, whole

_INPUT = (
    "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.input_tokens",
    "llm.usage.prompt_tokens", "llm.token_count.prompt",
)  # fmt: skip
_OUTPUT = (
    "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.output_tokens",
    "llm.usage.completion_tokens", "llm.token_count.completion",
)  # fmt: skip
_TOTAL = ("gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total")
_CACHE_READ = (
    "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
    "llm.usage.cache_read_input_tokens", "llm.token_count.prompt_details.cache_read",
)  # fmt: skip
_CACHE_WRITE = (
    "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens",
    "llm.usage.cache_creation_input_tokens", "llm.token_count.prompt_details.cache_write",
)  # fmt: skip
_COST = ("gen_ai.usage.cost", "llm.cost.total", "llm.usage.cost")
_MODEL = (
    "gen_ai.response.model", "llm.response.model_name", "llm.response.model", "gen_ai.request.model",
    "llm.model_name", "llm.request.model_name", "llm.request.model", "embedding.model_name",
)  # fmt: skip
_SESSION = (
    "session.id", "gen_ai.conversation.id", "traceloop.association.properties.session_id",
    "gcp.vertex.agent.session_id",
)  # fmt: skip
_AGENT = ("gen_ai.agent.name", "agent.name", "traceloop.workflow.name", "traceloop.entity.name")
_TOOL = ("gen_ai.tool.name", "tool.name", "traceloop.entity.name")
_PROVIDER = ("gen_ai.provider.name", "llm.provider", "gen_ai.system", "llm.system")

HOSTS = {
    "aws.bedrock": "aws", "aws_bedrock": "aws", "bedrock": "aws", "azure.ai.openai": "azure",
    "azure.ai.inference": "azure", "az.ai.openai": "azure", "az.ai.inference": "azure", "azure": "azure",
    "groq": "groq", "openrouter": "openrouter", "together_ai": "together", "fireworks": "fireworks",
    "cerebras": "cerebras", "perplexity": "perplexity",
}  # fmt: skip
"""Providers that sell others' models, by the names that traces give them: for these alone the name is needed
to find a price. The name of a model's maker is not used: the model says that, and the name has been wrong."""

_MODEL_OPERATIONS = ("chat", "completion", "text_completion", "generate_content", "embeddings", "rerank")
_AGENT_OPERATIONS = ("invoke_agent", "create_agent", "invoke_workflow")


class Role(Enum):
    """What a span stands for: a call of a model, a call of a tool, an agent at work, an evaluation, anything else."""

    MODEL = "model"
    TOOL = "tool"
    AGENT = "agent"
    EVALUATION = "evaluation"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of a call; `input` with what the cache read and wrote, None where the span does not say."""

    input: int | None
    cache_read: int | None
    cache_write: int | None
    output: int | None

    @property
    def is_any(self) -> bool:
        """Whether any token was used."""
        return bool(self.input or self.output)


_NO_USAGE = Usage(None, None, None, None)
_TOKENS = frozenset((*_INPUT, *_OUTPUT))
_TELLING = _TOKENS | {
    "gen_ai.operation.name", "openinference.span.kind", "traceloop.span.kind", "llm.request.type",
    "gen_ai.tool.name", "gen_ai.evaluation.name",
}  # fmt: skip
"""The attributes without which a span says nothing about models, tools, agents or verdicts."""


@dataclass(slots=True)
class Call:
    """A span understood: its role, names, usage; `position` is the line or entry it stands at, from 1."""

    span: Span
    position: int
    role: Role
    usage: Usage
    name: str | None = None
    model: str | None = None
    provider: str | None = None
    session: str | None = None
    cost_usd: float | None = None
    evaluations: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_genai(self) -> bool:
        """Whether the span says anything about a model, a tool, an agent or a verdict."""
        return self.role is not Role.OTHER or self.usage.is_any or bool(self.evaluations)

    @property
    def error(self) -> str | None:
        """What went wrong in the span, None where nothing did."""
        if not self.span.is_error:
            return None
        raised = [said for name, said in self.span.events if name == "exception"]
        said = [self.span.message]
        said += [text(one.get(f"exception.{part}")) for one in raised for part in ("message", "type")]
        said += [text(self.span.attributes.get("error.type"))]
        return next((one for one in said if one), "the span has the status ERROR")


def understood(span: Span, position: int) -> Call:
    """Return what a span says.

    >>> span = Span("a", "b", "", "chat", attributes={"gen_ai.usage.prompt_tokens": "12"})
    >>> call = understood(span, 1)
    >>> call.role, call.usage.input, call.usage.output
    (<Role.MODEL: 'model'>, 12, None)
    """
    said = span.attributes
    if span.name != EVALUATION and not span.events and _TELLING.isdisjoint(said):
        return Call(span, position, Role.OTHER, _NO_USAGE, session=_text(said, _SESSION))
    usage = _usage(said)
    role = _role(span, usage)
    hosts = (HOSTS.get((text(said.get(name)) or "").lower()) for name in _PROVIDER)
    names = _AGENT if role is Role.AGENT else _AGENT[:2]
    return Call(
        span=span,
        position=position,
        role=role,
        usage=usage,
        name=_text(said, _TOOL) or span.name if role is Role.TOOL else _text(said, names),
        model=_text(said, _MODEL),
        provider=next((host for host in hosts if host), None),
        session=_text(said, _SESSION),
        cost_usd=next((cost for name in _COST if (cost := number(said.get(name)))), None),
        evaluations=_evaluations(span),
    )


def _role(span: Span, usage: Usage) -> Role:
    said = span.attributes
    operation = (text(said.get("gen_ai.operation.name")) or "").lower()
    kind = (text(said.get("openinference.span.kind")) or text(said.get("traceloop.span.kind")) or "").lower()
    asked = (text(said.get("llm.request.type")) or "").lower()
    if span.name == EVALUATION or "gen_ai.evaluation.name" in said:
        return Role.EVALUATION
    if operation in _AGENT_OPERATIONS:
        return Role.AGENT
    if operation == "execute_tool" or kind == "tool":
        return Role.TOOL
    if operation in _MODEL_OPERATIONS or asked in _MODEL_OPERATIONS or kind in ("llm", "embedding"):
        return Role.MODEL
    if kind in ("agent", "chain", "workflow"):
        return Role.AGENT
    if usage.is_any:
        return Role.MODEL
    return Role.TOOL if "gen_ai.tool.name" in said else Role.OTHER


def _usage(said: dict[str, Any]) -> Usage:
    """Return the tokens of a call; what the cache did is added to the input where it stands beside it.

    It does when it is more than the input, or when only then the parts come to the stated total.
    """
    if _TOKENS.isdisjoint(said):
        return _NO_USAGE
    taken, given, total, read, write = (
        next((found for name in names if (found := whole(said.get(name))) is not None), None)
        for names in (_INPUT, _OUTPUT, _TOTAL, _CACHE_READ, _CACHE_WRITE)
    )
    cached = (read or 0) + (write or 0)
    if taken is not None and cached and (cached > taken or total == taken + cached + (given or 0)):
        taken += cached
    return Usage(taken, read, write, given)


def _evaluations(span: Span) -> list[dict[str, Any]]:
    """Return the evaluations on a span as `name`, `label` and `score`."""
    said = [attributes for name, attributes in span.events if name == EVALUATION]
    if span.name == EVALUATION or "gen_ai.evaluation.name" in span.attributes:
        said.append(span.attributes)
    return [
        {
            "name": text(one.get("gen_ai.evaluation.name")) or "evaluation",
            "label": text(one.get("gen_ai.evaluation.score.label")),
            "score": number(one.get("gen_ai.evaluation.score.value")),
        }
        for one in said
    ]


def _text(said: dict[str, Any], names: tuple[str, ...]) -> str | None:
    return next((found for name in names if (found := text(said.get(name)))), None)
