"""GeoPackage 1.3: written by GDAL with its spatial index; where the data come from is in its metadata tables.

The format is a database: an answer is made in a temporary file and sent when it is complete.
"""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import orjson
import pyarrow as pa
from psycopg.rows import TupleRow

from server.formats.arrow import ArrowReader
from server.formats.gdal import Target, to_target, write_apart, write_batches, write_kept
from server.formats.layer import About, Layer
from server.formats.outline import GEOMETRY, Outline, to_outline
from server.formats.sent import to_columns
from server.formats.source import Source, read_ahead

# Tables and rows of the extension gpkg_metadata (GeoPackage 1.3, F.8); its validators want the types in capitals
METADATA = """
CREATE TABLE IF NOT EXISTS gpkg_extensions (
  table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, definition TEXT NOT NULL, scope TEXT NOT NULL,
  CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name));
CREATE TABLE gpkg_metadata (
  id INTEGER CONSTRAINT m_pk PRIMARY KEY ASC NOT NULL, md_scope TEXT NOT NULL DEFAULT 'dataset',
  md_standard_uri TEXT NOT NULL, mime_type TEXT NOT NULL DEFAULT 'text/xml', metadata TEXT NOT NULL DEFAULT '');
CREATE TABLE gpkg_metadata_reference (
  reference_scope TEXT NOT NULL, table_name TEXT, column_name TEXT, row_id_value INTEGER,
  timestamp DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')), md_file_id INTEGER NOT NULL,
  md_parent_id INTEGER, CONSTRAINT crmr_mfi_fk FOREIGN KEY (md_file_id) REFERENCES gpkg_metadata (id),
  CONSTRAINT crmr_mpi_fk FOREIGN KEY (md_parent_id) REFERENCES gpkg_metadata (id));
insert into gpkg_extensions values
  ('gpkg_metadata', null, 'gpkg_metadata', 'http://www.geopackage.org/spec120/#extension_metadata', 'read-write'),
  ('gpkg_metadata_reference', null, 'gpkg_metadata', 'http://www.geopackage.org/spec120/#extension_metadata',
   'read-write');
"""
STANDARD = "https://schema.org/Dataset"
# So many features are written in 30 ms, of which some other request waits for 10
FEW = 2_000


def to_geopackage(outline: Outline, path: Path) -> Target:
    """The file of a layer, in a version that older programs read without warning."""
    options = {"IDENTIFIER": outline.title, "DESCRIPTION": outline.description, "FID": "fid"}
    options["DATETIME_PRECISION"] = "MILLISECOND"
    if outline.kind:
        options |= {"GEOMETRY_NAME": GEOMETRY, "SPATIAL_INDEX": "YES"}
    return replace(to_target(outline, path, "GPKG"), dataset={"VERSION": "1.3"}, layer=options)


def add_metadata(outline: Outline, path: Path) -> None:
    """Say in the file where its features are from."""
    told = orjson.dumps({"@context": "https://schema.org/", "@type": "Dataset", **outline.notes}).decode()
    with closing(sqlite3.connect(path)) as file, file:
        file.executescript(f"pragma synchronous = off; begin; {METADATA}")
        file.execute("insert into gpkg_metadata values (1, 'dataset', ?, 'application/json', ?)", (STANDARD, told))
        file.execute(
            "insert into gpkg_metadata_reference (reference_scope, table_name, md_file_id) values ('table', ?, 1)",
            (outline.name,),
        )


def write_whole(source: Source, outline: Outline, path: Path) -> int:
    """Write all features of a source; their number."""
    reader = ArrowReader(outline, lists=False)
    features = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal features
        for row in read_ahead(source.read(to_columns(outline, lists=False))):
            batch = reader.read(row)
            features += batch.num_rows
            yield batch

    target = path.with_name(f"{path.name}.gpkg")  # GDAL warns of any other ending
    try:
        write_batches(to_geopackage(outline, target), reader.schema, batches())
        add_metadata(outline, target)
        target.replace(path)
    finally:
        target.unlink(missing_ok=True)
    return features


class GeoPackageEncoder:
    """Keeps the batches in a temporary file, as Arrow has them, until all are there: GDAL takes them at once."""

    def __init__(self, layer: Layer, about: About) -> None:
        self._outline = to_outline(layer, about)
        self._reader = ArrowReader(self._outline, lists=False)
        self._folder = tempfile.TemporaryDirectory(prefix="opennrw-gpkg-")
        self._kept = Path(self._folder.name) / "batches.arrow"
        self._count = 0
        self._writer = pa.ipc.new_stream(str(self._kept), self._reader.schema)

    def begin(self) -> bytes:
        """Nothing yet."""
        return b""

    def batch(self, row: TupleRow) -> bytes:
        """Keep it."""
        batch = self._reader.read(row)
        self._count += batch.num_rows
        self._writer.write_batch(batch)
        return b""

    def end(self) -> Path:
        """The file."""
        self._writer.close()
        path = Path(self._folder.name) / f"{self._outline.name}.gpkg"
        write = write_kept if self._count <= FEW else write_apart
        write(to_geopackage(self._outline, path), self._kept)
        self._kept.unlink()
        add_metadata(self._outline, path)
        return path

    def close(self) -> None:
        """Remove the files."""
        self._writer.close()
        self._folder.cleanup()
