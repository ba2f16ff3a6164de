"""The account of a log while it is read: every line counted once, what is finished handed on when it is enough."""

from __future__ import annotations

from learnlab.ingest.batch import Position
from learnlab.ingest.logs.kinds import Kinds
from learnlab.ingest.logs.lines import UNFINISHED, Line
from learnlab.ingest.logs.tasks import Piece
from learnlab.ingest.rejected import shown

ENOUGH = 2000
"""Lines after which what is finished is handed on; long rejected ones count for more."""


class Account:
    """The piece that a reader is making, and the names of the kinds that it counts.

    >>> account = Account(frozenset({"message"}))
    >>> account.count("message")
    >>> account.reject(2, "is no JSON", "{")
    >>> account.piece.kinds, account.piece.faults
    (Counter({'message': 1, 'rejected': 1}), [(2, 'is no JSON', '{')])
    """

    def __init__(self, known: frozenset[str]) -> None:
        self.piece, self.kinds = Piece(), Kinds(known)
        self._n = 0

    def count(self, kind: str | None) -> None:
        """Count a line under its kind, an unknown one as such."""
        self.count_as(self.kinds.name(kind))

    def count_as(self, name: str) -> None:
        """Count a line under a name that the reader itself gives it."""
        self._n += 1
        self.piece.kinds[name] += 1

    def reject(self, position: int, reason: str, content: str) -> None:
        """Count a line that cannot be read and keep what it says."""
        self._n += 1 + len(content) // 10_000
        self.piece.kinds["rejected"] += 1
        self.piece.faults.append((position, reason, shown(content)))

    def is_sound(self, line: Line) -> bool:
        """Return whether a line holds an object; one that holds none is counted, and rejected if it is finished."""
        if line.fault == UNFINISHED:
            self.piece.kinds["unfinished"] += 1
        elif line.fault is not None:
            self.reject(line.number, line.fault, line.content)
        return line.fault is None

    def enough(self, position: Position | None) -> Piece | None:
        """Return the piece, to be read on from a position, when it is time to hand it on."""
        if self._n < ENOUGH or not (self.piece.tasks or self.piece.faults):
            return None
        return self.taken(position)

    def taken(self, position: Position | None) -> Piece:
        """Return the piece, to be read on from a position, and begin another."""
        found, self.piece, self._n = self.piece, Piece(), 0
        found.position = position
        return found
