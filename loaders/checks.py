"""Rules that a delivery as a whole must keep before it may go live, and how its rows kept theirs."""

from psycopg import Connection, sql

from loaders.errors import LoadError
from loaders.manifest import CollectionSource, KnownKeys
from loaders.report import Check, Counts
from loaders.table import Table

LEAST_SHARE = 0.9
# so many rejected rows are no share yet
FEW_REJECTS = 20
# what a row can break, and what is said of a collection of which no row does
ROW_RULES = {
    "lines": "every line is a row of text",
    "encoding": "all texts are in the declared encoding",
    "value": "all values are such as the publisher describes",
    "key": "all rows bear an official key",
    "unique": "no key stands for two different rows",
    "date": "all dates are real, not in the future and not before {since}",
    "area": "all rows lie in the area of use",
    "geometry": "all geometries are valid",
}
KEYS_SHOWN = 5
REJECTED = """
select distinct on (rule) rule, count(*) over (partition by rule), file, line, reason
from staged_reject where collection = %s order by rule, file, line
"""
REPAIRED = """
select r.rule, count(distinct (r.file, r.line)) from staged_repair r where r.collection = %s group by 1 order by 1
"""
UNKNOWN = """
select k.key, k.rows from (select {column} as key, count(*) as rows from {rows} s group by 1) k
where not exists (select from {known} l where l.id = k.key) order by k.rows desc, k.key
"""


def require_balance(collection: str, counts: Counts) -> None:
    """Every row must be accounted for: a difference is a fault of the loader, never of the delivery."""
    if not counts.balanced:
        raise LoadError(
            f"The rows of {collection} do not add up: read {counts.read}, but inserted {counts.inserted} "
            f"+ updated {counts.updated} + unchanged {counts.unchanged} + rejected {counts.rejected} "
            f"+ duplicate {counts.duplicate}. "
            "Nothing was changed. Report this with the delivery's name: it is a fault of the loader."
        )


def check_collection(
    connection: Connection, table: Table, source: CollectionSource, counts: Counts, usable: sql.Composable
) -> list[Check]:
    """All rules of the manifest on a collection that is staged and compared; a check not passed says what to do.

    `usable`: the rows that are live once the delivery is, to select from.
    """
    checks = [
        Check(table.collection, "columns", True, f"as in the manifest: {', '.join(source.columns)}"),
        *_check_rows(connection, table.collection, source, counts),
        *_check_numbers(connection, table, source, counts),
    ]
    return [*checks, _check_keys(connection, table, source.ags, counts, usable)] if source.ags else checks


def find_refusals(checks: list[Check], official: bool, accept_shrink: bool) -> list[str]:
    """Why the checks forbid to publish; empty where they do not.

    The operator vouches for the extent of a delivery that is not `official`.
    """
    remedies = {
        "usable": "See the rejects for the reasons.",
        "rejected": "See the rejects for the reasons and tell the publisher. If the rows are rightly left out, raise "
        "`rejected` of the collection in the loader's source.yaml.",
        "min": "Compare the delivery with the publisher's page; load a deliberate part with --from."
        if official
        else "",
        "shrink": "" if accept_shrink else "If the loss is right, load again with --accept-shrink.",
        "ags": "Load the boundaries of the same time first (opennrw load dvg1). "
        "If the keys are right nevertheless, raise `unknown` under ags in the loader's source.yaml.",
    }
    failed = [check for check in checks if not check.passed and remedies.get(check.rule)]
    return [f"{check.collection}: {check.detail}. {remedies[check.rule]}" for check in failed]


def _check_numbers(connection: Connection, table: Table, source: CollectionSource, counts: Counts) -> list[Check]:
    live = _count_live(connection, table)
    usable, name = counts.usable, table.collection
    absent = source.min == 0 and not counts.read
    return [
        Check(name, "usable", usable > 0 or absent, f"{usable} of {counts.read} rows can be used"),
        Check(
            name,
            "rejected",
            counts.rejected <= max(FEW_REJECTS, source.rejected * counts.read),
            f"{counts.rejected} of {counts.read} rows rejected, at most {source.rejected:.1%} are allowed",
        ),
        Check(name, "min", usable >= source.min, f"{usable} features, the manifest expects at least {source.min}"),
        Check(
            name,
            "shrink",
            usable >= LEAST_SHARE * live,
            f"{usable} features, {live} are live; a delivery must hold at least {LEAST_SHARE:.0%} of them",
        ),
    ]


def _check_rows(connection: Connection, collection: str, source: CollectionSource, counts: Counts) -> list[Check]:
    """How many rows were rejected by each rule, and the first of them."""
    found = {rule: rest for rule, *rest in connection.execute(REJECTED, [collection]).fetchall()}
    details = {rule: text.format(since=source.since) for rule, text in ROW_RULES.items()}
    for rule, (rejected, file, line, reason) in found.items():
        details[rule] = f"{_rows(rejected)} rejected, the first: {file}, line {line}: {reason}"
    for rule, repaired in connection.execute(REPAIRED, [collection]).fetchall() if counts.repaired else ():
        details[rule] += f"; {repaired} repaired, their originals are in provenance.repair"
    if counts.duplicate:
        details["unique"] += f"; {_rows(counts.duplicate)} repeated, left out"
    return [Check(collection, rule, rule not in found, detail) for rule, detail in details.items()]


def _check_keys(connection: Connection, table: Table, keys: KnownKeys, counts: Counts, usable: sql.Composable) -> Check:
    """Whether the boundaries that are live know the official keys of the rows."""
    known = sql.Identifier("geobasis", keys.collection)
    if not _has_rows(connection, keys.collection):
        return Check(table.collection, "ags", True, f"not compared: {keys.collection} is not loaded")
    query = sql.SQL(UNKNOWN).format(column=sql.Identifier(keys.column), rows=usable, known=known)
    unknown = connection.execute(query).fetchall()
    rows = sum(count for _, count in unknown)
    shown = ", ".join(f"{key} ({count})" for key, count in unknown[:KEYS_SHOWN])
    more = f" and {len(unknown) - KEYS_SHOWN} more" if len(unknown) > KEYS_SHOWN else ""
    detail = (
        f"{_rows(rows)} of {counts.usable} with a key that {keys.collection} does not hold: {shown}{more}; "
        f"at most {keys.unknown:.1%} are allowed"
        if unknown
        else f"{keys.collection} holds all keys"
    )
    return Check(table.collection, "ags", rows <= keys.unknown * max(counts.usable, 1), detail)


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"


def _has_rows(connection: Connection, collection: str) -> bool:
    table = sql.Identifier("geobasis", collection)
    exists = connection.execute("select to_regclass(format('geobasis.%%I', %s::text))", [collection]).fetchone()
    if not (exists and exists[0]):
        return False
    return connection.execute(sql.SQL("select from {} limit 1").format(table)).fetchone() is not None


def _count_live(connection: Connection, table: Table) -> int:
    row = connection.execute(sql.SQL("select count(*) from {}").format(table.live)).fetchone()
    return row[0] if row else 0
