"""ALKIS of the invented districts as NAS (GeoInfoDok 7.1): the parcels and buildings of the simplified schema."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import shapely

from loaders.example.options import ExampleOptions

Row = dict[str, Any]

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<AX_Bestandsdatenauszug xmlns="http://www.adv-online.de/namespaces/adv/gid/7.1"'
    ' xmlns:gml="http://www.opengis.net/gml/3.2" xmlns:wfs="http://www.opengis.net/wfs/2.0"'
    ' xmlns:xlink="http://www.w3.org/1999/xlink">\n'
    "<erfolgreich>true</erfolgreich>\n"
    "<koordinatenangaben><AA_Koordinatenreferenzsystemangaben>"
    '<crs xlink:href="urn:adv:crs:ETRS89_UTM32"/><anzahlDerNachkommastellen>3</anzahlDerNachkommastellen>'
    "<standard>true</standard></AA_Koordinatenreferenzsystemangaben></koordinatenangaben>\n"
    "<enthaelt><wfs:FeatureCollection>\n"
)
TAIL = "</wfs:FeatureCollection></enthaelt>\n</AX_Bestandsdatenauszug>\n"
MEMBER = (
    '<wfs:member><{kind} gml:id="{id}"><gml:identifier codeSpace="http://www.adv-online.de/">urn:adv:oid:{id}'
    "</gml:identifier><lebenszeitintervall><AA_Lebenszeitintervall><beginnt>{day}T08:00:00Z</beginnt>"
    "</AA_Lebenszeitintervall></lebenszeitintervall><modellart><AA_Modellart><advStandardModell>DLKM"
    "</advStandardModell></AA_Modellart></modellart><anlass>{occasion}</anlass><position>{shape}</position>{rest}"
    "</{kind}></wfs:member>\n"
)


def nas_archive_name(key: str, name: str) -> str:
    """As the publisher names a district's archive."""
    return f"gru_xml_{key}_{name.replace(' ', '-')}_EPSG25832_NAS.zip"


def write_nas(path: Path, layers: dict[str, list[Row]], options: ExampleOptions) -> None:
    """A district's parcels and buildings as one file. `options` has the day of the delivery."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(HEAD)
        file.writelines(_parcels(layers["Flurstueck"]))
        file.writelines(_buildings(layers["GebauedeBauwerk"], options))
        file.write(TAIL)


def _parcels(rows: list[Row]) -> Iterator[str]:
    for row in rows:
        key, mark = row["gmdschl"], row["flstkennz"]
        divisor = f"<nenner>{row['flstnrnen']}</nenner>" if row["flstnrnen"] else ""
        yield _member(
            "AX_Flurstueck",
            row["idflurst"],
            row,
            "010101",
            f"<gemarkung><AX_Gemarkung_Schluessel><land>{mark[:2]}</land><gemarkungsnummer>{mark[2:6]}"
            "</gemarkungsnummer></AX_Gemarkung_Schluessel></gemarkung><flurstuecksnummer><AX_Flurstuecksnummer>"
            f"<zaehler>{row['flstnrzae']}</zaehler>{divisor}</AX_Flurstuecksnummer></flurstuecksnummer>"
            f"<flurstueckskennzeichen>{mark}</flurstueckskennzeichen>"
            f'<amtlicheFlaeche uom="urn:adv:uom:m2">{row["flaeche"]:.2f}</amtlicheFlaeche>'
            f"<flurnummer>{int(mark[6:9])}</flurnummer><abweichenderRechtszustand>false</abweichenderRechtszustand>"
            f"<gemeindezugehoerigkeit><AX_Gemeindekennzeichen><land>{key[:2]}</land><regierungsbezirk>{key[2]}"
            f"</regierungsbezirk><kreis>{key[3:5]}</kreis><gemeinde>{key[5:]}</gemeinde></AX_Gemeindekennzeichen>"
            "</gemeindezugehoerigkeit>",
        )


def _buildings(rows: list[Row], options: ExampleOptions) -> Iterator[str]:
    rng = np.random.default_rng([options.seed, 6])
    for row in rows:
        code = row["gfkzshh"].removeprefix("31001_")
        storeys = int(rng.integers(1, 5))
        yield _member(
            "AX_Gebaeude",
            row["oid"][:16],
            row,
            "200100",
            f"<gebaeudefunktion>{code}</gebaeudefunktion>"
            f"<anzahlDerOberirdischenGeschosse>{storeys}</anzahlDerOberirdischenGeschosse>",
        )


def _member(kind: str, ident: str, row: Row, occasion: str, rest: str) -> str:
    shape = _surface(row["geometrie"])
    return MEMBER.format(kind=kind, id=escape(ident), day=row["aktualit"], occasion=occasion, shape=shape, rest=rest)


def _surface(shape: Any) -> str:
    surfaces = [_patch(part) for part in shapely.get_parts(shape)]
    if len(surfaces) == 1:
        return surfaces[0]
    members = "".join(f"<gml:surfaceMember>{surface}</gml:surfaceMember>" for surface in surfaces)
    return f"<gml:MultiSurface>{members}</gml:MultiSurface>"


def _patch(polygon: Any) -> str:
    rings = [("exterior", polygon.exterior), *(("interior", ring) for ring in polygon.interiors)]
    boundaries = "".join(f"<gml:{name}>{_ring(ring)}</gml:{name}>" for name, ring in rings)
    return f"<gml:Surface><gml:patches><gml:PolygonPatch>{boundaries}</gml:PolygonPatch></gml:patches></gml:Surface>"


def _ring(ring: Any) -> str:
    """As NAS has rings: of curves, which are made of segments."""
    points = " ".join(f"{value:.3f}" for value in shapely.get_coordinates(ring).ravel().tolist())
    return (
        "<gml:Ring><gml:curveMember><gml:Curve><gml:segments><gml:LineStringSegment>"
        f"<gml:posList>{points}</gml:posList>"
        "</gml:LineStringSegment></gml:segments></gml:Curve></gml:curveMember></gml:Ring>"
    )
