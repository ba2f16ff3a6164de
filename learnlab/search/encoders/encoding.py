"""What every encoder does alike: texts made readable on the way in, batches by length, vectors checked on the way out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from learnlab.errors import SearchError
from learnlab.search.encoder import Vectors


def encode_in_batches(
    texts: Sequence[str],
    of_batch: Callable[[list[str]], NDArray[np.floating]],
    *,
    size: int,
    dimension: int,
    key: str,
) -> Vectors:
    """Return a vector of unit length for each text, in order, from a function that encodes a few at a time.

    Texts of like length share a batch, because a batch costs what its longest text costs.

    Raises:
        SearchError: when the function gives what is no vector.
    """
    plain = [readable(text) for text in texts]
    order = sorted(range(len(plain)), key=lambda i: len(plain[i]))
    whole = np.empty((len(plain), dimension), dtype=np.float32)
    for first in range(0, len(order), size):
        rows = order[first : first + size]
        whole[rows] = unit(of_batch([plain[i] for i in rows]), (len(rows), dimension), key)
    return whole


def readable(text: str) -> str:
    """Return a text that can be written as UTF-8: halves of surrogate pairs are joined, lone ones become U+FFFD.

    >>> readable("caf\\ud83d\\ude00 \\ud800")
    'caf😀 �'
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def unit(raw: NDArray[np.floating], shape: tuple[int, int], key: str) -> Vectors:
    """Return vectors scaled to length 1.

    Raises:
        SearchError: when one is zero or not finite, or their number or dimension is another.

    >>> unit(np.array([[3.0, 4.0]]), (1, 2), "model@1")
    array([[0.6, 0.8]], dtype=float32)
    """
    if raw.shape != shape:
        raise SearchError(f"the model {key} gave vectors of shape {raw.shape} where {shape} was due")
    vectors = np.asarray(raw, dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise SearchError(
            f"the model {key} gave a vector that is zero or not finite: its weights are of no use"
        )
    scaled: Vectors = (vectors / lengths).astype(np.float32)
    return scaled
