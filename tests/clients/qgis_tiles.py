"""For QGIS' own Python: draws a collection's vector tiles, prints as JSON what is on the picture.

qgis_tiles.py URL COLLECTION LONGITUDE LATITUDE SCALE: the layer comes from the TileJSON document's template.
"""

# pyright: reportMissingImports=false
import json
import sys
from typing import Any
from urllib.request import urlopen

from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsPointXY,
    QgsProject,
    QgsRectangle,
    QgsVectorTileLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor

SIZE = 512
METRES_PER_PIXEL = 0.00028  # of a screen, as scales are defined


def open_layer(tilejson: dict[str, Any], collection: str) -> QgsVectorTileLayer:
    """A layer from the URL template of the TileJSON document, its braces left bare."""
    parts = {"type": "xyz", "url": tilejson["tiles"][0], "zmin": tilejson["minzoom"], "zmax": tilejson["maxzoom"]}
    layer = QgsVectorTileLayer("&".join(f"{key}={value}" for key, value in parts.items()), collection)
    if not layer.isValid():
        sys.exit(f"QGIS refuses the tiles of '{collection}': {layer.error().summary()}")
    return layer


def draw(layer: QgsVectorTileLayer, centre: tuple[float, float], scale: float) -> dict[str, Any]:
    """Draw the layer on white around a place (longitude, latitude); how many pixels are not white."""
    mercator = QgsCoordinateReferenceSystem("EPSG:3857")
    to_mercator = QgsCoordinateTransform(QgsCoordinateReferenceSystem("EPSG:4326"), mercator, QgsProject.instance())
    place = to_mercator.transform(QgsPointXY(*centre))
    half = SIZE * METRES_PER_PIXEL * scale / 2
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(mercator)
    settings.setExtent(QgsRectangle(place.x() - half, place.y() - half, place.x() + half, place.y() + half))
    settings.setOutputSize(QSize(SIZE, SIZE))
    settings.setBackgroundColor(QColor("white"))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    image = job.renderedImage()
    white = QColor("white").rgb()
    drawn = sum(image.pixel(x, y) != white for x in range(SIZE) for y in range(SIZE))
    return {"errors": [error.message for error in job.errors()], "drawn": drawn / SIZE**2}


def main() -> None:
    url, collection, longitude, latitude, scale = sys.argv[1:]
    application = QgsApplication([], False)
    application.initQgis()
    document = f"{url}/collections/{collection}/tiles/WebMercatorQuad/tilejson"
    with urlopen(document) as answer:  # noqa: S310 (the test's own server)
        tilejson = json.load(answer)
    layer = open_layer(tilejson, collection)
    print(json.dumps(draw(layer, (float(longitude), float(latitude)), float(scale))))
    del layer
    application.exitQgis()


main()
