"""The rows of schema provenance that tell of a delivery."""

from collections.abc import Sequence
from datetime import datetime

from psycopg import Connection

from loaders.report import Report

DELIVERY = """
insert into provenance.delivery (dataset, digest, source, loader, status, started, refusal)
values (%s, %s, %s, %s, %s, %s, %s) returning id, finished
"""
FILE = """
insert into provenance.file (delivery, name, url, size, sha256, listed, fetched) values (%s, %s, %s, %s, %s, %s, %s)
"""
LOAD = """
insert into provenance.load
  (delivery, collection, read, inserted, updated, unchanged, rejected, duplicate, deleted, repaired)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
CHECKED = "insert into provenance.checked (delivery, collection, rule, passed, detail) values (%s, %s, %s, %s, %s)"
REJECTS = """
insert into provenance.reject (delivery, collection, file, line, reason, raw)
select %s, collection, file, line, reason, raw from staged_reject order by collection, file, line
"""
LAST_DIGEST = """
select d.digest from provenance.load l join provenance.delivery d on d.id = l.delivery
where l.collection = %s and d.status <> 'refused' order by d.id desc limit 1
"""


def record_delivery(
    connection: Connection, loader: str, report: Report, digest: str, status: str, refusal: str | None = None
) -> tuple[int, datetime]:
    """Record a delivery with its files, counts, checks and rejects. Returns its id and the time it counts from."""
    values = (report.dataset, digest, report.source, loader, status, report.started, refusal)
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
                (
                    delivery,
                    name,
                    c.read,
                    c.inserted,
                    c.updated,
                    c.unchanged,
                    c.rejected,
                    c.duplicate,
                    c.deleted,
                    c.repaired,
                )
                for name, c in report.collections.items()
            ],
        )
        cursor.executemany(CHECKED, [(delivery, c.collection, c.rule, c.passed, c.detail) for c in report.checks])
        cursor.execute(REJECTS, [delivery])
    return delivery, finished


def is_known(connection: Connection, collections: Sequence[str], digest: str) -> bool:
    """Whether each of the collections was last loaded from the very same files by the same loader."""
    last = [connection.execute(LAST_DIGEST, [collection]).fetchone() for collection in collections]
    return all(row is not None and row[0] == digest for row in last)
