"""The command line: parse, call one function, print. Nothing else."""

from learnlab.cli import logs, pages, stores
from learnlab.cli.group import main

__all__ = ["logs", "main", "pages", "stores"]
