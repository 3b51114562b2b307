"""For QGIS' own Python: opens a file, prints as JSON what a user of QGIS gets of it.

qgis_saved.py PATH [XMIN YMIN XMAX YMAX]; the box is what the map shows, in the layer's CRS.
"""

# pyright: reportMissingImports=false
import json
import sys
from typing import Any

from qgis.core import Qgis, QgsApplication, QgsFeatureRequest, QgsRectangle, QgsVectorLayer


def describe(layer: QgsVectorLayer, box: list[str]) -> dict[str, Any]:
    """Everything of a layer; x and y are those of a point on each feature, in the layer's CRS."""
    request = QgsFeatureRequest(QgsRectangle(*map(float, box))) if box else QgsFeatureRequest()
    names = [field.name() for field in layer.fields()]
    features = []
    for feature in layer.getFeatures(request):
        geometry = feature.geometry()
        point = geometry.pointOnSurface().asPoint()
        values = dict(zip(names, map(to_json, feature.attributes()), strict=True))
        places = sum(1 for _ in geometry.vertices())
        features.append({"properties": values, "points": places, "x": point.x(), "y": point.y()})
    return {
        "qgis": Qgis.QGIS_VERSION,
        "crs": layer.crs().authid(),
        "types": {field.name(): field.typeName().lower() for field in layer.fields()},
        "aliases": {field.name(): field.alias() for field in layer.fields()},
        "indexed": layer.hasSpatialIndex() == 2,
        "count": layer.featureCount(),
        "features": features,
    }


def to_json(value: Any) -> Any:
    """A value as QGIS has it: null is a QVariant that holds none."""
    if hasattr(value, "isNull") and value.isNull():
        return None
    return value.toString("yyyy-MM-dd") if hasattr(value, "toString") else value


def main() -> None:
    path, *box = sys.argv[1:]
    application = QgsApplication([], False)
    application.initQgis()
    layer = QgsVectorLayer(path, "file", "ogr")
    if not layer.isValid():
        sys.exit(f"QGIS refuses {path}: {layer.dataProvider().error().summary()}")
    print(json.dumps(describe(layer, box)))
    del layer
    application.exitQgis()


main()
