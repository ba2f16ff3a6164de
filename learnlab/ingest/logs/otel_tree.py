"""The tree that the spans of a trace form, whatever is missing from it, doubled in it or going round in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from learnlab.ingest.logs.otel_attributes import Call, Role


class Tree:
    """The calls of one trace by span id, and what stands above each.

    Of two with one id the one that says more about models is kept; a ring of parents is cut at its smallest id.

    >>> from learnlab.ingest.logs.otel_attributes import understood
    >>> from learnlab.ingest.logs.otel_spans import Span
    >>> tree = Tree([understood(Span("t", "b", "a", ""), 1), understood(Span("t", "a", "b", ""), 2)])
    >>> [call.span.id for call in tree.above("b")], list(tree.above("a"))
    (['a'], [])
    """

    def __init__(self, calls: Iterable[Call]) -> None:
        self.calls: dict[str, Call] = {}
        for call in calls:
            known = self.calls.get(call.span.id)
            if known is None or _says(call) > _says(known):
                self.calls[call.span.id] = call
        self._parents = {
            own: call.span.parent for own, call in self.calls.items() if call.span.parent in self.calls
        }
        self._cut_rings()

    def _cut_rings(self) -> None:
        is_clear: set[str] = set()
        for start in list(self._parents):
            path: dict[str, int] = {}
            at: str | None = start
            while at is not None and at not in is_clear and at not in path:
                path[at] = len(path)
                at = self._parents.get(at)
            if at is not None and at in path:
                ring = [own for own, place in path.items() if place >= path[at]]
                del self._parents[min(ring)]
            is_clear.update(path)

    def above(self, own: str) -> Iterator[Call]:
        """Yield what stands above a call, from right above to the top."""
        at = self._parents.get(own)
        while at is not None:
            yield self.calls[at]
            at = self._parents.get(at)

    def over(self, is_meant: Callable[[Call], bool]) -> set[str]:
        """Return the ids of all that stand above a call that is meant."""
        found: set[str] = set()
        for own, call in self.calls.items():
            if not is_meant(call):
                continue
            for one in self.above(own):
                if one.span.id in found:
                    break
                found.add(one.span.id)
        return found

    def tops(self) -> dict[str, Call]:
        """Return for each call the one at whose head it works: the topmost agent above it, else the top span."""
        found: dict[str, Call] = {}
        for own in self.calls:
            path = [own]
            while path[-1] not in found and path[-1] in self._parents:
                path.append(self._parents[path[-1]])
            for at in reversed(path):
                if at in found:
                    continue
                parent = self._parents.get(at)
                head = self.calls[at] if parent is None else found[parent]
                is_first_agent = self.calls[at].role is Role.AGENT and head.role is not Role.AGENT
                found[at] = self.calls[at] if is_first_agent else head
        return found

    def is_whole_above(self, own: str) -> bool:
        """Return whether everything above a call is there, up to the root of the trace."""
        top = self.calls[own]
        for top in self.above(own):  # noqa: B007
            pass
        return not top.span.parent


def _says(call: Call) -> tuple[bool, int]:
    return call.is_genai, (call.usage.input or 0) + (call.usage.output or 0)
