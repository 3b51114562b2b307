"""What is joined to a collection of areas, joined anew from the files that were loaded last."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

from psycopg import Connection

from loaders.described import described
from loaders.errors import LoadError
from loaders.manifest import datasets, read_manifest
from loaders.report import FileRecord, Report
from loaders.run import LoadOptions, load_dataset
from loaders.session import connect
from loaders.store import StoredFile, content_path

# the last delivery of each product, where it was joined before the boundaries were published
STALE = """
select dataset, id, source from (
  select distinct on (dataset) dataset, id, source, started from provenance.delivery
  where dataset = any(%s) and status <> 'refused' and rollback_of is null order by dataset, id desc
) last where started < (select published from provenance.collection where collection = %s) order by dataset
"""
FILES = "select name, url, size, sha256, listed, fetched from provenance.file where delivery = %s order by name"


def rejoin(boundaries: str, options: LoadOptions) -> Iterator[Report]:
    """Load the products again that are joined to these boundaries and older than they are; a report of each.

    `options` say where; their source is not used. Raises LoadError, also where a file is no longer kept.
    """
    joined = [name for name in (*datasets(), *described()) if boundaries in read_manifest(name).joined]
    if not joined:
        return
    with closing(connect(options.database_url, "rejoin")) as connection:
        stale = connection.execute(STALE, [joined, boundaries]).fetchall()
        found = [(dataset, source, _find_files(connection, options, dataset, id_)) for dataset, id_, source in stale]
    for dataset, source, stored in found:
        yield load_dataset(dataset, replace(options, source=source, stored=stored, only=(), packages=()))


def _find_files(connection: Connection, options: LoadOptions, dataset: str, delivery: int) -> tuple[StoredFile, ...]:
    records = [FileRecord(*row) for row in connection.execute(FILES, [delivery]).fetchall()]
    stored = tuple(StoredFile(r, content_path(options.store, r.sha256, r.name)) for r in records)
    if missing := [file.record.name for file in stored if not file.path.is_file()]:
        raise LoadError(
            f"{dataset} is joined to areas that have changed, but its file {missing[0]} is not in {options.store} any "
            f"more. Load it again: opennrw load {dataset} --from …"
        )
    return stored
