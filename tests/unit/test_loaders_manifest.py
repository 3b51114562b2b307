"""source.yaml: strict, and every loader has one that fits its collections."""

from pathlib import Path

import pytest
import yaml

from loaders.errors import LoadError, ManifestError
from loaders.manifest import datasets, parse_manifest, read_manifest

GOOD = """\
dataset: muster
version: 1
title: Muster
url: https://example.org/muster/
file: muster_(?P<edition>\\d{4})\\.zip
reads: [.txt]
area: [274000, 5568000, 536144, 5830144]
collections:
  eins: {min: 1, key: oi, columns: {oi: text}}
  zwei: {min: 2, key: kn, columns: {kn: text, stand: date}, date: stand, since: 2000}
"""
COLLECTIONS = Path(__file__).resolve().parents[2] / "collections"


def test_a_good_one() -> None:
    manifest = parse_manifest(GOOD, "source.yaml")
    assert manifest.loader == "muster 1"
    assert manifest.select(()) == ("eins", "zwei")
    assert manifest.select(("zwei",)) == ("zwei",)
    assert manifest.reads_file("GEBREF.TXT")
    assert not manifest.reads_file("lies_mich.pdf")


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("{min: 1,", "{min: 1, mn: 2,", "line 9: collections.eins.mn: unknown key; remove it or correct its spelling"),
        ("title: Muster", "titel: Muster", "line 3: titel: unknown key"),
        ("version: 1", "version: '1'", "line 2: version: Input should be a valid integer"),
        ("{min: 1,", "{min: -1,", "line 9: collections.eins.min: Input should be greater than or equal to 0"),
        ("{min: 1,", "{layer: a,", "line 9: collections.eins.min: Field required"),
        (
            "{oi: text}",
            "{oi: string}",
            "line 9: collections.eins.columns.oi: Input should be 'text', 'verbatim', 'date', 'integer' or",
        ),
        ("{oi: text}", "{}", "line 9: collections.eins.columns: Dictionary should have at least 1 item"),
        ("{min: 1,", "{rejected: 2, min: 1,", "line 9: collections.eins.rejected: Input should be less than or equal"),
        ("key: oi", "key: id", "line 9: collections.eins: key names 'id', which is none of the columns oi"),
        (
            "date: stand",
            "date: datum",
            "line 10: collections.zwei: date names 'datum', which is none of the columns kn",
        ),
        ("since: 2000", "since: 20", "line 10: collections.zwei.since: Input should be greater than or equal to 1500"),
        (
            "date: stand,",
            "ags: {column: kn, unknown: 2},",
            "line 10: collections.zwei.ags.unknown: Input should be less",
        ),
        ("area: [274000,", "area: [1,", "line 7: area: must lie within the grid of the spatial key: 274000, 5568000"),
        ("area: [274000,", "area: [", "line 7: area: must be west, south, east, north in EPSG:25832"),
        ("area: [274000, 5568000,", "area: [5568000, 274000,", "line 7: area: must be west, south, east, north"),
        ("https://", "http://", "line 4: url: String should match pattern"),
        ("muster_(", "muster_((", "line 5: file: 'muster_((?P<edition>\\d{4})\\.zip' is no regular expression"),
        ("reads: [", "reads: [[", "line 7: expected ',' or ']'"),
        ("version: 1", "version: 1\nversion: 2", "line 3: the key 'version' stands twice; leave one of them"),
        ("dataset: muster", "- dataset", "line 2: expected <block end>, but found '?'"),
        ("title: Muster", "title: *unknown", "line 3: found undefined alias 'unknown'"),
        ("title: Muster", "title: \x00", "line 3: special characters are not allowed"),
    ],
)
def test_a_wrong_one_names_file_and_line(old: str, new: str, text: str) -> None:
    with pytest.raises(ManifestError) as error:
        parse_manifest(GOOD.replace(old, new), "loaders/muster/source.yaml")
    assert f"loaders/muster/source.yaml, {text}" in str(error.value)


def test_unknown_collection() -> None:
    with pytest.raises(LoadError, match=r"The dataset muster has no collection 'drei'\. It has: eins, zwei\."):
        parse_manifest(GOOD, "source.yaml").select(("eins", "drei"))


@pytest.mark.parametrize("dataset", datasets())
def test_manifests_and_collections_name_each_other(dataset: str) -> None:
    manifest = read_manifest(dataset)
    described = [yaml.safe_load(path.read_text("utf-8")) for path in COLLECTIONS.glob("*.yaml")]
    of_dataset = {entry["id"]: entry for entry in described if entry["dataset"] == dataset}
    assert of_dataset.keys() == manifest.collections.keys()
    assert {name: source.date for name, source in manifest.collections.items()} == {
        name: entry.get("datetime") for name, entry in of_dataset.items()
    }
