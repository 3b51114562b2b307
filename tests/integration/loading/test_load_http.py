"""Deliveries from a download server like OpenGeodata.NRW."""

import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loaders.errors import SourceError
from loaders.report import Counts, Report
from loaders.retries import FetchPolicy

Load = Callable[..., Report]
Connection = psycopg.Connection[Any]
IMPATIENT = FetchPolicy(tries=2, first_wait=0.01)


class Handler(SimpleHTTPRequestHandler):
    """Serves files without a word; breaks off amid a file named so."""

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the library's name

    def do_GET(self) -> None:
        if "abgebrochen" in self.path:
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(b"PK" + bytes(5000))
            return
        super().do_GET()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


@pytest.fixture
def url(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture
def publish(site: Path, address: Callable[..., str]) -> Callable[..., Path]:
    """Puts a zip of addresses and its listing into a folder of the site."""

    def put(folder: str, name: str = "gebref_EPSG25832_ASCII.zip", size: int | None = None, **listing: Any) -> Path:
        path = site / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("gebref.txt", address("A1") + "\r\n")
        files = [{"name": name, "size": str(size or path.stat().st_size), "timestamp": "2026-07-01T06:00:00.123"}]
        document = {"datasets": [{"name": "gebref", "title": "Gebäudereferenzen", "files": files}], **listing}
        (path.parent / "index.json").write_text(json.dumps(document, ensure_ascii=False))
        return path

    return put


def test_folder_with_listing(load: Load, connection: Connection, url: str, publish: Callable[..., Path]) -> None:
    path = publish("lk")
    report = load("gebref", f"{url}lk/")
    assert report.collections["adresse"] == Counts(read=1, inserted=1)
    (file,) = report.files
    assert (file.name, file.url) == ("gebref_EPSG25832_ASCII.zip", f"{url}lk/gebref_EPSG25832_ASCII.zip")
    assert (file.size, file.listed) == (path.stat().st_size, "2026-07-01T06:00:00.123")
    assert connection.execute("select source from provenance.delivery").fetchall() == [(f"{url}lk/",)]


def test_folder_below_with_umlaut(load: Load, site: Path, url: str, publish: Callable[..., Path]) -> None:
    publish("Gebäude & mehr/gebref_txt")
    (site / "index.json").write_text(json.dumps({"folders": [{"name": "leer"}, {"name": "Gebäude & mehr"}]}))
    (site / "leer").mkdir()
    (site / "leer" / "index.json").write_text("{}")
    (site / "Gebäude & mehr" / "index.json").write_text(json.dumps({"folders": [{"name": "gebref_txt"}]}))
    report = load("gebref", url.rstrip("/"))
    assert report.files[0].url == f"{url}Geb%C3%A4ude%20%26%20mehr/gebref_txt/gebref_EPSG25832_ASCII.zip"


def test_file(load: Load, url: str, publish: Callable[..., Path]) -> None:
    publish("lk", name="gebref_größe.zip")
    report = load("gebref", f"{url}lk/gebref_gr%C3%B6%C3%9Fe.zip")
    assert report.files[0].name == "gebref_größe.zip"
    assert report.collections["adresse"].inserted == 1


def test_size_differs_from_the_listing(load: Load, tmp_path: Path, url: str, publish: Callable[..., Path]) -> None:
    path = publish("lk", size=4711)
    with pytest.raises(SourceError) as failed:
        load("gebref", f"{url}lk/")
    assert f"has {path.stat().st_size} bytes, its listing says 4711" in str(failed.value)
    assert [*(tmp_path / "store").glob("*/*")] == []


def test_interrupted_download(load: Load, connection: Connection, tmp_path: Path, url: str) -> None:
    with pytest.raises(SourceError, match=r"cannot be fetched: .*Load again, or load from a local copy with --from"):
        load("gebref", f"{url}abgebrochen.zip", policy=IMPATIENT)
    assert [*(tmp_path / "store").glob("*/*")] == []
    assert connection.execute("select count(*) from provenance.delivery").fetchone() == (0,)


def test_nothing_that_matches(load: Load, url: str, publish: Callable[..., Path]) -> None:
    publish("lk", name="gebref_2026.zip", folders=[{"name": "."}])
    with pytest.raises(SourceError, match=r"index.json is not a listing .*'\.' is not the name of a file"):
        load("gebref", f"{url}lk/")
    publish("lk", name="gebref_2026.zip")
    with pytest.raises(
        SourceError, match=r"No file named like 'gebref_EPSG25832_ASCII\\.zip' is listed at .* \(1 folders"
    ):
        load("gebref", f"{url}lk/")


def test_no_server_no_listing(load: Load, url: str, free_port: int) -> None:
    with pytest.raises(SourceError, match=r"lk/index.json answered 404\. Check the address in a browser"):
        load("gebref", f"{url}lk/")
    with pytest.raises(SourceError, match=r"cannot be fetched: "):
        load("gebref", f"http://127.0.0.1:{free_port}/", policy=IMPATIENT)


def test_local_copy_of_the_site(load: Load, site: Path, publish: Callable[..., Path]) -> None:
    publish("lk/akt/gebref_txt")
    publish("vkg", name="dvg1_EPSG25832_Shape.zip")
    assert [file.name for file in load("gebref", site).files] == ["gebref_EPSG25832_ASCII.zip"]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda folder: folder / "fehlt", "fehlt does not exist. Give a folder, a zip, a file, or a URL"),
        (lambda folder: folder, "holds no file of gebref: none is named like"),
    ],
)
def test_no_such_source(load: Load, site: Path, make: Callable[[Path], Path], text: str) -> None:
    with pytest.raises(SourceError, match=text):
        load("gebref", make(site))


def test_two_files_of_one_name(load: Load, site: Path, publish: Callable[..., Path]) -> None:
    publish("alt")
    publish("neu")
    with pytest.raises(SourceError, match=r"bear the same name, so it is not clear which belongs to the delivery"):
        load("gebref", site)
