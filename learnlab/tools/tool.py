"""What a tool is, whatever server offers it: a name, what it takes, what it answers, and refusals in words."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import Field, StringConstraints, ValidationError

from learnlab.errors import FeedbackError, LearnlabError, StoreError
from learnlab.lenient import storable
from learnlab.models import Record
from learnlab.people import Viewer, as_author, own_name
from learnlab.store import Store
from learnlab.tools.wording import of_arguments, of_trouble

_log = logging.getLogger("learnlab.tools")
_R = TypeVar("_R", bound=Record)

TaskId = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=2000),
    Field(description="The execution: its task_id (a UUID), or the id that its source gave it."),
]
Description = Annotated[
    str,
    Field(min_length=1, max_length=20_000, description="The task, in the words of whoever wants it done."),
]


class RefusedError(FeedbackError):
    """A call that is refused; its words say what to do and name no path and no person."""


@dataclass(frozen=True)
class Desk:
    """Which store the tools serve, and who is served: what they give is given as, and what they see is seen by.

    Both are fixed when a server starts; no argument of a tool changes them.
    """

    store: Store
    author: str

    @classmethod
    def of(cls, db: str = "", author: str | None = None) -> Desk:
        """Return the desk of a store; without a name it serves whoever gives feedback here.

        Raises:
            FeedbackError: when the name is none, or nobody knows who gives feedback here.
            StoreError: when `db` is no name or path of a store.

        >>> Desk.of("my-agents", "ada").store.viewer
        Viewer(name='ada', is_public=False)
        """
        name = own_name() if author is None else as_author(author)
        return cls(Store(db, viewer=Viewer(name)), name)


@dataclass(frozen=True)
class Tool:
    """One tool: `work` gets its arguments, checked, and gives its answer; `changes` says whether it writes anything.

    `is_slow` is true where a call may take seconds, as the first that loads a model does.
    """

    name: str
    says: str
    arguments: type[Record]
    answer: type[Record]
    work: Callable[[Any], Record]
    desk: Desk
    changes: bool = False
    is_slow: bool = False

    def call(self, given: Mapping[str, Any]) -> Record:
        """Return the answer to a call.

        Raises:
            RefusedError: for whatever goes wrong, in words that say what to do; the log has the rest.
        """
        try:
            return self.work(self._checked(given))
        except RefusedError:
            raise
        except LearnlabError as error:
            _log.log(
                logging.WARNING if isinstance(error, StoreError) else logging.INFO, "%s: %s", self.name, error
            )
            raise RefusedError(of_trouble(error, self.desk.store)) from error
        except Exception as error:
            _log.exception("%s failed", self.name)
            raise RefusedError(f"{self.name} failed; the log of its server says why") from error

    def _checked(self, given: Mapping[str, Any]) -> Record:
        texts = {name: storable(value) if isinstance(value, str) else value for name, value in given.items()}
        try:
            return self.arguments.model_validate(texts)
        except ValidationError as error:
            raise RefusedError(of_arguments(error, self.arguments)) from error
