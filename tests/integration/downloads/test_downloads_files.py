"""Files of whole collections over HTTP: links, headers, ranges, resumption."""

import hashlib
from typing import Any

import httpx

FILE = "/collections/adresse/downloads/adresse.geojsonl"


def test_a_file_is_whole_and_says_what_it_is(web: httpx.Client, offered: Any) -> None:
    answer = web.get(FILE)
    assert answer.status_code == 200
    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    stored = offered.maker.shelf.offer("adresse").files["geojsonl"]
    assert len(answer.content) == stored.size == int(answer.headers["content-length"])
    assert answer.content.count(b'"type":"Feature"') == stored.features == int(answer.headers["ogc-numberreturned"])
    assert answer.headers["accept-ranges"] == "bytes"
    assert "content-encoding" not in answer.headers
