"""Real deliveries behind a running server: paging goes on through them, asOf looks back, versions tell what was."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
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
from server.editions import Edition
from server.features.cursor import Cursor, to_token
from server.features.params import parse_items_query

ROOT = Path(__file__).resolve().parents[2]
ITEMS = "/collections/adresse/items"
UTM = "http://www.opengis.net/def/crs/EPSG/0/25832"
GONE = "The data of 'adresse' were replaced since the page that this cursor comes from"

Features = dict[str, dict[str, Any]]


@dataclass
class Town:
    """A server over a database to which deliveries come."""

    client: httpx.Client
    database_url: str
    folder: Path
    version: int = 1
    states: list[tuple[datetime, Features]] = field(default_factory=list)

    def deliver(self, changes: float) -> None:
        """Another delivery of the same town: houses go, come, move, streets get other names."""
        source = self.folder / str(changes)
        write_deliveries(source, ExampleOptions(addresses=600, changes=changes))
        report = load_dataset("gebref", LoadOptions(self.database_url, self.folder / "store", source=str(source)))
        assert report.status == "published"
        self.noticed()

    def noticed(self) -> None:
        self.version += 1
        for _ in range(2000):
            if self.client.get("/collections/adresse/provenance").json()["version"] == self.version:
                return
        raise AssertionError("the server did not notice the publication")

    def features(self, **parameters: str) -> Features:
        found = self.client.get(ITEMS, params={**parameters, "limit": "10000"}).json()["features"]
        return {feature["id"]: feature for feature in found}

    def published(self) -> datetime:
        query = "select published from provenance.collection where collection = 'adresse'"
        with psycopg.connect(self.database_url) as connection:
            row = connection.execute(query).fetchone()
        assert row
        return row[0]

    def remember(self) -> None:
        self.states.append((self.published(), self.features()))

    def pages(self, url: str, rel: str = "next") -> Iterator[httpx.Response]:
        while url:
            answer = self.client.get(url)
            assert answer.status_code == 200, answer.text
            yield answer
            url = link(answer, rel) or ""


def link(answer: httpx.Response, rel: str) -> str | None:
    return next((x["href"] for x in answer.json()["links"] if x["rel"] == rel), None)


def ids(answer: httpx.Response) -> list[str]:
    return [feature["id"] for feature in answer.json()["features"]]


def text(moment: datetime) -> str:
    return moment.isoformat()


@pytest.fixture(scope="module")
def town(
    cluster: Any, example_template: str, serve_probe: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Town]:
    """The template's delivery, two that change a third of it, and the rollback of the last."""
    url = cluster.create(example_template)
    folder = tmp_path_factory.mktemp("deliveries")
    with (
        serve_probe(url, OPENNRW_COLLECTIONS_DIR=str(ROOT / "collections")) as served,
        httpx.Client(base_url=served.url, timeout=30) as client,
    ):
        found = Town(client, url, folder)
        found.remember()
        for changes in (0.4, 0.3):
            found.deliver(changes)
            found.remember()
        with psycopg.connect(url) as connection:
            row = connection.execute(
                "select delivery from provenance.collection where collection = 'adresse'"
            ).fetchone()
        assert row
        roll_back(row[0], RollbackOptions(url))
        found.noticed()
        found.remember()
        yield found
    cluster.drop(url)


def moments(town: Town) -> list[tuple[datetime, Features]]:
    """Every state at its first and last instant."""
    ends = [moment - timedelta(microseconds=1) for moment, _ in town.states[1:]] + [datetime.now(UTC)]
    return [
        pair for (begin, state), end in zip(town.states, ends, strict=True) for pair in ((begin, state), (end, state))
    ]


def test_deliveries_changed_enough(town: Town) -> None:
    first, second, third, fourth = (state for _, state in town.states)
    assert len(first.keys() - second.keys()) > 20
    assert len(second.keys() - first.keys()) > 20
    assert sum(first[i]["geometry"] != second[i]["geometry"] for i in first.keys() & second.keys()) > 20
    assert second != third
    assert {i: f["geometry"] for i, f in fourth.items()} == {i: f["geometry"] for i, f in second.items()}


def test_as_of_is_the_state_as_it_was(town: Town) -> None:
    for moment, state in moments(town):
        assert town.features(asOf=text(moment)) == state, moment
    before = town.client.get(ITEMS, params={"asOf": "1990-01-01T00:00:00Z"})
    assert before.status_code == 200
    assert before.json()["features"] == []
    zoned = town.states[1][0].astimezone(UTC).isoformat().replace("+00:00", "Z")
    assert town.features(asOf=zoned) == town.states[1][1]


def test_tiles_show_the_state_as_it_was(town: Town) -> None:
    """Also where nothing of today is: the limits of a tileset are those of what is live."""
    tileset = town.client.get("/collections/adresse/tiles/AdV_25832").json()
    level = tileset["tileMatrixSetLimits"][0]
    rows, cols = (range(level[f"minTile{side}"] - 1, level[f"maxTile{side}"] + 2) for side in ("Row", "Col"))
    path = ""
    for moment, state in moments(town)[1::2]:
        seen = set()
        for place in itertools.product(rows, cols):
            path = f"/collections/adresse/tiles/AdV_25832/{level['tileMatrix']}/{place[0]}/{place[1]}"
            answer = town.client.get(path, params={"asOf": text(moment), "f": "json"})
            seen |= {feature["id"] for feature in answer.json()["features"]}
        assert seen == state.keys(), moment
    assert town.client.get(path, params={"asOf": "1990-01-01T00:00:00Z"}).status_code == 204


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"sortby": "str,-hnr"},
        {"sortby": "-id"},
        {"bbox-crs": UTM, "bbox": "290000,5580000,520000,5800000"},
        {"gmd": "*"},
        {"gmd": "*", "sortby": "-str"},
    ],
    ids=lambda given: "&".join(given) or "everything",
)
def test_as_of_pages_and_counts(town: Town, given: dict[str, str]) -> None:
    """In the order of the live pages, forward and back; counted exactly."""
    for moment, state in moments(town)[::3]:
        gmd = next(iter(state.values()))["properties"]["gmd"]
        parameters = {name: gmd if value == "*" else value for name, value in given.items()}
        wanted = {i for i, f in state.items() if "gmd" not in given or f["properties"]["gmd"] == gmd}
        parameters["asOf"] = text(moment)
        forward = list(town.pages(str(httpx.URL(ITEMS, params={**parameters, "limit": "97"}))))
        found = [i for page in forward for i in ids(page)]
        assert set(found) == wanted
        assert len(found) == len(wanted)
        back = [forward[-1], *town.pages(link(forward[-1], "prev") or "", "prev")]
        assert [ids(page) for page in reversed(back)] == [ids(page) for page in forward]
        hits = town.client.get(ITEMS, params={**parameters, "resultType": "hits"}).json()
        assert hits["numberMatched"] == len(wanted)


def test_as_of_within_a_box(town: Town) -> None:
    """Also where a feature stood that is gone or elsewhere now."""
    for moment, state in moments(town)[:4]:
        in_utm = town.features(asOf=text(moment), crs=UTM)
        for gone in [i for i in state if i not in town.states[-1][1]][:5]:
            east, north = in_utm[gone]["geometry"]["coordinates"]
            box = f"{east - 1},{north - 1},{east + 1},{north + 1}"
            found = town.features(**{"asOf": text(moment), "bbox": box, "bbox-crs": UTM})
            assert gone in found
            assert found.items() <= state.items()


def test_as_of_of_a_feature(town: Town) -> None:
    (_, first), (begin, second) = town.states[:2]
    gone, come = min(first.keys() - second.keys()), min(second.keys() - first.keys())
    before = text(begin - timedelta(microseconds=1))
    answer = town.client.get(f"{ITEMS}/{gone}", params={"asOf": before})
    assert answer.json().items() >= first[gone].items()
    assert parsedate_to_datetime(answer.headers["Memento-Datetime"]) == town.states[0][0].replace(microsecond=0)
    rels = {x["rel"]: x["href"] for x in answer.json()["links"]}
    assert rels["latest-version"].endswith(f"{ITEMS}/{gone}")
    missing = town.client.get(f"{ITEMS}/{come}", params={"asOf": before})
    assert missing.status_code == 404
    assert f"has no feature '{come}' at {text(datetime.fromisoformat(before))}" in missing.json()["detail"]
    assert town.client.get(f"{ITEMS}/{come}", params={"asOf": text(begin)}).json().items() >= second[come].items()
    now_gone = town.client.get(f"{ITEMS}/{gone}")
    assert now_gone.status_code == 404
    assert f"{ITEMS}/{gone}/versions" in now_gone.json()["detail"]
    page = town.client.get(f"{ITEMS}/{gone}", params={"asOf": before, "f": "html", "lang": "en"}).text
    assert "State of " in page


def test_a_past_page_says_since_when_it_was_live(town: Town) -> None:
    answer = town.client.get(ITEMS, params={"asOf": text(town.states[1][0] + timedelta(milliseconds=1))})
    assert parsedate_to_datetime(answer.headers["Memento-Datetime"]) == town.states[1][0].replace(microsecond=0)
    assert "Memento-Datetime" not in town.client.get(ITEMS).headers
    assert "Memento-Datetime" not in town.client.get(ITEMS, params={"asOf": text(datetime.now(UTC))}).headers
    assert "numberMatched" not in town.client.get(ITEMS, params={"asOf": text(town.states[0][0]), "limit": 5}).json()


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        *((v, "it is no date-time with zone of RFC 3339") for v in ("", "2026-07-01", "now", "2026-07-01T00:00:00")),
        *((v, "it is no date-time with zone of RFC 3339") for v in ("2026-13-01T00:00:00Z", "../..", "2026-07-01/..")),
        ("0001-01-01T00:00:00+10:00", "it is no date-time with zone of RFC 3339"),
        ("9999-01-01T00:00:00Z", "it lies in the future"),
    ],
)
@pytest.mark.parametrize("path", [ITEMS, f"{ITEMS}/x"])
def test_a_wrong_as_of_is_told(town: Town, path: str, value: str, rule: str) -> None:
    answer = town.client.get(path, params={"asOf": value})
    assert (answer.status_code, answer.json()["rule"]) == (400, rule)
    assert "2026-07-01T00:00:00Z" in answer.json()["remedy"]


def test_as_of_without_former_versions_is_told(client: httpx.Client) -> None:
    """The probe keeps no history."""
    answer = client.get("/collections/messpunkt/items", params={"asOf": "2026-06-01T00:00:00Z"})
    assert (answer.status_code, answer.json()["rule"]) == (400, "no former states of 'messpunkt' are kept")
    versions = client.get("/collections/messpunkt/items/p00100/versions").json()
    assert [(v["id"], v["validTo"]) for v in versions["features"]] == [("p00100", None)]


def test_versions_tell_what_was_and_by_which_delivery(town: Town) -> None:
    first, second, third, fourth = (state for _, state in town.states)
    changed = min(i for i in first.keys() & second.keys() if first[i]["geometry"] != second[i]["geometry"])
    gone = min(first.keys() - second.keys() - third.keys() - fourth.keys())
    for id_ in (changed, gone):
        answer = town.client.get(f"{ITEMS}/{id_}/versions")
        versions = answer.json()["features"]
        assert answer.headers["Content-Type"] == "application/geo+json"
        assert answer.json()["numberMatched"] == len(versions)
        intervals = [(datetime.fromisoformat(v["validFrom"]), v["validTo"]) for v in versions]
        assert intervals == sorted(intervals, reverse=True, key=lambda interval: interval[0])
        for moment, state in moments(town):
            valid = [
                v
                for v, (begin, end) in zip(versions, intervals, strict=True)
                if begin <= moment and (end is None or moment < datetime.fromisoformat(end))
            ]
            known = [{k: v[k] for k in ("type", "id", "geometry", "properties")} for v in valid]
            assert known == [f for i, f in state.items() if i == id_]
        for version in versions:
            assert version["delivery"]["id"] == version["properties"]["delivery"]
            assert version["delivery"]["dataset"] == "gebref"
            ended = version["endedBy"]
            assert (ended and datetime.fromisoformat(ended["published"])) == (
                version["validTo"] and datetime.fromisoformat(version["validTo"])
            )
            made = version["restoredBy"] or version["delivery"]
            assert datetime.fromisoformat(made["published"]) == datetime.fromisoformat(version["validFrom"])
    assert town.client.get(f"{ITEMS}/{gone}/versions").json()["features"][0]["endedBy"]["id"]


def test_versions_brought_back_by_a_rollback_say_so(town: Town) -> None:
    second, third, fourth = (state for _, state in town.states[1:])
    back = min(i for i in second.keys() & fourth.keys() if second[i] == fourth[i] and third.get(i) != second[i])
    versions = town.client.get(f"{ITEMS}/{back}/versions").json()["features"]
    assert versions[0]["restoredBy"]["source"].startswith("rollback of delivery")
    assert versions[0]["validTo"] is None
    assert versions[0]["delivery"] == versions[-1]["delivery"] or versions[0]["delivery"]["id"] > 1
    page = town.client.get(f"{ITEMS}/{back}/versions", params={"f": "html", "lang": "en"}).text
    assert "brought back by" in page
    assert "until today" in page


def test_the_provenance_says_what_a_rollback_undid(town: Town) -> None:
    deliveries = {each["id"]: each for each in town.client.get("/collections/adresse/provenance").json()["deliveries"]}
    back = min(number for number, each in deliveries.items() if each["rollback_of"])
    rollback = deliveries[back]
    assert (rollback["status"], rollback["digest"], rollback["files"]) == ("published", None, [])
    undone = deliveries[rollback["rollback_of"]]
    assert (undone["status"], undone["rollback_of"]) == ("published", None)
    assert undone["files"]


def test_versions_of_nothing_are_404(town: Town) -> None:
    answer = town.client.get(f"{ITEMS}/nobody/versions")
    assert answer.status_code == 404
    assert "has and had no feature 'nobody'" in answer.json()["detail"]


QUERIES = [
    {},
    {"sortby": "-str,hnr"},
    {"bbox": "290000,5580000,520000,5800000", "bbox-crs": UTM},
    {"gmd": "*", "sortby": "id"},
]


def test_who_pages_during_a_delivery_meets_no_duplicate_and_no_gap(town: Town) -> None:
    """All pages show what the first one showed; whoever begins anew sees the new state."""
    gmd = next(iter(town.features().values()))["properties"]["gmd"]
    queries = [{k: gmd if v == "*" else v for k, v in query.items()} for query in QUERIES]
    before = [town.features(**query) for query in queries]
    order = [list(found) for found in before]
    limit = max(7, min(map(len, before)) // 4)
    began = [town.client.get(ITEMS, params={**query, "limit": limit}) for query in queries]
    town.deliver(0.25)
    for query, first, features, expected in zip(queries, began, before, order, strict=True):
        rest = list(town.pages(link(first, "next") or ""))
        found = [feature for page in (first, *rest) for feature in page.json()["features"]]
        assert [feature["id"] for feature in found] == expected
        assert {feature["id"]: feature for feature in found} == features
        assert all("Memento-Datetime" in page.headers for page in rest)
        back = list(town.pages(link(rest[-1], "prev") or "", "prev"))
        assert [i for page in reversed(back) for i in ids(page)] == expected[: -len(ids(rest[-1]))]
        assert town.features(**query) != features
    town.deliver(0.35)
    assert [i for page in town.pages(link(began[0], "next") or "") for i in ids(page)] == order[0][limit:], "two behind"


def test_a_cursor_of_a_state_that_is_not_kept_is_410(town: Town) -> None:
    collection = next(c for c in read_collections(ROOT / "collections") if c.id == "adresse")
    identity = parse_items_query(collection, {}).identity
    for edition in (Edition(4711, town.states[0][0]), Edition(1, town.states[0][0] - timedelta(days=1))):
        token = to_token(Cursor(5, version=1, edition=edition), identity)
        answer = town.client.get(ITEMS, params={"cursor": token})
        assert answer.status_code == 410
        assert GONE in answer.json()["detail"]
        assert answer.json()["remedy"] == "begin anew without cursor"
