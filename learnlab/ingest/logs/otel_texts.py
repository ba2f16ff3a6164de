"""What was asked and answered in a span, whichever convention it is written down by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from learnlab.ingest.logs.lines import loaded
from learnlab.ingest.logs.otel_spans import Span
from learnlab.ingest.logs.shapes import items, obj, text

Said = tuple[str, str]
"""Who spoke (empty where nobody says) and what."""

_USER, _ASSISTANT = ("user", "human"), ("assistant", "ai", "model")
_INDEXED = re.compile(
    r"(?:gen_ai\.(?:prompt|completion)|llm\.(?:input|output)_messages|llm\.(?:prompts|completions))"
    r"\.(\d{1,6})\.(?:message\.|prompt\.|completion\.)?(role|content|text|contents\.\d{1,6}\..*\btext)"
)
_PREFIXES = {
    True: ("gen_ai.prompt.", "llm.input_messages.", "llm.prompts."),
    False: ("gen_ai.completion.", "llm.output_messages.", "llm.completions."),
}
_WHOLE = {
    True: (
        "gen_ai.input.messages", "gen_ai.prompt", "gcp.vertex.agent.llm_request", "ai.prompt.messages",
        "ai.prompt", "traceloop.entity.input", "input.value",
    ),
    False: (
        "gen_ai.output.messages", "gen_ai.completion", "gcp.vertex.agent.llm_response", "ai.response.text",
        "traceloop.entity.output", "output.value",
    ),
}  # fmt: skip
_EVENTS = {
    "gen_ai.user.message": "user", "gen_ai.assistant.message": "assistant", "gen_ai.choice": "assistant",
}  # fmt: skip
_INSIDE = (
    "messages", "contents", "message", "inputs", "outputs", "choices", "input", "output", "question", "query",
    "prompt", "answer", "response", "result",
)  # fmt: skip
_DEEPEST = 12


def asked(span: Span) -> str | None:
    """Return the request that a span answers: the last words of a user before it, None where it tells none.

    >>> asked(Span("a", "b", "", "chat", attributes={
    ...     "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "List the releases"}))
    'List the releases'
    """
    found = [words for who, words in _said(span, True) if who in _USER]
    return found[-1] if found else _anybody(span, True)


def answered(span: Span) -> str | None:
    """Return the last text that a model answered in a span, None where there is none.

    >>> answered(Span("a", "b", "", "chat", attributes={"output.value": "Done."}))
    'Done.'
    """
    found = [words for who, words in _said(span, False) if who in _ASSISTANT]
    return found[-1] if found else _anybody(span, False)


def _anybody(span: Span, is_input: bool) -> str | None:
    return next((words for who, words in _said(span, is_input) if not who), None)


def _said(span: Span, is_input: bool) -> Iterator[Said]:
    """Yield what was said on one side of a span, from the first convention that has anything."""
    for way in (_indexed(span.attributes, is_input), _events(span, is_input)):
        found = [(who, words) for who, words in way if words.strip()]
        if found:
            yield from ((who.lower(), words.strip()) for who, words in found)
            return
    for name in _WHOLE[is_input]:
        found = [(who, words) for who, words in spoken(span.attributes.get(name)) if words.strip()]
        if found:
            yield from ((who.lower(), words.strip()) for who, words in found)
            return


def _indexed(said: dict[str, Any], is_input: bool) -> list[Said]:
    """Return messages written as one attribute a field: `gen_ai.prompt.0.role`, `llm.input_messages.0.message…`."""
    found: dict[int, dict[str, str]] = {}
    for name, value in said.items():
        if name.startswith(_PREFIXES[is_input]) and (parts := _INDEXED.fullmatch(name)):
            part = "role" if parts[2] == "role" else "content"
            words = text(value) or "" if part == "role" else "\n".join(w for _, w in spoken(value))
            own = found.setdefault(int(parts[1]), {})
            own[part] = f"{own[part]}\n{words}" if part in own else words
    return [(found[at].get("role", ""), found[at].get("content", "")) for at in sorted(found)]


def _events(span: Span, is_input: bool) -> list[Said]:
    found: list[Said] = []
    for name, said in span.events:
        who = _EVENTS.get(name)
        if who is not None and is_input == (name != "gen_ai.choice"):
            body = next(
                (said[key] for key in ("content", "gen_ai.event.content", "message") if key in said), None
            )
            found += [(who, words) for _, words in spoken(body)]
        for key in _WHOLE[is_input][:2]:
            found += spoken(said.get(key))
    return found


def spoken(value: Any, depth: int = 0) -> list[Said]:
    """Return the texts in messages of any of the usual shapes, with who spoke them.

    >>> spoken('[{"role": "user", "parts": [{"type": "text", "content": "Hello"}]}]')
    [('user', 'Hello')]
    """
    if depth > _DEEPEST:
        return []
    if isinstance(value, str):
        said = text(value.strip())
        if said is None:
            return []
        inner = _parsed(said)
        found = spoken(inner, depth + 1) if inner is not None else []
        is_message = inner is not None and (not inner or '"role"' in said)
        return found or ([] if is_message else [("", said)])
    if isinstance(value, list):
        return [one for item in value for one in spoken(item, depth + 1)]
    if not isinstance(value, dict):
        return []
    who = text(value.get("role")) or ""
    words = _words(value)
    if words:
        return [(who, words)]
    for key in _INSIDE:
        inner = value.get(key)
        if (isinstance(inner, (dict, list)) or text(inner)) and (found := spoken(inner, depth + 1)):
            return [(said_by or who, said) for said_by, said in found]
    content = value.get("content")
    return spoken(content, depth + 1) if isinstance(content, dict) else []


def _words(message: dict[str, Any]) -> str:
    """Return the text of one message: its content, or its parts of kind text."""
    content = message.get("content", message.get("text"))
    if isinstance(content, str):
        return text(content) or ""
    parts = [*items(content), *items(message.get("parts"))]
    found = [_part(obj(part)) if isinstance(part, dict) else text(part) for part in parts]
    return "\n".join(words for words in found if words)


def _part(part: dict[str, Any]) -> str | None:
    if part.get("type", "text") not in ("text", "input_text", "output_text"):
        return None
    return text(part.get("text")) or text(part.get("content"))


def _parsed(said: str) -> Any:
    """Return the object or array that a text is JSON of, None where it is none."""
    if said[:1] not in "[{":
        return None
    try:
        found = loaded(said.encode("utf-8", "replace"))
    except ValueError:
        return None
    return found if isinstance(found, (dict, list)) else None
