"""The command line: parse, call one function, print. Nothing else."""

from learnlab.cli import learning, logs, pages, routing, stores
from learnlab.cli.group import main

__all__ = ["learning", "logs", "main", "pages", "routing", "stores"]
