"""What became of a source that was read in: counted, and said in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from learnlab.models import Tier
from learnlab.secrets import showable
from learnlab.store.merge import Counts

_SHOWN = 50
"""Lines of one kind that a summary shows before it only counts them."""

_UNKNOWN_KIND = "unknown: "


@dataclass
class Notes:
    """What was noticed while a file was read: its format, how it was read, and what is worth a word.

    `kinds` accounts for every line of a log; `how` says that it was `unchanged`, `grown` or `rewritten` since
    the last time. `unpriced` counts by model the steps whose tokens are known and whose price is not.
    """

    format: str = ""
    mapping: str = ""
    tiers: dict[str, Tier] = field(default_factory=dict)
    n_naive_times: int = 0
    n_untimed: int = 0
    n_no_verdicts: int = 0
    n_unmatched: int = 0
    is_log: bool = False
    how: str = ""
    n_steps: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    unpriced: Counter[str] = field(default_factory=Counter)


def counted(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> counted(1, "row"), counted(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


@dataclass(eq=False)
class FileReport:
    """What became of one file: its rows counted, and what a reader noticed."""

    source: str
    counts: Counts
    notes: Notes

    def hints(self) -> Iterator[str]:
        """Yield a sentence for everything that somebody who reads the figures should know."""
        counts, notes = self.counts, self.notes
        if not counts.n_rows_read and not notes.is_log:
            yield "no rows: there is only a header"
        if notes.mapping:
            yield f"read with mapping {notes.mapping}"
        if counts.n_replaced and not notes.is_log:
            yield f"{counts.n_replaced:,} replaced an earlier version of the same record"
        if notes.how == "rewritten":
            yield "was rewritten since it was last read: read again from its start"
        if notes.n_naive_times:
            yield f"{counted(notes.n_naive_times, 'time')} without a zone {_are(notes.n_naive_times)} taken as UTC"
        if notes.n_untimed:
            yield f"{counted(notes.n_untimed, 'row')} without a time: pages over time leave them out"
        if notes.n_no_verdicts:
            words, are = counted(notes.n_no_verdicts, "word"), _are(notes.n_no_verdicts)
            yield f"{words} in the success column {are} no verdict: success is unknown there"
        if notes.n_unmatched:
            yield f"{counted(notes.n_unmatched, 'row')} without a partner in the joined file"


@dataclass
class IngestReport:
    """What became of a source: its files, the ones that nothing could read with the reason, and the verdicts."""

    ingest_id: UUID
    store: str
    files: list[FileReport] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)

    @property
    def counts(self) -> Counts:
        """The rows of all files: accepted, duplicates and rejected add up to those read."""
        return sum((file.counts for file in self.files), Counts())

    def summary(self) -> str:
        """Return the report as lines of text.

        >>> from learnlab.store.merge import Counts
        >>> file = FileReport("runs.csv", Counts(3, 1, 0, 1, 1), Notes(format="csv"))
        >>> print(IngestReport(UUID(int=1), "sample", [file]).summary())
        sample: 3 rows read from 1 file: 1 accepted, 1 duplicate, 1 rejected (see the table rejected)
        """
        counts = self.counts
        noun = "record" if any(file.notes.is_log for file in self.files) else "row"
        words = [
            f"{counts.n_accepted:,} accepted",
            counted(counts.n_duplicates, "duplicate"),
            f"{counts.n_rejected:,} rejected" + (" (see the table rejected)" if counts.n_rejected else ""),
        ]
        n_files = counted(len(self.files), "file")
        lines = [f"{self.store}: {counted(counts.n_rows_read, noun)} read from {n_files}: {', '.join(words)}"]
        lines += self._logs()
        lines += _first(f"  {file.source}: {hint}" for file in self.files for hint in file.hints())
        if counts.n_masked:
            lines.append(f"  {counted(counts.n_masked, 'secret')} masked before anything was stored")
        lines += [f"  {line}" for line in self.verdicts]
        lines += _first(f"  not read: {reason}" for _, reason in self.unreadable)
        return "\n".join(map(showable, lines))

    def _logs(self) -> Iterator[str]:
        """Yield a line for each kind of log: its files, lines and steps, and what was strange in them."""
        logs = [file for file in self.files if file.notes.is_log]
        for name in sorted({file.notes.format for file in logs}):
            own = [file for file in logs if file.notes.format == name]
            kinds: Counter[str] = Counter()
            for file in own:
                kinds.update(file.notes.kinds)
            counts = sum((file.counts for file in own), Counts())
            how = Counter(file.notes.how for file in own)
            said = [
                f"{counted(counts.n_accepted - counts.n_replaced, 'new execution')}",
                *([f"{counts.n_replaced:,} brought up to date"] if counts.n_replaced else []),
                f"{counted(sum(file.notes.n_steps for file in own), 'step')}",
                *([f"{counted(how['unchanged'], 'file')} unchanged"] if how["unchanged"] else []),
                *([f"{counted(how['grown'], 'file')} read on"] if how["grown"] else []),
            ]
            read = (
                f"{counted(len(own), 'file')}, {counted(kinds.total(), 'entry').replace('entrys', 'entries')}"
            )
            yield f"  {name}: {read}: {', '.join(said)}"
            strange = [
                (kind.removeprefix(_UNKNOWN_KIND), n)
                for kind, n in kinds.items()
                if kind.startswith(_UNKNOWN_KIND)
            ]
            if strange:
                shown = ", ".join(f"{kind} ({n:,})" for kind, n in sorted(strange)[:10])
                yield f"  {name}: entries of unknown kinds, counted and left out: {shown}"
        unpriced: Counter[str] = Counter()
        for file in logs:
            unpriced.update(file.notes.unpriced)
        if unpriced:
            shown = ", ".join(f"{model} ({counted(n, 'step')})" for model, n in unpriced.most_common(20))
            yield f"  no list price is known for {shown}: the cost is unknown there"


def _first(lines: Iterator[str]) -> list[str]:
    found = list(lines)
    rest = len(found) - _SHOWN
    return found if rest <= 0 else [*found[:_SHOWN], f"  … and {rest:,} more such lines"]
