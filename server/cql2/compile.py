"""Tree -> SQL condition. Every name is looked up, every type checked, every value bound."""

from psycopg import sql

from server.cql2 import arrays, comparisons, functions, numbers, spatial, temporal
from server.cql2.terms import Scope, Term
from server.cql2.tree import Array, Box, Geometry, Interval, Literal, Node, Op, Property

# Operators with a fixed number of operands
COUNTS = {"not": 1, "isnull": 1, "like": 2, "between": 3, "in": 2}
COUNTS |= dict.fromkeys((*comparisons.COMPARISONS, *numbers.OPERATORS), 2)
COUNTS |= dict.fromkeys((*spatial.PREDICATES, *temporal.PREDICATES, *arrays.PREDICATES), 2)


class Compiler:
    """Compiles the nodes of one filter. An operand is compiled once, so that each value is bound once."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.handlers = {
            "and": self.logical,
            "or": self.logical,
            "not": self.negated,
            "isnull": self.is_null,
            "like": self.like,
            "between": self.between,
            "in": self.member,
            **dict.fromkeys(comparisons.COMPARISONS, self.compared),
            **dict.fromkeys(numbers.OPERATORS, self.calculated),
            **dict.fromkeys(spatial.PREDICATES, self.spatially),
            **dict.fromkeys(temporal.PREDICATES, self.temporally),
            **dict.fromkeys(arrays.PREDICATES, self.by_arrays),
        }

    def term(self, node: Node) -> Term:
        """The SQL of an expression."""
        if isinstance(node, Op):
            if COUNTS.get(node.name, len(node.args)) != len(node.args):
                rule = f"{node.name.upper()} has {len(node.args)} operands"
                raise self.scope.wrong(rule, f"Give it {COUNTS[node.name]}")
            return self.handlers.get(node.name, self.called)(node)
        if isinstance(node, Literal):
            return self.scope.literal(node)
        if isinstance(node, Property):
            return self.scope.property(node)
        if isinstance(node, Geometry | Box):
            return spatial.literal(self.scope, node)
        if isinstance(node, Array):
            return arrays.literal(self.scope, self.terms(node.items), node)
        raise self.scope.wrong("an interval stands where a value is expected", "Use it in T_INTERSECTS and its like")

    def terms(self, nodes: tuple[Node, ...]) -> list[Term]:
        """The SQL of several expressions."""
        return [self.term(node) for node in nodes]

    def condition(self, node: Node, where: str) -> Term:
        """An expression that is true or false."""
        return self.scope.need(self.term(node), "boolean", where)

    def called(self, node: Op) -> Term:
        """A function."""
        terms = self.terms(node.args)
        text, kind = functions.call(self.scope, node.name, terms)
        constant = all(term.constant for term in terms)
        return Term(
            *(text, kind, node, constant),
            folded=comparisons.folded(terms[0]) if node.name in comparisons.FOLDS else None,
            pieces=tuple([term.sql for term in terms]),
        )

    def logical(self, node: Op) -> Term:
        """AND, OR."""
        name = node.name
        terms = [self.condition(arg, name.upper()) for arg in node.args]
        if not terms:
            raise self.scope.wrong(f"{name.upper()} has no operands", "Give it two or more")
        joiner, enough = (sql.SQL(" and "), any) if name == "and" else (sql.SQL(" or "), all)
        text = sql.SQL("({})").format(joiner.join([term.sql for term in terms]))
        return Term(text, "boolean", node, indexed=enough([term.indexed for term in terms]))

    def negated(self, node: Op) -> Term:
        """NOT."""
        term = self.condition(node.args[0], "NOT")
        plain = term.column is not None  # the index of a boolean column serves both values
        return Term(sql.SQL("(not {})").format(term.sql), "boolean", node, indexed=plain)

    def is_null(self, node: Op) -> Term:
        """IS NULL; an interval is null where one of its ends is."""
        arg = node.args[0]
        terms = self.span(arg).terms if isinstance(arg, Interval) else [self.term(arg)]
        tests = [sql.SQL("{} is null").format(term.sql) for term in terms] or [sql.SQL("false")]
        indexed = all(term.column is not None for term in terms)
        return Term(sql.SQL("({})").format(sql.SQL(" or ").join(tests)), "boolean", node, indexed=indexed)

    def compared(self, node: Op) -> Term:
        """=, <>, <, <=, >, >=."""
        left, right = self.terms(node.args)
        return comparisons.compared(self.scope, node, left, right)

    def like(self, node: Op) -> Term:
        """LIKE."""
        left, pattern = self.terms(node.args)
        return comparisons.like(self.scope, node, left, pattern)

    def between(self, node: Op) -> Term:
        """BETWEEN."""
        return comparisons.between(self.scope, node, self.terms(node.args))

    def member(self, node: Op) -> Term:
        """IN."""
        items = node.args[1]
        if not isinstance(items, Array) or not items.items:
            raise self.scope.wrong("IN has no list of values", "Write name IN ('a', 'b')")
        return comparisons.member(self.scope, node, self.term(node.args[0]), self.terms(items.items))

    def calculated(self, node: Op) -> Term:
        """Arithmetic."""
        left, right = self.terms(node.args)
        return numbers.calculated(self.scope, node, left, right)

    def spatially(self, node: Op) -> Term:
        """S_INTERSECTS and its like."""
        left, right = self.terms(node.args)
        return spatial.predicate(self.scope, node, left, right)

    def temporally(self, node: Op) -> Term:
        """T_AFTER and its like."""
        left, right = self.span(node.args[0]), self.span(node.args[1])
        return temporal.predicate(self.scope, node, left, right)

    def span(self, node: Node) -> temporal.Span:
        """An operand of a temporal predicate: an interval, or an instant as one."""
        if isinstance(node, Interval):
            ends = [end and self.term(end) for end in (node.start, node.end)]
            return temporal.checked(self.scope, temporal.Span(ends[0], ends[1]))
        instant = self.term(node)
        return temporal.checked(self.scope, temporal.Span(instant, instant, instant=True))

    def by_arrays(self, node: Op) -> Term:
        """A_CONTAINS and its like."""
        left, right = self.terms(node.args)
        return arrays.predicate(self.scope, node, left, right)
