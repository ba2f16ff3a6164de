"""What vectors take on the disk and lose by their form, and what 90 days take with all that search keeps."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from bench.figures import Figure, megabytes, say
from bench.fleets import Fleet
from learnlab.errors import SearchError
from learnlab.search.encoder import Encoder
from learnlab.search.encoders import encoder
from learnlab.search.index import vectors
from learnlab.search.index.backlog import encode_waiting
from learnlab.store import Store
from learnlab.store.connection import rewrite

TOPIC = "what search takes on the disk (vectors of 1,000 texts, perturbed for the others)"
NINETY_DAYS = 900_000
"""Executions in 90 days at 10,000 a day."""
LIMIT = 500
"""Megabytes that they may take."""
FORMS = {"32-bit floats": None, "16 bits": 32_767, "12 bits": vectors.STEPS, "10 bits": 511, "8 bits": 127}
"""Forms of a vector: the steps from 0 to its largest number, None where it is kept as it is."""

_N_REAL = 1000
_N_IN_FORMS = 100_000
_N_QUERIES = 200
_FEWEST = 500_000
_NOISE = 0.35

Floats = NDArray[np.float32]


def measure(fleet: Fleet, base: Floats | None = None) -> Iterator[Figure]:
    """Yield the size and the loss of each form of a vector, and the size of 90 days.

    `base` are real vectors, unless given those of some texts of the fleet. Fewer than 500,000 executions say
    nothing of 900,000: a small file is mostly empty blocks.
    """
    if base is None:
        try:
            base = _of_texts(fleet, encoder())
        except SearchError as error:
            say(f"{fleet.n:,}: what search takes on the disk is left out: {error}")
            return
    yield from _forms(fleet, base)
    if fleet.n < _FEWEST:
        return
    say(f"{fleet.n:,}: vectors and words for all texts")
    copy = fleet.folder / "storage.duckdb"
    try:
        shutil.copy(fleet.store.path, copy)
        plain = megabytes(copy)
        encode_waiting(Store(copy), _Perturbed(base))
        sizes = {"as encoding leaves it": megabytes(copy)}
        rewrite(copy)
        sizes["written anew"] = megabytes(copy)
        for state, size in sizes.items():
            what = f"90 days of 10,000 executions, {state}"
            scaled = [NINETY_DAYS / fleet.n * one for one in (size, plain)]
            yield Figure(TOPIC, what, fleet.n, scaled[0], "MB", "without vectors and words", scaled[1], LIMIT)
    finally:
        copy.unlink(missing_ok=True)


def _of_texts(fleet: Fleet, chosen: Encoder) -> Floats:
    """Return the vectors of some of a fleet's texts."""
    texts = fleet.store.sql("select text from texts order by text_hash limit $n", {"n": _N_REAL})[
        "text"
    ]  # a hash is as good as a draw
    say(f"{fleet.n:,}: encoding {len(texts):,} texts with {chosen.key}, {chosen.runs_on}")
    return chosen.encode(texts.to_list())


def perturbed(base: Floats, n: int, rng: np.random.Generator) -> Floats:
    """Return n vectors of length 1, each near a real one: at a cosine of about 0.94."""
    noise = rng.standard_normal((n, base.shape[1]), dtype=np.float32) * np.float32(
        _NOISE / base.shape[1] ** 0.5
    )
    noise += base[rng.integers(0, len(base), n)]
    whole: Floats = noise / np.linalg.norm(noise, axis=1, keepdims=True)
    return whole


def _forms(fleet: Fleet, base: Floats) -> Iterator[Figure]:
    """Yield for each form its file beside that of floats, and the true neighbours it loses beside 8 bits."""
    rng = np.random.default_rng(0)
    ((n_texts,),) = fleet.store.sql("select count(*) from texts").rows()
    n = min(_N_IN_FORMS, n_texts)
    kept, queries = perturbed(base, n, rng), perturbed(base, _N_QUERIES, rng)
    true = _nearest(kept, queries)
    sizes, lost = {}, {}
    for form, steps in FORMS.items():
        say(f"{fleet.n:,}: {n:,} vectors in {form}")
        numbers, scale = _in_steps(kept, steps)
        sizes[form] = _size(fleet.folder / "form.duckdb", kept, numbers, scale)
        found = _nearest(numbers.astype(np.float32) * scale[:, None], queries)
        met = sum(len(set(a) & set(b)) for a, b in zip(true.tolist(), found.tolist(), strict=True))
        lost[form] = 100 * max(1, true.size - met) / true.size  # one is the least that can be told
    for form in FORMS:
        yield Figure(TOPIC, f"file: {form}", n, sizes[form], "MB", "floats", sizes["32-bit floats"])
    for form in list(FORMS)[1:]:
        yield Figure(TOPIC, f"neighbours lost: {form}", n, lost[form], "%", "8 bits", lost["8 bits"], 1.0)


def _in_steps(kept: Floats, steps: int | None) -> tuple[NDArray[np.generic], Floats]:
    if steps is None:
        return kept, np.ones(len(kept), dtype=np.float32)
    scale = np.abs(kept).max(axis=1) / np.float32(steps)
    return np.rint(kept / scale[:, None]).astype(np.int16), scale


def _size(path: Path, kept: Floats, numbers: NDArray[np.generic], scale: Floats) -> float:
    """Return the megabytes of a file that holds vectors in a form, with their signs and a key each."""
    signs = vectors.signs(kept)
    frame = pl.DataFrame({f"b{at}": signs[:, at] for at in range(signs.shape[1])}).with_columns(
        scale=pl.Series(scale), v=pl.Series(numbers.ravel()).reshape(numbers.shape)
    )
    try:
        with duckdb.connect(str(path)) as connection:
            connection.register("coming", frame)
            connection.execute("create table kept as select uuid() as text_hash, * from coming")
            connection.execute("checkpoint")
        return megabytes(path)
    finally:
        path.unlink(missing_ok=True)


def _nearest(kept: Floats, queries: Floats) -> NDArray[np.int64]:
    products = queries @ kept.T
    return np.argpartition(-products, 10, axis=1)[:, :10]


class _Perturbed:
    """An encoder that gives vectors near real ones, whatever the texts: what they take does not depend on it."""

    key = "perturbed@1"
    runs_on = "numpy, for the benchmark"

    def __init__(self, base: Floats) -> None:
        self.dimension = base.shape[1]
        self._base = base
        self._rng = np.random.default_rng(1)

    def encode(self, texts: Sequence[str]) -> Floats:
        return perturbed(self._base, len(texts), self._rng)
