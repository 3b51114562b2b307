"""Shape files of the products, and the archives that they come in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import shapely

from loaders.example.options import ExampleOptions
from loaders.example.shapefile import LINE, POINT, POLYGON, Field, Polygons, ShapefileWriter
from loaders.example.write import utf8

KINDS = {0: POINT, 1: LINE, 2: POLYGON}  # by the dimension of shapes


@dataclass(frozen=True)
class Layer:
    """One Shape file: a column for each of the fields, with a width in bytes, and a row for each shape."""

    name: str
    fields: dict[str, int]
    shapes: list[shapely.Geometry]
    rows: list[tuple[str, ...]]

    def write(self, folder: Path, options: ExampleOptions) -> None:
        fields = [Field(name, "C", width) for name, width in self.fields.items()]
        kind = KINDS[int(shapely.get_dimensions(self.shapes[0]))]
        with ShapefileWriter(folder / f"{self.name}.shp", fields, options.date, kind) as writer:
            columns = [utf8(list(texts)) for texts in zip(*self.rows, strict=True)]
            writer.write(Polygons.from_geometries(self.shapes), columns)


Write = Callable[[Path, ExampleOptions], None]
Archives = Iterator[tuple[str, Write]]
