"""Identity of rows: one canonical text for each, and its SHA-256."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import polars as pl

from learnlab.ingest.tables.raw import exact


def json_objects(
    frame: pl.DataFrame, names: Sequence[str], constants: dict[str, str] | None = None
) -> pl.Series:
    """Return each row's chosen text columns as one JSON object: sorted by name, nulls left out, no blanks.

    `constants` are members that every row gets. The text is the same whatever other columns, rows or order
    the frame has: it can be hashed.

    >>> json_objects(pl.DataFrame({"b": ["x", None], "a": ['"', "é"]}), ["b", "a"]).to_list()
    ['{"a":"\\\\"","b":"x"}', '{"a":"é"}']
    """
    both = frame.select(exact(*names))
    if constants:
        both = both.with_columns(pl.lit(text).alias(name) for name, text in constants.items())
    parts: list[pl.Expr] = []
    run: list[str] = []
    for name in sorted(both.columns):
        if both[name].null_count() == 0:
            run.append(name)
            continue
        parts += [_members(run)] if run else []
        run = []
        parts.append(pl.when(exact(name).is_not_null()).then(_members([name])))
    if run and not parts:
        return both.select(pl.struct(exact(*run)).struct.json_encode().alias("json"))["json"]
    parts += [_members(run)] if run else []
    if not parts:
        return pl.Series("json", ["{}"], dtype=pl.String).new_from_index(0, len(frame))
    members = pl.concat_str(
        [part.alias(str(at)) for at, part in enumerate(parts)], separator=",", ignore_nulls=True
    )
    return both.select(pl.concat_str(pl.lit("{"), members, pl.lit("}")).alias("json"))["json"]


def _members(names: list[str]) -> pl.Expr:
    return pl.struct(exact(*names)).struct.json_encode().str.strip_prefix("{").str.strip_suffix("}")


def hashes_of(texts: pl.Series, domain: str = "") -> pl.Series:
    """Return the first 128 bits of each text's SHA-256 as the hexadecimal text of a UUID.

    `domain` is put before each text: hashes for different purposes never meet.

    >>> hashes_of(pl.Series(["{}"])).to_list()
    ['44136fa355b3678a1146ad16f7e8649e']
    """
    if domain:
        texts = domain + texts
    digests = [sha256(text, usedforsecurity=False).digest()[:16] for text in texts.cast(pl.Binary).to_list()]
    return pl.Series("hash", digests, dtype=pl.Binary).bin.encode("hex")
