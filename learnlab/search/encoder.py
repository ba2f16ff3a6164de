"""What an encoder is: texts in, vectors of unit length out, under a key that never means two things."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""One vector a row, each of length 1: (texts, dimension)."""


class Encoder(Protocol):
    """Something that turns texts into vectors.

    `key` is name@revision: two encoders with the same key give the same vectors, so theirs may be compared and
    no others. `runs_on` says in words what does the work, such as "onnxruntime on the CPU".
    """

    @property
    def key(self) -> str:
        """Name and revision of the model: `all-MiniLM-L6-v2@53aa51172d14`."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    @property
    def runs_on(self) -> str:
        """What does the work, in words."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return a vector of unit length for each text, in order, whatever its length or language.

        Raises:
            SearchError: when the model gives what is no vector (NaN, zero, another dimension).
        """
        ...
