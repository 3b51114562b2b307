"""Unpacking zips from elsewhere without surprises."""

import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from loaders.errors import InvalidDelivery, LoadError

MAX_MEMBERS = 10_000
# bytes of the directory, which zipfile reads at once and makes objects of: 400 for each of the members
MAX_DIRECTORY = 4 << 20
MAX_TOTAL = 64 << 30
MAX_RATIO = 200
MAX_NAME = 200
RATIO_MATTERS_FROM = 16 << 20
ARCHIVE_SUFFIXES = (".zip", ".gz", ".bz2", ".xz", ".7z", ".tar", ".tgz", ".rar", ".zst")
# others need gigabytes for a dictionary that the archive chooses (LZMA), or are not known to zipfile
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
# PKWARE APPNOTE 6.3.10: local header 4.3.7, end of directory 4.3.16, ZIP64 4.3.14 and 4.3.15
LOCAL_HEADER = 30
END, END_SIZE, MAX_COMMENT = b"PK\x05\x06", 22, 65_535
LOCATOR, LOCATOR_SIZE = b"PK\x06\x07", 20
BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ValueError, OverflowError)


def unpack(archive: Path, target: Path, wanted: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """Unpack the wanted members into `target`, without their folders. Returns the names unpacked, and those left alone.

    Raises InvalidDelivery for what an honest delivery never holds: paths that lead out, links, doubles, encryption,
    archives in archives, members that share bytes, sizes out of all proportion.
    """
    try:
        _check_directory(archive)
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            _check(archive, members, opened.start_dir)
            chosen = [member for member in members if wanted(member.filename)]
            _check_target(archive.name, chosen, target)
            for member in chosen:
                _extract(opened, member, target / PurePosixPath(member.filename).name)
    except BROKEN as error:
        raise _broken(archive, error) from error
    names = [member.filename for member in members]
    return [n for n in names if wanted(n)], [n for n in names if not wanted(n)]


def check_archive(archive: Path, most: int = MAX_TOTAL) -> None:
    """What `unpack` looks at, for files that are archives inside, of `most` bytes unpacked. Raises InvalidDelivery."""
    try:
        _check_directory(archive)
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            _check(archive, members, opened.start_dir)
    except BROKEN as error:
        raise _broken(archive, error) from error
    if (total := sum(member.file_size for member in members)) > most:
        raise _refused(archive.name, f"would unpack to {total} bytes; at most {most} are allowed")


def list_members(archive: Path) -> list[str]:
    """Names of the members, without their folders. Raises InvalidDelivery."""
    try:
        _check_directory(archive)
        with zipfile.ZipFile(archive) as opened:
            return [PurePosixPath(member.filename).name for member in opened.infolist() if not member.is_dir()]
    except BROKEN as error:
        raise _broken(archive, error) from error


def _broken(archive: Path, error: Exception) -> InvalidDelivery:
    return InvalidDelivery("archive", f"{archive.name} is not a whole zip file ({error}). Fetch it again.")


def _extract(opened: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    # zipfile stops at the declared size and compares the CRC, so a member cannot grow beyond what was checked
    with opened.open(member) as packed, path.open("xb") as unpacked:
        shutil.copyfileobj(packed, unpacked, 1 << 20)


def _check_directory(archive: Path) -> None:
    """Refuse a directory of millions before it is read."""
    size = archive.stat().st_size
    with archive.open("rb") as opened:
        opened.seek(max(0, size - END_SIZE - MAX_COMMENT - LOCATOR_SIZE))
        tail = opened.read()
        at = tail.rfind(END)
        if at < 0 or len(tail) < at + END_SIZE:
            raise zipfile.BadZipFile("it has no end of its directory")
        length = int.from_bytes(tail[at + 12 : at + 16], "little")
        if tail[max(0, at - LOCATOR_SIZE) : at].startswith(LOCATOR):
            opened.seek(int.from_bytes(tail[at - 12 : at - 4], "little"))
            length = int.from_bytes(opened.read(56)[40:48], "little")
    if length > MAX_DIRECTORY:
        raise _refused(archive.name, f"has a directory of {length} bytes; at most {MAX_DIRECTORY} are allowed")


def _check(archive: Path, members: list[zipfile.ZipInfo], directory: int) -> None:
    name = archive.name
    if len(members) > MAX_MEMBERS:
        raise _refused(name, f"holds {len(members)} members; at most {MAX_MEMBERS} are allowed")
    if (total := sum(member.file_size for member in members)) > MAX_TOTAL:
        raise _refused(name, f"would unpack to {total} bytes; at most {MAX_TOTAL} are allowed")
    packed = sum(member.compress_size for member in members)
    if total > RATIO_MATTERS_FROM and total > MAX_RATIO * packed:
        raise _refused(
            name, f"would unpack from {packed} to {total} bytes; at most {MAX_RATIO} times the size is allowed"
        )
    seen: set[str] = set()
    for member in members:
        _check_member(name, member)
        if (folded := fold(member.filename)) in seen:
            raise _refused(name, f"holds two members with the name '{PurePosixPath(member.filename).name}'")
        seen.add(folded)
    _check_overlap(name, members, directory)


def fold(path: str) -> str:
    """Names that some file system takes for one."""
    return unicodedata.normalize("NFC", PurePosixPath(path).name).casefold()


def _check_overlap(name: str, members: list[zipfile.ZipInfo], directory: int) -> None:
    """Members that share bytes unpack to many times what the sizes of all together say (Fifield 2019)."""
    ordered = sorted(members, key=lambda member: member.header_offset)
    bounds = [*(member.header_offset for member in ordered[1:]), directory]
    for member, bound in zip(ordered, bounds, strict=False):
        if member.header_offset < 0 or member.header_offset + LOCAL_HEADER + member.compress_size > bound:
            raise _refused(name, f"holds '{member.filename}', which overlaps another member or the directory")


def _check_target(name: str, members: list[zipfile.ZipInfo], target: Path) -> None:
    """There must be room, and no file of an archive of the same delivery in the way."""
    present = {fold(path.name) for path in target.iterdir()}
    if taken := [member.filename for member in members if fold(member.filename) in present]:
        raise _refused(name, f"holds '{PurePosixPath(taken[0]).name}', which another file of the delivery holds too")
    needed, free = sum(member.file_size for member in members), shutil.disk_usage(target).free
    if needed > free:
        raise LoadError(
            f"{name} unpacks to {needed} bytes, but {free} are free in {target.parent}. "
            "Make room there, or set OPENNRW_HOME to a larger disk.",
        )


def _check_member(name: str, member: zipfile.ZipInfo) -> None:
    path = PurePosixPath(member.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in member.filename or ":" in member.filename:
        raise _refused(name, f"holds the path '{member.filename}', which leads out of the archive")
    if not member.orig_filename.isprintable() or len(path.name.encode("utf-8", "replace")) > MAX_NAME:
        raise _refused(name, f"holds a member with an unusable name, {member.orig_filename[:80]!a}")
    if (kind := stat.S_IFMT(member.external_attr >> 16)) not in {0, stat.S_IFREG}:
        what = "link" if kind == stat.S_IFLNK else "special file"
        raise _refused(name, f"holds the {what} '{member.filename}'; only files are allowed")
    if member.flag_bits & 0x1:
        raise _refused(name, f"holds the encrypted member '{member.filename}'")
    if member.filename.lower().endswith(ARCHIVE_SUFFIXES):
        raise _refused(name, f"holds the archive '{member.filename}'; archives in archives are not unpacked")
    if member.compress_type not in METHODS:
        raise _refused(name, f"holds '{member.filename}', packed by method {member.compress_type}, not deflated")


def _refused(name: str, fault: str) -> InvalidDelivery:
    return InvalidDelivery(
        "archive", f"{name} {fault}. Fetch it again from the publisher, or unpack it and load the folder."
    )
