"""Words of task descriptions, as the index keeps them and a query asks for them: one rule for both."""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from learnlab.lenient import storable

LONGEST_TEXT = 100_000
"""Characters of a text that are read; what stands beyond them is not searched by words."""

LONGEST_WORD = 64
"""Characters of a word that count; a longer one is cut."""

_COMMON = """
a an and are as at be been but by can could did do does for from had has have he her his how i if in into is it its
me my no not of on or our s she should so such t than that the their them then there these they this to us was we
were what when where which who why will with would you your
"""
STOP_WORDS = frozenset(_COMMON.split())
"""English words too common to tell texts apart."""

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー"
_SPACED = rf"[\p{{L}}\p{{M}}\p{{N}}_--[{_UNSPACED}]]+"
_CHUNK = rf"[cC]\+\+|[cCfF]#|[{_UNSPACED}]+|{_SPACED}(?:[-./\\]{_SPACED})*"
_VERSION = re.compile(r"[vV]?(\d+(?:\.\d+)+\w*)")
_HEX = re.compile(r"(?:0[xX])?(?=[0-9a-fA-F]{0,63}\d)[0-9a-fA-F]{6,}")
_HUMP = re.compile(r"_+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def tokens(text: str) -> list[str]:
    """Return the words of a text in lower case and in order, without stop words; identifiers whole and in parts.

    File names come whole, as stem and as suffix, names in snake_case, camelCase and kebab-case whole and word
    by word, versions and hashes whole. Scripts without spaces give pairs of characters. Of a text the first
    `LONGEST_TEXT` characters are read, of a word the first `LONGEST_WORD`.

    >>> tokens("Fix the HTTPServerError in src/store/database.py")
    ['fix', 'httpservererror', 'http', 'server', 'error', 'src', 'store', 'database.py', 'database', 'py']
    >>> tokens("日本語 v1.26.4")
    ['日本', '本語', '1.26.4']
    """
    return tokens_of(pl.Series([storable(text)]))["word"].to_list()


def tokens_of(texts: pl.Series) -> pl.DataFrame:
    """Return the words of many texts, one row a word met: `place` (of the text in the series) and `word`.

    A text gives what `tokens` gives for it; a null gives nothing. Each distinct chunk (what stands between
    spaces and brackets) is taken apart once, which is what makes it quick.
    """
    short = texts.cast(pl.String).str.head(LONGEST_TEXT).str.normalize("NFKC").str.head(LONGEST_TEXT)
    chunks = pl.DataFrame({"chunk": short.str.extract_all(_CHUNK)}).with_row_index("place")
    met = chunks.explode("chunk").drop_nulls("chunk")
    distinct = met["chunk"].unique()
    is_unspaced = distinct.str.contains(rf"^[{_UNSPACED}]")
    words = [
        list(_pairs(chunk) if unspaced else _words(chunk))
        for chunk, unspaced in zip(distinct, is_unspaced, strict=True)
    ]
    apart = pl.DataFrame({"chunk": distinct, "word": pl.Series(words, dtype=pl.List(pl.String))})
    whole = met.join(apart, on="chunk", how="left", maintain_order="left")
    return whole.select("place", "word").explode("word").drop_nulls("word")


def _pairs(chunk: str) -> Iterator[str]:
    """Yield each two neighbouring characters, or the only one."""
    return (chunk[at : at + 2] for at in range(max(1, len(chunk) - 1)))


def _words(chunk: str) -> dict[str, None]:
    """Return the distinct words of one chunk, in order."""
    lowered = (name.lower()[:LONGEST_WORD] for name in _names(chunk))
    return dict.fromkeys(word for word in lowered if word.strip("_") and word not in STOP_WORDS)


def _names(chunk: str) -> Iterator[str]:
    """Yield the parts of a path, each whole and then in its own parts."""
    for segment in re.split(r"[/\\]", chunk):
        version = _VERSION.fullmatch(segment)
        yield version[1] if version else segment
        if version:
            continue
        stem, _, suffix = segment.rpartition(".")
        if suffix != segment:
            yield stem
        for name in segment.split("."):
            yield name
            for part in name.split("-"):
                yield part
                if not _HEX.fullmatch(part):
                    yield from _HUMP.split(part)
