"""`opennrw export`: a collection or a part of it as a file; or the files that the service offers."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from server import console
from server.catalogue import Collection, read_collections, read_service
from server.commands.shared import AsJson, open_current_database, read_settings
from server.console import out, say
from server.errors import NotFound
from server.settings import Settings

Name = Annotated[str | None, typer.Argument(metavar="COLLECTION", help="Id of the collection, such as adresse.")]
Format = Annotated[str, typer.Option("--format", "-f", help="gpkg, fgb, parquet, geojsonl, csv, shp.")]
AreaKey = Annotated[str | None, typer.Option(metavar="KEY", help="Only this area: 05113000, 05113, 051.")]
CrsUri = Annotated[str | None, typer.Option(metavar="URI", help="CRS of the file; without it as delivered.")]
Filter = Annotated[str | None, typer.Option("--filter", metavar="CQL2", help="Only features that meet this.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="File or folder to write to; without it this folder.")
]
Offer = Annotated[bool, typer.Option("--offer", help="Make the files that the service offers; without COLLECTION all.")]


def export(  # noqa: PLR0913, PLR0917 - a command's options
    collection: Name = None,
    kind: Format = "gpkg",
    area: AreaKey = None,
    crs: CrsUri = None,
    filter_text: Filter = None,
    output: Output = None,
    offer: Offer = False,
    as_json: AsJson = False,
) -> None:
    """Write a collection, or a part of it, to a file.

    An existing file is replaced when the new one is complete. With --offer the files that the service offers below
    OPENNRW_HOME are made where they are not of the state that is live; a worker does that after each delivery.
    """
    given = {"area": area, "crs": crs, "filter": filter_text}
    parameters = {name: value for name, value in given.items() if value is not None}
    if offer and (parameters or output):
        raise typer.BadParameter("--offer makes whole files in their usual place: leave the other options out")
    if not offer and collection is None:
        raise typer.BadParameter("name a COLLECTION, or give --offer")
    settings = read_settings()
    with open_current_database(settings) as opened:
        os.environ["DATABASE_URL"] = opened.owner_url
        settings = read_settings()
        if offer:
            _offer(settings, collection, as_json)
            return
        _write(settings, _find(settings, collection or ""), kind, parameters, output, as_json)


def _find(settings: Settings, name: str) -> Collection:
    collections = {c.id: c for c in read_collections(*settings.collection_folders)}
    if name not in collections:
        raise NotFound(f"There is no collection '{name}'. Collections: {', '.join(collections)}.")
    return collections[name]


def _write(
    settings: Settings,
    collection: Collection,
    kind: str,
    parameters: dict[str, str],
    output: Path | None,
    as_json: bool,
) -> None:
    from server.exports.extract import parse_extract  # noqa: PLC0415 - the formats' libraries are for those who need them
    from server.exports.single import write_single  # noqa: PLC0415

    extract = parse_extract(collection, kind, parameters)
    target = output or Path()
    target = target / extract.name if target.is_dir() else target
    with console.progress() as progress:
        stored = write_single(settings, read_service(settings.config_dir), extract, target, progress)
    if as_json:
        found = {"file": str(target), "features": stored.features, "bytes": stored.size, "sha256": stored.sha256}
        out(json.dumps(found, ensure_ascii=False))
    else:
        out(f"{target}: {stored.features} features, {stored.size} bytes, SHA-256 {stored.sha256}")


def _offer(settings: Settings, name: str | None, as_json: bool) -> None:
    from server.exports.archives import Archives  # noqa: PLC0415
    from server.exports.whole import Files, Result  # noqa: PLC0415

    wanted = [_find(settings, name)] if name else read_collections(*settings.collection_folders)
    with console.progress() as progress:
        files = Files(settings, read_service(settings.config_dir), progress)
        results = {}
        for collection in wanted:
            say(collection.id)
            results[collection.id] = files.make(collection)
        if not name:
            archives = Archives(settings, read_service(settings.config_dir), progress)
            results["map"] = Result(archives.make_map(wanted))
    if as_json:
        out(json.dumps({key: [result.outcome, result.made, result.omitted] for key, result in results.items()}))
        return
    for key, result in results.items():
        out(f"{key}: {result.outcome} {', '.join(result.made)}".rstrip())
        for kind, why in result.omitted.items():
            out(f"  no {kind}: {why}")
