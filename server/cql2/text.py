"""CQL2 Text -> tree (OGC 21-065r2, annex B), in one pass by precedence; its time grows with the length alone.

Not the `cql2` package: its parser goes back over open parentheses, so that 23 characters keep it busy for eight
seconds, and it reads each number as a double, which changes keys above 2^53.

Beyond the standard: names may begin with digits (QGIS writes them so), `!=` is `<>`, `IS 'x'` compares as QGIS means
it, and in the dialect `cql-text`, which GDAL writes, there is ILIKE.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from server.cql2 import values
from server.cql2.limits import MAX_DEPTH
from server.cql2.tree import Array, Box, Geometry, Interval, Literal, Node, Op, Property, too_deep
from server.errors import InvalidParameter

TOKEN = re.compile(
    r"""
    (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w:.]))
  | (?P<name>[\w:][\w:.\u0300-\u036f\u203f\u2040\u200c\u200d]*)
  | (?P<quoted>"(?:[^"]|"")+")
  | (?P<string>'(?:''|\\'|[^'])*')
  | (?P<sign><>|<=|>=|!=|[=<>+\-*/%^(),])
  | (?P<end>\Z)
    """,
    re.VERBOSE,
)
SPACE = re.compile(r"\s*")
QUOTES_AND_PARENTHESES = re.compile(r"[()']")
SHAPES = {"point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection"}

OR, AND, NOT, COMPARISON, SUM, PRODUCT, POWER, SIGN = range(1, 9)
COMPARISONS = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
BINDING = {
    "or": OR,
    "and": AND,
    **dict.fromkeys((*COMPARISONS, "is", "not", "like", "ilike", "between", "in"), COMPARISON),
    "+": SUM,
    "-": SUM,
    "*": PRODUCT,
    "/": PRODUCT,
    "%": PRODUCT,
    "div": PRODUCT,
    "^": POWER,
}
LITERALS = {"bbox": 0, "date": 1, "timestamp": 1, "interval": 2}
CONSTANTS = {"true": True, "false": False, "null": None}
ESCAPED = re.compile(r"''|\\'")
T = TypeVar("T")
WORDS = frozenset(["and", "or", "not", "is", "like", "ilike", "between", "in", "div", "null", "true", "false"])


@dataclass(frozen=True)
class Token:
    """A piece of the text: its kind, what it means (words in lower case), where it begins and ends."""

    kind: str
    text: str
    start: int
    end: int


def parse_text(text: str, *, gdal: bool = False) -> Node:
    """The tree of a filter. Raises InvalidParameter that names the place."""
    return Parser(text, gdal=gdal).parse()


class Parser:
    """Reads one text; `token` is the next piece that was not taken yet."""

    def __init__(self, text: str, *, gdal: bool) -> None:
        self.text = text
        self.gdal = gdal
        self.depth = 0
        self.readers = {"number": self.number, "string": self.string, "quoted": self.quoted, "name": self.name}
        self.token = self._read(0)

    def parse(self) -> Node:
        """The whole text."""
        tree = self.expression(0)
        if self.token.kind != "end":
            raise self.wrong(f"'{self.token.text[:40]}' stands where nothing more is expected")
        return tree

    def wrong(self, rule: str, token: Token | None = None) -> InvalidParameter:
        """The error at a token, by default the next one."""
        place = (token or self.token).start + 1
        remedy = "Write CQL2 Text, for example name LIKE 'Haupt%' AND datum >= DATE('2026-01-01')"
        return InvalidParameter("filter", self.text, f"at character {place}: {rule}", remedy)

    # -- pieces ------------------------------------------------------------------------------------------------

    def _read(self, position: int) -> Token:
        space = SPACE.match(self.text, position)
        position = space.end() if space else position
        match = TOKEN.match(self.text, position)
        if match is None:
            here = Token("", self.text[position], position, position)
            open_ = {"'": "a text is not closed", '"': "a name is not closed"}.get(here.text)
            raise self.wrong(open_ or f"'{here.text}' means nothing here", here)
        kind, text = str(match.lastgroup), match.group()
        if kind == "name" and text.lower() in WORDS:
            kind, text = "word", text.lower()
        return Token(kind, text, match.start(), match.end())

    def take(self) -> Token:
        """The next piece; the one behind it becomes the next."""
        taken = self.token
        self.token = self._read(taken.end)
        return taken

    def at(self, *texts: str) -> bool:
        """Whether the next piece is one of these words or signs."""
        return self.token.kind in {"word", "sign"} and self.token.text in texts

    def expect(self, text: str) -> None:
        """Take a word or sign that must come."""
        if not self.at(text):
            found = f"'{self.token.text[:40]}'" if self.token.text else "the end"
            raise self.wrong(f"'{text.upper()}' is expected, not {found}")
        self.take()

    # -- expressions -------------------------------------------------------------------------------------------

    def expression(self, binding: int) -> Node:
        """An expression of operators that bind more strongly than `binding`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise too_deep(self.text)
        token = self.take()
        left = self.readers.get(token.kind, self.special)(token)
        while self.token.kind in {"word", "sign"} and BINDING.get(self.token.text, 0) > binding:
            left = self.infix(left)
        self.depth -= 1
        return left

    def infix(self, left: Node) -> Node:
        """An operator behind its first operand."""
        name = self.token.text
        strength = BINDING[name]
        if strength in {OR, AND}:
            operands = [left]
            while self.at(name):
                self.take()
                operands.append(self.expression(strength))
            return Op(name, tuple(operands))
        if name in COMPARISONS or strength > COMPARISON:
            self.take()
            return Op(COMPARISONS.get(name, name), (left, self.expression(strength)))
        return self.null(left) if name == "is" else self.predicate(left)

    def null(self, left: Node) -> Node:
        """IS [NOT] NULL, and what QGIS makes of IS with a value."""
        self.take()
        negated = self.at("not")
        if negated:
            self.take()
        if self.at("null"):
            self.take()
            found = Op("isnull", (left,))
            return Op("not", (found,)) if negated else found
        right = self.expression(COMPARISON)
        if negated:
            return Op("or", (Op("isnull", (left,)), Op("<>", (left, right))))
        return Op("=", (left, right))

    def predicate(self, left: Node) -> Node:
        """[NOT] LIKE, ILIKE, BETWEEN, IN."""
        negated = self.at("not")
        if negated:
            self.take()
        name = self.token.text
        if not self.at("like", "ilike", "between", "in"):
            raise self.wrong("LIKE, BETWEEN or IN is expected")
        operator = self.take()
        if name == "between":
            low = self.expression(COMPARISON)
            self.expect("and")
            found = Op("between", (left, low, self.expression(COMPARISON)))
        elif name == "in":
            found = Op("in", (left, self.list_of_values()))
        else:
            found = self.like(left, operator)
        return Op("not", (found,)) if negated else found

    def like(self, left: Node, operator: Token) -> Op:
        """LIKE; ILIKE is LIKE of both sides folded."""
        pattern = self.expression(COMPARISON)
        if operator.text == "like":
            return Op("like", (left, pattern))
        if not self.gdal:
            rule = "ILIKE is no part of CQL2: write CASEI(name) LIKE CASEI('haupt%')"
            raise self.wrong(rule, operator)
        return Op("like", (Op("casei", (left,)), Op("casei", (pattern,))))

    def list_of_values(self) -> Array:
        """The list of IN."""
        items = self.arguments()
        if not items:
            raise self.wrong("a list is empty: IN needs at least one value")
        return Array(items)

    def arguments(self, *, arrays: bool = False) -> tuple[Node, ...]:
        """Expressions in parentheses; `arrays`: those that are in parentheses themselves are arrays."""
        self.expect("(")
        items: list[Node] = []
        while not self.at(")"):
            if items:
                self.expect(",")
            items.append(self.array() if arrays and self.at("(") else self.expression(0))
        self.take()
        return tuple(items)

    def array(self) -> Array:
        """An array literal."""
        return Array(self.arguments())

    # -- operands: each reads what begins with the token just taken ---------------------------------------------

    def number(self, token: Token) -> Node:
        """A number without a sign."""
        return Literal(self.converted(values.to_number, token.text, token))

    def string(self, token: Token) -> Node:
        """A text in single quotes; a quote inside is doubled or has a backslash before it."""
        return Literal(ESCAPED.sub("'", token.text[1:-1]))

    def quoted(self, token: Token) -> Node:
        """A name in double quotes."""
        return Property(token.text[1:-1].replace('""', '"'))

    def special(self, token: Token) -> Node:
        """An operand that begins with a word or sign."""
        text = token.text
        if text == "(":
            found = self.expression(0)
            self.expect(")")
            return found
        if text == "not":
            return Op("not", (self.expression(NOT - 1),))
        if text in {"+", "-"}:
            return self.signed(token)
        if text in CONSTANTS:
            return Literal(CONSTANTS[text])
        if not text:
            raise self.wrong("the text ends where a value or name is expected", token)
        raise self.wrong(f"'{text}' stands where a value or name is expected", token)

    def signed(self, sign: Token) -> Node:
        """A number with its sign, or what is turned negative."""
        if self.token.kind == "number":
            token = self.take()
            return Literal(self.converted(values.to_number, sign.text + token.text, token))
        if sign.text == "+":
            raise self.wrong("a number is expected after +")
        return Op("*", (Literal(-1), self.expression(SIGN)))

    def name(self, token: Token) -> Node:
        """A property; with parentheses behind it, a literal with a name or a function."""
        name = token.text.lower()
        if name in SHAPES and (self.at("(") or self.token.text.upper() in {"Z", "EMPTY"}):
            return self.geometry(token)
        if not self.at("("):
            return Property(token.text)
        start = self.token
        arguments = self.arguments(arrays=name.startswith("a_"))
        if name in LITERALS:
            return self.literal(name, arguments, start)
        return Op(name, arguments)

    def literal(self, name: str, arguments: tuple[Node, ...], start: Token) -> Node:
        """BBOX, DATE, TIMESTAMP, INTERVAL."""
        if name == "bbox":
            numbers = [float(self.constant(node, start, (int, Decimal))) for node in arguments]
            return Box(self.converted(values.to_corners, numbers, start))
        if len(arguments) != LITERALS[name]:
            raise self.wrong(f"{name.upper()} has {LITERALS[name]} text(s) in its parentheses", start)
        if name == "interval":
            return Interval(self.bound(arguments[0], start), self.bound(arguments[1], start))
        convert = values.to_date if name == "date" else values.to_timestamp
        return Literal(self.converted(convert, self.constant(arguments[0], start, (str,)), start))

    def bound(self, node: Node, token: Token) -> Node | None:
        """An end of an interval: an instant in quotes, a name, a function."""
        if not isinstance(node, Literal) or not isinstance(node.value, str):
            return node
        instant = self.converted(values.to_instant, node.value, token)
        return None if instant is None else Literal(instant)

    def geometry(self, token: Token) -> Geometry:
        """A geometry in WKT, taken as a whole."""
        depth = 0
        for match in QUOTES_AND_PARENTHESES.finditer(self.text, self.token.start):
            depth += {"(": 1, ")": -1}.get(match.group(), 0)
            if depth > MAX_DEPTH:
                raise too_deep(self.text)
            if depth <= 0 or match.group() == "'":
                break
        else:
            raise self.wrong("a geometry is not closed", token)
        shape = self.converted(values.to_shape, self.text[token.start : match.end()], token)
        self.token = self._read(match.end())
        return Geometry(shape)

    def constant(self, node: Node, token: Token, kinds: tuple[type, ...]) -> Any:
        """The value of a literal of some type. Raises InvalidParameter for anything else."""
        if isinstance(node, Literal) and type(node.value) in kinds:
            return node.value
        raise self.wrong(f"{'a text' if str in kinds else 'a number'} is expected in the parentheses", token)

    def converted(self, convert: Callable[[Any], T], given: Any, token: Token) -> T:
        """A literal's value; what is wrong with it is told with its place."""
        try:
            return convert(given)
        except ValueError as error:
            raise self.wrong(str(error), token) from None
