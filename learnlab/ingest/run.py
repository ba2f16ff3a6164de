"""Ingestion: every file of a source by the reader that fits it, batch by batch, with every line accounted for."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid4

import polars as pl
from tqdm import tqdm

from learnlab.errors import LearnlabError, MappingError, SourceError
from learnlab.ingest.assemble import Part, assemble_all
from learnlab.ingest.batch import Batch
from learnlab.ingest.growing import Growth, is_unchanged, place_of
from learnlab.ingest.logs.formats import LogFormat
from learnlab.ingest.logs.registry import FORMATS, detect, format_named
from learnlab.ingest.logs.tasks import Piece
from learnlab.ingest.report import FileReport, IngestReport, Notes, counted
from learnlab.ingest.sources import find_files, printable
from learnlab.ingest.tables.mapping import Mapping, load_mapping, mapping_for
from learnlab.ingest.tables.tabular import columns_of, read_batches
from learnlab.ingest.tiers import check_own_tiers, set_tiers
from learnlab.ingest.verdict_files import read_verdicts
from learnlab.store import Addition, ReadPosition, Store
from learnlab.store.merge import Counts

T = TypeVar("T")

_ROWS_TOGETHER, _FILES_TOGETHER = 20_000, 50
"""The rows and steps, or the batches, for which the store is opened once: about a second's work."""


def ingest(
    source: str | Path,
    store: Store,
    *,
    mapping: str | Path | None = None,
    log_format: str = "",
    verdicts: str | Path | None = None,
) -> IngestReport:
    """Read a file, a folder or a glob into a store and return what became of every row and line.

    Each file is read by the reader that fits its content, or by the one that `log_format` names
    (`learnlab formats` lists them; `table` is the one for tables). What fits nothing is listed in the report.
    Each batch is one transaction with its line in the ledger and, for a log, how far it was read: what was
    killed half-way is completed by running it again, a log that has grown is read on, and what is there
    already counts once. `mapping` is a packaged name or a TOML file, for tables; without one, the packaged
    mapping that fits is used, else columns are found by their names. `verdicts` is a file of verdicts from
    elsewhere: `verdict_files.read_verdicts`. A store that is not there yet is made when the first rows were
    read, so a source without any leaves none behind.

    Raises:
        SourceError: when there is nothing there, nothing that can be read, or no such format.
        MappingError: when the mapping is wrong, or does not fit a file named by itself.
        StoreError: when the store cannot be written.
    """
    reading = Reading(store, mapping=mapping, log_format=log_format)
    judged = read_verdicts(verdicts) if verdicts is not None else None
    root = Path(source).expanduser()
    report = reading.read(find_files(source), root, is_alone=root.is_file())
    if not report.files:
        reasons = "; ".join(reason for _, reason in report.unreadable[:3])
        raise SourceError(f"nothing in {printable(root)} can be read: {reasons}")
    if verdicts is not None and judged is not None and store.exists():
        frame, n_open = judged
        report.verdicts.append(store.add_verdicts(frame).summary())
        if n_open:
            report.verdicts.append(
                f"{counted(n_open, 'row')} of {printable(Path(verdicts))} without a verdict yet"
            )
    return report


@dataclass
class _Found:
    """What was read of a file and is not yet in the store: a batch of a table, or a piece of a log."""

    seen: FileReport
    source: str
    batch: Batch | None = None
    piece: Piece = field(default_factory=Piece)
    position: ReadPosition | None = None

    @property
    def n_rows(self) -> int:
        """The rows, tasks and steps in it."""
        if self.batch is not None:
            return self.batch.n_rows_read
        return len(self.piece.faults) + sum(1 + len(task.steps) for task in self.piece.tasks)


class Reading:
    """How files are read into one store, the same for every file and every time that they are looked at again.

    Raises:
        SourceError: when there is no such format.
        MappingError: when the mapping is wrong, or the user's list of tiers.
    """

    def __init__(self, store: Store, *, mapping: str | Path | None = None, log_format: str = "") -> None:
        check_own_tiers()
        self.store = store
        self.mapping = load_mapping(mapping) if mapping is not None else None
        self.form = format_named(log_format) if log_format else None
        self.is_table = self.mapping is not None or (bool(log_format) and self.form is None)

    def read(self, files: list[Path], root: Path, *, is_alone: bool = False) -> IngestReport:
        """Read files found under `root` and return what became of them; `is_alone` lets errors through.

        The next files are read while the store takes what was read; small files go in together, so that the
        store is opened once for many.

        Raises:
            SourceError, MappingError: for the one file when `is_alone`.
            StoreError: when the store cannot be written.
        """
        report = IngestReport(uuid4(), self.store.name)
        with tqdm(unit=" rows", unit_scale=True, leave=False, disable=None) as bar:
            for found in _ahead(_batched(_together(self._found(files, root, report, is_alone)))):
                self._store(found, report.ingest_id)
                bar.update(sum(one.batch.n_rows_read for one in found if one.batch))
        if any(file.counts.n_accepted for file in report.files):
            set_tiers(self.store)
        return report

    def _store(self, found: list[_Found], ingest_id: UUID) -> None:
        """Put what was read of some files into the store, in one transaction, and count it for each."""
        additions = [
            Addition(
                one.batch.executions,
                one.batch.rejected,
                steps=one.batch.steps if one.seen.notes.is_log else None,
                kinds=one.batch.kinds,
                position=one.position,
                n_rows_read=one.batch.n_rows_read,
                source=one.source,
                mapping=one.seen.notes.mapping or None,
            )
            for one in found
            if one.batch is not None
        ]
        tiers = {model: tier.value for one in found for model, tier in one.seen.notes.tiers.items()}
        with self.store.ensure().writing():
            if tiers:
                self.store.set_tiers(tiers)
            all_counts = self.store.add_all(additions, ingest_id=ingest_id)
        for one, counts in zip(found, all_counts, strict=True):
            one.seen.counts += counts

    def _found(self, files: list[Path], root: Path, report: IngestReport, is_alone: bool) -> Iterator[_Found]:
        """Yield what is read of every file, and note in the report each file and what cannot be read."""
        known = self.store.ensure().positions() if self.store.exists() else {}
        forms: dict[Path, LogFormat | None] = {}

        def refused(path: Path, error: LearnlabError) -> None:
            if is_alone:
                raise error
            report.unreadable.append((_name_of(path, root), str(error)))

        for path in files:
            try:
                forms[path] = self._form(path, known.get(place_of(path)))
            except SourceError as error:
                refused(path, error)
        tables = [path for path, form in forms.items() if form is None]
        joined = _joined_files(tables, self.mapping) if not is_alone else set()
        units = {form.unit(path): path for path, form in reversed(forms.items()) if form is not None}
        for path, form in forms.items():
            if os.path.realpath(path) in joined or (form is not None and units[form.unit(path)] != path):
                continue
            name = _name_of(path, root)
            try:
                if form is None:
                    yield from self._table(path, name, report)
                else:
                    unit = form.unit(path)
                    yield from self._log(unit, form, known.get(place_of(unit)), name, report)
            except (SourceError, MappingError) as error:
                refused(path, error)
            except OSError as error:
                refused(
                    path, SourceError(f"{name[:300]} cannot be read to its end: {error.strerror or error}")
                )

    def _form(self, path: Path, position: ReadPosition | None) -> LogFormat | None:
        """Return the kind of log that a file is read as, None for a table; one that is known is not opened."""
        if self.is_table or self.form is not None:
            return self.form
        form = FORMATS.get(position.format) if position is not None else None
        return form if form is not None and is_unchanged(path, position, form.version) else detect(path)

    def _log(
        self, path: Path, form: LogFormat, position: ReadPosition | None, name: str, report: IngestReport
    ) -> Iterator[_Found]:
        seen = FileReport(name, Counts(), Notes(form.name, is_log=True))
        notes, source = seen.notes, f"{form.name}:{name}"[:4000]
        if is_unchanged(path, position, form.version):
            notes.how = "unchanged"
            report.files.append(seen)
            return
        growth = Growth(path, form, position)
        for piece, reached in growth.pieces():
            if seen not in report.files[-1:]:
                notes.how = growth.how
                report.files.append(seen)
            yield _Found(seen, source, piece=piece, position=reached)

    def _table(self, path: Path, name: str, report: IngestReport) -> Iterator[_Found]:
        seen = FileReport(name, Counts(), Notes())
        for batch in read_batches(path, self.mapping, seen.notes, name):
            if seen not in report.files[-1:]:
                report.files.append(seen)
            yield _Found(seen, f"{seen.notes.format}:{name}", batch)
        if seen not in report.files[-1:]:  # a header alone
            report.files.append(seen)


def _together(found: Iterable[_Found]) -> Iterator[list[_Found]]:
    """Yield what was read in groups that the store takes in one go: many small files, or one large batch."""
    group: list[_Found] = []
    n_rows = 0
    for one in found:
        group.append(one)
        n_rows += one.n_rows
        if n_rows >= _ROWS_TOGETHER or len(group) >= _FILES_TOGETHER:
            yield group
            group, n_rows = [], 0
    if group:
        yield group


def _batched(groups: Iterable[list[_Found]]) -> Iterator[list[_Found]]:
    """Yield groups with the pieces of logs made into batches, those of a group together."""
    for group in groups:
        logs = [one for one in group if one.batch is None]
        parts = [Part(one.piece, one.seen.notes.format, one.source) for one in logs]
        for one, batch in zip(logs, assemble_all(parts), strict=True):
            notes = one.seen.notes
            notes.n_steps += len(batch.steps)
            notes.kinds.update(batch.kinds)
            notes.unpriced.update(_unpriced(batch.steps))
            one.batch, one.piece = batch, Piece()
        yield group


def _name_of(path: Path, root: Path) -> str:
    """Return how a file is called in what is stored and said: its path from its root's name on."""
    return printable(path.relative_to(root.parent) if root.is_dir() else Path(path.name))


def _unpriced(steps: pl.DataFrame) -> Counter[str]:
    """Return how many steps of each model have tokens but no cost."""
    found = steps.filter(
        pl.col("model").is_not_null(), pl.col("input_tokens") > 0, pl.col("cost_usd").is_null()
    )
    return Counter(found["model"].to_list())


def _ahead(batches: Iterable[T]) -> Iterator[T]:
    """Yield batches while the next one is being read in a thread: reading goes on while the store writes."""
    coming = iter(batches)
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, coming, None)
        while (batch := following.result()) is not None:
            following = reader.submit(next, coming, None)
            yield batch


def _joined_files(files: list[Path], mapping: Mapping | None) -> set[str]:
    """Return the files that some other file's mapping joins: they are no sources of their own."""
    joined: set[str] = set()
    for path in files:
        try:
            columns = columns_of(path)
            table = mapping.table_for(columns, path.name) if mapping else mapping_for(columns)[1]
        except LearnlabError:
            continue
        if table.join is not None:
            joined |= {os.path.realpath(found) for found in path.parent.glob(table.join.file)}
    return joined
