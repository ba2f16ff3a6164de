"""The group of every command, and the options that several share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from learnlab.errors import LearnlabError

if TYPE_CHECKING:
    from learnlab.store import Store

F = TypeVar("F", bound=Callable[..., Any])


class Commands(click.Group):
    """A group that prints our own errors as one line, without a trace."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error of ours ends it with one line."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # whoever reads has read enough, as `head` has
            raise
        except (LearnlabError, OSError) as error:
            from learnlab.secrets import showable

            raise click.ClickException(showable(" ".join(str(error).split()))) from error


def store_option(function: F) -> F:
    """Give a command the option --db."""
    return click.option("--db", default="", help="A store's name or path; else the current one.")(function)


def there(db: str) -> Store:
    """Return a store that is there and current; the sample is made when it is the one that is wanted."""
    from learnlab.ingest.simulation.sample import ensure_sample
    from learnlab.store import Store

    store = Store(db)
    ensure_sample(store)
    return store


def confirm(yes: bool, question: str) -> None:
    """Ask, unless told not to; a no ends the command."""
    if not yes:
        click.confirm(question, abort=True)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="learnlab")
def main() -> None:
    """Learn from what AI agents did: logs in, one DuckDB file, reports and notebooks out."""
