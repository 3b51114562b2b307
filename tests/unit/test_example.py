"""The invented region: official layouts, the same bytes every time, and geography that holds together."""

import datetime as dt
import hashlib
import itertools
import json
import re
import zipfile
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyogrio
import pyogrio.raw
import pytest
import shapely

from loaders.example.options import ExampleOptions
from loaders.example.shapefile import Field, Polygons, ShapefileWriter
from loaders.example.write import ARCHIVES, write_deliveries

OPTIONS = ExampleOptions(addresses=2000, seed=7)
REAL_BEZIRKE = ("051", "053", "055", "057", "059")


@dataclass(frozen=True)
class Layer:
    fields: dict[str, np.ndarray]
    shapes: np.ndarray


@dataclass(frozen=True)
class Delivery:
    folder: Path

    def archive(self, dataset: str) -> Path:
        return self.folder / dataset / ARCHIVES[dataset]

    def layer(self, dataset: str, name: str) -> Layer:
        meta, _, wkb, columns = pyogrio.raw.read(f"/vsizip/{self.archive(dataset)}/{name}.shp")
        return Layer(dict(zip(meta["fields"], columns, strict=True)), shapely.from_wkb(wkb))

    def text(self) -> bytes:
        with zipfile.ZipFile(self.archive("gebref")) as archive:
            return archive.read("gebref.txt")

    def rows(self) -> list[list[str]]:
        return [line.split(";") for line in self.text().decode().split("\r\n")[:-1]]

    def digests(self) -> dict[str, str]:
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {str(f.relative_to(self.folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def make(folder: Path, options: ExampleOptions) -> Delivery:
    write_deliveries(folder, options)
    return Delivery(folder)


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    return make(tmp_path_factory.mktemp("first"), OPTIONS)


@pytest.fixture(scope="module")
def outlines(delivery: Delivery) -> Layer:
    return delivery.layer("hausumringe", "hu_shp")


@pytest.fixture(scope="module")
def rows(delivery: Delivery) -> list[list[str]]:
    return delivery.rows()


def key(row: list[str]) -> str:
    return row[3] + row[5] + row[7] + row[9]


def test_same_seed_gives_the_same_bytes(delivery: Delivery, tmp_path: Path) -> None:
    assert make(tmp_path, OPTIONS).digests() == delivery.digests()


def test_another_seed_gives_another_region(delivery: Delivery, tmp_path: Path) -> None:
    other = make(tmp_path, replace(OPTIONS, addresses=600, seed=8))
    assert set(other.layer("dvg1", "dvg1gem_nw").fields["GN"]) != set(delivery.layer("dvg1", "dvg1gem_nw").fields["GN"])


@pytest.mark.parametrize("dataset", ["dvg1", "dvg2"])
def test_boundary_archives_hold_the_official_layers(delivery: Delivery, dataset: str) -> None:
    layers = [f"{dataset}{layer}" for layer in ("bld_nw", "gem_nw", "gem_nw_o", "krs_nw", "rbz_nw")]
    with zipfile.ZipFile(delivery.archive(dataset)) as archive:
        endings = ("cpg", "dbf", "prj", "shp", "shx")
        assert archive.namelist() == sorted(f"{layer}.{ending}" for layer in layers for ending in endings)
        assert archive.read(f"{dataset}gem_nw.cpg") == b"UTF-8"
        assert archive.read(f"{dataset}gem_nw.prj").startswith(
            b'PROJCS["ETRS_1989_UTM_Zone_32N",GEOGCS["GCS_ETRS_1989"'
        )
    info = pyogrio.read_info(f"/vsizip/{delivery.archive(dataset)}/{dataset}gem_nw.shp")
    assert list(info["fields"]) == ["ART", "GN", "KN", "STAND"]
    assert info["crs"] == "EPSG:25832"


@pytest.mark.parametrize("dataset", ["dvg1", "dvg2"])
def test_municipalities_tile_the_land(delivery: Delivery, dataset: str) -> None:
    gemeinden = delivery.layer(dataset, f"{dataset}gem_nw").shapes
    assert shapely.coverage_is_valid(gemeinden)
    assert shapely.is_valid(gemeinden).all()
    for name in ("bld", "rbz", "krs"):
        shapes = delivery.layer(dataset, f"{dataset}{name}_nw").shapes
        assert shapely.coverage_is_valid(shapes)
        assert shapely.area(shapes).sum() == pytest.approx(shapely.area(gemeinden).sum(), rel=1e-9)


def test_dvg2_is_coarser_than_dvg1(delivery: Delivery) -> None:
    fine, coarse = (delivery.layer(d, f"{d}gem_nw").shapes for d in ("dvg1", "dvg2"))
    assert shapely.get_num_coordinates(coarse).sum() < 0.4 * shapely.get_num_coordinates(fine).sum()


def test_keys_nest_and_belong_to_no_real_unit(delivery: Delivery) -> None:
    names = {"L": "bld", "R": "rbz", "K": "krs", "G": "gem"}
    layers = {art: delivery.layer("dvg1", f"dvg1{name}_nw").fields for art, name in names.items()}
    for art, fields in layers.items():
        assert set(fields["ART"]) == {art}
        assert len(set(fields["KN"])) == len(fields["KN"])
    assert list(layers["L"]["KN"]) == ["05000000"]
    kreise, gemeinden = set(layers["K"]["KN"]), set(layers["G"]["KN"])
    assert not any(number.startswith(REAL_BEZIRKE) for number in kreise | gemeinden)
    assert {number[:5] + "000" for number in gemeinden} == kreise
    assert {number[:3] + "00000" for number in kreise} == set(layers["R"]["KN"])
    cities = kreise & gemeinden
    assert cities
    assert set(delivery.layer("dvg1", "dvg1gem_nw_o").fields["KN"]) == gemeinden - cities


def test_gebref_has_the_layout_of_21_columns(delivery: Delivery, rows: list[list[str]]) -> None:
    text = delivery.text()
    assert text.count(b"\n") == text.count(b"\r\n") == OPTIONS.addresses
    pattern = re.compile(
        r"N;DENW\d\dHK\w{8};[ABC];05;Nordrhein-Westfalen;\d;[^;]+;\d\d;[^;]+;\d{3};[^;]+;\d{4};[^;]*;\d{5};[^;]+;\d*;[ab]?;32;"
        r"\d{6}\.\d{3};\d{7}\.\d{3};2026-07-01"
    )
    lines = text.decode("utf-8").split("\r\n")[:-1]
    assert all(pattern.fullmatch(line) for line in lines)
    assert len({row[1] for row in rows}) == len(rows)
    assert any(row[15] == "" for row in rows)


def test_names_use_german_letters(rows: list[list[str]]) -> None:
    streets = {row[14] for row in rows}
    assert any("ß" in street for street in streets)
    assert any(letter in street for street in streets for letter in "äöü")


def test_streets_have_one_name_and_one_key_per_municipality(rows: list[list[str]]) -> None:
    pairs = {(key(row), row[13], row[14]) for row in rows}
    assert len({(ags, number) for ags, number, _ in pairs}) == len(pairs)
    assert len({(ags, name) for ags, _, name in pairs}) == len(pairs)


def test_numbers_rise_along_the_street(rows: list[list[str]]) -> None:
    """On one side of a street the next number is nearby, on most streets nearer than any other pair of numbers."""
    sides: dict[tuple[str, str, int], list[tuple[int, float, float]]] = defaultdict(list)
    for row in rows:
        if row[15]:
            sides[key(row), row[13], int(row[15]) % 2].append((int(row[15]), float(row[18]), float(row[19])))
    for houses in sides.values():
        if len(houses) < 4:
            continue
        places = np.array([place for _, *place in sorted(houses, key=lambda house: house[0])])
        steps = np.hypot(*np.diff(places, axis=0).T)
        assert steps.sum() < 2.2 * np.hypot(*(places.max(axis=0) - places.min(axis=0))) + 120


def test_outlines_have_the_official_fields(delivery: Delivery, outlines: Layer) -> None:
    info = pyogrio.read_info(f"/vsizip/{delivery.archive('hausumringe')}/hu_shp.shp")
    assert list(info["fields"]) == ["AGS", "OI", "GFK", "AKTUALITAE"]
    assert info["crs"] == "EPSG:25832"
    assert len(set(outlines.fields["OI"])) == len(outlines.shapes) > OPTIONS.addresses
    assert all(re.fullmatch(r"DENW\d\dAL\w{8}", oi) for oi in outlines.fields["OI"])
    assert all(re.fullmatch(r"\d{4}", gfk) for gfk in outlines.fields["GFK"])
    assert all(dt.date.fromisoformat(day) <= OPTIONS.date for day in outlines.fields["AKTUALITAE"])
    assert {"1010", "2463", "3041"} <= set(outlines.fields["GFK"])


def test_outlines_are_valid_and_do_not_overlap(outlines: Layer) -> None:
    assert shapely.is_valid(outlines.shapes).all()
    assert shapely.area(outlines.shapes).min() > 3
    one, other = shapely.STRtree(outlines.shapes).query(outlines.shapes, predicate="intersects")
    pairs = one < other
    shared = shapely.area(shapely.intersection(outlines.shapes[one[pairs]], outlines.shapes[other[pairs]]))
    assert shared.max() < 0.05
    assert (
        shapely.length(shapely.intersection(outlines.shapes[one[pairs]], outlines.shapes[other[pairs]])) > 5
    ).sum() > 100


def test_everything_lies_in_the_municipality_whose_key_it_bears(
    delivery: Delivery, rows: list[list[str]], outlines: Layer
) -> None:
    layer = delivery.layer("dvg1", "dvg1gem_nw")
    gemeinden = dict(zip(layer.fields["KN"], layer.shapes, strict=True))
    assert {key(row) for row in rows} == set(gemeinden)
    for number, shape in gemeinden.items():
        shapely.prepare(shape)
        points = np.array([(float(row[18]), float(row[19])) for row in rows if key(row) == number])
        assert shapely.contains_xy(shape, points).all()
        assert shapely.contains_properly(shape, outlines.shapes[outlines.fields["AGS"] == number]).all()


def test_every_address_point_is_at_a_building(rows: list[list[str]], outlines: Layer) -> None:
    points = shapely.points([(float(row[18]), float(row[19])) for row in rows])
    inside = shapely.STRtree(outlines.shapes).query(points, predicate="within")[0]
    assert len(set(inside.tolist())) == len(points)


def test_index_lists_the_archive_as_the_official_server_does(delivery: Delivery) -> None:
    for dataset, name in ARCHIVES.items():
        index = json.loads((delivery.folder / dataset / "index.json").read_text(encoding="utf-8"))
        (file,) = index["datasets"][0]["files"]
        assert file["name"] == name
        assert file["size"] == str(delivery.archive(dataset).stat().st_size)
        assert dt.datetime.fromisoformat(file["timestamp"]).tzinfo is None
    top = json.loads((delivery.folder / "index.json").read_text(encoding="utf-8"))
    assert [folder["name"] for folder in top["folders"]] == list(ARCHIVES)


def test_later_delivery_changes_the_asked_share(rows: list[list[str]], tmp_path: Path) -> None:
    later = make(tmp_path, replace(OPTIONS, date=dt.date(2027, 1, 1), changes=0.04)).rows()
    before, after = ({row[1]: row for row in listed} for listed in (rows, later))
    assert {row[20] for row in later} == {"2027-01-01"}
    removed, added = before.keys() - after.keys(), after.keys() - before.keys()
    kept = before.keys() & after.keys()
    moved = [oid for oid in kept if before[oid][18:20] != after[oid][18:20]]
    renamed = [oid for oid in kept if before[oid][14] != after[oid][14]]
    same = [oid for oid in kept if before[oid][:20] == after[oid][:20]]
    assert len(removed) == len(added)
    for changed in (removed, moved):
        assert 12 <= len(changed) <= 28
    assert 4 <= len(renamed) <= 80
    assert len(same) >= len(rows) - len(removed) - len(moved) - len(renamed)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"addresses": 6_000_000}, "addresses=6000000: .* 500 to 5000000"), ({"changes": 0.9}, "changes=0.9: .* 0.5")],
)
def test_impossible_options_say_what_is_possible(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(OPTIONS, **wrong)


def test_text_wider_than_its_field_is_refused(tmp_path: Path) -> None:
    square = Polygons.from_geometries([shapely.box(0, 0, 1, 1)])
    with (
        pytest.raises(ValueError, match=r"^GN=.*the field is 3 bytes wide"),
        ShapefileWriter(tmp_path / "x.shp", [Field("GN", "C", 3)], OPTIONS.date) as writer,
    ):
        writer.write(square, [np.array(["Käse".encode()])])


def test_holes_and_parts_survive_the_shapefile(tmp_path: Path) -> None:
    ring = shapely.difference(shapely.box(0, 0, 9, 9), shapely.box(3, 3, 6, 6))
    shapes = [shapely.box(20, 0, 21, 1), shapely.multipolygons([ring, shapely.box(4, 4, 5, 5)])]
    with ShapefileWriter(tmp_path / "x.shp", [Field("GN", "C", 9)], OPTIONS.date) as writer:
        for shape, name in zip(shapes, ("eins", "zwölf"), strict=True):
            writer.write(Polygons.from_geometries([shape]), [np.array([name.encode()])])
    _, _, wkb, (names,) = pyogrio.raw.read(tmp_path / "x.shp")
    assert list(names) == ["eins", "zwölf"]
    for shape, read in itertools.zip_longest(shapes, shapely.from_wkb(wkb)):
        assert shapely.equals(shape, read)
