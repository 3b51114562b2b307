"""What the parts of a Shape file say of it: its CRS, its records, the encoding of its texts."""

import codecs
from dataclasses import dataclass
from pathlib import Path

from pyproj import CRS
from pyproj.exceptions import CRSError

from loaders.area import ZONE_PREFIX
from loaders.dbf import Table, open_table
from loaders.errors import InvalidDelivery
from loaders.recipe import Kind
from loaders.shp import HEAD, INDEX_ENTRY, Records

ENCODINGS = {
    **dict.fromkeys(("utf-8", "utf8", "65001"), "UTF-8"),
    **dict.fromkeys(("1252", "cp1252", "windows-1252", "ansi 1252", "iso-8859-1", "88591", "latin1"), "CP1252"),
}
GRS80 = (6378137.0, 298.257222101)
UTM32 = {
    "Latitude of natural origin": 0.0,
    "Longitude of natural origin": 9.0,
    "Scale factor at natural origin": 0.9996,
    "False northing": 0.0,
}
MAX_PRJ = 1 << 16
# ESRI Shapefile Technical Description (1998)
FILE_CODE = 9994
CONTENTS = {0: "nothing", 1: "points", 3: "lines", 5: "polygons", 8: "multipoints", 11: "points", 13: "lines",
            15: "polygons", 18: "multipoints", 21: "points", 23: "lines", 25: "polygons", 28: "multipoints",
            31: "multipatches"}  # fmt: skip
BATCH_BYTES = 16 << 20


@dataclass(frozen=True)
class Parts:
    """A whole Shape file: its table, its records, and how many of them to read at once."""

    table: Table
    records: Records
    batch: int


def sibling(shp: Path, suffix: str) -> Path | None:
    """The part of a Shape file with another suffix, however it is written."""
    return next((p for p in shp.parent.iterdir() if p.stem == shp.stem and p.suffix.lower() == suffix), None)


def read_false_east(shp: Path) -> float:
    """0 for EPSG:25832, the zone prefix for EPSG:4647; judged by the projection, as names differ between programs."""
    prj = sibling(shp, ".prj")
    text = _read_start(prj).decode("utf-8", "replace") if prj else ""
    try:
        crs = CRS.from_wkt(text)
        operation = crs.coordinate_operation
        parameters = {p.name: float(p.value) for p in operation.params} if operation else {}
        false_east = parameters.pop("False easting", 0.0) - 500_000.0
        ellipsoid = crs.ellipsoid and (crs.ellipsoid.semi_major_metre, round(crs.ellipsoid.inverse_flattening, 9))
    except (CRSError, ValueError):
        false_east, parameters, ellipsoid = -1.0, {}, None
    if parameters != UTM32 or ellipsoid != GRS80 or false_east not in {0.0, ZONE_PREFIX}:
        raise InvalidDelivery(
            "crs",
            f"{prj.name if prj else '.prj'} says {text[:60]!r}, which is neither EPSG:25832 nor EPSG:4647. "
            "Reproject the delivery (ogr2ogr -t_srs EPSG:25832), or correct the .prj if it is wrong.",
        )
    return false_east


def _read_start(path: Path) -> bytes:
    with path.open("rb") as opened:
        return opened.read(MAX_PRJ)


def open_parts(shp: Path, kind: Kind) -> Parts:
    """Hold the parts against each other before anything reads their content. Raises InvalidDelivery."""
    shx, dbf = sibling(shp, ".shx"), sibling(shp, ".dbf")
    assert shx is not None  # noqa: S101 - the layer was seen to be whole
    assert dbf is not None  # noqa: S101
    _check_header(shp, kind)
    table, records = open_table(dbf), Records(shp, shx)
    if records.count != table.records or (shx.stat().st_size - HEAD) % INDEX_ENTRY.itemsize:
        raise _disagreeing(f"{shx.name} has {records.count} records, {dbf.name} has {table.records}")
    return Parts(table, records, min(records.batch(BATCH_BYTES), max(1, BATCH_BYTES // table.record_size)))


def _check_header(shp: Path, wanted: Kind) -> None:
    header = _read_start(shp)[:HEAD]
    listed, size = int.from_bytes(header[24:28], "big") * 2, shp.stat().st_size
    kind = int.from_bytes(header[32:36], "little")
    if int.from_bytes(header[:4], "big") != FILE_CODE or size < HEAD:
        raise InvalidDelivery("files", f"{shp.name} does not begin like a Shape file. Fetch the delivery again.")
    if listed != size:
        raise _disagreeing(f"{shp.name} has {size} bytes, its header says {listed}")
    if kind not in wanted.types:
        raise InvalidDelivery(
            "geometry",
            f"{shp.name} holds {CONTENTS.get(kind, f'the unknown type {kind}')}; it must hold {wanted.name}. "
            "Give the delivery that the loader is made for.",
        )


def _disagreeing(fault: str) -> InvalidDelivery:
    return InvalidDelivery("files", f"{fault}: they must agree. Fetch the delivery again.")


def find_encoding(shp: Path, table: Table) -> str:
    """As the .cpg says; without one UTF-8 where the whole table is valid UTF-8, otherwise cp1252."""
    cpg = sibling(shp, ".cpg")
    if cpg is None:
        return "UTF-8" if _is_utf8(table)[0] else "CP1252"
    name = _read_start(cpg).decode("utf-8-sig", "replace").strip().lower()
    if name not in ENCODINGS:
        known = ", ".join(sorted(ENCODINGS))
        raise InvalidDelivery("encoding", f"{cpg.name} says '{name[:60]}'; known are {known}. Correct it or remove it.")
    if ENCODINGS[name] == "CP1252" and _is_utf8(table) == (True, True):
        raise InvalidDelivery(
            "encoding",
            f"{cpg.name} says '{name}', but all texts of {table.path.name} are UTF-8. "
            f"If they read right in UTF-8, write UTF-8 into {cpg.name}.",
        )
    return ENCODINGS[name]


def _is_utf8(table: Table) -> tuple[bool, bool]:
    """Whether all bytes of the records are UTF-8, and whether any of them is beyond ASCII."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    beyond = False
    try:
        for block in table.blocks():
            beyond = beyond or not block.isascii()
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False, beyond
    return True, beyond
