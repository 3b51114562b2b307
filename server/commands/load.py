"""`opennrw load`: a delivery of a product, or with --as a file of any origin."""

import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

from loaders.errors import DeliveryRefused
from loaders.report import Report
from server import console
from server.commands import files, jobs
from server.commands.shared import (
    AsJson,
    load_delivery,
    open_current_database,
    read_settings,
    tell_of_tiles,
    to_packages,
)
from server.console import out

Dataset = Annotated[str, typer.Argument(metavar="DATASET|FILE", help="A folder below loaders/; with --as a file.")]
Source = Annotated[
    str | None,
    typer.Option("--from", metavar="PATH|URL", help="Folder, zip, file, or URL of a download folder with index.json."),
]
Only = Annotated[list[str] | None, typer.Option(metavar="COLLECTION", help="Load only this; may be repeated.")]
Area = Annotated[
    list[str] | None,
    typer.Option(metavar="AGS", help="Load only this district, such as 05113, of a product by districts."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and check everything, publish nothing.")]
AcceptShrink = Annotated[
    bool,
    typer.Option("--accept-shrink", help="Publish also if a collection loses more than a tenth of its features."),
]
Background = Annotated[bool, typer.Option("--background", help="Enqueue it for a worker instead of loading here.")]
Name = Annotated[
    str | None,
    typer.Option("--as", metavar="NAME", help="Publish a file of one's own as the collection NAME."),
]
Layer = Annotated[str | None, typer.Option(help="With --as: the layer, sheet or file, where there are several.")]
Key = Annotated[str | None, typer.Option(metavar="COLUMN", help="With --as: the column that tells features apart.")]
CoordinateSystem = Annotated[
    str | None, typer.Option(metavar="EPSG:CODE", help="With --as: the CRS of the coordinates.")
]
Coordinates = Annotated[
    str | None,
    typer.Option(metavar="X,Y", help="With --as: columns with easting and northing, or one with WKT."),
]
GeometryKind = Annotated[
    str | None,
    typer.Option(metavar="points|lines|areas", help="With --as: which to take where they are of several kinds."),
]
Title = Annotated[str | None, typer.Option(help="With --as: the collection's title.")]
Attribution = Annotated[str | None, typer.Option(help="With --as: whose the data are, as to be named.")]
Licence = Annotated[
    str | None, typer.Option(help="With --as: dl-de/zero-2-0, dl-de/by-2-0, cc-by-4.0, …, or the URL of its text.")
]


def load(  # noqa: PLR0913, PLR0917 - a command's options
    dataset: Dataset,
    source: Source = None,
    only: Only = None,
    area: Area = None,
    dry_run: DryRun = False,
    accept_shrink: AcceptShrink = False,
    background: Background = False,
    as_json: AsJson = False,
    name: Name = None,
    layer: Layer = None,
    key: Key = None,
    crs: CoordinateSystem = None,
    coordinates: Coordinates = None,
    geometry: GeometryKind = None,
    title: Title = None,
    attribution: Attribution = None,
    licence: Licence = None,
) -> None:
    """Load a delivery and publish it in one step; the same delivery again changes nothing.

    Without --from it is fetched from the publisher. A refused delivery leaves everything as it was.

    With --as it is a GeoPackage, Shape, GeoJSON, FlatGeobuf, GeoParquet, CSV or XLSX file of any origin. Its schema is
    guessed, shown, and written to OPENNRW_HOME/collections/NAME.yaml, to be edited.
    """
    wishes = {
        "layer": layer,
        "key": key,
        "crs": crs,
        "coordinates": files.to_coordinates(coordinates),
        "geometry": geometry,
        "title": title,
        "attribution": attribution,
        "licence": licence,
    }
    of_product = {"source": source, "only": tuple(only or ()), "packages": to_packages(area or ())}
    files.check_options(name, wishes, {**of_product, "background": background})
    options = {"dry_run": dry_run, "accept_shrink": accept_shrink}
    if background:
        jobs.enqueue(dataset, {**of_product, **options}, as_json)
    elif name is None:
        load_here(load_delivery, dataset, as_json, **of_product, yielding=True, **options)
    else:
        load_here(files.load_file, dataset, as_json, name=name, wishes=wishes, **options)


def load_here(run: Callable[..., Report], dataset: str, as_json: bool, /, **options: Any) -> None:
    """Load in this process and show the report, also that of a refused delivery."""
    settings = read_settings()
    refusal = None
    with open_current_database(settings) as opened:
        try:
            report = run(opened, settings, dataset, **options)
            if report.status == "published":
                tell_of_tiles(opened, settings)
        except DeliveryRefused as error:
            report, refusal = error.report, error
    if as_json:
        out(json.dumps(report.to_dict(), ensure_ascii=False, indent=2, default=str))
    else:
        console.show_report(report)
    if refusal:
        raise refusal
