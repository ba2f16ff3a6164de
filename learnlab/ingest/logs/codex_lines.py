"""What one line of a Codex rollout says: its kind, its texts, its tokens, how a tool ended."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, NamedTuple

from learnlab.ingest.logs.kinds import words
from learnlab.ingest.logs.lines import loaded
from learnlab.ingest.logs.shapes import items, moment, number, obj, text, whole, words_of

ENVELOPES = words("""
    session_meta event_msg response_item turn_context compacted world_state inter_agent_communication
""")
"""The types of lines that carry a payload."""

ITEMS = words("""
    message agent_message reasoning function_call function_call_output custom_tool_call custom_tool_call_output
    local_shell_call tool_call tool_result function_result web_search_call tool_search_call tool_search_output
    image_generation_call ghost_snapshot compaction compaction_summary context_compaction other
""")
"""The types of response items, of today and of older versions."""

EVENTS = words("""
    user_message agent_message agent_reasoning agent_reasoning_raw_content agent_reasoning_section_break
    token_count task_started turn_started task_complete turn_complete turn_aborted turn.completed context_compacted
    error warning stream_error exec_command_begin exec_command_end exec_command_output_delta mcp_tool_call_begin
    mcp_tool_call_end patch_apply_begin patch_apply_end web_search_begin web_search_end view_image_tool_call
    image_generation_begin image_generation_end dynamic_tool_call_request dynamic_tool_call_response plan_update
    turn_diff entered_review_mode exited_review_mode undo_started undo_completed thread_rolled_back item_started
    item_completed thread_name_updated thread_goal_updated thread_settings_applied model_reroute background_event
    session_configured deprecation_notice codex/event/raw_item account/rateLimits/updated sub_agent_activity
    collab_agent_spawn_begin collab_agent_spawn_end collab_agent_interaction_begin collab_agent_interaction_end
    collab_waiting_begin collab_waiting_end collab_close_begin collab_close_end collab_resume_begin
    collab_resume_end guardian_assessment hook_started hook_completed mcp_startup_update mcp_startup_complete
    terminal_interaction request_user_input elicitation_request exec_approval_request
    apply_patch_approval_request skills_update_available shutdown_complete
""")
"""The types of events."""

KNOWN = frozenset(
    {
        *(kind for kind in ENVELOPES if kind not in ("event_msg", "response_item")),
        *(f"event_msg/{kind}" for kind in EVENTS),
        *(f"response_item/{kind}" for kind in ITEMS),
        "state",
        "replayed",
    }
)
"""The kinds that an account of a rollout calls by name."""

_PREAMBLE = re.compile(
    r"\s*(?:<[a-z]+(?:_[a-z]+)+[ />]|<(?:INSTRUCTIONS|skill|permissions instructions)\b|# AGENTS\.md instructions)"
)
_ASKED = "## My request for Codex:"
_EXIT = re.compile(r"\A(?:[^\n]*\n){0,4}?(?:Exit code:|Process exited with code) (-?\d{1,10})\b")
_WALL = re.compile(r"\A(?:[^\n]*\n){0,4}?Wall time: ([\d.]{1,20}) seconds")


class Record(NamedTuple):
    """One line: its kind as the account calls it, what it carries, its time (naive UTC)."""

    kind: str
    payload: dict[str, Any]
    at: datetime | None


def record_of(line: dict[str, Any]) -> Record:
    """Return a line of any version as kind, payload and time.

    >>> record_of({"type": "event_msg", "payload": {"type": "token_count"}}).kind
    'event_msg/token_count'
    >>> record_of({"role": "user", "message": "Fix it"}).payload["content"]
    'Fix it'
    """
    at = moment(line.get("timestamp")) or moment(line.get("created_at"))
    kind, payload = text(line.get("type")), line.get("payload")
    if kind and isinstance(payload, dict):
        if kind in ("event_msg", "response_item"):
            kind = f"{kind}/{text(payload.get('type')) or 'none'}"
        return Record(kind, payload, at)
    if "record_type" in line:
        return Record("state", {}, at)
    if kind in ITEMS:
        return Record(f"response_item/{kind}", line, at)
    if kind is None and text(line.get("role")):
        content = line.get("content", line.get("message"))
        return Record("response_item/message", line | {"content": content}, at)
    if kind is None and text(line.get("id")) and ("instructions" in line or "git" in line):
        return Record("session_meta", line, at)
    return Record(kind or "none", {}, at)


def request_text(content: Any) -> str | None:
    """Return what a person asked for in a user's message, None where the harness wrote all of it.

    >>> request_text([{"text": "<environment_context>…</environment_context>"}, {"text": "Fix it"}])
    'Fix it'
    >>> print(request_text("# AGENTS.md instructions for shop"))
    None
    """
    parts = [content] if isinstance(content, str) else [obj(item).get("text") for item in items(content)]
    texts = [part for part in map(text, parts) if part]
    asked = [part for part in texts if not _PREAMBLE.match(part)]
    if texts and not asked:
        return None
    said = "\n".join(asked)
    return said.rpartition(_ASKED)[2].strip() or said


def totals_of(usage: Any) -> tuple[int, int, int, int] | None:
    """Return a usage as input, of it read from and written to the cache, and output; None where it has no figures.

    Cached tokens stand inside the input and reasoning tokens inside the output.

    >>> totals_of({"input_tokens": 100, "cached_input_tokens": 60, "output_tokens": 9})
    (100, 60, 0, 9)
    """
    counts = obj(usage)
    went_in = whole(counts.get("input_tokens", counts.get("prompt")))
    came_out = whole(counts.get("output_tokens", counts.get("completion")))
    if went_in is None and came_out is None:
        return None
    went_in = went_in or 0
    read = min(whole(counts.get("cached_input_tokens")) or 0, went_in)
    written = min(whole(counts.get("cache_write_input_tokens")) or 0, went_in - read)
    return went_in, read, written, came_out or 0


class Outcome(NamedTuple):
    """How a tool call ended: whether in an error, how long it took in seconds, what it said."""

    is_error: bool | None = None
    seconds: float | None = None
    said: str = ""


def outcome_of(payload: dict[str, Any]) -> Outcome:
    """Return how a tool call ended, from its output item or its end event.

    >>> outcome_of({"output": "Exit code: 2\\nWall time: 0.5 seconds\\nOutput:\\nno such file"})[:2]
    (True, 0.5)
    >>> outcome_of({"exit_code": 0, "duration": {"secs": 1, "nanos": 500000000}})[:2]
    (False, 1.5)
    """
    output = payload.get("output", payload.get("result"))
    said = words_of(output) or ""
    if isinstance(output, str) and not said.startswith("{") and "exit_code" not in payload:
        return _told_in_text(said, payload)
    if said.startswith("{") and len(said) < 1 << 20:
        try:
            output = loaded(said.encode("utf-8", "replace"))
        except ValueError:
            output = None
    told = obj(output)
    said = words_of(told.get("output") or told.get("content")) or said
    for place in (payload, obj(told.get("metadata")), told):
        code = place.get("exit_code", place.get("exitCode"))
        if isinstance(code, (int, str)) and not isinstance(code, bool) and str(code).lstrip("-").isdecimal():
            return Outcome(str(code).strip("-0") != "", _seconds(place.get("duration")) or _told(place), said)
    for place in (payload, told):
        success = place.get("success")
        if isinstance(success, bool):
            return Outcome(
                not success, _seconds(payload.get("duration")), said or words_of(place.get("stderr")) or ""
            )
    if "Err" in told:
        return Outcome(True, _seconds(payload.get("duration")), text(told["Err"]) or said)
    if "Ok" in told:
        answer = obj(told["Ok"])
        return Outcome(answer.get("isError") is True, _seconds(payload.get("duration")), said)
    return _told_in_text(said, payload)


def _told_in_text(said: str, payload: dict[str, Any]) -> Outcome:
    wall, code = _WALL.match(said), _EXIT.match(said)
    success = payload.get("success")
    failed = int(code[1]) != 0 if code else not success if isinstance(success, bool) else None
    return Outcome(failed, number(wall[1]) if wall else _seconds(payload.get("duration")), said)


def _told(place: dict[str, Any]) -> float | None:
    return number(place.get("duration_seconds"))


def _seconds(duration: Any) -> float | None:
    """Return a duration in seconds: `{"secs": 1, "nanos": 5}` or a text such as `1.5s` or `20ms`."""
    parts = obj(duration)
    if parts:
        secs, nanos = number(parts.get("secs")), number(parts.get("nanos"))
        return None if secs is None else secs + (nanos or 0) / 1e9
    found = re.fullmatch(r"([\d.]{1,20})(ms|s)", duration) if isinstance(duration, str) else None
    if not found:
        return None
    amount = number(found[1])
    return amount / 1000 if amount is not None and found[2] == "ms" else amount
