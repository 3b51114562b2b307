"""The lists of Ämter, Gemarkungen and Fluren, and the areas of a district's: those of the invented ALKIS."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from loaders.example.alkis import archive_name, file_name, make_layers, write_geopackage
from loaders.example.options import ExampleOptions
from loaders.example.region import Region

LAYER = "KatasterBezirk"
OFFICES, DISTRICTS = "katasteraemter.json", "katasteraemter-gemarkungen-fluren-nrw.json"


def make_lists(region: Region, options: ExampleOptions) -> Iterator[tuple[str, Callable[[Path, ExampleOptions], None]]]:
    """Both lists, whose Gemarkungen are those of the first district, and the archive of its GeoPackage."""
    [(key, name, layers)] = make_layers(options, 1)
    rows = layers[LAYER]
    geopackage = file_name(key, name, options)
    yield OFFICES, partial(_write, OFFICES, {unit.key[1:5]: unit.name for unit in region.units["K"]})
    yield DISTRICTS, partial(_write, DISTRICTS, {name: _list(rows)})
    yield archive_name(key, name), lambda folder, own: write_geopackage(folder / geopackage, {LAYER: rows}, own)


def _list(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Gemarkungen with the numbers of their Fluren."""
    fluren: dict[str, list[str]] = {}
    for row in rows:
        if row["uebobjekt"]:
            fluren.setdefault(row["uebobjekt"], []).append(str(int(row["schluessel"][6:])))
    return {
        f"{row['name']} ({row['schluessel'][2:]})": {
            "fluren": fluren.get(row["schluessel"], []),
            "schluessel": row["schluessel"][2:],
        }
        for row in rows
        if not row["uebobjekt"]
    }


def _write(name: str, content: Any, folder: Path, options: ExampleOptions) -> None:
    del options
    (folder / name).write_text(json.dumps(content, ensure_ascii=False), "utf-8")
