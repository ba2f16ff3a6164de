"""Parameters of notebooks: only declared names, values of the declared type, and any text as it was."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from papermill.translators import PythonTranslator

from learnlab.errors import ReportError
from learnlab.reports.parameters import Parameter, declared, parse_parameters, shared_out

CELL = """\
db = "sample"  # the store
days_back: int = 30  # days
share = -0.5
is_short: bool = False  # a # in a comment
tags = ["a"]  # no plain type
since: str | None = None
first, second = 1, 2
run = print("x")
"""


def test_a_parameters_cell_declares_plain_literals_only() -> None:
    assert declared(CELL) == {
        "db": Parameter("db", "sample", "the store"),
        "days_back": Parameter("days_back", 30, "days"),
        "share": Parameter("share", -0.5, ""),
        "is_short": Parameter("is_short", False, "a # in a comment"),
    }


@pytest.mark.parametrize("source", ["x = (", "x = 1\n  y = 2", "\0", "x = '" + "(" * 500 + "'" + "(" * 500])
def test_a_cell_that_is_no_python_declares_nothing(source: str) -> None:
    assert declared(source) == {}


@given(st.text())
def test_any_cell_is_read_without_running_it(source: str) -> None:
    assert all(type(p.default) in (str, int, float, bool) for p in declared(source).values())


@pytest.mark.parametrize("text", ["", "x", "=1", "a b=1", "import os;x=1", "a.b=1", "x()=1", "1a=2"])
def test_what_is_no_assignment_is_refused(text: str) -> None:
    with pytest.raises(ReportError, match="write it as name=value"):
        parse_parameters([text])


@pytest.mark.parametrize(
    ("default", "text", "value"),
    [
        (True, "No", False),
        (False, "TRUE", True),
        (1, "-7", -7),
        (1.0, "2", 2.0),
        (1.0, "1e-3", 0.001),
        ("", "7", "7"),
    ],
)
def test_a_text_becomes_a_value_of_the_declared_type(default: object, text: str, value: object) -> None:
    found = Parameter("p", default, "").value(text)
    assert found == value
    assert type(found) is type(default)


@pytest.mark.parametrize(
    ("default", "text"),
    [
        (True, "perhaps"),
        (1, "1.5"),
        (1, ""),
        (1, "1_000"),
        (1, "٣"),
        (1, "9" * 5000),
        (1.0, "nan"),
        (1.0, "-inf"),
        (1.0, "x"),
    ],
)
def test_a_text_of_another_type_is_refused(default: object, text: str) -> None:
    with pytest.raises(ReportError, match="parameter p takes"):
        Parameter("p", default, "").value(text)


@given(st.text(), st.integers(-(10**17), 10**17), st.floats(allow_nan=False, allow_infinity=False))
def test_a_value_survives_being_written_as_a_text(text: str, whole: int, number: float) -> None:
    assert Parameter("p", "", "").value(text) == text
    assert Parameter("p", 0, "").value(str(whole)) == whole
    assert Parameter("p", 0.0, "").value(repr(number)) == number


@given(st.text())
def test_papermill_writes_any_text_as_one_literal(text: str) -> None:
    (line,) = ast.parse(PythonTranslator.codify({"p": text})).body
    assert isinstance(line, ast.Assign)
    assert ast.literal_eval(line.value) == text


@given(st.text().filter(lambda name: name not in ("db", "n")))
def test_a_name_that_nobody_declares_never_reaches_a_notebook(name: str) -> None:
    notebooks = {"one": {"db": Parameter("db", "", ""), "n": Parameter("n", 1, "")}, "two": {}}
    with pytest.raises(ReportError, match="one takes db, n; two takes none"):
        shared_out({name: "1"}, notebooks)


def test_a_parameter_goes_to_every_notebook_that_declares_it() -> None:
    n = Parameter("n", 1, "")
    assert shared_out({"n": "2"}, {"one": {"n": n}, "two": {}, "three": {"n": n}}) == {
        "one": {"n": 2},
        "two": {},
        "three": {"n": 2},
    }
    with pytest.raises(ReportError, match=r"three: parameter n takes a finite number, not 'x'"):
        shared_out({"n": "x"}, {"two": {}, "three": {"n": Parameter("n", 1.0, "")}})
