"""Zips that an honest publisher never makes."""

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from loaders import archive
from loaders.archive import unpack
from loaders.errors import InvalidDelivery

Make = Callable[..., Path]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def write(*names: str | zipfile.ZipInfo, content: bytes = b"x") -> Path:
        path = tmp_path / "delivery.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
            for name in names:
                opened.writestr(name, content, zipfile.ZIP_DEFLATED)
        return path

    return write


def _is_text(name: str) -> bool:
    return name.endswith(".txt")


def test_wanted_members_without_their_folders(make: Make, target: Path) -> None:
    assert unpack(make("a.txt", "unten/b.txt", "c.pdf", "leer/"), target, _is_text) == (
        ["a.txt", "unten/b.txt"],
        ["c.pdf"],
    )
    assert sorted(path.name for path in target.iterdir()) == ["a.txt", "b.txt"]


def _link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("link.txt")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        (["../a.txt"], r"holds the path '../a.txt', which leads out of the archive"),
        (["unten/../../a.txt"], "leads out of the archive"),
        (["/etc/a.txt"], "leads out of the archive"),
        (["C:\\a.txt"], "leads out of the archive"),
        (["C:a.txt"], "leads out of the archive"),
        (["a.txt", "unten/A.TXT"], "holds two members with the name 'A.TXT'"),
        (["mehr.zip"], "holds the archive 'mehr.zip'; archives in archives are not unpacked"),
        (["mehr.tar.GZ"], "archives in archives are not unpacked"),
        ([_link()], "holds the link 'link.txt'; only files are allowed"),
    ],
)
def test_refused(make: Make, target: Path, members: list[str | zipfile.ZipInfo], fault: str) -> None:
    with pytest.raises(InvalidDelivery, match=fault) as refused:
        unpack(make(*members), target, _is_text)
    assert "Fetch it again from the publisher, or unpack it and load the folder." in str(refused.value)
    assert list(target.iterdir()) == []


def test_encrypted(make: Make, target: Path) -> None:
    path = make("a.txt")
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(InvalidDelivery, match=r"holds the encrypted member 'a.txt'"):
        unpack(path, target, _is_text)


def test_bomb(make: Make, target: Path) -> None:
    with pytest.raises(InvalidDelivery, match=r"would unpack from .* bytes; at most 200 times the size is allowed"):
        unpack(make("a.txt", content=bytes(20 << 20)), target, _is_text)


@pytest.mark.parametrize(
    ("limit", "fault"), [("MAX_MEMBERS", "holds 2 members"), ("MAX_TOTAL", "would unpack to 2 bytes")]
)
def test_limits(make: Make, target: Path, monkeypatch: pytest.MonkeyPatch, limit: str, fault: str) -> None:
    monkeypatch.setattr(archive, limit, 1)
    with pytest.raises(InvalidDelivery, match=rf"delivery.zip {fault}"):
        unpack(make("a.txt", "b.txt"), target, _is_text)


def test_size_that_lies(make: Make, target: Path) -> None:
    path = make("a.txt", content=b"1234567890" * 100)
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = (10).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(InvalidDelivery, match=r"delivery.zip is not a whole zip file \(Bad CRC-32"):
        unpack(path, target, _is_text)
    assert sum(path.stat().st_size for path in target.iterdir()) <= 10


@pytest.mark.parametrize("content", [b"", b"PK", b"<html>not found</html>"])
def test_what_is_no_zip(tmp_path: Path, target: Path, content: bytes) -> None:
    path = tmp_path / "delivery.zip"
    path.write_bytes(content)
    with pytest.raises(InvalidDelivery, match=r"delivery.zip is not a whole zip file .* Fetch it again\."):
        unpack(path, target, _is_text)


def test_cut_off(make: Make, target: Path) -> None:
    path = make("a.txt", content=bytes(range(256)) * 100)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InvalidDelivery, match=r"is not a whole zip file"):
        unpack(path, target, _is_text)


def test_name_that_another_archive_brought(make: Make, target: Path) -> None:
    path = make("a.txt")
    unpack(path, target, _is_text)
    with pytest.raises(InvalidDelivery, match=r"holds 'a.txt', which another file of the delivery holds too"):
        unpack(path, target, _is_text)
