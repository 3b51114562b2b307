"""Where the data come from, as a document, as a page, from every collection and every feature."""

from collections.abc import Callable
from typing import Any

import httpx

Fetch = Callable[..., list[tuple[Any, ...]]]
PATH = "/collections/messpunkt/provenance"


def test_the_document_tells_deliveries_files_counts_and_checks(client: httpx.Client, truth: Fetch) -> None:
    document = client.get(PATH).json()
    count = truth("select count(*) from geobasis.messpunkt")[0][0]
    assert (document["collection"], document["version"], document["features"]) == ("messpunkt", 1, count)
    (delivery,) = document["deliveries"]
    assert {k: delivery[k] for k in ("id", "dataset", "status", "source", "loader", "refusal", "rollback_of")} == {
        "id": 1,
        "dataset": "probe",
        "status": "published",
        "source": "https://example.org/probe/",
        "loader": "probe 1",
        "refusal": None,
        "rollback_of": None,
    }
    (file,) = delivery["files"]
    assert (file["name"], file["size"], file["listed"]) == ("größe <1>.zip", 4711, "2026-06-30")
    assert file["sha256"] == "0a" * 32
    counts = {"read": 10, "inserted": 5, "updated": 1, "unchanged": 1, "rejected": 2, "duplicate": 1}
    assert delivery["counts"] == {**counts, "deleted": 0, "repaired": 0, "kept": 0, "handed_over": 0}
    assert delivery["checks"] == [{"rule": "at least 1 row", "passed": True, "detail": "found 10 <rows>"}]
    assert delivery["started"] == "2026-07-01T11:00:00+00:00"


def test_the_page_shows_the_same_escaped(client: httpx.Client) -> None:
    for lang, word in (("de", "Herkunft"), ("en", "Provenance")):
        page = client.get(PATH, params={"f": "html", "lang": lang})
        assert page.status_code == 200
        for text in (word, "größe &lt;1&gt;.zip", "0a" * 32, "found 10 &lt;rows&gt;"):
            assert text in page.text
        assert f'<html lang="{lang}"' in page.text


def test_collections_and_features_lead_to_it(client: httpx.Client) -> None:
    collection = client.get("/collections/messpunkt").json()
    feature = client.get("/collections/messpunkt/items/p00100").json()
    for document in (collection, feature):
        href = next(link["href"] for link in document["links"] if link["rel"] == "provenance")
        assert client.get(href).json()["deliveries"][0]["id"] == feature["properties"]["delivery"]


def test_a_collection_without_deliveries_has_an_empty_one(client: httpx.Client) -> None:
    document = client.get("/collections/leer/provenance").json()
    assert (document["version"], document["features"], document["deliveries"]) == (0, 0, [])
    assert client.get("/collections/leer/provenance", params={"f": "html"}).status_code == 200


def test_the_example_tells_its_files(live_server: str) -> None:
    """What the loaders wrote is what the document says: each file with its checksum, each row accounted for."""
    for name in ("adresse", "hausumring", "gemeinde"):
        (delivery,) = httpx.get(f"{live_server}/collections/{name}/provenance").json()["deliveries"]
        counts = delivery["counts"]
        parts = ("inserted", "updated", "unchanged", "rejected", "duplicate")
        assert counts["read"] == sum(counts[part] for part in parts) > 0
        assert delivery["files"]
        assert all(len(file["sha256"]) == 64 and file["size"] > 0 for file in delivery["files"])
        assert delivery["checks"]
