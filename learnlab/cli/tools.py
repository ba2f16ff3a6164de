"""The command that serves tools to agents."""

from __future__ import annotations

import click

from learnlab.cli.group import main, store_option


@main.command()
@store_option
@click.option("--as", "author", help="In whose name feedback is given and seen; else yours.")
def mcp(db: str, author: str | None) -> None:
    """Serve tools to an agent over standard input and output: feedback, similar executions, routing."""
    from learnlab.tools.server import serve

    serve(db, author)
