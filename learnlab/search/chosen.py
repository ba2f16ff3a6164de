"""The encoder that a search uses: known by its key at once, loaded when something has to be encoded."""

from __future__ import annotations

import os
from collections.abc import Sequence

from learnlab.search.encoder import Encoder, Vectors
from learnlab.settings import settings

_loaded: set[tuple[str, int]] = set()
"""Names of the encoders that this process (by its id) has loaded."""


class Chosen:
    """An encoder, or the name of one that is not loaded before it is needed; empty for the one of the settings.

    >>> Chosen("all-MiniLM-L6-v2").key
    'all-MiniLM-L6-v2@53aa51172d14'
    """

    def __init__(self, encoder: Encoder | str | None = None) -> None:
        self._name = encoder if isinstance(encoder, str) and encoder else settings().embedding_model
        self._encoder = None if isinstance(encoder, str) else encoder
        self.runs_on = ""

    @property
    def key(self) -> str:
        """The encoder's name@revision.

        Raises:
            SearchError: when there is no such model.
        """
        if self._encoder is not None:
            return self._encoder.key
        from learnlab.search.encoders.weights import PACKAGED, PACKAGED_KEY, weights

        return PACKAGED_KEY if self._name in (PACKAGED, PACKAGED_KEY) else weights(self._name).key

    @property
    def is_loaded(self) -> bool:
        """Whether encoding a text takes milliseconds, because the model has been loaded already."""
        return self._encoder is not None or (self._name, os.getpid()) in _loaded

    def encoder(self) -> Encoder:
        """Return the encoder, loaded.

        Raises:
            SearchError: when it cannot be.
        """
        if self._encoder is None:
            from learnlab.search.encoders import encoder

            self._encoder = encoder(self._name)
            _loaded.add((self._name, os.getpid()))
        return self._encoder

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of texts, and note what does the work.

        Raises:
            SearchError: when the encoder cannot be loaded, or gives what is no vector.
        """
        encoder = self.encoder()
        self.runs_on = encoder.runs_on
        return encoder.encode(texts)
