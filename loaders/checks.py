"""Rules that a delivery as a whole must keep before it may go live."""

from psycopg import Connection, sql

from loaders.errors import LoadError
from loaders.manifest import CollectionSource
from loaders.report import Check, Counts
from loaders.staging import Table

LEAST_SHARE = 0.9


def require_balance(collection: str, counts: Counts) -> None:
    """Every row must be accounted for: a difference is a fault of the loader, never of the delivery."""
    if not counts.balanced:
        raise LoadError(
            f"The rows of {collection} do not add up: read {counts.read}, but inserted {counts.inserted} "
            f"+ updated {counts.updated} + unchanged {counts.unchanged} + rejected {counts.rejected} "
            f"+ duplicate {counts.duplicate}. "
            "Nothing was changed. Report this with the delivery's name: it is a fault of the loader."
        )


def check_counts(connection: Connection, table: Table, source: CollectionSource, counts: Counts) -> list[Check]:
    """The rules on a collection's number of features; a check that did not pass says what to do."""
    live = _count_live(connection, table)
    usable, name = counts.usable, table.collection
    return [
        Check(name, "usable", usable > 0, f"{usable} of {counts.read} rows can be used"),
        Check(name, "min", usable >= source.min, f"{usable} features, the manifest expects at least {source.min}"),
        Check(
            name,
            "shrink",
            usable >= LEAST_SHARE * live,
            f"{usable} features, {live} are live; a delivery must hold at least {LEAST_SHARE:.0%} of them",
        ),
    ]


def find_refusals(checks: list[Check], official: bool, accept_shrink: bool) -> list[str]:
    """Why the checks forbid to publish; empty where they do not.

    The operator vouches for the extent of a delivery that is not `official`.
    """
    remedies = {
        "usable": "See the rejects for the reasons.",
        "min": "Compare the delivery with the publisher's page; load a deliberate part with --from."
        if official
        else "",
        "shrink": "" if accept_shrink else "If the loss is right, load again with --accept-shrink.",
    }
    failed = [check for check in checks if not check.passed and remedies.get(check.rule)]
    return [f"{check.collection}: {check.detail}. {remedies[check.rule]}" for check in failed]


def _count_live(connection: Connection, table: Table) -> int:
    row = connection.execute(sql.SQL("select count(*) from {}").format(table.live)).fetchone()
    return row[0] if row else 0
