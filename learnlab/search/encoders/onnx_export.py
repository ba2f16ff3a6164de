"""The export of a BERT to ONNX: made once with torch, and kept only when its vectors are torch's."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from learnlab.search.encoders.onnx_encoder import OnnxEncoder
from learnlab.search.encoders.onnx_files import Exported, keep
from learnlab.search.encoders.torch_encoder import TorchEncoder
from learnlab.search.encoders.weights import Weights
from learnlab.search.extra import extra, installed

AGREES = 0.99999
_TRIED = [
    "timezone handling in date conversion",
    "",
    " \t\n ",
    "fix_utc() in src/utils/dates.py:42 raises ZoneInfoNotFoundError — see PR #1187",
    "Café naïve ÅNGSTRÖM ﬁ ſ İstanbul e\u0301\u0323",
    "在日期转换中处理时区 und Zeitzonen обработка часовых поясов 日付変換 معالجة المناطق",
    "🐛🔥 zero\u200bwidth \x00 NUL \ufffd [SEP] [MASK] ##ing",
    "x" * 99 + " " + "y" * 100 + " " + "z" * 101,
    "def f(x):\n\treturn {**x, 'a': [1, 2.5e-3, None]}  # " + "naïve-tokens, " * 200,
    "the billing module splits invoices by month and region " * 60,
]


def exported(encoder: TorchEncoder, weights: Weights) -> Exported | None:
    """Return the export of a loaded model; None where there is none to be had and torch has to do the work.

    That is so for everything but a BERT with WordPiece and mean or first-token pooling, where a package is missing,
    where the cache cannot be written, and where a vector of a text of any kind tried here is not torch's.
    """
    if not (installed("onnx", "onnxruntime", "tokenizers") and _is_plain_bert(encoder.model)):
        return None
    try:
        model = _graph(encoder.model)
    except Exception:
        return None
    tokenizer = encoder.model[0].tokenizer.backend_tokenizer.to_str().encode()
    max_length = int(encoder.model.max_seq_length)
    with TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("model.onnx", "tokenizer.json")]
        for file, content in zip(files, (model, tokenizer), strict=True):
            file.write_bytes(content)
        tried = Exported(files[0], files[1], weights.key, max_length, encoder.dimension)
        cosines = (OnnxEncoder(tried).encode(_TRIED) * encoder.encode(_TRIED)).sum(axis=1)
    if np.min(cosines) < AGREES:
        return None
    return keep(weights, model, tokenizer, max_length, encoder.dimension)


def _is_plain_bert(model: Any) -> bool:
    kinds = [type(module).__name__ for module in model]
    if kinds[:2] != ["Transformer", "Pooling"] or kinds[2:] not in ([], ["Normalize"]):
        return False
    tokenizer = getattr(model[0].tokenizer, "backend_tokenizer", None)
    return (
        model[0].auto_model.config.model_type == "bert"
        and model[1].pooling_mode in ("mean", "cls")
        and type(getattr(tokenizer, "model", None)).__name__ == "WordPiece"
        and not model.default_prompt_name
        and bool(model.max_seq_length)
    )


def _graph(model: Any) -> bytes:
    """Return the ONNX file of a model from token numbers to pooled vectors, for any number of texts and tokens."""
    torch = extra("torch")
    bert, is_mean = model[0].auto_model, model[1].pooling_mode == "mean"

    class Pooled(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.bert = bert

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            if not is_mean:
                return hidden[:, 0]
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            return (hidden * mask).sum(1) / mask.sum(1)

    example = torch.ones(2, 8, dtype=torch.long)
    sizes = {0: "texts", 1: "tokens"}
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Pooled().eval(),
            (example, example),
            file,
            input_names=["input_ids", "attention_mask"],
            output_names=["vector"],
            dynamic_axes={"input_ids": sizes, "attention_mask": sizes, "vector": {0: "texts"}},
            opset_version=17,
            dynamo=False,
        )
    return file.getvalue()
