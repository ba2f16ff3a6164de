"""Adding the tools to somebody else's server: the official SDK's, or another whose `.tool()` takes functions."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import Parameter, Signature
from typing import Annotated, Any

from pydantic import WithJsonSchema

from learnlab.errors import FeedbackError
from learnlab.tools.offered import offered
from learnlab.tools.tool import Desk, RefusedError, Tool

_ERRORS = {"mcp": "mcp.server.mcpserver.exceptions", "fastmcp": "fastmcp.exceptions"}
"""Where a package keeps its ToolError, whose words it hands to the client."""


def register_tools(server: Any, db: str = "", *, author: str | None = None) -> tuple[str, ...]:
    """Add a store's tools to a server that has `.tool(name=…, description=…)`, and return their names.

    Everything is given and seen as `author`, by default whoever gives feedback here, whichever client calls: a server
    that several people reach needs one of its own for each of them.

    Raises:
        FeedbackError: when the server takes no tools so, or the name is none.
        StoreError: when `db` is no name or path of a store.

    >>> from mcp.server.mcpserver import MCPServer
    >>> register_tools(MCPServer("mine"), "my-agents", author="ada")[:2]
    ('submit_feedback', 'feedback_help')
    """
    if not callable(getattr(server, "tool", None)):
        raise FeedbackError(f"{type(server).__name__} has no .tool(): give an MCPServer or a FastMCP server")
    packages = {kind.__module__.split(".")[0] for kind in type(server).__mro__}
    refusal: Any = RefusedError
    for package in packages & set(_ERRORS):
        refusal = import_module(_ERRORS[package]).ToolError
    context = import_module("mcp.server.mcpserver").Context if "mcp" in packages else None
    tools = offered(Desk.of(db, author))
    for tool in tools:
        server.tool(name=tool.name, description=tool.says)(_function(tool, refusal, context))
    return tuple(tool.name for tool in tools)


def _function(tool: Tool, refusal: Any, context: Any) -> Callable[..., Any]:
    """Return a tool as a function with its arguments by name; the tool checks them, so that every server says the same.

    The official SDK drops arguments that it does not know and reads texts that look like JSON: there the context
    gives them as they came.
    """
    schemas = tool.arguments.model_json_schema()["properties"] if tool.arguments.model_fields else {}
    parameters = [
        Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.is_required() else schemas[name].get("default"),
            annotation=Annotated[Any, WithJsonSchema(schemas[name])],
        )
        for name, field in tool.arguments.model_fields.items()
    ]
    if context is not None:
        parameters.append(Parameter("context", Parameter.KEYWORD_ONLY, annotation=context))

    def call(**given: Any) -> Any:
        if context is not None:
            given = (given["context"].request_context.params or {}).get("arguments") or {}
        try:
            return tool.call(given)
        except RefusedError as error:
            raise refusal(str(error)) from None

    call.__name__ = call.__qualname__ = tool.name
    call.__doc__ = tool.says
    call.__signature__ = Signature(parameters, return_annotation=tool.answer)  # type: ignore[attr-defined]
    call.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": tool.answer}
    return call
