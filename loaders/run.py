"""One load from start to end: fetch, then bring in what is not live already."""

from contextlib import closing
from datetime import UTC, datetime

from psycopg import Connection

from loaders.delivery import digest_delivery
from loaders.described import Described, write_documents
from loaders.errors import InvalidDelivery, LoadError
from loaders.fetch import fetch
from loaders.manifest import Manifest, read_manifest
from loaders.options import LoadOptions
from loaders.packages import find_packages
from loaders.record import is_known
from loaders.report import Report
from loaders.session import connect, explained, wait_for_turn
from loaders.store import StoredFile, in_use
from loaders.table import read_table
from loaders.tables import described


def load_dataset(dataset: str, options: LoadOptions) -> Report:
    """Load a delivery of a dataset. Raises DeliveryRefused with the report, or another LoadError."""
    return load_manifest(read_manifest(dataset), options)


def load_manifest(manifest: Manifest, options: LoadOptions) -> Report:
    """Load a delivery, and where YAML describes it, let servers know of the collections. Raises as `load_dataset`."""
    if not isinstance(manifest, Described):
        return load_delivery(manifest, options)
    if options.source is None and manifest.reader == "files":
        raise LoadError(f"{manifest.dataset} was made of a file: give one with --from.")
    report = load_delivery(manifest, options)
    if report.status in {"published", "unchanged"} and write_documents(manifest.documents):
        from loaders.publish import tell  # noqa: PLC0415 - see below

        with closing(connect(options.database_url, f"load {manifest.dataset}")) as connection:
            for name in manifest.collections:
                tell(connection, name, 0)
    return report


def load_delivery(manifest: Manifest, options: LoadOptions) -> Report:
    """Load a delivery as a manifest describes it. Raises as `load_dataset` does."""
    manifest.select(options.only)  # what does not exist is told before anything is fetched
    report = Report(manifest.dataset, options.source or manifest.url, datetime.now(UTC))
    try:
        with explained("load", options.store), in_use(options.store):
            with report.timed("fetch"):
                stored = list(options.stored) or fetch(
                    report.source, manifest, options.store, options.progress, options.policy, options.packages
                )
            report.files = [file.record for file in stored]
            with closing(connect(options.database_url, f"load {manifest.dataset}")) as connection:
                tables = manifest.tables if isinstance(manifest, Described) else ()
                with described(connection, tables, keep=not options.dry_run):
                    _bring_in(stored, manifest, options, report, connection)
    finally:
        options.progress.done()
    return report


def _bring_in(
    stored: list[StoredFile], manifest: Manifest, options: LoadOptions, report: Report, connection: Connection
) -> None:
    """Bring the stored files in, unless the same ones came in before."""
    digest = digest_delivery(manifest, stored)
    try:
        packages = find_packages({file.record.name: file.path for file in stored}, manifest)
    except InvalidDelivery as error:
        from loaders.bring_in import Load  # noqa: PLC0415 - see below

        Load(manifest, options, report, connection, digest).refuse_unread(error)
    report.packages = list(packages) or None
    wait_for_turn(connection, report, options.progress)
    sources, wanted = manifest.collections, manifest.select(options.only)
    tables = {name: read_table(connection, name, sources[name].volatile) for name in wanted}
    # what YAML describes may have changed, and the areas that a product is joined to
    anew = options.dry_run or isinstance(manifest, Described) or bool(manifest.joined)
    if not anew and is_known(connection, wanted, digest, packages):
        report.status = "unchanged"
        return
    from loaders.bring_in import Load  # noqa: PLC0415 - the libraries that read rows are for new deliveries

    Load(manifest, options, report, connection, digest).run(stored, tables)
