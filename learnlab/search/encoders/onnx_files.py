"""Exports to ONNX, kept beside the stores: one folder a model, used only while its files are as they were made."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from learnlab.search.encoders.file_hashes import sha256_of, written
from learnlab.search.encoders.weights import Weights
from learnlab.settings import settings


@dataclass(frozen=True)
class Exported:
    """The files of an export and what has to be known to use them."""

    model: Path
    tokenizer: Path
    key: str
    max_length: int
    dimension: int


def folder_of(weights: Weights) -> Path:
    """Return the folder of a model's export, named after its key."""
    return settings().home / "models" / re.sub(r"[^\w.@-]+", "--", weights.key, flags=re.ASCII)[:120]


def kept(weights: Weights) -> Exported | None:
    """Return the export of a model, or None where there is none, or one that was altered or made of other files."""
    folder = folder_of(weights)
    try:
        note = json.loads((folder / "export.json").read_bytes())
        model, tokenizer = _files(folder, {part: str(note[part]) for part in ("onnx", "json")})
        if note["key"] != weights.key or note["made_of"] != weights.digest:
            return None
        if sha256_of(model) != note["onnx"] or sha256_of(tokenizer) != note["json"]:
            return None
        return Exported(model, tokenizer, weights.key, int(note["max_length"]), int(note["dimension"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(
    weights: Weights, model: bytes, tokenizer: bytes, max_length: int, dimension: int
) -> Exported | None:
    """Write an export down, whoever else does so at the same time; None where the folder cannot be written.

    Files are named after their content, and the note that names them comes last.
    """
    folder = folder_of(weights)
    hashes = {"onnx": hashlib.sha256(model).hexdigest(), "json": hashlib.sha256(tokenizer).hexdigest()}
    made = Exported(*_files(folder, hashes), weights.key, max_length, dimension)
    known = {"key": weights.key, "made_of": weights.digest, "max_length": max_length, "dimension": dimension}
    note = json.dumps(known | hashes, indent=2).encode()
    files = {made.model: model, made.tokenizer: tokenizer, folder / "export.json": note}
    if not all(written(path, content) for path, content in files.items()):
        return None
    for path in folder.glob("*.onnx"):
        if path != made.model:
            path.unlink(missing_ok=True)
    return made


def _files(folder: Path, hashes: dict[str, str]) -> tuple[Path, Path]:
    return folder / f"{hashes['onnx'][:16]}.onnx", folder / f"{hashes['json'][:16]}.json"
