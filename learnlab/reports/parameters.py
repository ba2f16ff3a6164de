"""The parameters of a notebook: which names it declares, of which type, and what values they take.

A parameter's name would become code in the notebook, so only declared names are ever passed on.
"""

from __future__ import annotations

import ast
import io
import math
import re
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from learnlab.errors import ReportError

Value = str | int | float | bool
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_INT = re.compile(r"[+-]?[0-9]{1,18}")


@dataclass(frozen=True)
class Parameter:
    """One declared parameter: its name, its default (whose type is the parameter's) and its comment."""

    name: str
    default: Value
    meaning: str

    @property
    def kind(self) -> type[Value]:
        """The type that a value must have: str, int, float or bool."""
        return type(self.default)

    def value(self, text: str) -> Value:
        """Return what a text means for this parameter.

        Raises:
            ReportError: when the text is no finite value of the parameter's type.

        >>> Parameter("days_back", 30, "").value("7")
        7
        """
        if self.kind is str:
            return text
        try:
            if self.kind is bool:
                return _BOOLEANS[text.strip().lower()]
            if self.kind is float and math.isfinite(number := float(text)):
                return number
            if self.kind is int and _INT.fullmatch(text.strip()):
                return int(text)
        except (KeyError, ValueError):
            pass
        wanted = {bool: "true or false", int: "a whole number", float: "a finite number"}[self.kind]
        raise ReportError(f"parameter {self.name} takes {wanted}, not {text!r}")


def parse_parameters(texts: Iterable[str]) -> dict[str, str]:
    """Return what `-p name=value` texts say: name → value, the later of two winning.

    Raises:
        ReportError: for a text without `=` or with something before it that is no name.

    >>> parse_parameters(["repo=shop", "note=a=b"])
    {'repo': 'shop', 'note': 'a=b'}
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise ReportError(f"{text!r} is no parameter: write it as name=value")
        found[name] = value
    return found


def _comments(source: str) -> dict[int, str]:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):
        return {}
    return {t.start[0]: t.string.lstrip("# ").strip() for t in tokens if t.type == tokenize.COMMENT}


def declared(source: str) -> dict[str, Parameter]:
    """Return the parameters that a parameters cell declares: `name = literal  # comment`, annotated or not.

    Only str, int, float and bool count; a line that says anything else declares nothing.

    >>> list(declared('db = "sample"  # the store\\ndays_back: int = 30\\nsince = None').values())
    [Parameter(name='db', default='sample', meaning='the store'), Parameter(name='days_back', default=30, meaning='')]
    """
    try:
        lines = ast.parse(source).body
    except (SyntaxError, ValueError):
        return {}
    comments = _comments(source)
    found = {}
    for line in lines:
        if isinstance(line, ast.Assign) and len(line.targets) == 1:
            target, literal = line.targets[0], line.value
        elif isinstance(line, ast.AnnAssign) and line.value is not None:
            target, literal = line.target, line.value
        else:
            continue
        try:
            default = ast.literal_eval(literal)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(target, ast.Name) and type(default) in (str, int, float, bool):
            meaning = comments.get(line.end_lineno or line.lineno, "")
            found[target.id] = Parameter(target.id, default, meaning)
    return found


def shared_out(
    given: Mapping[str, str], notebooks: Mapping[str, Mapping[str, Parameter]]
) -> dict[str, dict[str, Value]]:
    """Return the values that each notebook gets: notebook → name → value.

    A given parameter goes to every notebook that declares it.

    Raises:
        ReportError: when no notebook declares a name, or a value does not fit where it is declared.

    >>> shared_out({"n": "2"}, {"a": {"n": Parameter("n", 1, "")}, "b": {}})
    {'a': {'n': 2}, 'b': {}}
    """
    for name in given:
        if not any(name in parameters for parameters in notebooks.values()):
            accepted = "; ".join(
                f"{who} takes {', '.join(those) or 'none'}" for who, those in notebooks.items()
            )
            raise ReportError(f"no notebook has a parameter {name!r}: {accepted}")
    values: dict[str, dict[str, Value]] = {}
    for who, parameters in notebooks.items():
        try:
            values[who] = {n: parameters[n].value(text) for n, text in given.items() if n in parameters}
        except ReportError as error:
            raise ReportError(f"{who}: {error}") from None
    return values
