"""The attributes of an AX_Flurstueck or AX_Gebaeude by the names of our columns, as texts."""

from collections.abc import Iterator
from typing import Any

from loaders.xml_stream import HREF, Element, XmlFeature, local

PARCEL = {
    "flurstueckskennzeichen": "flstkennz",
    "amtlicheFlaeche": "flaeche",
    "abweichenderRechtszustand": "abweichenderrechtszustand",
    "rechtsbehelfsverfahren": "rechtsbehelfsverfahren",
    "zeitpunktDerEntstehung": "zeitpunktderentstehung",
    "istGebucht": "istgebucht",
    "anlass": "anlass",
}
BUILDING = {
    "gebaeudefunktion": "gebaeudefunktion",
    "name": "name",
    "anzahlDerOberirdischenGeschosse": "oberirdischegeschosse",
    "anzahlDerUnterirdischenGeschosse": "unterirdischegeschosse",
    "hochhaus": "hochhaus",
    "objekthoehe": "objekthoehe",
    "bauweise": "bauweise",
    "dachform": "dachform",
    "zustand": "zustand",
    "lageZurErdoberflaeche": "lagezurerdoberflaeche",
    "baujahr": "baujahr",
    "gebaeudekennzeichen": "gebaeudekennzeichen",
    "anlass": "anlass",
}
MUNICIPALITY = ("land", "regierungsbezirk", "kreis", "gemeinde")
OBJECT = "urn:adv:oid:"
ID = 16  # characters; what follows in a gml:id says when a version began
GML_ID = "{http://www.opengis.net/gml/3.2}id"


def read_feature(feature: XmlFeature) -> dict[str, Any]:
    """Its attributes; of those that occur several times the first, but for references, which are lists."""
    element = feature.element
    row: dict[str, Any] = {"oi": (element.get(GML_ID) or "")[:ID], **_lifetime(element)}
    parcel = feature.name == "AX_Flurstueck"
    for child in element:
        name = (PARCEL if parcel else BUILDING).get(local(child))
        if name is not None and row.get(name) is None:
            row[name] = _value(child)
    if parcel:
        parts = {local(part): _value(part) for part in _below(element, "gemeindezugehoerigkeit")}
        row["gmdschl"] = "".join(parts.get(part) or "" for part in MUNICIPALITY)
        row["weistauf"] = _references(element, "weistAuf")
    else:
        row["weiterefunktionen"] = [
            f"31001_{_value(child)}" for child in element if local(child) == "weitereGebaeudefunktion" and _value(child)
        ]
    row["zeigtauf"] = _references(element, "zeigtAuf")
    return row


def _lifetime(element: Element) -> dict[str, str | None]:
    """`beginnt` and `endet`: the days; the model has seconds, in UTC."""
    found = {local(part): (part.text or "").strip()[:10] or None for part in _below(element, "lebenszeitintervall")}
    return {"beginnt": found.get("beginnt"), "endet": found.get("endet")}


def _value(element: Element) -> str | None:
    """A text; or the last part of what a reference points to: an object, or since 7.1 an entry of a code list."""
    target = element.get(HREF)
    if target is not None:
        return target.removeprefix(OBJECT).rpartition("/")[2]
    return (element.text or "").strip() or None


def _references(element: Element, name: str) -> list[str]:
    return [value for child in element if local(child) == name and (value := _value(child))]


def _below(element: Element, name: str) -> Iterator[Element]:
    for child in element:
        if local(child) == name:
            yield from child.iter()
