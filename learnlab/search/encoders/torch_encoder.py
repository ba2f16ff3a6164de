"""Encoding by sentence-transformers: any model it knows, on the graphics card where there is one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnlab.errors import SearchError
from learnlab.search.encoder import Vectors
from learnlab.search.encoders.encoding import encode_in_batches
from learnlab.search.encoders.weights import Weights
from learnlab.search.extra import extra

_CARDS = ("/dev/nvidia0", "/dev/kfd", "/dev/dxg")
_BATCH = {"cpu": 8, "cuda": 128}


def device() -> str:
    """Return where torch is to compute: "cuda" or "cpu".

    Importing torch only to ask takes seconds, so the name of its build and the system's devices are asked first.
    """
    try:
        build = version("torch")
    except PackageNotFoundError:
        return "cpu"
    if build.endswith("+cpu") or not (os.name == "nt" or any(Path(card).exists() for card in _CARDS)):
        return "cpu"
    return "cuda" if extra("torch").cuda.is_available() else "cpu"


class TorchEncoder:
    """A model as sentence-transformers runs it, one batch at a time."""

    def __init__(self, weights: Weights, where: str) -> None:
        """Load the model from its folder; nothing is fetched, and no code of the model's is run.

        Raises:
            SearchError: when sentence-transformers is missing or cannot load the model.
        """
        sentence_transformers = extra("sentence_transformers")
        logging = extra("transformers.utils.logging")
        had_bars = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            self.model: Any = sentence_transformers.SentenceTransformer(
                str(weights.folder),
                device=where,
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"dtype": "float32", "use_safetensors": True},
            )
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
            raise SearchError(f"the model in {weights.folder} cannot be loaded: {reason}") from error
        finally:
            if had_bars:
                logging.enable_progress_bar()
        self.key = weights.key
        self.dimension = int(self.model.get_embedding_dimension() or 0)
        self.runs_on = "torch on the GPU" if where == "cuda" else "torch on the CPU"
        self._size = _BATCH[where]
        self._one_at_a_time = Lock()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return a vector of unit length for each text, in order.

        Raises:
            SearchError: when the model gives what is no vector.
        """
        return encode_in_batches(texts, self._raw, size=self._size, dimension=self.dimension, key=self.key)

    def _raw(self, batch: list[str]) -> NDArray[np.floating]:
        with self._one_at_a_time:
            return np.asarray(
                self.model.encode(
                    batch, batch_size=len(batch), convert_to_numpy=True, show_progress_bar=False
                )
            )
