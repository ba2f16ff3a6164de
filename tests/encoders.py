"""An encoder for tests: words in common make texts similar, and nothing has to be loaded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from hashlib import sha256

import numpy as np

DIMENSION = 384


@cache
def _of_word(word: str, dimension: int) -> np.ndarray:
    seed = int.from_bytes(sha256(word.encode()).digest()[:8], "little")
    return np.random.default_rng(seed).standard_normal(dimension)


class WordEncoder:
    """A text is the sum of its words' directions, each drawn from the word's hash; no word at all has a direction too."""

    runs_on = "numpy, for tests"

    def __init__(self, key: str = "words@1", dimension: int = DIMENSION) -> None:
        self.key = key
        self.dimension = dimension
        self.n_encoded = 0

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.n_encoded += len(texts)
        rows = [
            sum(_of_word(word, self.dimension) for word in re.findall(r"\w+", text.lower()) or ["\0"])
            for text in texts
        ]
        whole = np.array(rows, dtype=np.float32).reshape(len(texts), self.dimension)
        return whole / np.linalg.norm(whole, axis=1, keepdims=True)
