"""`opennrw load --as NAME FILE`: options of a file of any kind, and what is shown of it."""

from typing import Any

import typer

from loaders.errors import LoadError
from loaders.report import Report
from server import console
from server.catalogue import read_collections
from server.commands.shared import Database, load_manifest
from server.console import say
from server.settings import Settings


def to_coordinates(text: str | None) -> tuple[str, ...]:
    """`Ostwert,Nordwert`, or one column with WKT."""
    return tuple(part.strip() for part in text.split(",", 1)) if text else ()


def check_options(name: str | None, wishes: dict[str, Any], others: dict[str, Any]) -> None:
    """Options of files go with --as, the others without it. Raises BadParameter."""
    if name is None and (given := [key for key, value in wishes.items() if value]):
        raise typer.BadParameter(f"--{given[0]} goes with --as NAME, for a file of any origin.")
    if name is not None and any(others.values()):
        raise typer.BadParameter(
            "--from, --only, --area and --background don't go with --as, which takes the file by itself. Once it is "
            "published, `opennrw load NAME --from FILE --background` loads a newer one."
        )


def load_file(
    database: Database, settings: Settings, source: str, *, name: str, wishes: dict[str, Any], **options: Any
) -> Report:
    """Publish the file `source` as the collection `name`. `wishes`: members of loaders.files.compose.Wishes."""
    from loaders.files.compose import Wishes  # noqa: PLC0415 - the geometry libraries are for loads alone
    from loaders.files.prepare import prepare  # noqa: PLC0415
    from loaders.manifest import datasets  # noqa: PLC0415

    own = {collection.id for collection in read_collections(settings.collections_dir)}
    if name in own or name in datasets():
        raise LoadError(f"'{name}' is a name of the project's own collections and products. Choose another one.")
    with console.progress() as progress:
        prepared = prepare(name, source, Wishes(**wishes), settings.home / "deliveries", progress)
    (text,) = prepared.manifest.documents.values()
    if prepared.shown:
        console.show_columns(prepared.shown, say)
        if options["dry_run"]:
            say(f"{prepared.path} would be:")
            say(text)
    else:
        say(f"{prepared.path} says how it is read; edit it there.")
    report = load_manifest(
        database, settings, prepared.manifest, source=source, stored=prepared.stored, yielding=True, **options
    )
    if prepared.shown and report.status == "published":
        say(f"{prepared.path} describes the collection: edit titles, types and the rest there, then load again.")
        if wishes["attribution"] is None or wishes["licence"] is None:
            say("Whose the data are and under which licence stands there under rights: --attribution and --licence.")
    return report
