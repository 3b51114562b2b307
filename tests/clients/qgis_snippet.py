"""For QGIS' own Python: runs code as the console of QGIS does, prints as JSON what is on the map then.

qgis_snippet.py FILE LONGITUDE LATITUDE SCALE PICTURE
"""

# pyright: reportMissingImports=false
import json
import sys
from pathlib import Path

import qgis.core
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsPointXY,
    QgsProject,
    QgsRectangle,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor

SIZE = 512
METRES_PER_PIXEL = 0.00028


def draw(centre: tuple[float, float], scale: float, picture: str) -> dict[str, int]:
    """The project's layers on white around a place; number of pixels of each colour."""
    mercator = QgsCoordinateReferenceSystem("EPSG:3857")
    to_mercator = QgsCoordinateTransform(QgsCoordinateReferenceSystem("EPSG:4326"), mercator, QgsProject.instance())
    place = to_mercator.transform(QgsPointXY(*centre))
    half = SIZE * METRES_PER_PIXEL * scale / 2
    settings = QgsMapSettings()
    settings.setLayers(list(QgsProject.instance().mapLayers().values()))
    settings.setDestinationCrs(mercator)
    settings.setTransformContext(QgsProject.instance().transformContext())
    settings.setExtent(QgsRectangle(place.x() - half, place.y() - half, place.x() + half, place.y() + half))
    settings.setOutputSize(QSize(SIZE, SIZE))
    settings.setBackgroundColor(QColor("white"))
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
    return colours


def main() -> None:
    code, longitude, latitude, scale, picture = sys.argv[1:]
    application = QgsApplication([], False)
    application.initQgis()
    console = dict(vars(qgis.core))  # which the console has imported
    exec(Path(code).read_text("utf-8"), console)  # noqa: S102 (the code is what is tested)
    layers = [(layer.name(), layer.isValid()) for layer in QgsProject.instance().mapLayers().values()]
    print(json.dumps({"layers": layers, "colours": draw((float(longitude), float(latitude)), float(scale), picture)}))
    console.clear()
    QgsProject.instance().clear()
    application.exitQgis()


main()
