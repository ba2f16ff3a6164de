"""The one family of errors that learnlab raises on purpose."""

from __future__ import annotations


class LearnlabError(Exception):
    """An error that says what happened, where, and what to do; the command line prints it as one line."""


class StoreError(LearnlabError):
    """The store cannot be opened, read or written."""


class StoreBusyError(StoreError):
    """Another process held the store for longer than the caller was willing to wait."""


class SourceError(LearnlabError):
    """A file or folder given to `ingest` cannot be read as a source."""


class MappingError(LearnlabError):
    """A mapping file is wrong, or does not fit the file it is used on."""


class ReportError(LearnlabError):
    """A report cannot be made as asked."""


class BusError(LearnlabError):
    """A message or a subscription that the bus cannot take."""


class CaptureError(LearnlabError):
    """Something cannot be captured as asked."""


class SearchError(LearnlabError):
    """A search, an encoder or its weights cannot be used as asked."""


class RoutingError(LearnlabError):
    """A router cannot learn, choose, be kept or be judged as asked."""


class FeedbackError(LearnlabError):
    """Feedback cannot be given, shown, labelled or taken back as asked."""
