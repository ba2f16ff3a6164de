"""Where things are and what is allowed: one settings class, read from LEARNLAB_* variables."""

from __future__ import annotations

import glob
import hashlib
import re
import shutil
from functools import lru_cache
from pathlib import Path

import platformdirs
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from learnlab.errors import StoreError

PACKAGE = Path(__file__).resolve().parent
_STORE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_PATH_SUFFIXES = (".db", ".duckdb", ".ddb")


def checkout() -> Path | None:
    """Return the root of the checkout that the package is imported from, or None for an installed wheel."""
    root = PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() and (root / "sql").is_dir() else None


def resources(name: str) -> Path:
    """Return the folder `sql` or `notebooks`: the checkout's own, else the one inside the wheel."""
    root = checkout()
    return (root or PACKAGE) / name


def _default_home() -> Path:
    root = checkout()
    return root / ".learnlab" if root else Path(platformdirs.user_data_dir("learnlab", appauthor=False))


class Settings(BaseSettings):
    """Every setting; each is the variable LEARNLAB_<NAME>.

    >>> Settings(lock_timeout=5).lock_timeout
    5.0
    """

    model_config = SettingsConfigDict(env_prefix="LEARNLAB_", extra="ignore")

    home: Path = Field(default_factory=_default_home)
    """The folder that holds the named stores."""

    db: str = ""
    """The store to use when none is named; empty means the one set by `learnlab use`, else `sample`."""

    lock_timeout: float = Field(default=30.0, gt=0)
    """Seconds to wait for the store before saying who holds it."""

    retention_days: int = Field(default=90, ge=7, le=365)
    """Days of executions that `learnlab db retain` keeps in the store; older ones go to the archive."""

    mask_secrets: bool = True
    """Whether keys, tokens, passwords and e-mail addresses are masked before anything is stored."""

    durable: bool = True
    """Whether a single record is acknowledged after fsync (survives a power cut) or after write (a kill)."""

    spool_limit_mb: int = Field(default=1000, gt=0)
    """Megabytes that may wait in a store's spool: beyond it nothing more is taken, before the disk is full."""

    embedding_model: str = "all-MiniLM-L6-v2"
    """The encoder: the packaged one's name, another sentence-transformers name (with @revision), or a folder."""

    user: str = ""
    """Who gives feedback here; empty means the system's name of the user."""

    feedback_prompts: bool = True
    """Whether anybody is ever asked for feedback unless they ask for it themselves."""

    feedback_per_hour: int = Field(default=5, ge=0)
    """Ratings within an hour after which nobody is asked for another, unless something failed."""

    @property
    def stores(self) -> Path:
        """The folder of the named stores."""
        return self.home / "stores"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return this process's settings, read once from the environment."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(f"LEARNLAB_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise StoreError(f"a setting is wrong: {wrong}") from error


def is_store_path(name: str) -> bool:
    """Return whether a `db` argument is a path rather than the name of a store.

    >>> is_store_path("data/learning.db"), is_store_path("sample")
    (True, False)
    """
    return "/" in name or "\\" in name or name.endswith(_PATH_SUFFIXES)


def store_path(name: str | Path = "") -> Path:
    """Return the file of a store given by name or path; the current store when the name is empty.

    Raises:
        StoreError: when the text is neither a path nor a name of a-z, 0-9, `_`, `-` (63 at most).

    >>> store_path("data/learning.db").name
    'learning.db'
    """
    text = str(name) or current_store()
    if isinstance(name, Path) or is_store_path(text):
        try:
            path = Path(text).expanduser().resolve()
            path.exists()
        except (OSError, RuntimeError, ValueError) as error:
            raise StoreError(f"{text[:200]!r} is no path for a store: {error}") from error
        if not path.name:
            raise StoreError(f"{text!r} is no path for a store: it names no file")
        return path
    if not _STORE_NAME.fullmatch(text):
        raise StoreError(
            f"{text!r} is no name for a store: use a-z, 0-9, _ and -, or a path ending in .db or .duckdb"
        )
    return settings().stores.resolve() / f"{text}.duckdb"


def store_name(path: Path) -> str:
    """Return how to speak of a store: its name when it is one of the named ones, else its path."""
    named = path.parent == settings().stores.resolve() and path.suffix == ".duckdb"
    return path.stem if named else str(path)


def current_store() -> str:
    """Return the store to use when none is named: LEARNLAB_DB, else what `learnlab use` set, else `sample`."""
    if settings().db:
        return settings().db
    try:
        return (settings().home / "current").read_text(encoding="utf-8").strip() or "sample"
    except (OSError, UnicodeDecodeError):
        return "sample"


def use_store(name: str) -> Path:
    """Make a store the current one for later commands and notebooks, and return its file.

    Raises:
        StoreError: when the name is not one, or the choice cannot be written down.
    """
    path = store_path(name)
    try:
        settings().home.mkdir(parents=True, exist_ok=True)
        (settings().home / "current").write_text(f"{store_name(path)}\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {settings().home / 'current'}: {error.strerror}") from error
    return path


def name_for_source(source: str | Path) -> str:
    """Return the name of the store that a source's records go to, made from its file name.

    >>> name_for_source("logs/Id_Test results.csv.gz")
    'id_test-results'
    """
    parts = str(source).rstrip("/\\").replace("\\", "/").rsplit("/", 1)
    stem = parts[-1].split(".")[0] if not parts[-1].startswith(".") else parts[-1].strip(".")
    plain = re.sub(r"[^a-z0-9_]+", "-", stem.lower()).strip("-_")[:63].strip("-_")
    return plain or "source"


def store_for_source(source: str | Path) -> str:
    """Return the store that a source's records go to: named after it, and after no other source.

    The first source of a name keeps it; another of the same name gets a few digits of its path's hash.

    A source that is not there leaves no mark.

    Raises:
        StoreError: when the choice cannot be written down.
    """
    name = name_for_source(source)
    whole = str(Path(source).expanduser().resolve())
    digits = hashlib.sha256(whole.encode()).hexdigest()[:6]
    mark = settings().stores / f"{name}.source"
    if not mark.exists() and not any(glob.iglob(str(source))):
        return name if name != "sample" else f"{name}-{digits}"
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        try:
            with mark.open("x", encoding="utf-8") as file:
                file.write(whole)
        except FileExistsError:
            pass
        mine = name != "sample" and mark.read_text(encoding="utf-8") == whole
    except OSError as error:
        raise StoreError(f"cannot write {mark}: {error.strerror}") from error
    return name if mine else f"{name[:56]}-{digits}"


def notebooks_to_work_on() -> Path:
    """Return the folder of notebooks to open: the checkout's, else a copy in the working folder.

    Notebooks that stand there already are left as they are.
    """
    if checkout():
        return resources("notebooks")
    folder = Path("notebooks").resolve()
    folder.mkdir(exist_ok=True)
    for path in sorted(resources("notebooks").glob("*.*")):
        if not (folder / path.name).exists():
            shutil.copy(path, folder / path.name)
    return folder


def startup_script() -> Path:
    """Return the script that gives every new kernel the name `ll`."""
    return PACKAGE / "startup.py"
