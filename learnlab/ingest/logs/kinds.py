"""Names for the kinds of records in an account, bounded: what a hostile log calls its records cannot flood it."""

from __future__ import annotations

from learnlab.secrets import mask_text

MAX_UNKNOWN = 20
"""How many unknown kinds an account names before it calls the rest `unknown: other`."""


def words(text: str) -> frozenset[str]:
    """Return the words of a text as a set.

    >>> sorted(words("message event"))
    ['event', 'message']
    """
    return frozenset(text.split())


class Kinds:
    """The names under which a reader counts records: known kinds by their own, the first unknown ones as such.

    >>> kinds = Kinds({"message"})
    >>> kinds.name("message"), kinds.name("telepathy"), kinds.name(None)
    ('message', 'unknown: telepathy', 'unknown: none')
    """

    def __init__(self, known: set[str] | frozenset[str]) -> None:
        self._known = known
        self._unknown: set[str] = set()

    def name(self, kind: str | None) -> str:
        """Return the name to count a record of this kind under."""
        if kind is not None and kind in self._known:
            return kind
        shown = mask_text(kind or "none")[0][:40]
        if shown not in self._unknown:
            if len(self._unknown) >= MAX_UNKNOWN:
                return "unknown: other"
            self._unknown.add(shown)
        return f"unknown: {shown}"
