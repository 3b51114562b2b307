"""Zips that an honest publisher never makes."""

import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from loaders import archive
from loaders.archive import unpack
from loaders.errors import InvalidDelivery, LoadError

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


def _special(kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("link.txt")
    info.external_attr = (kind | 0o777) << 16
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
        (["a\u0308.txt", "\xe4.txt"], "holds two members with the name '\xe4.txt'"),
        (["a\nb.txt"], r"holds a member with an unusable name, 'a\\nb.txt'"),
        (["a" * 250 + ".txt"], "holds a member with an unusable name, 'aaa"),
        ([_special(stat.S_IFLNK)], "holds the link 'link.txt'; only files are allowed"),
        ([_special(stat.S_IFIFO)], "holds the special file 'link.txt'; only files are allowed"),
        ([_special(stat.S_IFCHR)], "holds the special file 'link.txt'; only files are allowed"),
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


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_choose_their_memory(tmp_path: Path, target: Path, method: int) -> None:
    path = tmp_path / "delivery.zip"
    with zipfile.ZipFile(path, "w", method) as opened:
        opened.writestr("a.txt", b"x" * 100)
    with pytest.raises(InvalidDelivery, match=rf"holds 'a.txt', packed by method {method}, not deflated"):
        unpack(path, target, _is_text)


def test_name_that_ends_at_a_zero_byte(make: Make, target: Path) -> None:
    path = make("a.txt_.exe")
    path.write_bytes(path.read_bytes().replace(b"a.txt_.exe", b"a.txt\0.exe"))
    with pytest.raises(InvalidDelivery, match=r"holds a member with an unusable name, 'a.txt\\x00.exe'"):
        unpack(path, target, _is_text)


def test_many_small_members(make: Make, target: Path) -> None:
    """Each below the size that matters, all together a bomb."""
    path = make(*(f"{number}.txt" for number in range(40)), content=bytes(1 << 20))
    with pytest.raises(InvalidDelivery, match=r"would unpack from \d+ to 41943040 bytes; at most 200 times"):
        unpack(path, target, _is_text)


def test_directory_of_millions(make: Make, target: Path) -> None:
    """It is refused by what it says of its size, before any of it is read."""
    path = make("a.txt")
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x05\x06")
    content[at + 12 : at + 16] = (100_000_000).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(InvalidDelivery, match=r"has a directory of 100000000 bytes; at most 4194304 are allowed"):
        unpack(path, target, _is_text)


def test_directory_of_millions_in_zip64(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "delivery.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for number in range(66_000):  # too many for the short form
            opened.writestr(f"{number}.txt", b"")
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x06\x06")
    content[at + 40 : at + 48] = (5_000_000_000).to_bytes(8, "little")
    path.write_bytes(content)
    with pytest.raises(InvalidDelivery, match=r"has a directory of 5000000000 bytes; at most 4194304 are allowed"):
        unpack(path, target, _is_text)


def test_members_that_share_bytes(make: Make, target: Path) -> None:
    """Fifield's bomb: many entries of the directory point to one member."""
    path = make("a.txt", "b.txt", content=bytes(range(256)))
    content = bytearray(path.read_bytes())
    second = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 4)
    content[second + 42 : second + 46] = bytes(4)
    path.write_bytes(content)
    with pytest.raises(InvalidDelivery, match=r"overlaps another member or the directory|Overlapped entries"):
        unpack(path, target, _is_text)


def test_data_that_are_not_deflated(make: Make, target: Path) -> None:
    path = make("a.txt", content=bytes(range(256)) * 10)
    content = bytearray(path.read_bytes())
    content[35:45] = b"\xff" * 10
    path.write_bytes(content)
    with pytest.raises(InvalidDelivery, match=r"delivery.zip is not a whole zip file \(Error -3 while decompressing"):
        unpack(path, target, _is_text)


def test_more_than_the_disk_holds(make: Make, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage(target))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 90, 10))
    with pytest.raises(LoadError, match=r"^delivery.zip unpacks to 100 bytes, but 10 are free in .*Make room"):
        unpack(make("a.txt", content=b"x" * 100), target, _is_text)
