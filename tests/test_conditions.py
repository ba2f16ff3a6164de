"""Conditions: what they decide, against an evaluator written separately, and what they refuse."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.errors import MappingError
from learnlab.ingest.tables.conditions import MAX_DEPTH, MAX_LENGTH, parse_condition

VALUES = [None, "0", "1", " 2.50 ", "-1e3", "nan", "-inf", "true", "FAIL", "it's", "a\tb", "2.5x"]


def decide(text: str, **row: str | None) -> bool | None:
    frame = pl.DataFrame({name: [value] for name, value in row.items()}, schema=dict.fromkeys(row, pl.String))
    return frame.select(parse_condition(text).expression.alias("x"))["x"].item()


@pytest.mark.parametrize(
    ("text", "row", "expected"),
    [
        ("score >= 1.0", {"score": "1"}, True),
        ("score >= 1.0", {"score": "0.999"}, False),
        ("score >= 1.0", {"score": None}, None),
        ("score >= 1.0", {"score": "high"}, None),
        ("state == 'done' and score > .5", {"state": "done", "score": "0.6"}, True),
        ("state != 'done'", {"state": "Done"}, True),
        ("not state == 'done'", {"state": None}, None),
        ("ok == true", {"ok": "Yes"}, True),
        ("ok == false", {"ok": "passed"}, False),
        ("ok != false", {"ok": "completed"}, None),
        ("a is null", {"a": None}, True),
        ("a IS NOT NULL", {"a": "x"}, True),
        ("a == 1 or b == 1 and c == 1", {"a": "1", "b": "0", "c": "0"}, True),
        ("(a == 1 or b == 1) and c == 1", {"a": "1", "b": "0", "c": "0"}, False),
        ("not a == 1 and b == 1", {"a": "0", "b": "1"}, True),
        ("`wall time (s)` < -2.5e1", {"wall time (s)": "-26"}, True),
        ("`*` == 'x'", {"*": "x", "other": "y"}, True),
        ('x.y-z_1 == "it\'s"', {"x.y-z_1": "it's"}, True),
        ("a == 1 or b > 0", {"a": None, "b": "1"}, True),
        ("a == 1 and b > 0", {"a": None, "b": "-1"}, False),
    ],
)
def test_a_condition_decides(text: str, row: dict[str, str | None], expected: bool | None) -> None:
    assert decide(text, **row) is expected


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("", 1, "expected a column, found the end"),
        ("score", 6, "expected one of"),
        ("score = 1", 7, "'=' has no meaning"),
        ("score >= ", 10, "expected a number or a text"),
        ("score >= 1 extra", 12, "expected and, or, or the end, found extra"),
        ("(score >= 1", 12, "expected a closing parenthesis"),
        ("score >= true", 10, "expected a number or a text in quotes, found true"),
        ("score is 1", 10, "expected null"),
        ("1 == score", 1, "expected a column, found 1"),
        ("a == 'open", 6, "has no meaning"),
        ("a == 1; drop table executions", 7, "';' has no meaning"),
        ("a == 1.2.3", 6, "has no meaning"),
        ("and == 1", 1, "expected a column, found and"),
        ("__import__('os') == 1", 11, "expected one of"),
    ],
)
def test_an_error_points_at_its_place(text: str, position: int, said: str) -> None:
    with pytest.raises(MappingError) as caught:
        parse_condition(text)
    assert f"position {position}: " in str(caught.value)
    assert said in str(caught.value)


def test_length_and_depth_are_bounded() -> None:
    with pytest.raises(MappingError, match="at most"):
        parse_condition("a == '" + "x" * MAX_LENGTH + "'")
    for deep in ("(" * 500 + "a == 1" + ")" * 500, "not " * 500 + "a == 1"):
        with pytest.raises(MappingError, match="nested deeper"):
            parse_condition(deep)
    even = "not " * (MAX_DEPTH - MAX_DEPTH % 2) + "a == 1"
    assert decide(even, a="1") is True


Tree = tuple  # ("cmp", column, op, literal) | ("null", column, negated) | ("not", t) | ("and" | "or", t, t)
TRUE = {"true", "t", "yes", "y", "1", "1.0", "pass", "passed", "success", "succeeded", "resolved"}
FALSE = {"false", "f", "no", "n", "0", "0.0", "fail", "failed", "failure", "error", "unresolved"}

comparisons = st.tuples(
    st.just("cmp"),
    st.sampled_from("abc"),
    st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
    st.one_of(
        st.sampled_from([0.0, 1.0, 2.5, -1000.0]), st.sampled_from(["1", "FAIL", "it's", ""]), st.booleans()
    ),
).filter(lambda t: not isinstance(t[3], bool) or t[2] in ("==", "!="))
nulls = st.tuples(st.just("null"), st.sampled_from("abc"), st.booleans())
trees = st.recursive(
    comparisons | nulls,
    lambda inner: st.tuples(st.just("not"), inner) | st.tuples(st.sampled_from(["and", "or"]), inner, inner),
    max_leaves=8,
)


def written(tree: Tree) -> str:
    match tree:
        case ("cmp", column, op, literal):
            if isinstance(literal, bool):
                shown = str(literal).lower()
            else:
                shown = f'"{literal}"' if isinstance(literal, str) else repr(literal)
            return f"{column} {op} {shown}"
        case ("null", column, negated):
            return f"{column} is {'not ' if negated else ''}null"
        case ("not", inner):
            return f"not ({written(inner)})"
        case (op, left, right):
            return f"({written(left)}) {op} ({written(right)})"
    raise AssertionError(tree)


def evaluated(tree: Tree, row: dict[str, str | None]) -> bool | None:
    match tree:
        case ("cmp", column, op, literal):
            value: object = row[column]
            if value is None:
                return None
            if isinstance(literal, bool):
                word = str(value).strip().lower()
                value = True if word in TRUE else False if word in FALSE else None
            elif isinstance(literal, float):
                try:
                    number = float(str(value))
                    value = number if math.isfinite(number) else None
                except ValueError:
                    value = None
            if value is None:
                return None
            return {
                "==": value == literal, "!=": value != literal,
                "<": op == "<" and value < literal, "<=": op == "<=" and value <= literal,
                ">": op == ">" and value > literal, ">=": op == ">=" and value >= literal,
            }[op]  # type: ignore[operator]  # fmt: skip
        case ("null", column, negated):
            return (row[column] is None) is not negated
        case ("not", inner):
            inside = evaluated(inner, row)
            return None if inside is None else not inside
        case ("and", left, right):
            both = (evaluated(left, row), evaluated(right, row))
            return False if False in both else None if None in both else True
        case ("or", left, right):
            both = (evaluated(left, row), evaluated(right, row))
            return True if True in both else None if None in both else False
    raise AssertionError(tree)


@settings(max_examples=150, deadline=None)
@given(trees, st.lists(st.tuples(*[st.sampled_from(VALUES)] * 3), min_size=1, max_size=5))
def test_conditions_agree_with_an_evaluator_of_their_own(
    tree: Tree, rows: list[tuple[str | None, ...]]
) -> None:
    frame = pl.DataFrame(rows, schema=dict.fromkeys("abc", pl.String), orient="row")
    condition = parse_condition(written(tree))
    found = frame.select(pl.int_range(pl.len()), condition.expression.alias("x"))["x"].to_list()
    assert found == [evaluated(tree, dict(zip("abc", row, strict=True))) for row in rows]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40) | st.text(alphabet="ab1=<>!()'\"` .andornti", max_size=40))
def test_any_text_is_a_condition_or_a_mapping_error(text: str) -> None:
    try:
        condition = parse_condition(text)
    except MappingError as error:
        assert "condition" in str(error)
    else:
        assert condition.columns
