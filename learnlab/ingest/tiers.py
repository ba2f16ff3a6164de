"""The tier of a model: by the user's list, by the packaged one, by its list price; data, not code."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

from learnlab.errors import MappingError
from learnlab.ingest.prices import price_of
from learnlab.models import Tier, now
from learnlab.settings import settings
from learnlab.store import Store

_PACKAGED = Path(__file__).with_name("tiers.toml")
_NAMED = {"models", "price_bands"}


def own_file() -> Path:
    """Return the file in which a user says which tier a model is of; it may not exist."""
    return settings().home / "tiers.toml"


def check_own_tiers() -> None:
    """Check the user's list of tiers before anything is read by it.

    Raises:
        MappingError: when it is wrong.
    """
    _own()


def tier_of(model: str) -> Tier:
    """Return the tier of a model by its name as logs write it; unknown where neither name nor price tells.

    The user's own list decides first, then the packaged one, then the list price of today.

    Raises:
        MappingError: when the user's list is wrong.

    >>> tier_of("claude-opus-4-5-20251101"), tier_of("home-made-9b")
    (<Tier.LARGE: 'large'>, <Tier.UNKNOWN: 'unknown'>)
    """
    listed = _listed(model, _own()) or _listed(model, _packaged()["models"])
    return listed or _by_price(model)


def set_tiers(store: Store) -> None:
    """Write down the tier of every model in a store that has none yet, and of those that the user's list names.

    Raises:
        MappingError: when the user's list is wrong.
        StoreError: when the store cannot be written.
    """
    found = store.sql(
        "select model, min(t.tier) as tier from executions left join model_tiers t using (model) "
        "where model is not null group by model"
    )
    own = _own()
    wanted = {
        model: tier_of(model).value
        for model, tier in found.rows()
        if tier is None or _listed(model, own) is not None
    }
    known = dict(found.rows())
    changed = {
        model: tier for model, tier in wanted.items() if tier not in (known[model], Tier.UNKNOWN.value)
    }
    if changed:
        store.set_tiers(changed)


def _listed(model: str, patterns: dict[str, Tier]) -> Tier | None:
    name = model.lower()
    fitting = [pattern for pattern in patterns if fnmatchcase(name, pattern.lower())]
    return patterns[max(fitting, key=len)] if fitting else None


def _by_price(model: str) -> Tier:
    price = price_of(model, None, now().replace(tzinfo=None), 0, output_tokens=1_000_000)
    if price is None:
        return Tier.UNKNOWN
    bands = _packaged()["price_bands"]
    return Tier.SMALL if price <= bands["small"] else Tier.MEDIUM if price <= bands["medium"] else Tier.LARGE


@lru_cache(maxsize=1)
def _packaged() -> dict[str, Any]:
    return _checked(_PACKAGED)


def _own() -> dict[str, Tier]:
    path = own_file()
    return dict(_checked(path)["models"]) if path.is_file() else {}


def _checked(path: Path) -> dict[str, Any]:
    """Return a list of tiers, each tier known to be one.

    Raises:
        MappingError: when it cannot be read, or says something else than which model is of which tier.
    """
    try:
        said = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MappingError(f"{path} cannot be read: {error}") from None
    strange = sorted(said.keys() - _NAMED)
    if strange:
        raise MappingError(
            f'{path}: {strange[0]!r} is not known; write [models] and below it "name*" = "small"'
        )
    models: dict[str, Tier] = {}
    for pattern, tier in _table(path, said, "models").items():
        try:
            models[pattern] = Tier(tier)
        except ValueError:
            known = ", ".join(Tier)
            raise MappingError(f"{path}: the tier of {pattern!r} is {tier!r}, not one of {known}") from None
    return {"models": models, "price_bands": _table(path, said, "price_bands")}


def _table(path: Path, said: dict[str, Any], name: str) -> dict[str, Any]:
    table = said.get(name, {})
    if not isinstance(table, dict):
        raise MappingError(f"{path}: {name} is {table!r}, not a table; write [{name}] on a line of its own")
    return table
