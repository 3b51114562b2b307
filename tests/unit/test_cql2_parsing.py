"""CQL2 Text and JSON into trees: the standard's examples, precedence, and that reading grows with the length alone."""

from decimal import Decimal
from pathlib import Path

import pytest

from server.cql2.from_json import parse_json
from server.cql2.text import Parser, parse_text
from server.cql2.tree import Array, Box, Interval, Literal, Op, Property, check_size
from server.errors import InvalidParameter

A, B, C = Property("a"), Property("b"), Property("c")


def lit(value: int | str) -> Literal:
    return Literal(value)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a OR b AND c", Op("or", (A, Op("and", (B, C))))),
        ("a AND b AND c", Op("and", (A, B, C))),
        ("NOT a AND b", Op("and", (Op("not", (A,)), B))),
        ("NOT a = b", Op("not", (Op("=", (A, B)),))),
        ("a + b * c", Op("+", (A, Op("*", (B, C))))),
        ("a - b - c", Op("-", (Op("-", (A, B)), C))),
        ("a * b ^ c", Op("*", (A, Op("^", (B, C))))),
        ("-a ^ b", Op("^", (Op("*", (lit(-1), A)), B))),
        ("a = b + c", Op("=", (A, Op("+", (B, C))))),
        ("a NOT IN (1, b)", Op("not", (Op("in", (A, Array((lit(1), B)))),))),
        ("a BETWEEN 1 AND 2 AND b", Op("and", (Op("between", (A, lit(1), lit(2))), B))),
        ("a IS NOT NULL", Op("not", (Op("isnull", (A,)),))),
        ("(a)", A),
        ('"a" = "b"', Op("=", (A, B))),
        ("a='it''s'", Op("=", (A, lit("it's")))),
        (r"a='it\'s'", Op("=", (A, lit("it's")))),
        (r"a='\\'", Op("=", (A, lit(r"\\")))),
        ("a=1.50", Op("=", (A, Literal(Decimal("1.50"))))),
        ("a=1.0", Op("=", (A, lit(1)))),
        ("größe = 2020wert", Op("=", (Property("größe"), Property("2020wert")))),
        ("eo:cloud.cover = date", Op("=", (Property("eo:cloud.cover"), Property("date")))),
        ("f()", Op("f", ())),
        ("a_equals(a, (1))", Op("a_equals", (A, Array((lit(1),))))),
        ("F(a, (b))", Op("f", (A, B))),
        ("f(BBOX(1,2,3,4,5,6))", Op("f", (Box((1.0, 2.0, 4.0, 5.0)),))),
        ("f(INTERVAL('..', a))", Op("f", (Interval(None, A),))),
        ("point = 1", Op("=", (Property("point"), lit(1)))),
    ],
)
def test_text_is_read_by_precedence(text: str, tree: Op) -> None:
    assert parse_text(text) == tree


def test_the_standards_examples_mean_the_same_as_text_and_as_json(standards: Path) -> None:
    folder = standards / "features/cql2/standard/schema/examples"
    paths = sorted((folder / "text").glob("*.txt"))
    assert len(paths) >= 117
    for path in paths:
        tree = parse_text(path.read_text("utf-8"))
        if (twin := folder / "json" / f"{path.stem}.json").exists():
            assert tree == parse_json(twin.read_text("utf-8")), path.name


class Counting(Parser):
    """Counts the pieces that are read."""

    pieces = 0

    def _read(self, position: int):  # type: ignore[no-untyped-def]
        Counting.pieces += 1
        return super()._read(position)


@pytest.mark.parametrize(
    "text", ["(" * 240 + "a=!", "(" * 240 + "a=1 b" + ")" * 240, "NOT " * 240 + "(", "f(" * 80 + "'"]
)
def test_no_piece_is_read_twice(text: str) -> None:
    Counting.pieces = 0
    with pytest.raises(InvalidParameter, match="at character"):
        Counting(text, gdal=False).parse()
    assert Counting.pieces <= len(text)


@pytest.mark.parametrize("text", ["(" * 251 + "a" + ")" * 251, "NOT " * 251 + "a", "-" * 251 + "a", "f(" * 251])
def test_what_is_too_deep_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="its expressions are nested more than 250 deep"):
        parse_text(text)


def test_a_long_sum_is_too_deep_and_a_long_list_too_large() -> None:
    text = "a = " + "+".join(["1"] * 300)
    with pytest.raises(InvalidParameter, match="nested more than 250 deep"):
        check_size(parse_text(text), text)
    text = f"a IN ({','.join(['1'] * 5001)})"
    with pytest.raises(InvalidParameter, match="it has more than 5000 operators, names and values"):
        check_size(parse_text(text), text)
