"""/search and q over rows made for it: umlauts, typing errors, house numbers, streets of the same name."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from loaders.example.options import ExampleOptions
from loaders.example.write import write_deliveries
from loaders.rollback import RollbackOptions, roll_back
from loaders.run import LoadOptions, load_dataset
from server.catalogue import read_collections
from server.commands.shared import Database, load_delivery, read_settings
from server.gazetteer import refresh
from server.jobs.progress import JobProgress
from server.jobs.tasks import Work, after_publication

ROOT = Path(__file__).parents[2]
UTM = "http://www.opengis.net/def/crs/EPSG/0/25832"
LAT_LON = "http://www.opengis.net/def/crs/EPSG/0/4326"
PLACES = {
    "gemeinde": [
        ("05113000", "Essen", 360),
        ("05315000", "Köln", 350),
        ("05978036", "Unna", 400),
        ("05111000", "Düsseldorf", 345),
    ],
    "kreis": [("05113000", "Essen", 360), ("05978000", "Unna", 400)],
    "regierungsbezirk": [("05300000", "Köln", 350)],
    "land": [("05000000", "Nordrhein-Westfalen", 350)],
}
# ags, municipality, part, street's key, street, numbers; kilometres east and north
STREETS = [
    ("05113000", "Essen", "Borbeck", "00001", "Hauptstraße", "1 3 5 5a 7 12", 360, 5700),
    ("05113000", "Essen", "Kettwig", "00002", "Hauptstraße", "1 2", 362, 5690),
    ("05113000", "Essen", "Borbeck", "00003", "Straße des 17. Juni", "4 17", 361, 5701),
    ("05113000", "Essen", "Borbeck", None, "Ohneschlüsselweg", "9", 361, 5702),
    ("05315000", "Köln", None, "00001", "Hauptstr.", "5", 350, 5645),
    ("05315000", "Köln", None, "00004", "Essener Straße", "5 8", 351, 5645),
    ("05315000", "Köln", None, "00005", "Große Häusergasse", "1", 352, 5645),
    ("05978036", "Unna", None, "00001", "Am Markt", "1", 400, 5710),
]


# mark, Gemarkung, Flur, counter, divisor; kilometres east and north
PARCELS = [
    ("05314403900040______", "Rüttenscheid", 39, 40, None, 360, 5700),
    ("053144039000400002__", "Rüttenscheid", 39, 40, 2, 360.1, 5700),
    ("05315001200014______", "Bad Godesberg", 12, 14, None, 361, 5700),
]


def fill(url: str) -> None:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            """insert into provenance.delivery (dataset, digest, source, loader, status, started)
            values ('gebref', '', '', '', 'published', now()) returning id"""
        ).fetchone()
        assert row
        fid = 0
        for collection, places in PLACES.items():
            for key, name, km in places:
                fid += 1
                statement = f"""
                    insert into geobasis.{collection} (fid, id, art, gn, kn, delivery, digest, geom) values
                    (%s, %s, 'x', %s, %s, %s, '', ST_Multi(ST_MakeEnvelope(%s, 5600000, %s, 5720000, 25832)))"""
                connection.execute(
                    statement.encode(),
                    [fid, key, name, key, row[0], km * 1000 - 4000, km * 1000 + 4000],
                )
        for ags, gmd, ott, strschl, street, numbers, east, north in STREETS:
            for place, number in enumerate(numbers.split()):
                fid += 1
                hnr = number.rstrip("abc")
                connection.execute(
                    """insert into geobasis.adresse (fid, id, oi, qua, ags, landschl, regbezschl, kreisschl, gmdschl,
                    gmd, ott, strschl, str, hnr, adz, delivery, digest, geom)
                    values (%s, %s, %s, 'A', %s, '05', '1', '11', '000', %s, %s, %s, %s, %s, %s, %s, '',
                    ST_SetSRID(ST_MakePoint(%s, %s), 25832))""",
                    [fid, f"a{fid}", f"a{fid}", ags, gmd, ott, strschl, street, hnr, number[len(hnr) :] or None, row[0],
                     east * 1000 + 20 * place, north * 1000],
                )  # fmt: skip
        for mark, gemarkung, flur, counter, divisor, east, north in PARCELS:
            fid += 1
            connection.execute(
                """insert into geobasis.flurstueck (fid, id, oi, flstkennz, gmdschl, gemeinde, gemaschl, gemarkung,
                flurnr, zaehler, nenner, lagebeztxt, paket, delivery, digest, geom)
                values (%s, %s, %s, %s, '05113000', 'Essen', %s, %s, %s, %s, %s, 'Herthastr. 4', '05113', %s, '',
                ST_Multi(ST_MakeEnvelope(%s, %s, %s, %s, 25832)))""",
                [fid, mark, f"{fid}FL", mark, mark[:6], gemarkung, flur, counter, divisor, row[0],
                 east * 1000, north * 1000, east * 1000 + 50, north * 1000 + 50],
            )  # fmt: skip
        for collection in ("adresse", "flurstueck", *PLACES):
            connection.execute(
                f"""insert into provenance.collection (collection, dataset, version, delivery, published, features,
                bbox, half_width, half_height) select '{collection}', 'gebref', 1, {row[0]}, now(), count(*),
                array[280000, 5577000, 531800, 5820000], 0, 0 from geobasis.{collection}""".encode()
            )
    refresh(url, read_collections(ROOT / "collections"))


@pytest.fixture(scope="module")
def url(cluster: Any, migrated_template: str) -> Iterator[str]:
    made = cluster.create(migrated_template)
    fill(made)
    yield made
    cluster.drop(made)


@pytest.fixture(scope="module")
def site(url: str, serve_probe: Callable[..., Any]) -> Iterator[httpx.Client]:
    with (
        serve_probe(url, OPENNRW_COLLECTIONS_DIR=str(ROOT / "collections")) as server,
        httpx.Client(base_url=server.url, timeout=30) as client,
    ):
        yield client


PAGE = ROOT / "docs" / "search.md"


@pytest.mark.parametrize("example", re.findall(r"^ {4}GET (/.+)$", PAGE.read_text("utf-8"), re.MULTILINE))
def test_the_example_of_the_docs_finds_something(site: httpx.Client, example: str) -> None:
    answer = site.get(example)
    assert answer.status_code == 200, answer.text
    if "f=html" in example:
        assert "<ol" in answer.text
    elif "resultType=hits" in example:
        assert answer.json()["numberMatched"] > 0
    else:
        assert answer.json()["features"], answer.text


def hits(site: httpx.Client, **given: Any) -> list[dict[str, Any]]:
    answer = site.get("/search", params=given)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/geo+json"
    return answer.json()["features"]


def labels(site: httpx.Client, **given: Any) -> list[str]:
    return [hit["properties"]["label"] for hit in hits(site, **given)]


@pytest.mark.parametrize(
    ("typed", "label"),
    [
        ("Hauptstr. 5 Essen", "Hauptstraße 5, Borbeck, Essen"),
        ("essen hauptstraße 5a", "Hauptstraße 5a, Borbeck, Essen"),
        ("Hauptstraße 5 a, 45355 Essen", "Hauptstraße 5a, Borbeck, Essen"),
        ("Haupt Str 5 Köln", "Hauptstr. 5, Köln"),
        ("HAUPTSTRASSE 5 KOELN", "Hauptstr. 5, Köln"),
        ("Haubtstrase 5 koln", "Hauptstr. 5, Köln"),
        ("Hauptstr Kettwig 2", "Hauptstraße 2, Kettwig, Essen"),
        ("hauptstra 12-14 ess", "Hauptstraße 12, Borbeck, Essen"),
        ("Straße des 17. Juni, Essen", "Straße des 17. Juni, Borbeck, Essen"),
        ("Straße des 17. Juni 4", "Straße des 17. Juni 4, Borbeck, Essen"),
        ("Ohneschluesselweg 9", "Ohneschlüsselweg 9, Borbeck, Essen"),
        ("grosse hausergasse", "Große Häusergasse, Köln"),
        ("gro", "Große Häusergasse, Köln"),
        ("Köln", "Köln (Gemeinde)"),
        ("Koeln", "Köln (Gemeinde)"),
        ("Koln", "Köln (Gemeinde)"),
        ("Düsseldrof", "Düsseldorf"),
        ("duesseldor", "Düsseldorf"),
        ("Unna", "Unna (Gemeinde)"),
        ("Kreis Unna", "Unna"),
        ("kettwig", "Kettwig, Essen"),
        ("am mark unna", "Am Markt, Unna"),
        ("ess", "Essen (Gemeinde)"),
    ],
)
def test_the_first_answer_is_what_was_meant(site: httpx.Client, typed: str, label: str) -> None:
    found = labels(site, q=typed)
    assert found[0] == label or (typed == "Kreis Unna" and found[0].startswith("Unna")), found


def test_what_a_place_is_decides_between_two_of_the_same_name(site: httpx.Client) -> None:
    assert hits(site, q="Unna")[0]["properties"]["collection"] == "gemeinde"
    assert hits(site, q="Kreis Unna")[0]["properties"]["collection"] == "kreis"
    assert hits(site, q="Regierungsbezirk Köln")[0]["properties"]["collection"] == "regierungsbezirk"


def test_a_house_number_that_is_not_there_is_answered_by_the_nearest_and_said_so(site: httpx.Client) -> None:
    first = hits(site, q="Hauptstr. 8 Borbeck")[0]["properties"]
    assert (first["label"], first["exact"]) == ("Hauptstraße 7, Borbeck, Essen", False)
    exact = hits(site, q="Hauptstr. 7 Borbeck")[0]["properties"]
    assert (exact["label"], exact["exact"]) == ("Hauptstraße 7, Borbeck, Essen", True)
    assert exact["score"] > first["score"]


def test_an_answer_leads_to_its_features(site: httpx.Client) -> None:
    address = hits(site, q="Hauptstr. 5a Essen")[0]
    item = site.get(next(link["href"] for link in address["links"] if link["rel"] == "item")).json()
    assert (item["properties"]["str"], item["properties"]["hnr"], item["properties"]["adz"]) == (
        "Hauptstraße",
        "5",
        "a",
    )
    assert item["geometry"] == address["geometry"]
    street = hits(site, q="Hauptstraße Borbeck", kind="street")[0]
    items = site.get(next(link["href"] for link in street["links"] if link["rel"] == "items")).json()
    assert len(items["features"]) == street["properties"]["features"] == 6
    west, south, east, north = street["bbox"]
    for feature in items["features"]:
        lon, lat = feature["geometry"]["coordinates"]
        assert west - 1e-6 <= lon <= east + 1e-6
        assert south - 1e-6 <= lat <= north + 1e-6
    assert len({hit["id"] for hit in hits(site, q="Hauptstr 1", limit=50)}) == len(hits(site, q="Hauptstr 1", limit=50))


def test_kind_collections_limit_bbox_crs(site: httpx.Client) -> None:
    assert {hit["properties"]["kind"] for hit in hits(site, q="Essen", kind="street", limit=50)} == {"street"}
    assert {hit["properties"]["collection"] for hit in hits(site, q="Köln", collections="kreis,land")} <= {
        "kreis",
        "land",
    }
    assert len(hits(site, q="Hauptstr", limit=1)) == 1
    assert labels(site, q="Hauptstr 5", kind="address", bbox="6.7,50.8,7.1,51.1")[0] == "Hauptstr. 5, Köln"
    assert labels(site, q="Hauptstr 5", kind="address", bbox="6.9,51.4,7.2,51.5")[0] == "Hauptstraße 5, Borbeck, Essen"
    assert len(labels(site, q="Hauptstr 5", kind="address", bbox="6.7,50.8,7.1,51.1")) == 3, "a preference, no filter"
    assert hits(site, q="Hauptstr 5 Köln", crs=UTM)[0]["geometry"]["coordinates"] == [350000.0, 5645000.0]
    lon, lat = hits(site, q="Hauptstr 5 Köln")[0]["geometry"]["coordinates"]
    assert hits(site, q="Hauptstr 5 Köln", crs=LAT_LON)[0]["geometry"]["coordinates"] == [lat, lon]


def test_reverse(site: httpx.Client) -> None:
    lon, lat = hits(site, q="Hauptstr. 5 Borbeck")[0]["geometry"]["coordinates"]
    found = hits(site, lon=lon, lat=lat, limit=3)
    first = found[0]["properties"]
    assert (first["label"], first["distance"]) == ("Hauptstraße 5, Borbeck, Essen", 0)
    distances = [hit["properties"]["distance"] for hit in found[:3]]
    assert distances == sorted(distances)
    assert 19.5 < distances[1] < 20.5
    assert [hit["properties"]["label"] for hit in found[3:]] == ["Essen (Gemeinde)", "Essen (Kreis)"]
    assert hits(site, lon=lon, lat=lat, kind="place") == found[3:]
    assert hits(site, lon=0, lat=0) == []
    assert hits(site, lon=180, lat=-90) == []


@pytest.mark.parametrize(
    "typed",
    [
        *("'", "a' or '1'='1", "a & b | !c <-> d:*", "\\", "%", "a%_b", "{1,2}", '"quoted" word', "a\tb\nc", "-1", "0"),
        *(
            "🏠 Łódź ключ",
            "ß",
            "(",
            "a:b:c",
            "9" * 20,
            "5" * 200,
            "\u202ex",
            "x" * 200,
            "a,b,,c",
            "1-",
            "ab' 5",
            "ﬁ ½ ²",
        ),
    ],
)
@pytest.mark.parametrize("path", ["/search", "/collections/adresse/items"])
def test_odd_texts_are_answered_or_refused(site: httpx.Client, path: str, typed: str) -> None:
    answer = site.get(path, params={"q": typed})
    assert answer.status_code in {200, 400}, answer.text
    if answer.status_code == 400:
        assert answer.json()["parameter"] == "q"


def test_an_empty_text_is_refused_with_a_remedy(site: httpx.Client) -> None:
    for path in ("/search", "/collections/adresse/items"):
        answer = site.get(path, params={"q": ""})
        assert answer.status_code == 400
        assert "it has no letter and no digit. Give a word, such as q=Haupt" in answer.json()["detail"]
    assert "nothing is searched for" in site.get("/search").json()["detail"]
    assert site.get("/search", params={"q": "a\0b"}).status_code == 400


@pytest.mark.parametrize(
    ("q", "streets"),
    [
        ("hauptstraße", {"Hauptstraße", "Hauptstr."}),
        ("HAUPTSTR.", {"Hauptstraße", "Hauptstr."}),
        ("haupt str", {"Hauptstraße", "Hauptstr."}),
        ("hauptst", {"Hauptstraße", "Hauptstr."}),
        ("haupt", {"Hauptstraße", "Hauptstr."}),
        ("haus", {"Große Häusergasse"}),
        ("haeusergassen", {"Große Häusergasse"}),
        ("Grosse", {"Große Häusergasse"}),
        ("großen", {"Große Häusergasse"}),
        ("koeln essener", {"Essener Straße"}),
        ("markt,gasse,hausergasse", {"Am Markt", "Große Häusergasse"}),
        ("am", {"Am Markt"}),
        ("hauptstr köln", {"Hauptstr."}),
        ("hauptstr 5 a", {"Hauptstraße"}),
        ("hauptstr 5a", {"Hauptstraße"}),
        ("hauptstr 99", set()),
        ("haup koln", set()),
        ("strasse essen juni", {"Straße des 17. Juni"}),
    ],
)
def test_text_search_q_response(site: httpx.Client, q: str, streets: set[str]) -> None:
    answer = site.get("/collections/adresse/items", params={"q": q, "limit": 100})
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert {feature["properties"]["str"] for feature in document["features"]} == streets
    assert document["numberMatched"] == document["numberReturned"] == len(document["features"])
    counted = site.get("/collections/adresse/items", params={"q": q, "resultType": "hits"}).json()
    assert counted["numberMatched"] == document["numberMatched"]


def test_q_goes_with_every_other_condition_and_with_paging(site: httpx.Client) -> None:
    path = "/collections/adresse/items"
    whole = site.get(path, params={"q": "hauptstr", "limit": 100}).json()["features"]
    assert len(whole) == 9
    for more in ({}, {"sortby": "-hnr"}, {"bbox": "5,50,10,53"}):
        page, seen = site.get(path, params={"q": "hauptstr", "limit": 2, **more}).json(), []
        while True:
            seen += [feature["id"] for feature in page["features"]]
            following = [link["href"] for link in page["links"] if link["rel"] == "next"]
            if not following:
                break
            assert "q=hauptstr" in following[0]
            page = site.get(following[0]).json()
        assert sorted(seen) == sorted(feature["id"] for feature in whole)
    other = site.get(path, params={"q": "hauptstr", "limit": 2}).json()
    token = next(link["href"] for link in other["links"] if link["rel"] == "next").split("cursor=")[1].split("&")[0]
    assert site.get(path, params={"q": "markt", "cursor": token}).status_code == 400
    both = site.get(path, params={"q": "hauptstr", "filter": "hnr='5'", "gmd": "Essen"}).json()
    assert sorted(f["properties"]["adz"] or "" for f in both["features"]) == ["", "a"]
    posted = site.post(path, data={"q": "hauptstr", "filter": "hnr='5'", "gmd": "Essen"}).json()
    assert posted["features"] == both["features"]
    past = site.get(path, params={"q": "hauptstr", "asOf": "2020-01-01T00:00:00Z"}).json()
    assert past["features"] == []
    assert site.get("/collections/hausumring/items", params={"q": "x"}).status_code == 400


def test_q_of_tiles(site: httpx.Client) -> None:
    """The tile of the Hauptstraße of Essen."""
    tile = site.get("/collections/adresse/tiles/WebMercatorQuad/14/5451/8509")
    assert tile.status_code in {200, 204}
    nothing = site.get("/collections/adresse/tiles/WebMercatorQuad/14/5451/8509", params={"q": "nirgends"})
    assert nothing.status_code == 204


def test_the_page_and_its_links(site: httpx.Client) -> None:
    empty = site.get("/search", params={"f": "html"})
    assert empty.status_code == 200
    assert 'name="q"' in empty.text
    page = site.get("/search", params={"q": "Hauptstr. 5 Essen", "f": "html", "lang": "de"}).text
    assert "Hauptstraße 5, Borbeck, Essen" in page
    assert "/collections/adresse/items/" in page
    nothing = site.get("/search", params={"q": "qqqqqq", "f": "html", "lang": "en"}).text
    assert "Nothing was found" in nothing
    landing = site.get("/", params={"f": "json"}).json()
    assert any(link["rel"] == "search" and link["href"].endswith("/search?q={q}") for link in landing["links"])
    assert 'role="search"' in site.get("/", params={"f": "html"}).text


def test_words_in_any_order_are_not_what_the_draft_of_part_9_asks_for(site: httpx.Client) -> None:
    found = [
        site.get("/collections/adresse/items", params={"q": words, "resultType": "hits"}).json()["numberMatched"]
        for words in ("hauptstr essen", "essen hauptstr")
    ]
    assert found[0] == found[1] > 0
    classes = site.get("/conformance", params={"f": "json"}).json()["conformsTo"]
    assert not [uri for uri in classes if "ogcapi-features-9" in uri]


def test_what_changed_is_made_anew_and_nothing_else(url: str) -> None:
    collections = read_collections(ROOT / "collections")
    with psycopg.connect(url, autocommit=True) as connection:
        before = dict(connection.execute("select id, name from search.entry").fetchall())
        assert refresh(url, collections) == []
        connection.execute(
            """insert into geobasis.land select 9999, 'x', art, 'Neuland', 'x', stand, delivery, digest, geom
            from geobasis.land limit 1"""
        )
        connection.execute("update provenance.collection set version = version + 1 where collection = 'land'")
        assert refresh(url, collections) == ["land"]
        after = dict(connection.execute("select id, name from search.entry").fetchall())
        assert before.items() < after.items()
        assert set(after.values()) - set(before.values()) == {"Neuland"}
        connection.execute("delete from geobasis.land where gn = 'Neuland'")
        connection.execute("update provenance.collection set version = version + 1 where collection = 'land'")
        refresh(url, collections)
        assert dict(connection.execute("select id, name from search.entry").fetchall()) == before


def test_what_changed_alone_is_made_anew(database_url: str, tmp_path: Path) -> None:
    collections = [each for each in read_collections(ROOT / "collections") if each.id == "adresse"]
    # which of two houses is in the middle of a street is left to chance
    entries = "select kind, key, name, part, place, words, place_words, weight, features, bbox from search.entry"
    former, later = tmp_path / "former", tmp_path / "later"
    for folder, changes in ((former, 0.0), (later, 0.1)):
        write_deliveries(folder, ExampleOptions(addresses=500, changes=changes))

    def load(folder: Path) -> int:
        options = LoadOptions(database_url, tmp_path / "store", str(folder), accept_shrink=True)
        return load_dataset("gebref", options).delivery or 0

    with psycopg.connect(database_url, autocommit=True) as connection:

        def content() -> list[str]:
            return sorted(map(str, connection.execute(entries).fetchall()))

        load(former)
        refresh(database_url, collections)
        found = [content()]
        for change in (lambda: load(later), lambda: roll_back(2, RollbackOptions(database_url)), lambda: load(later)):
            change()
            assert refresh(database_url, collections) == ["adresse"]
            found.append(content())
            connection.execute("update search.collection set version = 0, delivery = null")
            assert refresh(database_url, collections) == ["adresse"]
            assert content() == found[-1]  # made as a whole
    assert found[0] == found[2] != found[1] == found[3]
    assert set(found[0]) & set(found[1])


def test_a_load_by_command_and_the_job_after_a_publication_make_the_names(
    database_url: str, example_deliveries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("OPENNRW_HOME", str(tmp_path))
    settings = read_settings()
    count = "select count(*) from search.entry where collection = 'gemeinde'"
    with psycopg.connect(database_url, autocommit=True) as connection:
        load_delivery(Database(database_url, None, private=False), settings, "dvg1", source=str(example_deliveries))
        municipalities = connection.execute("select count(*) from geobasis.gemeinde").fetchone()
        assert connection.execute(count).fetchone() == municipalities != (0,)
        connection.execute("delete from search.entry")
        connection.execute("delete from search.collection")
        work = Work(settings, 1, {"collection": "gemeinde"}, JobProgress(1, database_url))
        assert after_publication(work).outcome == "maintained"
        assert connection.execute(count).fetchone() == municipalities


@pytest.mark.parametrize(
    ("typed", "marks"),
    [
        ("Rüttenscheid-39-40", ["05314403900040______", "053144039000400002__"]),
        ("ruettenscheid 39 40/2", ["053144039000400002__"]),
        ("Gemarkung Bad Godesberg, Flur 12, Flurstück 14", ["05315001200014______"]),
        ("3144-39-40/2", ["053144039000400002__"]),
        ("053144-039-00040/0002", ["053144039000400002__"]),
        ("05314403900040", ["05314403900040______"]),
        ("05314403900040______", ["05314403900040______"]),
        ("05 3144 039 00040 0002", ["053144039000400002__"]),
        ("053144-039-00040/0000", ["05314403900040______"]),
        ("05314403900040000000", ["05314403900040______"]),
        ("053144_039_00040_0002", ["053144039000400002__"]),
        ("05-3144-39-40/2", ["053144039000400002__"]),
        ("Gem. Rüttenscheid, Fl. 39, Flst.-Nr. 40/2", ["053144039000400002__"]),
        ("Bad Godesberg, Flur: 12, Flurstück: 14", ["05315001200014______"]),
    ],
)
def test_parcels_as_people_write_them(site: httpx.Client, typed: str, marks: list[str]) -> None:
    found = hits(site, q=typed, kind="parcel")
    assert [hit["links"][0]["href"].rpartition("/")[2] for hit in found] == marks
    items = site.get("/collections/flurstueck/items", params={"q": typed}).json()["features"]
    assert sorted(item["id"] for item in items) == sorted(marks)


def test_what_a_parcel_is_called_and_where_it_is(site: httpx.Client) -> None:
    (hit,) = hits(site, q="Rüttenscheid-39-40/2", crs=UTM)
    assert hit["properties"]["label"] == "Flurstück 40/2, Flur 39, Rüttenscheid, Essen"
    assert hit["id"] == "flurstueck/parcel/053144039000400002__"
    assert hit["bbox"] == [360100, 5700000, 360150, 5700050]
    assert hit["geometry"]["coordinates"] == [360125, 5700025]
    there = hits(site, lon=6.98625, lat=51.43411, kind="parcel")
    assert [hit["properties"]["name"] for hit in there] == ["Flurstück 40"]
    page = site.get("/search", params={"q": "Rüttenscheid-39-40/2", "f": "html", "lang": "en"})
    assert "<span>Parcel</span>" in page.text


def test_a_house_number_that_looks_like_a_parcel(site: httpx.Client) -> None:
    assert labels(site, q="Hauptstr. 12-14 Essen")[0] == "Hauptstraße 12, Borbeck, Essen"
    items = site.get("/collections/flurstueck/items", params={"q": "Herthastr 4"}).json()["features"]
    assert len(items) == len(PARCELS)
    assert site.get("/collections/flurstueck/items", params={"q": "Rüttenscheid-39-41"}).json()["features"] == []
