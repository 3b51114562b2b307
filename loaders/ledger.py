"""What the database knows of deliveries: which are in effect, what each did, what was rejected."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from loaders.errors import LoadError

RECORDS = """
select d.id, d.rollback_of, d.digest, l.inserted + l.updated + l.deleted + l.handed_over > 0
from provenance.load l join provenance.delivery d on d.id = l.delivery
where l.collection = %(collection)s and d.status <> 'refused'
  and (d.packages is null or cardinality(%(packages)s::text[]) = 0 or d.packages && %(packages)s) order by d.id
"""
DELIVERIES = """
select count(*) over () as total, d.id, d.dataset, d.status, d.rollback_of, d.source, d.loader, d.started, d.finished,
  d.refusal, (select coalesce(json_object_agg(l.collection, json_build_object('read', l.read, 'inserted', l.inserted,
     'updated', l.updated, 'unchanged', l.unchanged, 'rejected', l.rejected, 'duplicate', l.duplicate,
     'deleted', l.deleted, 'repaired', l.repaired, 'kept', l.kept, 'handed_over', l.handed_over)
     order by l.collection), '{}')
   from provenance.load l where l.delivery = d.id) as collections
from provenance.delivery d
where %(dataset)s::text is null or d.dataset = %(dataset)s
order by d.id desc limit %(limit)s
"""
LAST = """
select coalesce(max(delivery), 0) from (
  select delivery from provenance.load where collection = %(collection)s
  union all select delivery from provenance.reject where collection = %(collection)s
) known
"""
# reasons of one kind differ in what they quote and in the places that they name
QUOTED = (
    r"'[^']*'|\[[^]]*\]|(?<=the line has )\d+|"
    r"(?<=^the id ).*(?= stands already in )|(?<=stands already in ).*(?=, line )|(?<=, line )\d+"
)
KINDS = """
select kind, count(*) from (
  select regexp_replace(reason, %(quoted)s, '…', 'g') as kind
  from provenance.reject where delivery = %(delivery)s and collection = %(collection)s
) kinds group by kind order by count(*) desc, kind
"""
REJECTS = """
select file, line, feature, rule, reason, raw from provenance.reject
where delivery = %(delivery)s and collection = %(collection)s order by file, line limit %(limit)s
"""


@dataclass(frozen=True)
class Record:
    """A delivery that was not refused, or a rollback, as one collection saw it."""

    id: int
    rollback_of: int | None = None
    digest: str | None = None
    changed: bool = True


@dataclass
class Course:
    """The states that a collection went through. A state bears the number of the delivery that first made it; None is
    the empty state before any. `now` is the present one.
    """

    before: dict[int, int | None] = field(default_factory=dict)
    after: dict[int, int | None] = field(default_factory=dict)
    now: int | None = None

    def newer_than(self, publication: int) -> list[int] | None:
        """The deliveries to undo, in this order, until the state is the one right after the publication.

        None where no way leads back there: the publication itself has been undone.
        """
        goal, state, steps = self.after[publication], self.now, []
        while state != goal:
            if state is None:
                return None
            steps.append(state)
            state = self.before[state]
        return steps


def trace(records: Iterable[Record]) -> Course:
    """The course of a collection from its records, the oldest first: a rollback leads to where its object began."""
    course = Course()
    for record in records:
        course.before[record.id] = course.now
        course.now = record.id if record.rollback_of is None else course.before[record.rollback_of]
        course.after[record.id] = course.now
    return course


def read_records(connection: Connection, collection: str, packages: Sequence[str] = ()) -> list[Record]:
    """What a collection, or some packages of it, went through, the oldest first, also deliveries that found nothing to
    change.
    """
    values = {"collection": collection, "packages": list(packages)}
    return [Record(*row) for row in connection.execute(RECORDS, values)]


def read_deliveries(connection: Connection, dataset: str | None, limit: int) -> tuple[list[dict[str, Any]], int]:
    """The newest deliveries with their counts by collection, the newest first; and how many there are."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(DELIVERIES, {"dataset": dataset, "limit": limit}).fetchall()
    total = rows[0]["total"] if rows else 0
    return [{name: value for name, value in row.items() if name != "total"} for row in rows], total


@dataclass(frozen=True)
class Rejects:
    """What a delivery holds and a collection does not: how many rows for which kind of reason, and the first rows."""

    collection: str
    delivery: int
    kinds: dict[str, int]
    rows: list[dict[str, Any]]

    @property
    def total(self) -> int:
        """All rejected rows."""
        return sum(self.kinds.values())


def read_rejects(connection: Connection, collection: str, delivery: int | None, limit: int) -> Rejects:
    """What was rejected of a delivery, without a number of the last that came for the collection. Raises LoadError."""
    if delivery is None:
        row = connection.execute(LAST, {"collection": collection}).fetchone()
        delivery = row[0] if row else 0
        if not delivery:
            raise LoadError(f"No delivery of {collection} has come yet. Load one first: opennrw load --help")
    elif not connection.execute("select from provenance.delivery where id = %s", [delivery]).rowcount:
        raise LoadError(f"There is no delivery {delivery}. See: opennrw deliveries")
    values = {"delivery": delivery, "collection": collection, "limit": limit, "quoted": QUOTED}
    kinds = dict(connection.execute(KINDS, values).fetchall())
    with connection.cursor(row_factory=dict_row) as cursor:
        return Rejects(collection, delivery, kinds, cursor.execute(REJECTS, values).fetchall())
