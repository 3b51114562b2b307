"""For QGIS' own Python: takes a stylesheet for vector tiles and a layer style, prints as JSON what QGIS makes of them.

qgis_styles.py URL COLLECTION GEOMETRY STYLE LONGITUDE LATITUDE SCALE PICTURE
"""

# pyright: reportMissingImports=false
import json
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsMapBoxGlStyleConverter,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsPointXY,
    QgsProject,
    QgsRectangle,
    QgsVectorLayer,
    QgsVectorTileLayer,
)
from qgis.PyQt.QtCore import QSize

SIZE = 512
METRES_PER_PIXEL = 0.00028


def fetch(url: str) -> bytes:
    with urlopen(url) as answer:  # noqa: S310 (the test's own server)
        return answer.read()


def convert(url: str, style: str) -> tuple[QgsMapBoxGlStyleConverter, dict[str, Any]]:
    """The whole map's stylesheet, as QGIS reads it."""
    sheet = json.loads(fetch(f"{url}/styles/{style}?f=mapbox"))
    converter = QgsMapBoxGlStyleConverter()
    result = converter.convert(sheet)
    renderer, labeling = converter.renderer(), converter.labeling()
    return converter, {
        "result": int(result),
        "warnings": converter.warnings(),
        "drawn": [found.styleName() for found in renderer.styles()],
        "written": [found.styleName() for found in labeling.styles()],
        "texts": {found.styleName(): found.labelSettings().fieldName for found in labeling.styles()},
        "filters": {found.styleName(): found.filterExpression() for found in renderer.styles()},
    }


def draw(url: str, style: str, centre: tuple[float, float], scale: float, picture: str) -> dict[str, Any]:
    """Tiles and style by their addresses, as in QGIS' dialogue of a connection."""
    tiles = f"{url}/tiles/WebMercatorQuad/{{z}}/{{x}}/{{y}}.mvt"
    parts = {"type": "xyz", "url": tiles, "zmin": "0", "zmax": "16", "styleUrl": f"{url}/styles/{style}?f=mapbox"}
    layer = QgsVectorTileLayer("&".join(f"{key}={value}" for key, value in parts.items()), style)
    _, loaded = layer.loadDefaultStyle()
    mercator = QgsCoordinateReferenceSystem("EPSG:3857")
    to_mercator = QgsCoordinateTransform(QgsCoordinateReferenceSystem("EPSG:4326"), mercator, QgsProject.instance())
    place = to_mercator.transform(QgsPointXY(*centre))
    half = SIZE * METRES_PER_PIXEL * scale / 2
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(mercator)
    settings.setExtent(QgsRectangle(place.x() - half, place.y() - half, place.x() + half, place.y() + half))
    settings.setOutputSize(QSize(SIZE, SIZE))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    image = job.renderedImage()
    image.save(picture)
    colours: dict[str, int] = {}
    for x in range(SIZE):
        for y in range(SIZE):
            name = image.pixelColor(x, y).name()
            colours[name] = colours.get(name, 0) + 1
    return {"valid": layer.isValid(), "loaded": loaded, "colours": colours}


def layer_style(url: str, collection: str, geometry: str, style: str) -> dict[str, Any]:
    """The collection's QML on a layer of its kind."""
    layer = QgsVectorLayer(f"{geometry}?crs=EPSG:25832", collection, "memory")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "style.qml")
        path.write_bytes(fetch(f"{url}/collections/{collection}/styles/{style}?f=qml"))
        message, done = layer.loadNamedStyle(str(path))
    rules = layer.renderer().rootRule().children()
    labeling = layer.labeling()
    labels = labeling.rootRule().children() if labeling else []
    return {
        "done": done,
        "message": message,
        "renderer": layer.renderer().type(),
        "rules": [
            {
                "label": rule.label(),
                "filter": rule.filterExpression(),
                "from": rule.minimumScale(),
                "to": rule.maximumScale(),
                "layer": rule.symbol().symbolLayer(0).layerType(),
                "colour": rule.symbol().symbolLayer(0).color().name(),
                "valid": not rule.filter() or not rule.filter().hasParserError(),
            }
            for rule in rules
        ],
        "labels": [
            {"text": rule.settings().fieldName, "from": rule.minimumScale(), "font": rule.settings().format().size()}
            for rule in labels
        ],
    }


def main() -> None:
    url, collection, geometry, style, longitude, latitude, scale, picture = sys.argv[1:]
    application = QgsApplication([], False)
    application.initQgis()
    converter, converted = convert(url, style)
    found = {
        "converted": converted,
        "drawn": draw(url, style, (float(longitude), float(latitude)), float(scale), picture),
        "layer": layer_style(url, collection, geometry, style),
    }
    print(json.dumps(found))
    del converter
    application.exitQgis()


main()
