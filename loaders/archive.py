"""Unpacking zips from elsewhere without surprises."""

import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from loaders.errors import InvalidDelivery

MAX_MEMBERS = 10_000
MAX_TOTAL = 64 << 30
MAX_RATIO = 200
RATIO_MATTERS_FROM = 16 << 20
ARCHIVE_SUFFIXES = (".zip", ".gz", ".bz2", ".xz", ".7z", ".tar", ".tgz", ".rar", ".zst")


def unpack(archive: Path, target: Path, wanted: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """Unpack the wanted members into `target`, without their folders. Returns the names unpacked, and those left alone.

    Raises InvalidDelivery for what an honest delivery never holds: paths that lead out, links, doubles, encryption,
    archives in archives, sizes out of all proportion.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            _check(archive.name, members)
            _check_free(archive.name, [PurePosixPath(m.filename).name for m in members if wanted(m.filename)], target)
            for member in members:
                if wanted(member.filename):
                    _extract(opened, member, target / PurePosixPath(member.filename).name)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise InvalidDelivery(
            "archive", f"{archive.name} is not a whole zip file ({error}). Fetch it again."
        ) from error
    names = [member.filename for member in members]
    return [n for n in names if wanted(n)], [n for n in names if not wanted(n)]


def _extract(opened: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    # zipfile stops at the declared size and compares the CRC, so a member cannot grow beyond what was checked
    with opened.open(member) as packed, path.open("xb") as unpacked:
        shutil.copyfileobj(packed, unpacked, 1 << 20)


def _check(name: str, members: list[zipfile.ZipInfo]) -> None:
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
        if (folded := PurePosixPath(member.filename).name.casefold()) in seen:
            raise _refused(name, f"holds two members with the name '{PurePosixPath(member.filename).name}'")
        seen.add(folded)


def _check_free(name: str, members: list[str], target: Path) -> None:
    if taken := [member for member in members if (target / member).exists()]:
        raise _refused(name, f"holds '{taken[0]}', which another archive of the delivery holds too")


def _check_member(name: str, member: zipfile.ZipInfo) -> None:
    path = PurePosixPath(member.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in member.filename or ":" in member.filename:
        raise _refused(name, f"holds the path '{member.filename}', which leads out of the archive")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise _refused(name, f"holds the link '{member.filename}'; only files are allowed")
    if member.flag_bits & 0x1:
        raise _refused(name, f"holds the encrypted member '{member.filename}'")
    if member.filename.lower().endswith(ARCHIVE_SUFFIXES):
        raise _refused(name, f"holds the archive '{member.filename}'; archives in archives are not unpacked")


def _refused(name: str, fault: str) -> InvalidDelivery:
    return InvalidDelivery(
        "archive", f"{name} {fault}. Fetch it again from the publisher, or unpack it and load the folder."
    )
