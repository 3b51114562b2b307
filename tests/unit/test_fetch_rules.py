"""Rules of a fetch that need no server: hosts, redirects, waits, versions, estimates."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from httpx import Headers
from rich.console import Console
from rich.progress import Progress

from loaders.errors import ManifestError, SourceError
from loaders.hosts import check_redirect, host_of
from loaders.manifest import parse_manifest, read_manifest
from loaders.partial import version_of
from loaders.retries import FetchPolicy, parse_retry_after
from loaders.sources import allowed_hosts
from server.console import Amount, Bars, Lines, to_standing

HOSTS = frozenset({"example.org", "example.org:8443"})
MODIFIED = "Wed, 01 Jul 2026 06:00:00 GMT"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Example.org/a", "example.org"),
        ("https://example.org:443/a", "example.org"),
        ("http://example.org:80", "example.org"),
        ("https://example.org:80/", "example.org:80"),
        ("http://[::1]:8080/", "::1:8080"),
    ],
)
def test_hosts(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("target", "absolute"),
    [
        ("/b.zip", "https://example.org/b.zip"),
        ("b.zip?x=1", "https://example.org/a/b.zip?x=1"),
        ("//example.org:8443/b", "https://example.org:8443/b"),
        ("https://EXAMPLE.org/b", "https://EXAMPLE.org/b"),
    ],
)
def test_redirects_that_are_followed(target: str, absolute: str) -> None:
    assert check_redirect("https://example.org/a/", target, HOSTS) == absolute
    assert check_redirect("http://example.org/", "https://example.org/", HOSTS) == "https://example.org/"


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("http://example.org/b", "to http://example.org/b: an encrypted connection must not become an open one"),
        ("https://example.org.evil.example/", "a host that is not allowed"),
        ("https://example.org@evil.example/", "holds a user's name or password"),
        ("https://sub.example.org/", r"a host that is not allowed \(allowed: example\.org, example\.org:8443\)"),
        ("https://example.org:9000/", "a host that is not allowed"),
        ("//169.254.169.254/latest/", "a host that is not allowed"),
        ("file:///etc/passwd", r"file:///etc/passwd is not a valid address: it must begin with https://"),
        ("ftp://example.org/b", "is not a valid address"),
        ("https://[::1/b", r"redirects to https://\[::1/b, which is not a valid address"),
    ],
)
def test_redirects_that_are_not_followed(target: str, text: str) -> None:
    with pytest.raises(SourceError, match=text):
        check_redirect("https://example.org/a/", target, HOSTS)


def test_allowed_hosts() -> None:
    """The publisher's for the publisher's address; for any other only that address's own."""
    manifest = read_manifest("gebref").model_copy(update={"hosts": ("daten.example",)})
    publisher = host_of(manifest.url)
    assert allowed_hosts(manifest.url, manifest) == {publisher, "daten.example"}
    assert allowed_hosts("https://daten.example/kopie/", manifest) == {publisher, "daten.example"}
    assert allowed_hosts("https://anderswo.example:8443/", manifest) == {"anderswo.example:8443"}


def test_hosts_of_a_manifest_are_hosts() -> None:
    with pytest.raises(ManifestError, match=r"hosts.0: String should match pattern"):
        parse_manifest("dataset: x\nhosts: ['https://daten.example/']", "source.yaml")


def test_waits_grow_to_a_limit_and_differ() -> None:
    policy = FetchPolicy(first_wait=1, longest_wait=60)
    for failures, longest in [(1, 1), (2, 2), (5, 16), (7, 60), (40, 60)]:
        waits = [policy.wait(failures) for _ in range(200)]
        assert longest / 2 <= min(waits) < max(waits) <= longest


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("120", 120),
        (" 0 ", 0),
        ("Wed, 01 Jul 2026 06:02:00 GMT", 120),
        ("Wed, 01 Jul 2026 08:02:00 +0200", 120),
        ("Wed, 01 Jul 2026 06:02:00 -0000", 120),
        ("Wed, 01 Jul 2020 06:00:00 GMT", 0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, datetime(2026, 7, 1, 6, tzinfo=UTC)) == seconds


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"ETag": '"1"'}, '"1"'),
        ({"ETag": 'W/"1"'}, None),
        ({"ETag": 'W/"1"', "Last-Modified": MODIFIED, "Date": "Wed, 01 Jul 2026 06:01:00 GMT"}, MODIFIED),
        ({"Last-Modified": MODIFIED, "Date": "Wed, 01 Jul 2026 06:00:59 GMT"}, None),
        ({"Last-Modified": MODIFIED}, None),
        ({"Last-Modified": "yesterday", "Date": MODIFIED}, None),
        ({"Date": MODIFIED}, None),
        ({}, None),
    ],
)
def test_what_tells_two_versions_apart(headers: dict[str, str], validator: str | None) -> None:
    """RFC 9110: no weak ETag, and no Last-Modified that the file may have been changed after."""
    assert version_of(Headers(headers)).validator == validator


@pytest.mark.parametrize(
    ("standing", "text"),
    [
        ((5_000_000, 20_000_000, 10, "bytes"), "5.0 MB of 20.0 MB (25%), about 30 s left"),
        ((1, 100, 10, ""), "1 of 100 (1%), about 16 min left"),
        ((300, 200, 10, ""), "300 of 200 (100%), about 0 s left"),
        ((7, None, 10, ""), "7"),
        ((0, 10, 10, "bytes"), "0 bytes"),
    ],
)
def test_the_estimate(standing: tuple[int, int | None, float, str], text: str) -> None:
    assert to_standing(*standing) == text


def test_a_long_download_tells_where_it_is_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(interval=0)
    lines.step("fetch", 20_000_000, "bytes")
    lines.advance(5_000_000)
    lines.note("x.zip: the server answered 503; next try in 1 s")
    lines.done()
    standing, note, done = capsys.readouterr().err.splitlines()
    assert standing.startswith("  fetch: 5.0 MB of 20.0 MB (25%), about ")
    assert note == "  x.zip: the server answered 503; next try in 1 s"
    assert done.startswith("  fetch: 5.0 MB (")


def test_a_step_that_is_short_is_one_line_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.step("stage", 200)
    lines.advance(150)
    lines.advance(50)
    lines.step("compare", None)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("  stage: 200 (")


def test_bars_count_bytes_and_rows() -> None:
    shown = StringIO()
    with Progress(Amount(), console=Console(file=shown, force_terminal=True, width=80)) as progress:
        bars = Bars(progress)
        bars.step("fetch", 20_000_000, "bytes")
        bars.advance(6_000_000)
        bars.advance(-1_000_000)
        bars.note("[x.zip] again")
        progress.refresh()
        bars.step("stage", 2000)
        bars.advance(1500)
        progress.refresh()
    assert "5.0 MB of 20.0 MB" in shown.getvalue()
    assert "[x.zip] again" in shown.getvalue()
    assert "1,500/2,000" in shown.getvalue()
