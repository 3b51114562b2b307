"""Which PostgreSQL programs this machine has: the versions, where they are, whether PostGIS belongs to them."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

DEBIAN_ROOT = Path("/usr/lib/postgresql")
OLDEST, NEWEST = 15, 17


@dataclass(frozen=True)
class Binaries:
    """The programs of one PostgreSQL version."""

    major: int
    folder: Path
    postgis: bool

    def program(self, name: str) -> str:
        return str(self.folder / name)


def find_binaries(debian_root: Path = DEBIAN_ROOT) -> list[Binaries]:
    """Everything installed from PostgreSQL 15 on, newest first; Debian's folders, then whatever is on PATH."""
    folders = [path.parent for path in debian_root.glob("*/bin/initdb")]
    if on_path := shutil.which("initdb"):
        folders.append(Path(on_path).resolve().parent)
    found: dict[int, Binaries] = {}
    for folder in folders:
        if (folder / "pg_ctl").exists() and (major := _major(folder)) is not None and major >= OLDEST:
            found.setdefault(major, Binaries(major, folder, _has_postgis(folder)))
    return sorted(found.values(), key=lambda binaries: -binaries.major)


def _major(folder: Path) -> int | None:
    # `initdb (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)`
    match = re.search(r"\(PostgreSQL\) (\d+)", _output([str(folder / "initdb"), "--version"]))
    return int(match[1]) if match else None


def _has_postgis(folder: Path) -> bool:
    if folder.parent.parent == DEBIAN_ROOT:
        share = Path("/usr/share/postgresql") / folder.parent.name
    else:
        share = Path(_output([str(folder / "pg_config"), "--sharedir"]).strip() or "/nonexistent")
    return (share / "extension" / "postgis.control").exists()


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout
    except OSError:
        return ""
