"""Downloads from a server on its bad days: every one ends with the right content, or with a message and nothing."""

import hashlib
import random
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest

from loaders.errors import SourceError

CONTENT = random.Random(4).randbytes(300_000)
Fetching = Any
Publisher = Any
Faults = Any


def content(stored: list[Any]) -> bytes:
    (file,) = stored
    data = file.path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == file.record.sha256 == file.path.parent.name
    assert len(data) == file.record.size
    return data


def test_a_listed_file(fetching: Fetching, publisher: Publisher) -> None:
    path = publisher.put(CONTENT)
    (file,) = stored = fetching()
    assert content(stored) == CONTENT
    assert (file.record.url, file.record.listed) == (publisher.url + path[1:], "2026-07-01T06:00:00.123")
    assert fetching.heard.steps["fetch"] == [len(CONTENT), len(CONTENT)]
    assert fetching.parts() == []
    assert publisher.requests(path)[0]["Accept-Encoding"] == "identity"


def test_an_empty_file(fetching: Fetching, publisher: Publisher) -> None:
    publisher.put(b"")
    assert content(fetching()) == b""


@pytest.mark.parametrize("breaking", ["truncate", "stall"])
def test_what_broke_off_goes_on_where_it_ended(
    fetching: Fetching, publisher: Publisher, faults: Faults, breaking: str
) -> None:
    path = publisher.put(CONTENT)
    publisher.fail(path, getattr(faults, breaking)(100_000), getattr(faults, breaking)(50_000))
    assert content(fetching(stall=1)) == CONTENT
    first, second, third = publisher.requests(path)
    assert "Range" not in first
    assert (second["Range"], second["If-Range"]) == ("bytes=100000-", '"1"')
    assert third["Range"] == "bytes=150000-"
    reason = "the server fell silent" if breaking == "stall" else "peer closed connection without sending complete"
    assert [reason in note and "next try in 0 s" in note for note in fetching.heard.notes] == [True, True]
    assert fetching.heard.steps["fetch"] == [len(CONTENT), len(CONTENT)]


def test_what_broke_off_goes_on_in_the_next_run(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    path = publisher.put(CONTENT)
    publisher.fail(path, *[faults.truncate(30_000)] * 3)
    with pytest.raises(SourceError) as failed:
        fetching()
    assert f"{publisher.url}{path[1:]} cannot be fetched: peer closed connection" in str(failed.value)
    assert "(tried 3 times). Load again, or load from a local copy with --from. What has arrived is kept" in str(
        failed.value
    )
    assert (fetching.kept(), fetching.parts()) == ([], [90_000])
    assert content(fetching()) == CONTENT
    assert publisher.requests(path)[-1]["Range"] == "bytes=90000-"
    assert fetching.heard.steps["fetch"] == [len(CONTENT), len(CONTENT)]
    assert list(fetching.store.glob("incoming/*")) == []


def test_headway_renews_patience(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    path = publisher.put(CONTENT)
    publisher.fail(path, *[faults.truncate(30_000)] * 8)
    assert content(fetching(worthwhile=30_000)) == CONTENT
    assert len(publisher.requests(path)) == 9


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_again(
    fetching: Fetching, publisher: Publisher, faults: Faults, status: int
) -> None:
    path = publisher.put(CONTENT)
    publisher.fail(path, faults.answer(status, b"<html>"), faults.answer(status, Retry_After="0"))
    assert content(fetching()) == CONTENT
    assert f"the server answered {status}; next try in" in fetching.heard.notes[0]


def test_a_server_that_stays_in_trouble(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    path = publisher.put(CONTENT)
    publisher.fail(path, *[faults.answer(503)] * 3)
    with pytest.raises(SourceError, match=r"zip cannot be fetched: the server answered 503 \(tried 3 times\)\. Load"):
        fetching()
    assert len(publisher.requests(path)) == 3


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after(fetching: Fetching, publisher: Publisher, faults: Faults, form: str) -> None:
    """Honoured if it is short; nobody is kept waiting for hours."""
    path = publisher.put(CONTENT)
    value = "1" if form == "seconds" else format_datetime(datetime.now(UTC), usegmt=True)
    publisher.fail(path, faults.answer(503, Retry_After=value))
    assert content(fetching()) == CONTENT
    later = "7200" if form == "seconds" else "Wed, 01 Jan 2270 00:00:00 GMT"
    publisher.put(CONTENT, timestamp="2026-08-01T06:00:00")
    publisher.fail(path, faults.answer(429, Retry_After=later))
    with pytest.raises(SourceError, match=r"answered 429, and the server asks to come back after \d+ s; at most 600 s"):
        fetching()
    assert len(publisher.requests(path)) == 3


def test_retry_after_is_waited_for(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    path = publisher.put(CONTENT)
    publisher.fail(path, faults.answer(503, Retry_After="1"))
    fetching()
    assert fetching.heard.notes[0].endswith("the server answered 503; next try in 1 s")


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_not_tried_again(fetching: Fetching, publisher: Publisher, faults: Faults, status: int) -> None:
    path = publisher.put(CONTENT)
    publisher.fail(path, faults.answer(status))
    with pytest.raises(SourceError, match=f"zip answered {status}. Check the address in a browser; load from a local"):
        fetching()
    assert len(publisher.requests(path)) == 1


def test_a_range_that_is_ignored(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    path = publisher.put(CONTENT)
    publisher.fail(path, faults.truncate(100_000), faults.answer(200, CONTENT, ETag='"1"'))
    assert content(fetching()) == CONTENT
    assert any("it is fetched from its beginning" in note for note in fetching.heard.notes)
    assert fetching.heard.steps["fetch"] == [len(CONTENT), len(CONTENT)]


def test_a_range_that_is_refused(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    path = publisher.put(CONTENT)
    publisher.fail(path, faults.truncate(100_000), faults.answer(416, Content_Range="bytes */300000"))
    assert content(fetching()) == CONTENT
    assert any("does not have the part of the file that is missing" in note for note in fetching.heard.notes)
    assert "Range" not in publisher.requests(path)[-1]


def test_a_part_that_nobody_asked_for(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    path = publisher.put(CONTENT)
    publisher.fail(path, *[faults.answer(206, CONTENT[:10], Content_Range="bytes 0-9/300000")] * 3)
    with pytest.raises(SourceError, match="the server answered 206 without having been asked for a part"):
        fetching()


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Content_Range": "bytes 0-199999/300000", "ETag": '"1"'}, "sent the range 'bytes 0-199999/300000' instead"),
        ({"Content_Range": "bytes 100000-299999/*", "ETag": '"1"'}, r"instead of what follows byte 100000"),
        ({"Content_Range": "bytes 100000-299999/300001", "ETag": '"1"'}, "changed from 300000 to 300001 bytes"),
        ({"Content_Range": "bytes 100000-299999/300000", "ETag": '"2"'}, "the file changed while it was fetched"),
        ({"Content_Range": "bytes 100000-299999/300000"}, "the file changed while it was fetched"),
    ],
)
def test_a_part_that_does_not_fit_is_never_glued_on(
    fetching: Fetching, publisher: Publisher, faults: Faults, headers: dict[str, str], reason: str
) -> None:
    """Also where the server does not heed If-Range."""
    path = publisher.put(CONTENT)
    other = bytes(200_000)
    publisher.fail(path, faults.truncate(100_000), faults.answer(206, other, **headers))
    assert content(fetching()) == CONTENT
    assert any(reason in note for note in fetching.heard.notes), fetching.heard.notes


def test_a_file_that_changes_while_it_is_fetched(
    fetching: Fetching, publisher: Publisher, faults: Faults, resource: Callable[..., Any]
) -> None:
    """Same size, so that only the ETag tells."""
    path = publisher.put(CONTENT)
    newer = CONTENT[::-1]
    publisher.fail(path, faults.change(resource(newer, '"2"'), faults.truncate(100_000)))
    assert content(fetching()) == newer
    assert publisher.requests(path)[1]["If-Range"] == '"1"'


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
@pytest.mark.parametrize("dated", [True, False])
def test_what_cannot_be_told_apart_begins_anew(
    fetching: Fetching, publisher: Publisher, faults: Faults, etag: str | None, dated: bool
) -> None:
    path = publisher.put(CONTENT)
    publisher.files[path].etag = etag
    if not dated:
        publisher.files[path].modified = None
    publisher.fail(path, faults.truncate(100_000))
    assert content(fetching()) == CONTENT
    second = publisher.requests(path)[1]
    if dated:
        assert (second["Range"], second["If-Range"]) == ("bytes=100000-", publisher.files[path].modified)
    else:
        assert "Range" not in second


def test_a_file_that_changed_just_now_begins_anew(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    """Last-Modified counts seconds: within one, two versions would look the same."""
    path = publisher.put(CONTENT)
    publisher.files[path].etag = None
    publisher.files[path].modified = format_datetime(datetime.now(UTC), usegmt=True)
    publisher.fail(path, faults.truncate(100_000))
    assert content(fetching()) == CONTENT
    assert "Range" not in publisher.requests(path)[1]


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
@pytest.mark.parametrize("told", [True, False], ids=["length", "chunked"])
def test_a_size_that_differs_from_the_listing(
    fetching: Fetching, publisher: Publisher, faults: Faults, size: int, told: bool
) -> None:
    path = publisher.put(CONTENT, size=str(size))
    if not told:
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(CONTENT), CONTENT)
        publisher.fail(path, faults.answer(200, body, Transfer_Encoding="chunked", Content_Length=""))
    with pytest.raises(SourceError) as failed:
        fetching()
    assert f"{path} has 300000 bytes, its listing says {size}. The publisher may be replacing it" in str(failed.value)
    assert (fetching.kept(), fetching.parts(), len(publisher.requests(path))) == ([], [], 1)


def test_more_than_the_server_announced(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    path = publisher.put(CONTENT)
    publisher.fail(path, faults.answer(200, CONTENT + b"more", Content_Length="300000"))
    assert content(fetching()) == CONTENT


def test_an_answer_without_length_that_ends_early(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    path = publisher.put(CONTENT)
    publisher.fail(path, faults.answer(200, CONTENT[:1000], Content_Length=""))
    assert content(fetching()) == CONTENT
    assert "the connection ended after 1000 of 300000 bytes" in fetching.heard.notes[0]


def test_a_last_part_that_ends_early(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    """In pieces that are properly ended, of a file whose size no listing tells."""
    path = publisher.put(CONTENT, name="x.zip")
    piece = b"3e8\r\n" + CONTENT[100_000:101_000] + b"\r\n0\r\n\r\n"
    headers = {"Content_Range": "bytes 100000-299999/300000", "Transfer_Encoding": "chunked", "Content_Length": ""}
    publisher.fail(path, faults.truncate(100_000), faults.answer(206, piece, ETag='"1"', **headers))
    assert content(fetching("lk/x.zip")) == CONTENT
    assert "the connection ended after 101000 of 300000 bytes" in fetching.heard.notes[1]


def test_a_trickle_ends(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    path = publisher.put(CONTENT[:100_000])
    publisher.fail(path, *[faults.trickle(0.05)] * 3)
    with pytest.raises(
        SourceError, match=r"cannot be fetched: the server sent only \d+ bytes in \d+ s \(tried 3 times"
    ):
        fetching(window=0.3)


def test_a_trickle_of_header_fields_ends(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    path = publisher.put(CONTENT)
    publisher.fail(path, faults.trickle_head(0.05))
    assert content(fetching(answer=1)) == CONTENT
    assert "Server disconnected without sending a response" in fetching.heard.notes[0]


def test_a_connection_that_breaks(fetching: Fetching, publisher: Publisher, faults: Faults, free_port: int) -> None:
    path = publisher.put(CONTENT)
    publisher.fail(path, faults.hang_up())
    assert content(fetching()) == CONTENT
    with pytest.raises(SourceError, match=r"cannot be fetched: .*Connection refused \(tried 3 times\)\. Load again"):
        fetching(f"http://127.0.0.1:{free_port}/lk/")


def test_content_that_is_encoded(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    path = publisher.put(CONTENT)
    publisher.fail(path, faults.answer(200, CONTENT, Content_Encoding="gzip"))
    with pytest.raises(SourceError, match=r"comes with the Content-Encoding gzip, .*its size cannot be checked"):
        fetching()


def test_no_such_host(fetching: Fetching) -> None:
    with pytest.raises(SourceError, match=r"cannot be fetched: there is no such host .* Correct the address"):
        fetching("http://nirgends.invalid/lk/")


def test_redirects_within_the_host(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    path = publisher.put(CONTENT)
    publisher.files["/neu.zip"] = publisher.files[path]
    publisher.fail(path, faults.answer(301, Location="/neu.zip"))
    (file,) = stored = fetching()
    assert content(stored) == CONTENT
    assert file.record.url.endswith(path)


def test_a_redirect_to_a_foreign_host(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    path = publisher.put(CONTENT)
    port = publisher.server_address[1]
    publisher.fail(path, faults.answer(302, Location=f"http://localhost:{port}{path}"))
    with pytest.raises(SourceError) as failed:
        fetching()
    assert f"zip redirects to http://localhost:{port}{path}, a host that is not allowed (allowed: 127.0.0.1:" in str(
        failed.value
    )
    assert "name the host under `hosts` in source.yaml" in str(failed.value)
    assert len(publisher.requests(path)) == 1


def test_redirects_without_end(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    path = publisher.put(CONTENT)
    publisher.fail(path, *[faults.answer(307, Location=path)] * 10)
    with pytest.raises(SourceError, match=r"zip redirects more than 5 times, at last to .* Check the address"):
        fetching()


def test_more_than_fits_on_the_disk(fetching: Fetching, publisher: Publisher) -> None:
    path = publisher.put(CONTENT, size=str(1 << 60))
    with pytest.raises(SourceError, match=r"MB free, what is to be fetched needs 1,152,921,504,606.\d MB\. Free space"):
        fetching()
    assert publisher.requests(path) == []


def test_a_single_file_that_does_not_fit_on_the_disk(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    publisher.put(CONTENT, name="x.zip")
    publisher.fail("/lk/x.zip", faults.answer(200, b"PK", Content_Length=str(1 << 60)))
    with pytest.raises(SourceError, match=r"Free space there \(`opennrw store prune`"):
        fetching("lk/x.zip")
    assert (fetching.kept(), fetching.parts()) == ([], [])


def test_several_files_at_once(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    fetching.manifest = fetching.manifest.model_copy(update={"file": r"\w+\.zip"})
    contents = {f"paket_{number}.zip": bytes([number]) * (10_000 + number) for number in range(9)}
    for name, data in contents.items():
        publisher.fail(publisher.put(data, name=name), faults.truncate(5000))
    stored = fetching(parallel=3)
    assert {file.record.name: file.path.read_bytes() for file in stored} == contents
    assert [file.record.name for file in stored] == sorted(contents)
    total = sum(map(len, contents.values()))
    assert fetching.heard.steps["fetch"] == [total, total]


def test_one_failure_ends_the_others_and_keeps_what_they_have(
    fetching: Fetching, publisher: Publisher, faults: Faults, eventually: Callable[..., None]
) -> None:
    fetching.manifest = fetching.manifest.model_copy(update={"file": r"\w+\.zip"})
    slow, bad = publisher.put(CONTENT, name="a.zip"), publisher.put(CONTENT, name="b.zip")
    publisher.fail(slow, faults.stall(100_000))

    def refuse(handler: Any) -> None:
        eventually(lambda: 100_000 in fetching.parts())
        handler.answer(404)

    publisher.fail(bad, refuse)
    with pytest.raises(SourceError, match=r"b\.zip answered 404"):
        fetching()
    assert (fetching.kept(), fetching.parts()) == ([], [100_000])
    fetching()
    assert publisher.requests(slow)[-1]["Range"] == "bytes=100000-"


def test_a_damaged_part_is_not_used(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    path = publisher.put(CONTENT)
    publisher.fail(path, *[faults.truncate(30_000)] * 3)
    with pytest.raises(SourceError):
        fetching()
    (part,) = fetching.store.glob("incoming/*.part")
    part.write_bytes(bytes(90_000))
    assert content(fetching()) == CONTENT
    assert "Range" not in publisher.requests(path)[-1]
