"""Catalogue, negotiation, links, errors and the pool's connection string: what needs no server."""

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from server import errors
from server.catalogue import Collection, read_collections
from server.database import reader_conninfo
from server.errors import ConfigurationError, InvalidParameter, NotAcceptable, NotFound, shorten, to_problem
from server.exports.source import Overtaken
from server.links import link, to_href, to_link_header
from server.negotiation import choose_format, choose_language, parse_accept
from server.settings import Settings
from server.strict import read_yaml
from server.tiling.grid import parse_tile

ROOT = Path(__file__).resolve().parents[2]
GEMEINDE = (ROOT / "collections" / "gemeinde.yaml").read_text("utf-8")


def change(old: str, new: str) -> str:
    assert old in GEMEINDE
    return GEMEINDE.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (change("geometry:", "colour: red\ngeometry:"), "colour: red", "colour: unknown key; remove it or correct its"),
        (change("    queryable: true", "    queryabel: true"), "queryabel", "queryabel: unknown key"),
        (change("geometry: MultiPolygon", "geometry: Blob"), "geometry: Blob", "geometry: Input should be"),
        (change("queryable: true", "queryable: maybe"), "queryable: maybe", "valid boolean"),
        (change("label: gn", "label: none_such"), "", "label names 'none_such', which is not among the properties"),
        (change("datetime: stand", "datetime: gn"), "", "datetime names 'gn', which is not of type date"),
        (change("  gn:\n", "  bbox:\n").replace("label: gn", "label: kn"), "", "is"),
        (change("label: gn", "label: gn\nlabel: gn"), "label: gn\nlabel", "the key 'label' stands twice; leave one"),
        (change("minzoom: 6", "minzoom: 20"), "", "tiles: minzoom 20 is above maxzoom 14"),
        (change("type: string", "type: strin"), "strin", "Input should be 'string'"),
        ("id: [", "id", "line 1"),
        ("", "", "file"),
    ],
)
def test_a_wrong_yaml_names_file_and_line(tmp_path: Path, text: str, line: str, reason: str) -> None:
    path = tmp_path / "gemeinde.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError) as raised:
        read_yaml(path, Collection)
    said = str(raised.value)
    assert said.startswith(f"{path}, line ")
    assert reason in said
    if line:
        at = [i for i, found in enumerate(text.splitlines(), 1) if line.rpartition("\n")[2] in found]
        assert any(f"line {i}:" in said for i in at), said


def test_a_file_bears_its_id(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(GEMEINDE, "utf-8")
    with pytest.raises(ConfigurationError, match="id is 'gemeinde', but a collection's file bears its id"):
        read_collections(tmp_path)


FORMATS = {"json": "application/geo+json", "html": "text/html"}


@pytest.mark.parametrize(
    ("f", "accept", "chosen"),
    [
        (None, None, "json"),
        (None, "text/html", "html"),
        (None, "*/*;q=0.1, text/html;q=0.05", "json"),
        (None, "application/json", "json"),
        ("html", "application/json", "html"),
    ],
)
def test_choose_format(f: str | None, accept: str | None, chosen: str) -> None:
    assert choose_format(FORMATS, f, accept) == chosen


def test_nothing_fits() -> None:
    with pytest.raises(NotAcceptable, match="No representation fits 'Accept: image/png'"):
        choose_format(FORMATS, None, "image/png")
    with pytest.raises(InvalidParameter, match="Use one of: json, html"):
        choose_format(FORMATS, "gml", None)


def test_choose_language() -> None:
    assert choose_language(None, "en-GB,de;q=0.9") == "en"
    assert choose_language("de", "en") == "de"
    assert choose_language(None, "zh") == "de"


def test_accept_headers_of_any_kind_are_read() -> None:
    assert parse_accept("a/b;q=0.5;x=y, c ;q=7, d;q=-1, e;q=nonsense,,;") == [
        ("a/b", 0.5),
        ("c", 1.0),
        ("d", 0.0),
        ("e", 0.0),
    ]


def test_links_escape_what_a_uri_reserves() -> None:
    href = to_href("http://h", "collections", "a/b ü?#", query={"name": "x&y=z ü", "crs": "http://a/b", "none": None})
    assert href == "http://h/collections/a%2Fb%20%C3%BC%3F%23?name=x%26y%3Dz%20%C3%BC&crs=http://a/b"
    assert to_href("http://h") == "http://h/"
    header = to_link_header([link("next", href, "application/geo+json"), link("self", "http://h/")])
    assert header == f'<{href}>; rel="next"; type="application/geo+json", <http://h/>; rel="self"'


def test_every_error_of_a_client_has_a_status() -> None:
    def leaves(kind: type[errors.ServiceError]) -> set[type[errors.ServiceError]]:
        # errors of other modules are of one of these kinds
        children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
        return {leaf for child in children for leaf in leaves(child)} or {kind}

    assert leaves(errors.ServiceError) | {Overtaken} == {*errors.STATUS, ConfigurationError, Overtaken}
    assert to_problem(Overtaken("a delivery came"), "/")[0].status == 503
    answer, problem = to_problem(NotFound("gone", remedy="x"), "/a\x00b")
    assert (answer.status, problem["instance"], problem["remedy"]) == (404, "/a\N{REPLACEMENT CHARACTER}b", "x")


def test_what_is_echoed_is_bounded_and_printable() -> None:
    assert shorten("x" * 1000) == "x" * errors.MAX_ECHO + "…"
    assert (
        shorten("a\nb\x1b[31m\ud800")
        == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}"
    )


def test_the_reader_has_its_role_limits_and_nothing_of_the_owner() -> None:
    settings = Settings(statement_timeout=7)  # pyright: ignore[reportCallIssue]
    found = conninfo_to_dict(reader_conninfo(settings, "postgresql://owner@h/db?options=-c%20work_mem%3D8MB"))
    options = str(found["options"])
    assert "-c role=opennrw_reader" in options
    assert "-c default_transaction_read_only=on" in options
    assert "-c work_mem=8MB" in options
    own = Settings(reader_database_url="postgresql://opennrw_reader@h/db")  # pyright: ignore[reportCallIssue]
    assert "role=" not in str(conninfo_to_dict(reader_conninfo(own, "postgresql://owner@h/db"))["options"])


@pytest.mark.parametrize("part", ["-1", "1.5", "1e3", "", " 1", "+1", "٣", "99999999999", "0x1", "{z}"])
def test_places_of_tiles_are_plain_numbers(part: str) -> None:
    with pytest.raises(NotFound, match="is no whole number from 0 on"):
        parse_tile("5", "10", part)
