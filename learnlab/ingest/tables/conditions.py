"""Conditions of a mapping, `column op literal` joined by and, or, not: parsed here, never run as code or SQL.

    condition  = both { "or" both }
    both       = negated { "and" negated }
    negated    = "not" negated | "(" condition ")" | comparison
    comparison = column ( "==" | "!=" | "<" | "<=" | ">" | ">=" ) literal | column "is" [ "not" ] "null"
    column     = a word of letters, digits, "_", "." and "-", or any text in `backticks`
    literal    = a number | 'a text' | "a text" | true | false

A number compares with the column's number, a text with its text, true and false with the words that mean
them. Where the column is empty, or is no finite number beside a number, the comparison is unknown; `and`, `or` and
`not` treat unknown as SQL does.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import polars as pl

from learnlab.errors import MappingError
from learnlab.ingest.tables.raw import exact
from learnlab.store.words import truth_of_text

MAX_LENGTH = 4000
MAX_DEPTH = 50

_TOKEN = re.compile(
    r"""(?P<blank>\s+)|(?P<op>==|!=|<=|>=|<|>)|(?P<paren>[()])|(?P<quoted>'[^']*'|"[^"]*")|(?P<name>`[^`]+`)"""
    r"""|(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.-]))|(?P<word>[^\W\d][\w.-]*)"""
)
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_KEYWORDS = ("and", "or", "not", "is", "null", "true", "false")


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


@dataclass(frozen=True)
class Condition:
    """A parsed condition: its text, the columns it reads, and the polars expression that decides it."""

    text: str
    columns: frozenset[str]
    expression: pl.Expr = field(compare=False)


def parse_condition(text: str) -> Condition:
    """Return the condition that a text states.

    Raises:
        MappingError: for anything else, with the position.

    >>> passed = parse_condition("score >= 1.0 and not status == 'cancelled'")
    >>> sorted(passed.columns)
    ['score', 'status']
    >>> frame = pl.DataFrame({"score": ["1", "0.5", None], "status": ["ok", "ok", "ok"]})
    >>> frame.select(passed.expression.alias("x"))["x"].to_list()
    [True, False, None]
    """
    if len(text) > MAX_LENGTH:
        raise MappingError(f"the condition has {len(text)} characters, {MAX_LENGTH} at most")
    parser = _Parser(text)
    expression = parser.condition(0)
    parser.finish()
    return Condition(text, frozenset(parser.columns), expression)


class _Parser:
    """A recursive-descent parser over the tokens of one condition."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = self._tokens()
        self.next = 0
        self.columns: set[str] = set()

    def _tokens(self) -> list[_Token]:
        tokens, at = [], 0
        while at < len(self.text):
            match = _TOKEN.match(self.text, at)
            if match is None:
                raise self._error(at, f"{self.text[at]!r} has no meaning here")
            kind = match.lastgroup or ""
            word = match.group().lower()
            if kind == "word" and word in _KEYWORDS:
                tokens.append(_Token("keyword", word, at))
            elif kind != "blank":
                tokens.append(_Token(kind, match.group(), at))
            at = match.end()
        return [*tokens, _Token("end", "the end", len(self.text))]

    def _error(self, at: int, what: str) -> MappingError:
        return MappingError(f"condition {self.text!r}, position {at + 1}: {what}")

    def _expected(self, what: str) -> MappingError:
        token = self.tokens[self.next]
        return self._error(token.at, f"expected {what}, found {token.text}")

    def _take(self, kind: str, *texts: str) -> _Token | None:
        token = self.tokens[self.next]
        if token.kind != kind or (texts and token.text not in texts):
            return None
        self.next += 1
        return token

    def finish(self) -> None:
        if self.tokens[self.next].kind != "end":
            raise self._expected("and, or, or the end")

    def condition(self, depth: int) -> pl.Expr:
        expression = self._both(depth)
        while self._take("keyword", "or"):
            expression = expression | self._both(depth)
        return expression

    def _both(self, depth: int) -> pl.Expr:
        expression = self._negated(depth)
        while self._take("keyword", "and"):
            expression = expression & self._negated(depth)
        return expression

    def _negated(self, depth: int) -> pl.Expr:
        if depth > MAX_DEPTH:
            raise self._error(self.tokens[self.next].at, f"nested deeper than {MAX_DEPTH}")
        if self._take("keyword", "not"):
            return ~self._negated(depth + 1)
        if self._take("paren", "("):
            inside = self.condition(depth + 1)
            if not self._take("paren", ")"):
                raise self._expected("a closing parenthesis")
            return inside
        return self._comparison()

    def _comparison(self) -> pl.Expr:
        name = self._take("word") or self._take("name")
        if name is None:
            raise self._expected("a column")
        column_name = name.text.strip("`")
        self.columns.add(column_name)
        column = exact(column_name)
        if self._take("keyword", "is"):
            is_negated = self._take("keyword", "not")
            if not self._take("keyword", "null"):
                raise self._expected("null")
            return column.is_not_null() if is_negated else column.is_null()
        token = self._take("op")
        if token is None:
            raise self._expected("one of == != < <= > >= is")
        return self._compared(column, token.text)

    def _compared(self, column: pl.Expr, op: str) -> pl.Expr:
        apply: Callable[[pl.Expr, object], pl.Expr] = _OPERATORS[op]
        if number := self._take("number"):
            value = column.str.strip_chars().cast(pl.Float64, strict=False)
            return apply(pl.when(value.is_finite()).then(value), float(number.text))
        if quoted := self._take("quoted"):
            return apply(column, pl.lit(quoted.text[1:-1]))
        if op in ("==", "!=") and (truth := self._take("keyword", "true", "false")):
            return apply(truth_of_text(column), truth.text == "true")
        raise self._expected(
            "a number or a text in quotes" + (", true or false" if op in ("==", "!=") else "")
        )
