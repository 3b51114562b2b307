"""The rows of schema provenance that tell of a delivery."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from psycopg import Connection

from loaders.ledger import read_records, trace
from loaders.report import Report

DELIVERY = """
insert into provenance.delivery
  (id, dataset, digest, source, loader, status, started, refusal, rollback_of, packages)
overriding system value values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning id, finished
"""
NUMBER = "select nextval(pg_get_serial_sequence('provenance.delivery', 'id'))"
FILE = """
insert into provenance.file (delivery, name, url, size, sha256, listed, fetched) values (%s, %s, %s, %s, %s, %s, %s)
"""
LOAD = """
insert into provenance.load
  (delivery, collection, read, inserted, updated, unchanged, rejected, duplicate, deleted, repaired, kept, handed_over)
values (%(delivery)s, %(collection)s, %(read)s, %(inserted)s, %(updated)s, %(unchanged)s, %(rejected)s, %(duplicate)s,
  %(deleted)s, %(repaired)s, %(kept)s, %(handed_over)s)
"""
CHECKED = "insert into provenance.checked (delivery, collection, rule, passed, detail) values (%s, %s, %s, %s, %s)"
REJECTS = """
insert into provenance.reject (delivery, collection, file, line, reason, raw, rule, feature)
select %s, collection, file, line, reason, raw, rule, feature from staged_reject order by collection, file, line
"""
REPAIRS = """
insert into provenance.repair (delivery, collection, feature, file, line, reason, original, rule)
select %s, collection, feature, file, line, reason, original, rule from staged_repair order by collection, file, line
"""


def take_number(connection: Connection) -> int:
    """The id of the next delivery, for its rows; nobody else gets it."""
    row = connection.execute(NUMBER).fetchone()
    assert row  # noqa: S101 - a select without from gives a row
    return row[0]


def record_delivery(
    connection: Connection, loader: str, report: Report, digest: str | None, status: str, refusal: str | None = None
) -> tuple[int, datetime]:
    """Record a delivery with its files, counts, checks and rejects. Returns its id and the time it counts from."""
    origin = (report.delivery or take_number(connection), report.dataset, digest, report.source, loader)
    values = (*origin, status, report.started, refusal, report.rollback_of, report.packages)
    row = connection.execute(DELIVERY, values).fetchone()
    assert row  # noqa: S101 - insert … returning gives a row
    delivery, finished = row
    with connection.cursor() as cursor:
        cursor.executemany(
            FILE, [(delivery, f.name, f.url, f.size, f.sha256, f.listed, f.fetched) for f in report.files]
        )
        cursor.executemany(
            LOAD,
            [
                {"delivery": delivery, "collection": name, **asdict(counts)}
                for name, counts in report.collections.items()
            ],
        )
        cursor.executemany(CHECKED, [(delivery, c.collection, c.rule, c.passed, c.detail) for c in report.checks])
        cursor.execute(REJECTS, [delivery])
        cursor.execute(REPAIRS, [delivery])
    return delivery, finished


def is_known(connection: Connection, collections: Sequence[str], digest: str, packages: Sequence[str]) -> bool:
    """Whether each of the collections, or these packages of it, is as the very same files left it, read by the same
    loader.
    """
    return all(_digest_in_effect(connection, collection, packages) == digest for collection in collections)


def _digest_in_effect(connection: Connection, collection: str, packages: Sequence[str]) -> str | None:
    """That of the last delivery, or where that was rolled back, of the one before it."""
    records = read_records(connection, collection, packages)
    digests = {record.id: record.digest for record in records}
    now = trace(records).now
    return None if now is None else digests[now]
