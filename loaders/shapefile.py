"""What the parts of a Shape file say of it: its CRS, its number of records, the encoding of its texts."""

import codecs
from pathlib import Path

import numpy as np
from pyproj import CRS
from pyproj.exceptions import CRSError

from loaders.errors import InvalidDelivery
from loaders.geometry import ZONE_PREFIX

DELETED = ord("*")
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


def sibling(shp: Path, suffix: str) -> Path | None:
    """The part of a Shape file with another suffix, however it is written."""
    return next((p for p in shp.parent.iterdir() if p.stem == shp.stem and p.suffix.lower() == suffix), None)


def read_false_east(shp: Path) -> float:
    """0 for EPSG:25832, the zone prefix for EPSG:4647; judged by the projection, as names differ between programs."""
    prj = sibling(shp, ".prj")
    text = prj.read_text("utf-8", "replace") if prj else ""
    try:
        crs = CRS.from_wkt(text)
        operation = crs.coordinate_operation
        parameters = {p.name: float(p.value) for p in operation.params} if operation else {}
        false_east = parameters.pop("False easting", 0.0) - 500_000.0
        ellipsoid = crs.ellipsoid and (crs.ellipsoid.semi_major_metre, round(crs.ellipsoid.inverse_flattening, 9))
    except CRSError:
        false_east, parameters, ellipsoid = -1.0, {}, None
    if parameters != UTM32 or ellipsoid != GRS80 or false_east not in {0.0, ZONE_PREFIX}:
        raise InvalidDelivery(
            "crs",
            f"{prj.name if prj else '.prj'} says {text[:60]!r}, which is neither EPSG:25832 nor EPSG:4647. "
            "Reproject the delivery (ogr2ogr -t_srs EPSG:25832), or correct the .prj if it is wrong.",
        )
    return false_east


def count_records(shp: Path) -> int:
    """Records that are not deleted, by the headers of the three files; they must agree, or one was cut off."""
    shx, dbf = sibling(shp, ".shx"), sibling(shp, ".dbf")
    assert shx is not None  # noqa: S101 - the layer was seen to be whole
    assert dbf is not None  # noqa: S101
    with shp.open("rb") as opened:
        listed = int.from_bytes(opened.read(100)[24:28], "big") * 2
    with dbf.open("rb") as opened:
        header = opened.read(32)
    in_index = (shx.stat().st_size - 100) // 8
    in_table, start, size = (int.from_bytes(header[a:b], "little") for a, b in ((4, 8), (8, 10), (10, 12)))
    if listed != shp.stat().st_size or in_index != in_table or start + in_table * size > dbf.stat().st_size:
        raise InvalidDelivery(
            "files",
            f"{shp.name} has {shp.stat().st_size} bytes (its header says {listed}), {shx.name} has {in_index} records, "
            f"{dbf.name} has {dbf.stat().st_size} bytes for {in_table} records: they must agree. "
            "Fetch the delivery again.",
        )
    if not in_table:
        return 0
    records = np.memmap(dbf, np.uint8, "r", start, (in_table, size))
    return in_table - int(np.count_nonzero(records[:, 0] == DELETED))


def find_encoding(shp: Path) -> str:
    """As the .cpg says; without one UTF-8 where the whole table is valid UTF-8, otherwise cp1252."""
    cpg, dbf = sibling(shp, ".cpg"), sibling(shp, ".dbf")
    if cpg is None:
        return "UTF-8" if dbf and _is_utf8(dbf) else "CP1252"
    name = cpg.read_text("ascii", "replace").strip().lower()
    if name not in ENCODINGS:
        raise InvalidDelivery(
            "encoding", f"{cpg.name} says '{name}'; known are {', '.join(sorted(ENCODINGS))}. Correct it or remove it."
        )
    return ENCODINGS[name]


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as opened:
            opened.seek(int.from_bytes(opened.read(10)[8:10], "little"))
            while chunk := opened.read(1 << 20):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
