"""`opennrw tiles`: make what tiles are read from, make tiles in advance, write them into archives."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import psycopg
import typer
from rich.filesize import decimal

from server import console
from server.catalogue import Collection, read_collections, read_service
from server.commands.shared import EXIT_CODES, FAILED, Database, open_current_database, read_settings
from server.console import out, say
from server.errors import NotFound
from server.settings import Settings

if TYPE_CHECKING:
    from server.crs import Box

commands = typer.Typer(
    help="Tiles: make them in advance, write them into archives.", epilog=EXIT_CODES, no_args_is_help=True
)

Names = Annotated[
    list[str] | None, typer.Option("--collection", metavar="COLLECTION", help="Only this; may be repeated.")
]
Zooms = Annotated[
    str | None, typer.Option(metavar="FROM-TO", help="Levels as WebMercatorQuad counts: 6-12; else all that there are.")
]
Area = Annotated[
    str | None, typer.Option(metavar="W,S,E,N", help="Only this box, degrees: 6.9,51.2,7.1,51.3; else everything.")
]
Processes = Annotated[int | None, typer.Option(min=1, max=64, help="Tiles made at once. [number of processors]")]


@commands.command("prepare", epilog=EXIT_CODES)
def prepare(collection: Names = None) -> None:
    """Make the tables that tiles are read from, where they are not of what is live; without this a worker does it."""
    settings = read_settings()
    with open_current_database(settings) as opened:
        prepare_tables(opened, choose(settings, collection))


def prepare_tables(opened: Database, collections: Sequence[Collection]) -> None:
    """Bring the tables of collections to what is live, and say what was done."""
    from server.pyramid.make import refresh  # noqa: PLC0415 - the geometry libraries are for those who need them

    for collection in collections:
        with console.progress() as progress:
            made = refresh(opened.owner_url, collection, progress)
        say(f"{collection.id}: {made.how} ({made.seconds:.1f} s)")


@commands.command("seed", epilog=EXIT_CODES)
def seed(
    collection: Names = None,
    zooms: Zooms = None,
    area: Area = None,
    grid: Annotated[str, typer.Option(help="Tile matrix set.")] = "WebMercatorQuad",
    processes: Processes = None,
) -> None:
    """Make tiles in advance and keep them for all servers. Broken off, it goes on where it was: what is kept stays.

    Levels and collections of which everything is kept already cost nothing. OPENNRW_TILE_CACHE bounds what is kept.
    """
    from server.tiling.seed import Seeder  # noqa: PLC0415

    settings = read_settings()
    with open_current_database(settings) as opened, console.progress() as progress:
        seeder = Seeder(settings, opened.owner_url, grid, progress, processes or os.cpu_count() or 1)
        for each in choose(settings, collection):
            done = seeder.seed(each, parse_zooms(zooms), parse_area(area))
            out(f"{each.id}: {done.made} tiles made, {decimal(done.size)}; {done.kept} were there")
            if done.full:
                bound = f"{settings.tile_cache} MiB (OPENNRW_TILE_CACHE)"
                say(
                    f"Stopped: more would push out what is kept, because that is bounded by {bound}. Raise it for more."
                )
                raise typer.Exit(FAILED)


@commands.command("export", epilog=EXIT_CODES)
def export(
    to: Annotated[Path, typer.Option(metavar="FILE", help="The archive to write; a former one is replaced.")],
    collection: Names = None,
    zooms: Zooms = None,
    area: Area = None,
    processes: Processes = None,
) -> None:
    """Write tiles into a PMTiles archive: of one collection, of several, or of the whole map if none is named."""
    from server.tiling.archive import Archivist, Scope  # noqa: PLC0415

    settings = read_settings()
    wanted = choose(settings, collection, together=True)
    part = to.with_name(f".{to.name}.part")
    with open_current_database(settings) as opened, console.progress() as progress:
        number = processes or os.cpu_count() or 1
        service = read_service(settings.config_dir)
        archivist = Archivist(settings, opened.owner_url, service, progress, number)
        try:
            chosen = wanted if collection else _loaded(opened, wanted)
            made = archivist.make(Scope(chosen, parse_zooms(zooms), parse_area(area)), part)
            part.replace(to)
        finally:
            part.unlink(missing_ok=True)
    without = f"; {made.left_out} features had no room in their tiles" if made.left_out else ""
    out(f"{to}: {made.tiles} tiles, {decimal(made.size)}{without}")


def _loaded(opened: Database, collections: Sequence[Collection]) -> tuple[Collection, ...]:
    """Without those of which nothing was ever loaded."""
    with psycopg.connect(opened.owner_url, autocommit=True) as connection:
        live = {
            name for (name,) in connection.execute("select collection from provenance.collection where features > 0")
        }
    return tuple(c for c in collections if c.id in live)


def choose(settings: Settings, names: list[str] | None, *, together: bool = False) -> tuple[Collection, ...]:
    """The collections of those names, or all; `together`: without those that double another one on a map.

    Raises NotFound.
    """
    known = {c.id: c for c in read_collections(*settings.collection_folders)}
    if not names:
        return tuple(c for c in known.values() if not (together and c.tiles.separate))
    if unknown := [name for name in names if name not in known]:
        raise NotFound(f"There is no collection '{unknown[0]}'. Collections: {', '.join(known)}.")
    return tuple(known[name] for name in dict.fromkeys(names))


def parse_zooms(text: str | None) -> tuple[int, int] | None:
    """First and last level of `6-12` or `8`. Raises typer.BadParameter."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,2})(?:-(\d{1,2}))?", text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if first > last:
        raise typer.BadParameter(f"'{text}' is no range of levels: two numbers, such as 6-12", param_hint="--zooms")
    return first, last


def parse_area(text: str | None) -> "Box | None":
    """West, south, east, north in degrees. Raises typer.BadParameter."""
    from server.crs import Box  # noqa: PLC0415 - PROJ is not for every command

    if text is None:
        return None
    try:
        west, south, east, north = (float(part) for part in text.split(","))
        if not (-180 <= west < east <= 180 and -85 <= south < north <= 85):
            raise ValueError
    except ValueError:
        rule = "west, south, east, north in degrees, such as 6.9,51.2,7.1,51.3"
        raise typer.BadParameter(f"'{text}' is no area: {rule}", param_hint="--area") from None
    return Box(west, south, east, north)
