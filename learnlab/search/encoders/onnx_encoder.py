"""Encoding by onnxruntime: the same vectors as torch's, in a sixth of a second from a cold start instead of many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnlab.errors import SearchError
from learnlab.search.encoder import Vectors
from learnlab.search.encoders.encoding import encode_in_batches
from learnlab.search.encoders.onnx_files import Exported
from learnlab.search.extra import extra

_BATCH = 8
_CHARACTERS_PER_TOKEN = 8


class OnnxEncoder:
    """An exported BERT with its tokenizer; any number of threads may encode at once.

    Its own threads, as many as cores, sleep between two calls instead of spinning: that halves what a query costs.
    """

    runs_on = "onnxruntime on the CPU"

    def __init__(self, exported: Exported) -> None:
        """Load an export that was checked.

        Raises:
            SearchError: when onnxruntime or tokenizers is missing, or cannot load the files.
        """
        onnxruntime, tokenizers = extra("onnxruntime"), extra("tokenizers")
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(exported.model), options, providers=["CPUExecutionProvider"]
            )
            self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(exported.tokenizer))
        except Exception as error:
            raise SearchError(f"the export in {exported.model.parent} cannot be loaded: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._longest_word = int(self._tokenizer.model.max_input_chars_per_word)
        self._max_length = exported.max_length
        self.key = exported.key
        self.dimension = exported.dimension

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return a vector of unit length for each text, in order.

        Raises:
            SearchError: when the model gives what is no vector.
        """
        return encode_in_batches(texts, self._raw, size=_BATCH, dimension=self.dimension, key=self.key)

    def _raw(self, batch: list[str]) -> NDArray[np.floating]:
        tokens = [self.tokens(text) for text in batch]
        ids = np.zeros((len(batch), max(map(len, tokens))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, some in enumerate(tokens):
            ids[row, : len(some)] = some
            mask[row, : len(some)] = 1
        raw: NDArray[np.floating] = self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return raw

    def tokens(self, text: str) -> list[int]:
        """Return the numbers of the tokens that the model reads, those around the text included.

        Of a long text only the beginning is taken apart, and the tokens are the same: where a text is cut, only the
        word that the cut goes through can change, a word has at most as many tokens as WordPiece takes characters
        (100; a longer one is a single unknown token), and that many tokens more than the model reads are asked for.
        """
        enough = self._max_length + self._longest_word
        cut = _CHARACTERS_PER_TOKEN * enough
        ids: list[int] = self._tokenizer.encode(text[:cut]).ids
        while cut < len(text) and len(ids) < enough:
            cut *= 8
            ids = self._tokenizer.encode(text[:cut]).ids
        return ids if len(ids) <= self._max_length else [*ids[: self._max_length - 1], ids[-1]]
