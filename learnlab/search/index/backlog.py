"""The backlog: every text that has no vector yet gets one, newest first, while everybody else goes on."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from tqdm.auto import tqdm

from learnlab.errors import LearnlabError, SearchError
from learnlab.search.encoder import Encoder, Vectors
from learnlab.search.index import vectors, words
from learnlab.store import Store
from learnlab.store.connection import fetch

_log = logging.getLogger("learnlab.search")
PIECE = 2000
"""Texts that are read at once, at most."""
PIECE_CHARACTERS = 4_000_000
"""Characters of texts that are read at once; one longer text is read alone."""
CALL = 256
"""Texts that the encoder is given at once."""
SECONDS = 10.0
"""After how long what was encoded is written: a killed run loses that much, and the call it was in."""
_PROBE = "a task that every model has a vector for"

_PIECE = """
with newest as (
    select t.text_hash, t.text, t.text_no
    from texts t
    {anti_join}
    order by t.text_no desc
    limit $n
)
select cast(text_hash as varchar) as text_hash, text
from (select *, sum(length(text)) over (order by text_no desc rows unbounded preceding) as n_characters from newest)
where n_characters <= $most or n_characters = length(text)
order by text_no desc
"""


@dataclass(frozen=True)
class Encoded:
    """What a run did: texts that got a vector, texts set aside (blank, or the model had none), texts that wait still.

    >>> run = Encoded(n_texts=1200, n_unusable=1, seconds=30.0, key="mini@1", runs_on="onnxruntime on the CPU")
    >>> print(run.summary())
    encoded 1,200 texts in 30.0 s with mini@1, onnxruntime on the CPU; 1 has no vector; 0 wait
    """

    n_texts: int = 0
    n_unusable: int = 0
    n_left: int = 0
    n_words_indexed: int = 0
    seconds: float = 0.0
    key: str = ""
    runs_on: str = ""

    def summary(self) -> str:
        """Return what was done as one line for a person."""
        has = "has" if self.n_unusable == 1 else "have"
        aside = f"; {self.n_unusable:,} {has} no vector" if self.n_unusable else ""
        return (
            f"encoded {self.n_texts:,} texts in {self.seconds:.1f} s with {self.key}, {self.runs_on}{aside}; "
            f"{self.n_left:,} wait"
        )


def encode_waiting(
    store: Store, encoder: Encoder | None = None, *, limit: int | None = None, progress: bool = False
) -> Encoded:
    """Embed the texts that an encoder has no vector for, newest first, `limit` of them at most; index their words.

    The store is held only to read a piece and to write one: captures and reports go on meanwhile. Whoever is
    killed loses about ten seconds' work, and running again goes on from there. Several may run at once: a text
    keeps the first vector it gets. A text that is blank, or that the model fails on, is set aside (a row of
    nulls), counted and logged. `encoder` is the one of the settings unless given.

    Raises:
        SearchError: when the encoder works for no text at all, or its key stood for another dimension before.
        StoreError: when there is no such store or it cannot be written.
        StoreBusyError: when others hold it for longer than the time to wait.
    """
    began = time.monotonic()
    if encoder is None:
        from learnlab.search.encoders import encoder as chosen

        encoder = chosen()
    run = _Run(store, encoder)
    n_left = run.n_waiting()
    if n_left and limit != 0:
        n_due = n_left if limit is None else min(limit, n_left)
        in_notebook = type(sys.stderr).__module__.startswith("ipykernel")
        is_hidden = not progress or (False if in_notebook else None)  # None: hidden unless this is a terminal
        with tqdm(total=n_due, unit=" texts", leave=False, disable=is_hidden) as bar:
            n_looked = 0
            while (n := PIECE if limit is None else min(PIECE, limit - n_looked)) and len(
                piece := run.read(n)
            ):
                run.encode(piece, bar)
                n_looked += len(piece)
        n_left = run.n_waiting()
    n_words_indexed = _index_words(store, limit)
    return Encoded(
        run.n_texts,
        run.n_unusable,
        n_left,
        n_words_indexed,
        time.monotonic() - began,
        encoder.key,
        encoder.runs_on,
    )


class _Run:
    """One run over the backlog: what is encoded and not yet written, and the counts so far."""

    def __init__(self, store: Store, encoder: Encoder) -> None:
        self.n_texts = 0
        self.n_unusable = 0
        self._store = store
        self._encoder = encoder
        self._hashes: list[str] = []
        self._vectors: list[Vectors] = []
        self._written = time.monotonic()

    def n_waiting(self) -> int:
        """Return how many texts wait for the encoder; refuse one whose dimension changed."""
        with self._store.reading() as connection:
            table = vectors.table_of(connection, self._encoder.key)
            vectors.checked(table, self._encoder.key, self._encoder.dimension)
            return vectors.n_waiting(connection, self._encoder.key)

    def read(self, n: int) -> pl.DataFrame:
        """Return the newest texts that wait, n or fewer: text_hash, text."""
        with self._store.reading() as connection:
            table = vectors.table_of(connection, self._encoder.key)
            joined = f"anti join {table.name} v on v.text_hash = t.text_hash" if table else ""
            given = {"n": n, "most": PIECE_CHARACTERS}
            return fetch(connection, _PIECE.format(anti_join=joined), given)

    def encode(self, piece: pl.DataFrame, bar: tqdm[object]) -> None:
        """Encode texts of like length together, and write them in the end, or sooner where that takes long."""
        for part in piece.sort(pl.col("text").str.len_bytes(), maintain_order=True).iter_slices(CALL):
            self._hashes += part["text_hash"].to_list()
            self._vectors.append(self._vectors_of(part["text"].to_list()))
            bar.update(len(part))
            if time.monotonic() - self._written > SECONDS:
                self._write()
        self._write()

    def _write(self) -> None:
        if not self._hashes:
            return
        found = np.concatenate(self._vectors)
        is_usable = vectors.usable(found)
        hashes = pl.Series(self._hashes, dtype=pl.String)
        key, dimension = self._encoder.key, self._encoder.dimension
        with self._store.writing() as connection:
            self.n_texts += vectors.add(
                connection, key, dimension, hashes.filter(is_usable).to_list(), found[is_usable]
            )
            self.n_unusable += vectors.set_aside(
                connection, key, dimension, hashes.filter(~is_usable).to_list()
            )
        self._hashes, self._vectors, self._written = [], [], time.monotonic()

    def _vectors_of(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of texts, NaN for a text that has none."""
        spoken = [at for at, text in enumerate(texts) if text.strip()]
        found = np.full((len(texts), self._encoder.dimension), np.nan, dtype=np.float32)
        if spoken:
            found[spoken] = self._tried([texts[at] for at in spoken])
        return found

    def _tried(self, texts: Sequence[str]) -> Vectors:
        """Encode texts; where that fails, half of them at a time, until it is known which the model fails on."""
        try:
            found = self._encoded(texts)
        except Exception as error:
            if len(texts) > 1:
                half = len(texts) // 2
                return np.concatenate([self._tried(texts[:half]), self._tried(texts[half:])])
            self._make_sure_it_works()
            _log.warning("a text of %d characters has no vector: %s", len(texts[0]), type(error).__name__)
            return np.full((1, self._encoder.dimension), np.nan, dtype=np.float32)
        if not (is_usable := vectors.usable(found)).all():
            self._make_sure_it_works()
            _log.warning("%d texts have no vector: the model gave none of length 1", np.sum(~is_usable))
        return found

    def _encoded(self, texts: Sequence[str]) -> Vectors:
        found = np.asarray(self._encoder.encode(texts), dtype=np.float32)
        if found.shape != (len(texts), self._encoder.dimension):
            raise SearchError(
                f"{self._encoder.key} gave an array of shape {found.shape} for {len(texts)} texts and dimension "
                f"{self._encoder.dimension}"
            )
        return found

    def _make_sure_it_works(self) -> None:
        """Raise when the encoder works for no text: then none is to blame, and none is set aside."""
        try:
            works = bool(vectors.usable(self._encoded([_PROBE]))[0])
        except LearnlabError:
            raise
        except Exception as error:
            raise SearchError(
                f"{self._encoder.key} works for no text: {type(error).__name__}: {error}"
            ) from error
        if not works:
            raise SearchError(f"{self._encoder.key} gives no vector of length 1, whatever the text")


def _index_words(store: Store, limit: int | None) -> int:
    """Index the words of the texts that are not indexed yet, in pieces; return how many texts that were.

    The index takes the oldest first: where more than `limit` wait, a search does not wait for it.
    """
    with store.reading() as connection:
        ((n_waiting,),) = connection.execute(
            "select (select count(*) from texts) - (select count(*) from search.worded)"
        ).fetchall()
    n_indexed = 0
    while n_indexed < n_waiting and (limit is None or n_waiting <= limit):
        with store.writing() as connection:
            n = words.index_waiting(connection)
        if not n:
            break
        n_indexed += n
    return n_indexed
