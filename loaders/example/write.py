"""The four official deliveries, in files and archives like the genuine ones."""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from loaders.example.alkis import archive_name, file_name, make_layers, write_geopackage
from loaders.example.batches import AddressRows, Batch, OutlineRows, make_batches
from loaders.example.nas import nas_archive_name, write_nas
from loaders.example.options import ExampleOptions
from loaders.example.region import LAND_NAME, Region, Unit, make_region
from loaders.example.shapefile import Field, Polygons, ShapefileWriter

LAYERS = {"bld": "L", "rbz": "R", "krs": "K", "gem": "G"}
BOUNDARY_FIELDS = [Field("ART", "C", 40), Field("GN", "C", 40), Field("KN", "C", 40), Field("STAND", "D", 8)]
OUTLINE_FIELDS = [Field("AGS", "C", 8), Field("OI", "C", 16), Field("GFK", "C", 10), Field("AKTUALITAE", "C", 10)]
TITLES = {
    "alkis": "ALKIS, vereinfachtes Schema",
    "alkis_nas": "ALKIS, Grundrissdaten ohne Eigentümer",
    "dvg1": "Digitale Verwaltungsgrenzen 1",
    "dvg2": "Digitale Verwaltungsgrenzen 2",
    "gebref": "Gebäudereferenzen",
    "hausumringe": "Hausumringe",
    "lod1": "3D-Gebäudemodell LoD1",
    "lod2": "3D-Gebäudemodell LoD2",
}
ARCHIVES = {
    "dvg1": "dvg1_EPSG25832_Shape.zip",
    "dvg2": "dvg2_EPSG25832_Shape.zip",
    "gebref": "gebref_EPSG25832_ASCII.zip",
    "hausumringe": "hu_EPSG25832_Shape.zip",
}
GENERALISATION = 50.0  # metres that a border of dvg2 may be off


def write_deliveries(to: Path, options: ExampleOptions) -> dict[str, Path]:
    """Writes all four deliveries below `to`; returns the folder of each."""
    folders = {dataset: to / dataset for dataset in ARCHIVES}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    region = make_region(options)
    for dataset, units in (("dvg1", region.units), ("dvg2", _generalised(region))):
        with tempfile.TemporaryDirectory(dir=to) as scratch:
            _write_boundaries(Path(scratch), dataset, units, options)
            pack(Path(scratch), folders[dataset] / ARCHIVES[dataset], options)
    with tempfile.TemporaryDirectory(dir=to) as texts, tempfile.TemporaryDirectory(dir=to) as shapes:
        _write_buildings(
            Path(texts) / "gebref.txt", Path(shapes) / "hu_shp.shp", make_batches(region, options), options
        )
        pack(Path(texts), folders["gebref"] / ARCHIVES["gebref"], options)
        pack(Path(shapes), folders["hausumringe"] / ARCHIVES["hausumringe"], options)
    for dataset, folder in folders.items():
        write_index(folder / "index.json", file_index(TITLES[dataset], [folder / ARCHIVES[dataset]], options))
    write_index(to / "index.json", _folder_index(options))
    return folders


def write_cadastre(to: Path, options: ExampleOptions, districts: int) -> dict[str, Path]:
    """Writes ALKIS of the first districts below `to`, in the simplified schema and as NAS; the folder of each."""
    folders = {dataset: to / dataset for dataset in ("alkis", "alkis_nas")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    for key, name, layers in make_layers(options, districts):
        with tempfile.TemporaryDirectory(dir=to) as scratch:
            write_geopackage(Path(scratch) / file_name(key, name, options), layers, options)
            pack(Path(scratch), folders["alkis"] / archive_name(key, name), options)
        with tempfile.TemporaryDirectory(dir=to) as scratch:
            write_nas(Path(scratch) / nas_archive_name(key, name).replace(".zip", ".xml"), layers, options)
            pack(Path(scratch), folders["alkis_nas"] / nas_archive_name(key, name), options)
    for dataset, folder in folders.items():
        write_index(folder / "index.json", file_index(TITLES[dataset], sorted(folder.glob("*.zip")), options))
    return folders


def _generalised(region: Region) -> dict[str, list[Unit]]:
    """Simplified municipalities that still meet, and the other units made of them."""
    units = region.units
    shapes = shapely.coverage_simplify(np.array([unit.geometry for unit in units["G"]]), GENERALISATION)
    simple = dict(zip([unit.key for unit in units["G"]], shapes, strict=True))
    lengths = {"L": 2, "R": 3, "K": 5, "G": 8}

    def merged(unit: Unit) -> Unit:
        members = [shape for key, shape in simple.items() if key[: lengths[unit.art]] == unit.key[: lengths[unit.art]]]
        return Unit(unit.art, unit.name, unit.key, shapely.coverage_union_all(members))

    return {art: [merged(unit) for unit in listed] for art, listed in units.items()}


def _write_boundaries(folder: Path, dataset: str, units: dict[str, list[Unit]], options: ExampleOptions) -> None:
    cities = {unit.key for unit in units["K"]} & {unit.key for unit in units["G"]}
    layers = {f"{dataset}{layer}_nw": units[art] for layer, art in LAYERS.items()}
    layers[f"{dataset}gem_nw_o"] = [unit for unit in units["G"] if unit.key not in cities]
    for name, listed in layers.items():
        stand = options.date.strftime("%Y%m%d")
        columns = [utf8([getattr(unit, field) for unit in listed]) for field in ("art", "name", "key")]
        with ShapefileWriter(folder / f"{name}.shp", BOUNDARY_FIELDS, options.date) as writer:
            polygons = Polygons.from_geometries([unit.geometry for unit in listed])
            writer.write(polygons, [*columns, utf8([stand] * len(listed))])


def _write_buildings(text: Path, shapes: Path, batches: Iterable[Batch], options: ExampleOptions) -> None:
    with text.open("wb") as lines, ShapefileWriter(shapes, OUTLINE_FIELDS, options.date) as writer:
        for batch in batches:
            _write_addresses(lines, batch, options)
            _write_outlines(writer, batch.municipality.unit.key, batch.outlines)


def _write_outlines(writer: ShapefileWriter, key: str, rows: OutlineRows) -> None:
    columns = [
        np.full(rows.corners.size, key.encode()),
        rows.oid.astype("S16"),
        rows.function.astype("S10"),
        np.datetime_as_string(rows.surveyed).astype("S10"),
    ]
    writer.write(Polygons.from_rings(rows.ring, rows.corners), columns)


def _write_addresses(file: BinaryIO, batch: Batch, options: ExampleOptions) -> None:
    """The 21 columns of the layout since 2023."""
    municipality, rows = batch.municipality, batch.addresses
    key = municipality.unit.key
    columns: list[Any] = [
        "N", _text(rows.oid), _text(rows.quality), key[:2], LAND_NAME, key[2], municipality.bezirk, key[3:5],
        municipality.kreis, key[5:], municipality.unit.name, *batch.quarter, _text(rows.street_key), _text(rows.street),
        _house_number(rows), _text(rows.suffix), "32", _metres(rows.point[:, 0]), _metres(rows.point[:, 1]),
        options.date.isoformat() + "\r\n",
    ]  # fmt: skip
    texts = [pa.scalar(column) if isinstance(column, str) else column for column in columns]
    file.write("".join(map(str, _joined(*texts, ";").to_pylist())).encode())


def _house_number(rows: AddressRows) -> pa.Array:
    text = pc.cast(pa.array(rows.number), pa.string())
    return pc.if_else(pa.array(rows.number == 0), "", text)


def _metres(values: np.ndarray) -> pa.Array:
    millimetres = np.round(values * 1000).astype(np.int64)
    whole = pc.cast(pa.array(millimetres // 1000), pa.string())
    rest = pc.utf8_lpad(pc.cast(pa.array(millimetres % 1000), pa.string()), 3, "0")
    return _joined(whole, rest, ".")


def _joined(*parts: Any) -> pa.Array:
    """Texts of each row, the last of the parts between them."""
    return pc.binary_join_element_wise(*parts)


def _text(values: np.ndarray) -> pa.Array:
    return pa.array(values, type=pa.string())


def utf8(texts: list[str]) -> np.ndarray:
    """A column of a Shape file's table."""
    return np.array([text.encode() for text in texts])


def pack(folder: Path, archive: Path, options: ExampleOptions) -> None:
    """All files of a folder in the order of their names, dated like the delivery."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as target:
        for path in sorted(folder.iterdir()):
            date = options.date
            entry = zipfile.ZipInfo(path.name, (date.year, date.month, date.day, 6, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            entry.file_size = path.stat().st_size
            with path.open("rb") as source, target.open(entry, "w") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)


def file_index(title: str, archives: list[Path], options: ExampleOptions) -> dict[str, Any]:
    """As the publisher lists the files of a folder."""
    timestamp = f"{options.date}T06:00:00.000000"
    files = [{"name": path.name, "size": str(path.stat().st_size), "timestamp": timestamp} for path in archives]
    return {"datasets": [{"name": archives[0].parent.name, "title": title, "files": files}]}


def _folder_index(options: ExampleOptions) -> dict[str, Any]:
    timestamp = f"{options.date}T06:00:00"
    return {
        "folders": [
            {"name": name, "title": title, "timestamp": timestamp} for name, title in TITLES.items() if name in ARCHIVES
        ]
    }


def write_index(path: Path, document: dict[str, Any]) -> None:
    """A folder's index.json."""
    path.write_text(json.dumps(document, ensure_ascii=False, indent="\t") + "\n", encoding="utf-8")
