"""What a collection declares for filters, and what its table must have for it."""

from pathlib import Path

import pytest

from server.catalogue import read_collections
from server.errors import ConfigurationError
from server.schema_check import differences

ROOT = Path(__file__).resolve().parents[2]
ADRESSE = next(c for c in read_collections(ROOT / "collections") if c.id == "adresse")
COLUMNS = {
    **{p.name: "date" if p.type == "date" else "text" for p in ADRESSE.properties},
    "fid": "bigint",
    "id": "text",
    "delivery": "bigint",
    "digest": "bytea",
    "geom": "geometry(Point,25832)",
}
PLAIN = {p.name for p in ADRESSE.queryables} | {"fid", "id", "geom"}
CASELESS = {f"geobasis.caseless({name})" for name in ("str", "gmd", "ott")}


def test_a_caseless_property_needs_its_index() -> None:
    found = differences(ADRESSE, COLUMNS, PLAIN | CASELESS)
    assert not [text for text in found if "caseless" in text]
    found = differences(ADRESSE, COLUMNS, PLAIN | CASELESS - {"geobasis.caseless(str)"})
    assert [text for text in found if "caseless" in text] == [
        "collections/adresse.yaml: 'str' is caseless, so geobasis.adresse needs an index for that: "
        'create index on geobasis.adresse ((geobasis.caseless(str) collate "C"), fid).'
    ]


def test_the_geometry_is_in_the_collections_crs() -> None:
    found = differences(ADRESSE, {**COLUMNS, "geom": "geometry(Point,4326)"}, PLAIN | CASELESS)
    assert found[0] == (
        "collections/adresse.yaml: 'geom' needs a column geobasis.adresse.geom of type geometry(Point,25832), "
        "found geometry(Point,4326)."
    )


def test_only_texts_that_are_queryable_are_caseless(tmp_path: Path) -> None:
    text = (ROOT / "collections" / "adresse.yaml").read_text("utf-8")
    (tmp_path / "adresse.yaml").write_text(text.replace("type: date\n", "type: date\n    caseless: true\n"), "utf-8")
    with pytest.raises(ConfigurationError, match="caseless needs a queryable of type string"):
        read_collections(tmp_path)
