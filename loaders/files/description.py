"""The YAML of a collection that was made of a file, as far as loading goes by it: everything in it may be edited."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from loaders.described import Described, Strict
from loaders.errors import ManifestError
from loaders.files.opening import READS
from loaders.grid import GRID
from loaders.home import own_folder
from loaders.manifest import CollectionSource
from loaders.strict_yaml import parse_yaml
from loaders.tables import GeometryType, PropertyType, TableShape

COLLECTIONS = "collections"
NAME = r"^[a-z][a-z0-9_]{0,39}$"
# of text and verbatim the manifest's checks tell nothing apart
TYPES: dict[PropertyType, Literal["text", "date", "integer", "number"]] = {
    "string": "text", "boolean": "text", "datetime": "text", "date": "date", "integer": "integer", "number": "number",
}  # fmt: skip


def _to_column(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


class Column(Strict):
    """The file's column that becomes a property. `decimal`: "," where its texts have decimal commas, and points
    between thousands; `digits`: so many have the keys in it, with zeros before them.
    """

    column: str
    decimal: Literal[".", ","] = "."
    digits: int | None = Field(default=None, ge=1, le=60)


class FileSource(Strict):
    """How a file is read. `crs`: of its coordinates, an EPSG code; `layer`: of several, or a sheet; `key`: the column
    that features are told apart by, without it their content; `coordinates`: the columns with x and y, or with WKT, of
    a table; `columns`: those of the properties; `ignored`: those that are left out; `others`: the kinds of geometries
    that are; `rejected`: the largest share of rows that may be rejected.
    """

    crs: int = Field(ge=1024, le=999_999)
    layer: str | None = None
    key: str | None = None
    coordinates: tuple[str, ...] = Field(default=(), strict=False, max_length=2)
    columns: dict[str, Annotated[Column, BeforeValidator(_to_column)]]
    ignored: tuple[str, ...] = Field(default=(), strict=False)
    others: Literal["refused", "left out"] = "refused"
    rejected: float = Field(default=0.01, ge=0, le=1)


class Property(BaseModel):
    """What a table must know of a property; the rest is the server's matter."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: PropertyType
    queryable: bool = False
    caseless: bool = False


class FileCollection(BaseModel):
    """A collection of a file."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(pattern=NAME)
    title: dict[str, str]
    geometry: GeometryType
    srid: Literal[25832, 4326] = 25832
    datetime: str | None = None
    text: tuple[str, ...] = ()
    properties: dict[str, Property]
    source: FileSource


def read_collection(text: str, name: str) -> FileCollection:
    """A collection from its YAML; `name` stands in messages. Raises ManifestError with file and line."""
    found = parse_yaml(text, FileCollection, name)
    if found.properties.keys() != found.source.columns.keys():
        odd = sorted(found.properties.keys() ^ found.source.columns.keys())
        raise ManifestError(
            f"{name}: '{odd[0]}' stands under properties or under source.columns alone. Each property needs a column "
            "of the file: give it in both, or take it from both and name the column under source.ignored."
        )
    return found


def path_of(name: str) -> Path:
    """Where the YAML is."""
    return own_folder(COLLECTIONS) / f"{name}.yaml"


def find_text(name: str) -> str | None:
    """The YAML of a collection of a file; None where there is none, or where it describes something else."""
    path = path_of(name)
    text = path.read_text("utf-8") if path.is_file() else ""
    return text if any(line.startswith("source:") for line in text.splitlines()) else None


def files() -> tuple[str, ...]:
    """Names of the collections that were made of files."""
    folder = own_folder(COLLECTIONS)
    found = sorted(path.stem for path in folder.glob("*.yaml")) if folder.is_dir() else []
    return tuple(name for name in found if find_text(name) is not None)


def find_file(name: str) -> Described | None:
    """A collection of a file as a manifest. Raises ManifestError with file and line."""
    text = find_text(name)
    return None if text is None else to_manifest(text, str(path_of(name)))


def to_manifest(text: str, name: str) -> Described:
    """How the file is loaded, and what it is published as."""
    found = read_collection(text, name)
    entries = found.properties.items()
    columns: Any = {"id": "text", **{key: TYPES[entry.type] for key, entry in entries}}
    return Described(
        dataset=found.id,
        version=1,
        title=found.title["de"],
        url="https://file.invalid/",
        file=".*",
        reads=READS,
        area=GRID,
        collections={
            found.id: CollectionSource(
                min=1, key="id", columns=columns, date=found.datetime, rejected=found.source.rejected
            )
        },
        reader="files",
        tables=(
            TableShape(
                name=found.id,
                columns={key: entry.type for key, entry in entries},
                indexed=tuple(key for key, entry in entries if entry.queryable),
                geometry=found.geometry,
                srid=found.srid,
                caseless=tuple(key for key, entry in entries if entry.caseless),
                text=found.text,
            ),
        ),
        documents={found.id: text},
    )
