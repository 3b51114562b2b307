"""Listings of the download server, and which of the listed files a delivery is made of."""

from pathlib import Path

import pytest

from loaders.errors import SourceError
from loaders.listing import ListedFile, parse_listing
from loaders.manifest import read_manifest
from loaders.sources import newest_edition, pick_packages

URL = "https://example.org/dop/"


def test_genuine_listing(samples: Path) -> None:
    listing = parse_listing((samples / "index_json" / "index_DOP_2019.json").read_bytes(), URL)
    by_name = {file.name: file for file in listing.files}
    assert len(listing.files) == 398
    assert by_name["dop_05974004_Anröchte_EPSG25832_JPEG2000.zip"] == ListedFile(
        "dop_05974004_Anröchte_EPSG25832_JPEG2000.zip",
        URL + "dop_05974004_Anr%C3%B6chte_EPSG25832_JPEG2000.zip",
        4230763641,
        "2018-07-18T05:29:26.384021",
    )
    assert {"dop_meta.zip", "dop_j2w.zip"} <= by_name.keys()
    assert listing.folders == (URL + "dop_EPSG25832_JPEG2000F10/",)


def test_several_datasets_and_none() -> None:
    content = (
        b"""{"datasets": [{"files": [{"name": "a.zip", "size": "1"}]}, {"files": [{"name": "b.zip", "size": "2"}]}]}"""
    )
    assert [file.name for file in parse_listing(content, URL).files] == ["a.zip", "b.zip"]
    assert parse_listing(b"\xef\xbb\xbf{}", URL).files == ()


@pytest.mark.parametrize(
    "content",
    [
        b"<html>",
        b"[]",
        b'{"datasets": [{}]}',
        b'{"metafiles": [{"name": "a.zip", "size": "viel"}]}',
        b'{"metafiles": [{"name": "../a.zip", "size": "1"}]}',
        b'{"metafiles": [{"name": "a\\u0000.zip", "size": "1"}]}',
        b'{"folders": [{"name": ".."}]}',
        b'{"folders": [{"title": "Ordner"}]}',
        b"\xff",
    ],
)
def test_what_is_no_listing(content: bytes) -> None:
    with pytest.raises(SourceError, match=r"https://example\.org/dop/index\.json is not a listing of OpenGeodata\.NRW"):
        parse_listing(content, URL)


def test_only_the_newest_edition_counts() -> None:
    files = [
        ListedFile(name, "") for name in ("x_2024.zip", "x_2026.zip", "x_2025.zip", "y_2027.zip", "x_2026.zip.md5")
    ]
    assert [file.name for file in newest_edition(files, r"x_(?P<edition>\d{4})\.zip")] == ["x_2026.zip"]
    assert [file.name for file in newest_edition(files, r"x_\d{4}\.zip")] == ["x_2024.zip", "x_2026.zip", "x_2025.zip"]
    assert newest_edition(files, r"z_(?P<edition>\d{4})\.zip") == []


def test_the_newest_edition_of_each_package_counts() -> None:
    files = [ListedFile(name, "") for name in ("bonn_2024.zip", "bonn_2025.zip", "essen_2024.zip", "x_2026.txt")]
    pattern = r"(?P<package>[a-z]+)_(?P<edition>\d{4})\.zip"
    assert [file.name for file in newest_edition(files, pattern)] == ["bonn_2025.zip", "essen_2024.zip"]


def test_some_packages_of_a_product() -> None:
    product = read_manifest("gebref")
    files = [ListedFile(f"paket_{number:02}.zip", "") for number in range(1, 13)]
    packaged = product.model_copy(update={"packages": object(), "file": r"paket_(?P<package>\d\d)\.zip"})
    assert pick_packages(files, product, ()) == files
    assert pick_packages(files, packaged, ("03", "12")) == [files[2], files[11]]
    with pytest.raises(SourceError, match=r"holds no package 13 of gebref\. It holds: 01, 02, .*, 10 … \(12 in all\)"):
        pick_packages(files, packaged, ("03", "13"))
    with pytest.raises(SourceError, match=r"gebref does not come in packages: load it as a whole, without 03\."):
        pick_packages(files, product, ("03",))
