"""For QGIS' own Python: opens a file by its address, prints as JSON what a user of QGIS gets.

qgis_file.py ADDRESS [WEST SOUTH EAST NORTH]; the box is what the map shows, in EPSG:25832.
"""

# pyright: reportMissingImports=false
import json
import sys

from qgis.core import QgsApplication, QgsFeatureRequest, QgsRectangle, QgsVectorLayer


def main() -> None:
    address, *box = sys.argv[1:]
    application = QgsApplication([], False)
    application.initQgis()
    layer = QgsVectorLayer(f"/vsicurl/{address}", "file", "ogr")
    if not layer.isValid():
        sys.exit(f"QGIS refuses {address}: {layer.dataProvider().error().summary()}")
    request = QgsFeatureRequest(QgsRectangle(*map(float, box))) if box else QgsFeatureRequest()
    ids = [feature["id"] for feature in layer.getFeatures(request)]
    print(json.dumps({"crs": layer.crs().authid(), "count": layer.featureCount(), "ids": ids}))
    del layer
    application.exitQgis()


main()
