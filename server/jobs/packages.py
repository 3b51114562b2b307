"""A product that comes in packages, such as one file per district: one job each, so that workers share them."""

from dataclasses import replace

from loaders.errors import InvalidDelivery
from loaders.fetch import list_source
from loaders.manifest import Manifest
from loaders.packages import find_packages
from server.jobs.app import connect_queue
from server.jobs.enqueue import enqueue_load
from server.jobs.requests import SHORT_PATIENCE, LoadRequest
from server.settings import Settings

PRIORITY = "select priority from procrastinate_jobs where id = %s"


def enqueue_packages(settings: Settings, job: int, manifest: Manifest, request: LoadRequest) -> list[int]:
    """The jobs of a load's packages, as urgent as the load; none where it is one package or the product has none.

    All or none are enqueued; a second time none is added to those that wait. Raises LoadError.
    """
    if manifest.packages is None or request.packages or request.dry_run:
        return []
    files = list_source(request.source or manifest.url, manifest, SHORT_PATIENCE)
    try:
        packages = find_packages(dict.fromkeys(file.name for file in files), manifest)
    except InvalidDelivery:
        return []  # the load of the whole refuses the delivery and records it
    if len(packages) < 2:
        return []
    with connect_queue(settings) as connection, connection.transaction():
        row = connection.execute(PRIORITY, [job]).fetchone()
        assert row  # noqa: S101 - the job is running
        return [
            enqueue_load(settings, connection, replace(request, packages=(package,)), row[0]) for package in packages
        ]
