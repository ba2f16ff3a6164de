"""The command line: parse, call one function, print. Nothing else."""

from learnlab.cli import feedback, learning, logs, pages, routing, stores, tools
from learnlab.cli.group import main

__all__ = ["feedback", "learning", "logs", "main", "pages", "routing", "stores", "tools"]
