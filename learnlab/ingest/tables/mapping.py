"""Mappings: small TOML files that say what the columns of a source mean (documented in mappings/README.md)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import polars as pl
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from learnlab.errors import MappingError
from learnlab.ingest.sources import printable
from learnlab.ingest.tables.conditions import Condition, parse_condition
from learnlab.ingest.tables.fields import ALIASES, UNITS, plain_name
from learnlab.models import SuccessSource, Tier

PACKAGED = Path(__file__).resolve().parent / "mappings"
"""The folder of the mappings that come with the package."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, frozen=True)


class ColumnRule(_Strict):
    """Where a field's value comes from: a column, with its unit or scale, or the parts that a pattern finds in it."""

    column: str
    unit: str | None = None
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    pattern: str | None = None
    template: str | None = Field(default=None, alias="as")

    @field_validator("unit")
    @classmethod
    def _known_unit(cls, unit: str | None) -> str | None:
        if unit is not None and unit not in UNITS:
            raise ValueError(f"no such unit: {unit!r}{near(unit, UNITS)}; there are {', '.join(UNITS)}")
        return unit

    @field_validator("pattern")
    @classmethod
    def _sound_pattern(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                pl.Series([""]).str.contains(f"^(?:{pattern})$")
            except pl.exceptions.ComputeError as error:
                raise ValueError(f"no regular expression: {str(error).splitlines()[0]}") from None
        return pattern


class Join(_Strict):
    """A second file beside the source: its columns are added to the rows that share the key."""

    file: str
    on: str
    columns: Annotated[list[str], Field(min_length=1)]

    @field_validator("file")
    @classmethod
    def _beside(cls, file: str) -> str:
        path = PurePosixPath(file)
        if any("**" in part and part != "**" for part in path.parts) or len(file) > 255 or "\0" in file:
            raise ValueError(f"{file[:60]!r} is no name or glob of a file")
        if path.is_absolute() or ".." in path.parts or not path.name:
            raise ValueError(f"{file!r} is not beside the source: give a name or glob relative to its folder")
        return file


def _rule(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


def _condition(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError('a condition is a text such as "score >= 1.0"')
    try:
        return parse_condition(value)
    except MappingError as error:
        raise ValueError(str(error)) from None


Rule = Annotated[ColumnRule, BeforeValidator(_rule)]
Parsed = Annotated[Condition, BeforeValidator(_condition)]
Constant = str | bool | int | float


class TableMapping(_Strict):
    """What the columns of one kind of file mean; without any key, columns are found by their names alone."""

    matches: list[str] = []
    columns: dict[str, Rule] = {}
    constants: dict[str, Constant] = {}
    unknown: dict[str, Parsed] = {}
    success: Parsed | None = None
    success_source: SuccessSource = SuccessSource.HEURISTIC
    key: list[str] = []
    task_group: str | None = None
    join: Join | None = None
    tiers: dict[str, Tier] = {}

    @field_validator("columns", "constants", "unknown")
    @classmethod
    def _known_fields(cls, given: dict[str, Any]) -> dict[str, Any]:
        for field in given:
            if field not in ALIASES or field == "metadata":
                raise ValueError(f"an execution has no field {field!r}{near(field, ALIASES)}")
        return given

    @model_validator(mode="after")
    def _sound(self) -> TableMapping:
        if any("\0" in text for text in (*map(str, self.constants.values()), *self.tiers)):
            raise ValueError("a constant or a tier holds a NUL byte")
        if self.join and (own := [name for name in self.key if name in self.join.columns]):
            raise ValueError(
                f"key: {own[0]!r} comes from the joined file; a key names columns of the source itself"
            )
        return self

    def fits(self, columns: Iterable[str]) -> bool:
        """Return whether a file with these columns is of the kind that the mapping is for."""
        return set(map(plain_name, self.matches)) <= set(map(plain_name, columns))

    def names_used(self) -> dict[str, list[str]]:
        """Return key of the mapping → the source's columns that it names there."""
        used = {f"columns.{field}": [rule.column] for field, rule in self.columns.items()}
        used |= {f"unknown.{field}": sorted(condition.columns) for field, condition in self.unknown.items()}
        used["success"] = sorted(self.success.columns) if self.success else []
        used["key"] = self.key
        used["task_group"] = [self.task_group] if self.task_group else []
        return used


class Mapping(_Strict):
    """One or several table mappings under a name."""

    name: str
    tables: tuple[TableMapping, ...]

    def table_for(self, columns: list[str], label: str) -> TableMapping:
        """Return the first table mapping that fits a file with these columns.

        Raises:
            MappingError: when none does.
        """
        for table in self.tables:
            if table.fits(columns):
                return table
        missing = [
            name for name in self.tables[0].matches if plain_name(name) not in set(map(plain_name, columns))
        ]
        raise MappingError(f"mapping {self.name} does not fit {label}: no column {_listed(missing, columns)}")


BY_NAME = Mapping(name="", tables=(TableMapping(),))
"""The mapping of a file that needs none."""


def near(name: str, names: Iterable[str]) -> str:
    """Return `; did you mean …?` where a known name is close, else nothing.

    >>> near("modle", ["model", "repo"])
    "; did you mean 'model'?"
    """
    close = get_close_matches(name[:200], [known[:200] for known in names], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _listed(missing: list[str], columns: list[str]) -> str:
    return ", ".join(f"{name!r}{near(name, columns)}" for name in missing)


def check_columns(mapping: Mapping, table: TableMapping, columns: list[str], label: str) -> None:
    """Check that every column that a mapping names is in the file.

    Raises:
        MappingError: naming the mapping, its key, the column and near misses.
    """
    for key, names in table.names_used().items():
        if missing := [name for name in names if name not in columns]:
            raise MappingError(
                f"mapping {mapping.name}, {key}: {label} has no column {_listed(missing, columns)}"
            )


def load_mapping(name_or_path: str | Path) -> Mapping:
    """Return the mapping of a packaged name, or of a TOML file.

    Raises:
        MappingError: when there is none, or it says something that has no meaning, naming the place.

    >>> load_mapping("coderouterbench").name
    'coderouterbench'
    """
    text = str(name_or_path)
    if re.fullmatch(r"[a-z0-9_-]+", text) and not isinstance(name_or_path, Path):
        path = PACKAGED / f"{text}.toml"
        if not path.is_file():
            names = [found.stem for found in sorted(PACKAGED.glob("*.toml"))]
            raise MappingError(
                f"no mapping is called {text!r}{near(text, names)}; there are {', '.join(names)}, "
                "or give the path of a .toml file"
            )
        return _loaded(path, text)
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        raise MappingError(
            f"mapping {printable(Path(text))} cannot be found: there is no such user"
        ) from None
    return _loaded(path, printable(path))


def _loaded(path: Path, name: str) -> Mapping:
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MappingError(f"mapping {name} cannot be read: {error.strerror}") from None
    except RecursionError:
        raise MappingError(f"mapping {name} is nested too deeply") from None
    except ValueError as error:
        raise MappingError(f"mapping {name} is no TOML: {error}") from None
    tables = given.get("table", [given])
    if "table" in given and (len(given) > 1 or not isinstance(tables, list) or not tables):
        raise MappingError(f"mapping {name}: beside [[table]] nothing else may stand at the top")
    return Mapping(name=name, tables=tuple(_table(table, name) for table in tables))


def _table(given: Any, name: str) -> TableMapping:
    try:
        return TableMapping.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = (
                ["column", "unit", "scale", "pattern", "as"]
                if "." in place
                else list(TableMapping.model_fields)
            )
            what = f"no such key{near(str(first['loc'][-1]), known)}"
        else:
            what = first["msg"].removeprefix("Value error, ")
        raise MappingError(f"mapping {name}, {place}: {what}") from None


@lru_cache(maxsize=1)
def packaged_mappings() -> tuple[Mapping, ...]:
    """Return every mapping that comes with the package, by name."""
    return tuple(load_mapping(path.stem) for path in sorted(PACKAGED.glob("*.toml")))


def mapping_for(columns: list[str]) -> tuple[Mapping, TableMapping]:
    """Return the packaged mapping whose `matches` are all among a file's columns, else the one by names alone."""
    for mapping in packaged_mappings():
        for table in mapping.tables:
            if table.matches and table.fits(columns):
                return mapping, table
    return BY_NAME, BY_NAME.tables[0]
