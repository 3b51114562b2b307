"""The archive of tiles as a file for download: made after the pyramid, read by ranges."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from pmtiles.reader import Reader

from loaders.progress import Quiet
from server.catalogue import read_collections, read_service
from server.exports.whole import Files
from server.jobs.app import connect_queue
from server.jobs.progress import JobProgress
from server.jobs.tasks import Work, pyramid
from server.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
WAITING = """
select count(*) from jobs.procrastinate_jobs
where task_name = 'downloads' and status = 'todo' and args->>'collection' = 'kreis'"""


def test_the_archive_follows_the_tables_and_is_read_by_ranges(
    example_database_url: str, serve_probe: Callable[..., Any], tmp_path: Path
) -> None:
    url = example_database_url
    settings = Settings(database_url=url, OPENNRW_HOME=tmp_path)  # pyright: ignore[reportCallIssue]
    kreis = next(c for c in read_collections(ROOT / "collections") if c.id == "kreis")
    files = Files(settings, read_service(ROOT / "config"), Quiet())
    assert "pmtiles" not in files.make(kreis).made  # its tables are not there yet
    with connect_queue(settings) as connection:
        connection.execute("update jobs.procrastinate_jobs set status = 'cancelled' where status = 'todo'")
        outcome = pyramid(Work(settings, 1, {"collection": "kreis"}, JobProgress(1, url)))
        assert (outcome.outcome, connection.execute(WAITING).fetchone()) == ("made", (1,))
    assert files.make(kreis).made == ["pmtiles"]
    assert files.make(kreis).outcome == "unchanged"
    given = {"OPENNRW_COLLECTIONS_DIR": str(ROOT / "collections"), "OPENNRW_HOME": str(tmp_path)}
    with serve_probe(url, **given) as served, httpx.Client(base_url=served.url) as client:
        links = [x for x in client.get("/collections/kreis").json()["links"] if x["rel"] == "enclosure"]
        (link,) = [x for x in links if x["type"] == "application/vnd.pmtiles"]
        assert link["href"].endswith("/collections/kreis/downloads/kreis.pmtiles")
        page = client.get("/collections/kreis/downloads?f=html").text
        assert "kreis.pmtiles" in page
        assert '<option value="pmtiles"' not in page  # of a part there is no archive
        sizes: list[int] = []

        def read(offset: int, length: int) -> bytes:
            answer = client.get(link["href"], headers={"Range": f"bytes={offset}-{offset + length - 1}"})
            assert (answer.status_code, answer.headers["Content-Type"]) == (206, "application/vnd.pmtiles")
            sizes.append(len(answer.content))
            return answer.content

        reader = Reader(read)
        assert (reader.header()["min_zoom"], reader.header()["max_zoom"]) == (6, 14)
        limit = client.get("/collections/kreis/tiles/WebMercatorQuad").json()["tileMatrixSetLimits"][4]
        z, x, y = (int(limit[name]) for name in ("tileMatrix", "minTileCol", "minTileRow"))
        tile = reader.get(z, x, y)
        assert tile is not None
        assert gzip.decompress(tile) == client.get(f"/collections/kreis/tiles/WebMercatorQuad/{z}/{y}/{x}").content
        assert sum(sizes) < link["length"]
