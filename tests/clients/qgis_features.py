"""For QGIS' own Python: opens a collection with the OAPIF provider, prints as JSON what a user of QGIS gets.

qgis_features.py URL COLLECTION [FILTER]; FILTER is what the layer's filter dialogue would set.
"""

# pyright: reportMissingImports=false
import json
import sys
from typing import Any

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsProject,
    QgsVectorLayer,
)

STORAGE = "EPSG:25832"


def describe(layer: QgsVectorLayer) -> dict[str, Any]:
    """Everything of a layer; x and y are those of a point on each feature, in EPSG:25832; area in the layer's CRS."""
    to_storage = QgsCoordinateTransform(layer.crs(), QgsCoordinateReferenceSystem(STORAGE), QgsProject.instance())
    names = [field.name() for field in layer.fields()]
    features = []
    for feature in layer.getFeatures():
        geometry = feature.geometry()
        point = geometry.pointOnSurface()
        point.transform(to_storage)
        features.append(
            {
                "properties": dict(zip(names, map(to_json, feature.attributes()), strict=True)),
                "points": sum(1 for _ in geometry.vertices()),
                "area": geometry.area(),
                "x": point.asPoint().x(),
                "y": point.asPoint().y(),
            }
        )
    return {
        "qgis": Qgis.QGIS_VERSION,
        "crs": layer.crs().authid(),
        "types": {field.name(): field.typeName().lower() for field in layer.fields()},
        "count": layer.featureCount(),
        "features": features,
    }


def to_json(value: Any) -> Any:
    """A value as QGIS has it: null is a QVariant that holds none."""
    if hasattr(value, "isNull") and value.isNull():
        return None
    return value.toString("yyyy-MM-dd") if hasattr(value, "toString") else value


def main() -> None:
    url, collection, *condition = sys.argv[1:]
    application = QgsApplication([], False)
    application.initQgis()
    source = f"typename='{collection}' url='{url}/' srsname='{STORAGE}'"
    layer = QgsVectorLayer(source, collection, "OAPIF")
    if not layer.isValid():
        sys.exit(f"QGIS refuses the layer '{collection}': {layer.dataProvider().error().summary()}")
    if condition and not layer.setSubsetString(condition[0]):
        sys.exit(f"QGIS refuses the filter {condition[0]}")
    print(json.dumps(describe(layer)))
    del layer
    application.exitQgis()


main()
