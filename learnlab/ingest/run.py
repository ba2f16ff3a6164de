"""Ingestion: every file of a source, batch by batch, into a store, with every row accounted for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

from tqdm import tqdm

from learnlab.errors import LearnlabError, MappingError, SourceError
from learnlab.ingest.batch import Batch
from learnlab.ingest.mapping import Mapping, load_mapping, mapping_for
from learnlab.ingest.sources import find_files, printable
from learnlab.ingest.tabular import Notes, columns_of, read_batches
from learnlab.store import Store
from learnlab.store.merge import Counts


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


@dataclass(frozen=True)
class FileReport:
    """What became of one file: its rows counted, and what a reader noticed."""

    source: str
    counts: Counts
    notes: Notes

    def hints(self) -> Iterator[str]:
        """Yield a sentence for everything that somebody who reads the figures should know."""
        counts, notes = self.counts, self.notes
        if not counts.n_rows_read:
            yield "no rows: there is only a header"
        if notes.mapping:
            yield f"read with mapping {notes.mapping}"
        if counts.n_replaced:
            yield f"{counts.n_replaced:,} replaced an earlier version of the same record"
        if notes.n_naive_times:
            yield f"{_n(notes.n_naive_times, 'time')} without a zone {_are(notes.n_naive_times)} taken as UTC"
        if notes.n_untimed:
            yield f"{_n(notes.n_untimed, 'row')} without a time: pages over time leave them out"
        if notes.n_no_verdicts:
            words, are = _n(notes.n_no_verdicts, "word"), _are(notes.n_no_verdicts)
            yield f"{words} in the success column {are} no verdict: success is unknown there"
        if notes.n_unmatched:
            yield f"{_n(notes.n_unmatched, 'row')} without a partner in the joined file"


@dataclass(frozen=True)
class IngestReport:
    """What became of a source: its files, and the ones that nothing could read with the reason."""

    ingest_id: UUID
    store: str
    files: list[FileReport] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)

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
        counts, n_files = self.counts, len(self.files)
        words = [
            f"{counts.n_accepted:,} accepted",
            _n(counts.n_duplicates, "duplicate"),
            f"{counts.n_rejected:,} rejected" + (" (see the table rejected)" if counts.n_rejected else ""),
        ]
        lines = [
            f"{self.store}: {_n(counts.n_rows_read, 'row')} read from {_n(n_files, 'file')}: {', '.join(words)}"
        ]
        lines += [f"  {file.source}: {hint}" for file in self.files for hint in file.hints()]
        lines += [f"  not read: {reason}" for _, reason in self.unreadable]
        return "\n".join(lines)


def ingest(source: str | Path, store: Store, *, mapping: str | Path | None = None) -> IngestReport:
    """Read a file, a folder or a glob into a store and return what became of every row.

    Each batch is one transaction with its line in the ledger: what was killed half-way is completed by
    running it again, and what is there already counts once. `mapping` is a packaged name or a TOML file;
    without one, the packaged mapping that fits a file is used, else columns are found by their names. A store
    that is not there yet is made when the first rows were read, so a source without any leaves none behind.

    Raises:
        SourceError: when there is nothing there, or nothing that can be read.
        MappingError: when the mapping is wrong, or does not fit a file named by itself.
        StoreError: when the store cannot be written.
    """
    files = find_files(source)
    chosen = load_mapping(mapping) if mapping is not None else None
    report = IngestReport(uuid4(), store.name)
    is_alone = len(files) == 1 and Path(source).expanduser().is_file()
    if not is_alone:
        joined = _joined_files(files, chosen)
        files = [path for path in files if path.resolve() not in joined]
    root = Path(source).expanduser()
    with tqdm(unit=" rows", unit_scale=True, leave=False, disable=None) as bar:
        for path in files:
            name = printable(path.relative_to(root.parent)) if root.is_dir() else path.name
            name = printable(Path(name))
            bar.set_description(name[-40:])
            try:
                report.files.append(_ingest_file(path, name, store, chosen, report.ingest_id, bar))
            except (SourceError, MappingError) as error:
                if is_alone:
                    raise
                report.unreadable.append((name, str(error)))
    if not report.files:
        reasons = "; ".join(reason for _, reason in report.unreadable[:3])
        raise SourceError(f"nothing in {printable(root)} can be read: {reasons}")
    return report


def _ingest_file(
    path: Path, name: str, store: Store, mapping: Mapping | None, ingest_id: UUID, bar: tqdm[None]
) -> FileReport:
    notes, counts = Notes(), Counts()
    for batch in _ahead(read_batches(path, mapping, notes, name)):
        if not counts.n_rows_read:
            store.ensure()
            if notes.tiers:
                store.set_tiers({model: tier.value for model, tier in notes.tiers.items()})
        counts += store.add(
            batch.executions,
            batch.rejected,
            n_rows_read=batch.n_rows_read,
            source=f"{notes.format}:{name}",
            mapping=notes.mapping or None,
            ingest_id=ingest_id,
        )
        bar.update(batch.n_rows_read)
    return FileReport(name, counts, notes)


def _ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield batches while the next one is being read in a thread: reading goes on while the store writes."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch


def _joined_files(files: list[Path], mapping: Mapping | None) -> set[Path]:
    """Return the files that some other file's mapping joins: they are no sources of their own."""
    joined: set[Path] = set()
    for path in files:
        try:
            columns = columns_of(path)
            table = mapping.table_for(columns, path.name) if mapping else mapping_for(columns)[1]
        except LearnlabError:
            continue
        if table.join is not None:
            joined |= {found.resolve() for found in path.parent.glob(table.join.file)}
    return joined
