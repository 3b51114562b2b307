"""What jobs do. Each function runs in a process of its own (see child.py) and is safe to be run again."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from loaders.manifest import read_manifest
from loaders.report import Counts
from server.catalogue import read_collections, read_service
from server.errors import NotFound
from server.gazetteer import refresh
from server.jobs.give_way import enqueue_again, enqueue_downloads, enqueue_map, is_waited_for
from server.jobs.progress import JobProgress
from server.jobs.requests import (
    CUTS,
    DOWNLOADS,
    INTERACTIVE,
    JOINS,
    MAINTENANCE,
    MAPS,
    PYRAMIDS,
    SHORT_PATIENCE,
    WATCHED,
    LoadRequest,
)
from server.settings import Settings


@dataclass(frozen=True)
class Work:
    """One attempt of a job."""

    settings: Settings
    job: int
    arguments: dict[str, Any]
    progress: JobProgress

    @property
    def database_url(self) -> str:
        """The owner's."""
        assert self.settings.database_url  # noqa: S101 - a worker does not start without it
        return self.settings.database_url


@dataclass(frozen=True)
class Outcome:
    """What a job has done, in a word and in a sentence; `report` is a load's."""

    outcome: str
    message: str = ""
    report: dict[str, Any] = field(default_factory=dict)


def load(work: Work) -> Outcome:
    """Load a delivery as `opennrw load` does. A refused one is an outcome, too: nobody needs to try it again."""
    from loaders.errors import DeliveryRefused  # noqa: PLC0415 - the geometry libraries are for this process only
    from loaders.run import LoadOptions, load_dataset  # noqa: PLC0415
    from server.jobs.packages import enqueue_packages  # noqa: PLC0415

    request = LoadRequest.of(work.arguments)
    if jobs := enqueue_packages(work.settings, work.job, read_manifest(request.dataset), request):
        return Outcome("enqueued", f"each of {len(jobs)} packages by itself: jobs {min(jobs)} to {max(jobs)}")
    options = LoadOptions(
        work.database_url,
        work.settings.home / "deliveries",
        source=request.source,
        only=request.only,
        packages=request.packages,
        dry_run=request.dry_run,
        accept_shrink=request.accept_shrink,
        yielding=True,
        progress=work.progress,
        policy=SHORT_PATIENCE,
    )
    try:
        report = load_dataset(request.dataset, options)
    except DeliveryRefused as refused:
        return Outcome("refused", str(refused), refused.report.to_dict())
    message = "; ".join(f"{name}: {_summary(counts)}" for name, counts in report.collections.items())
    return Outcome(report.status, message, report.to_dict())


def _summary(counts: Counts) -> str:
    return ", ".join(f"{value} {name}" for name, value in asdict(counts).items() if value and name != "read")


def after_publication(work: Work) -> Outcome:
    """What a collection needs once its publication is live."""
    from loaders.maintain import maintain  # noqa: PLC0415

    work.progress.step("search", None)
    refresh(work.database_url, read_collections(*work.settings.collection_folders))
    _rejoin(work)
    work.progress.step("vacuum", None)
    done = maintain(work.database_url, work.arguments["collection"], work.progress)
    order = "unknown" if done.correlation is None else f"{done.correlation:.2f}"
    what = "written anew in the order of the key" if done.reordered else "cleared and analysed"
    return Outcome("maintained", f"{what}; {done.rows} rows, order {order}", done.to_dict())


def _rejoin(work: Work) -> None:
    """Join to the collection's areas anew what is older. A refused delivery is recorded as any other."""
    from loaders.errors import DeliveryRefused  # noqa: PLC0415 - the geometry libraries are for this process only
    from loaders.rejoin import rejoin  # noqa: PLC0415
    from loaders.run import LoadOptions  # noqa: PLC0415

    options = LoadOptions(work.database_url, work.settings.home / "deliveries", progress=work.progress)
    with suppress(DeliveryRefused):
        for _ in rejoin(work.arguments["collection"], options):
            pass


def join(work: Work) -> Outcome:
    """Make a collection that is made of others anew, as far as these have changed."""
    from loaders.flurstueck_plus.join import join as join_parcels  # noqa: PLC0415 - the geometry libraries

    report = join_parcels(work.database_url, work.progress, yielding=True)
    name = work.arguments["collection"]
    if report is None:
        return Outcome("nothing", f"{name} is made of what is live")
    return Outcome(report.status, f"{name}: {_summary(report.collections[name])}", report.to_dict())


def downloads(work: Work) -> Outcome:
    """Make the files of a collection that are not of the state that is live."""
    from server.exports.whole import Files  # noqa: PLC0415

    name = work.arguments["collection"]
    collection = next((c for c in read_collections(*work.settings.collection_folders) if c.id == name), None)
    if collection is None:
        return Outcome("unchanged", f"{name} is not among the collections that are published")
    waiting = partial(is_waited_for, work.settings, work.job)
    files = Files(work.settings, read_service(work.settings.config_dir), work.progress, waiting)
    result = files.make(collection)
    if result.outcome == "interrupted":
        enqueue_again(work.settings, work.job)
    parts = [", ".join(result.made), *(f"no {kind}: {why}" for kind, why in result.omitted.items())]
    return Outcome(result.outcome, "; ".join(part for part in parts if part), asdict(result))


def cut(work: Work) -> Outcome:
    """Make the part of a collection that somebody asked for; `result` names where it is kept."""
    from server.exports.part import Order, make_cut  # noqa: PLC0415

    given = work.arguments
    collections = {c.id: c for c in read_collections(*work.settings.collection_folders)}
    if given["collection"] not in collections:
        raise NotFound(f"There is no collection '{given['collection']}' any more.")
    order = Order(collections[given["collection"]], given["kind"], given["parameters"])
    made = make_cut(work.settings, read_service(work.settings.config_dir), order, work.database_url, work.progress)
    return Outcome("made", f"{made.stored.features} features, {made.stored.size} bytes", {"result": made.key})


def pyramid(work: Work) -> Outcome:
    """Bring what a collection's tiles are read from to what is live."""
    from server.pyramid.make import refresh as refresh_pyramid  # noqa: PLC0415 - it needs the geometry libraries

    wanted = work.arguments["collection"]
    for collection in read_collections(*work.settings.collection_folders):
        if collection.id == wanted:
            made = refresh_pyramid(work.database_url, collection, work.progress)
            if made.how != "nothing":
                enqueue_downloads(work.settings, wanted, made.version)
            enqueue_map(work.settings)  # also where another process has made them
            message = f"version {made.version}: {made.changed} rows changed, {made.forgotten} tiles forgotten"
            return Outcome(made.how, message, made.to_dict())
    return Outcome("nothing", f"no collection is declared under the name {wanted}")


def whole_map(work: Work) -> Outcome:
    """Make the archive of the tiles of all collections, if it is not of what is live."""
    from server.exports.archives import Archives  # noqa: PLC0415

    archives = Archives(work.settings, read_service(work.settings.config_dir), work.progress)
    return Outcome(archives.make_map(read_collections(work.settings.collections_dir)))


def watch(work: Work) -> Outcome:
    """Look whether a watched source has something new and enqueue its load."""
    from server.jobs.watch import poll  # noqa: PLC0415

    work.progress.step("list", None)
    result = poll(work.settings, work.arguments["dataset"])
    return Outcome(result.outcome, result.message)


@dataclass(frozen=True)
class Task:
    """A kind of job: its queue, its usual priority, and what it does."""

    queue: str
    priority: int
    run: Callable[[Work], Outcome]


TASKS = {
    "load": Task("load", INTERACTIVE, load),
    "watch": Task("watch", WATCHED, watch),
    "after_publication": Task("maintenance", MAINTENANCE, after_publication),
    "join": Task("maintenance", JOINS, join),
    "pyramid": Task("maintenance", PYRAMIDS, pyramid),
    "downloads": Task("downloads", DOWNLOADS, downloads),
    "map": Task("downloads", MAPS, whole_map),
    "cut": Task("downloads", CUTS, cut),
}
QUEUES = tuple(sorted({task.queue for task in TASKS.values()}))
