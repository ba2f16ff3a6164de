"""A fitted router as bytes: a safetensors file, checked when it is written and trusted in nothing when it is read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from learnlab.errors import RoutingError
from learnlab.events import Candidate
from learnlab.routing.extra import extra
from learnlab.routing.keeping.kept import DTYPES, Arrays, Kept, restore
from learnlab.routing.tries import KNOWN, Tries

FORMAT = "learnlab-router-1"
"""What a file says that it is; another layout gets another number."""

MOST_BYTES = 64_000_000
MOST_HEADER = 4_000_000
MOST_ARRAYS = 1000

_NAME = re.compile(r"[A-Za-z0-9_.]{1,200}")
_CANDIDATES = TypeAdapter(list[Candidate])
_SAID = ("format", "name", "router_version", "data_hash", "candidates", "description")


@dataclass(frozen=True)
class Weights:
    """What a router learned, as bytes: its version, the file, and the file's SHA-256 (64 hex digits)."""

    router_version: str
    file: bytes
    file_hash: str


def data_hash(tries: Tries) -> str:
    """Return the SHA-256 (64 hex digits) of tries: of their tasks with vectors and groups, and all that came of them."""
    digest = sha256(_json([one.model_dump(mode="json") for one in tries.candidates]))
    for name in KNOWN:
        digest.update(_json(tries.tasks.known[name].to_list()))
    of_tries = (tries.task, tries.candidate, tries.quality, tries.cost, tries.propensity, tries.started_at)
    for array in (tries.tasks.vectors, tries.tasks.group, *of_tries):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


def packed(router: Kept, learned_from: str) -> Weights:
    """Return a router as bytes; `learned_from` is the `data_hash` of the tries that it was fitted on.

    Its version is its name and 12 hex digits of the SHA-256 of all that it is, so the same fit has the same one.

    Raises:
        RoutingError: when it is not fit to be kept: not finite, too large, not of the numbers that are allowed.
    """
    said = {
        "format": FORMAT,
        "name": router.name,
        "data_hash": learned_from,
        "candidates": _json([one.model_dump(mode="json") for one in router.candidates]).decode(),
        "description": _json(router.describe()).decode(),
    }
    arrays = {name: np.ascontiguousarray(array) for name, array in sorted(router.arrays().items())}
    _check(arrays)
    digest = sha256(_json(said))
    for name, array in arrays.items():
        digest.update(f"{name}{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    version = f"{router.name}-{digest.hexdigest()[:12]}"
    file: bytes = extra("safetensors.numpy").save(arrays, metadata=said | {"router_version": version})
    if len(file) > MOST_BYTES:
        raise RoutingError(
            f"{version} has {len(file) / 1e6:,.0f} MB: more than {MOST_BYTES / 1e6:,.0f} are not kept"
        )
    return Weights(version, file, sha256(file).hexdigest())


def unpacked(weights: Weights, name: str, learned_from: str) -> Kept:
    """Return the router that a file holds, after making sure that it is the one that was written.

    Nothing in the file is run: it is numbers, and JSON in its header.

    Raises:
        RoutingError: when the file is damaged, cut short, another one, or holds what no router of ours would.
    """
    try:
        return _unpacked(weights, name, learned_from)
    except RoutingError as error:
        raise RoutingError(
            f"the file of router {weights.router_version[:100]} cannot be used: {error}"
        ) from error


def _unpacked(weights: Weights, name: str, learned_from: str) -> Kept:
    file = weights.file
    if len(file) > MOST_BYTES:
        raise RoutingError(f"it has {len(file) / 1e6:,.0f} MB, and {MOST_BYTES / 1e6:,.0f} are allowed")
    if sha256(file).hexdigest() != weights.file_hash:
        raise RoutingError("its SHA-256 is another than when it was written: it was damaged or altered")
    said = _said(file)
    if said["format"] != FORMAT:
        raise RoutingError(f"its format is {said['format'][:100]!r}, not {FORMAT}")
    given = {"name": name, "router_version": weights.router_version, "data_hash": learned_from}
    if wrong := [key for key, value in given.items() if said[key] != value]:
        raise RoutingError(f"it is the file of another router: its {' and '.join(wrong)} differ")
    try:
        arrays: dict[str, NDArray[Any]] = extra("safetensors.numpy").load(file)
    except (extra("safetensors").SafetensorError, ValueError, KeyError, TypeError) as error:
        raise RoutingError(f"it is no safetensors file: {str(error)[:200]}") from error
    _check(arrays)
    try:
        candidates = tuple(_CANDIDATES.validate_json(said["candidates"]))
        description = json.loads(said["description"])
    except (ValidationError, ValueError, RecursionError) as error:
        raise RoutingError("what its header says is no JSON of ours") from error
    if not isinstance(description, dict):
        raise RoutingError("its description is no object")
    router = restore(name, candidates, description, arrays)
    if router.candidates != candidates:
        raise RoutingError("it makes a router of other candidates")
    return router


def _said(file: bytes) -> Mapping[str, str]:
    """Return what the header of a safetensors file says of the router: texts by their names."""
    length = int.from_bytes(file[:8], "little")
    if len(file) < 8 or not 2 <= length <= min(MOST_HEADER, len(file) - 8):
        raise RoutingError("it is no safetensors file, or was cut short")
    try:
        said = json.loads(file[8 : 8 + length]).get("__metadata__")
    except (ValueError, RecursionError, AttributeError) as error:
        raise RoutingError("its header is no JSON object") from error
    if not isinstance(said, dict) or not all(isinstance(said.get(key), str) for key in _SAID):
        raise RoutingError("its header does not say what router it is: it is somebody else's file")
    return said


def _check(arrays: Arrays) -> None:
    if len(arrays) > MOST_ARRAYS:
        raise RoutingError(f"it has {len(arrays):,} arrays, and {MOST_ARRAYS:,} are allowed")
    for name, array in arrays.items():
        if not _NAME.fullmatch(name) or array.dtype.name not in DTYPES:
            raise RoutingError(f"no router keeps an array {name[:100]!r} of {array.dtype}")
        if not np.isfinite(array).all():
            raise RoutingError(f"the array {name!r} holds what is no finite number")


def _json(value: Any) -> bytes:
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise RoutingError(f"what a router says of itself must be plain JSON: {error}") from error
