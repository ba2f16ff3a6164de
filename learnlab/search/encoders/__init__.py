"""The encoder to use: found by name, made once a process, run by the quickest thing that keeps its vectors."""

from __future__ import annotations

import os
from threading import Lock

from learnlab.search.encoder import Encoder
from learnlab.search.encoders.onnx_encoder import OnnxEncoder
from learnlab.search.encoders.onnx_export import exported
from learnlab.search.encoders.onnx_files import kept
from learnlab.search.encoders.torch_encoder import TorchEncoder, device
from learnlab.search.encoders.weights import weights
from learnlab.search.extra import installed
from learnlab.settings import settings

_made: dict[tuple[str, int], Encoder] = {}
_making = Lock()


def encoder(name: str = "") -> Encoder:
    """Return the encoder of a name: the packaged model's, a folder, or a name on the hub with an optional @revision.

    Without a name it is the one of `LEARNLAB_EMBEDDING_MODEL`. It is made once a process (a forked child makes its
    own, since the threads of onnxruntime and torch do not outlive a fork) and may be shared by threads. On a CPU a
    BERT is exported to ONNX the first time, which takes some ten seconds; later processes load that in less than one.

    Raises:
        SearchError: when the model cannot be found, is not of a kind that is loaded, or a package is missing.
    """
    name = name or settings().embedding_model
    with _making:
        wanted = (name, os.getpid())
        if wanted not in _made:
            _made[wanted] = _encoder(name)
        return _made[wanted]


def _encoder(name: str) -> Encoder:
    found = weights(name)
    where = device()
    if where == "cpu" and installed("onnxruntime", "tokenizers") and (export := kept(found)):
        return OnnxEncoder(export)
    slow = TorchEncoder(found, where)
    if where == "cpu" and (export := exported(slow, found)):
        return OnnxEncoder(export)
    return slow
