"""A delivery: files of a source, unpacked where the loaders can read them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from loaders.archive import fold, unpack
from loaders.errors import InvalidDelivery
from loaders.manifest import Manifest
from loaders.report import Check
from loaders.store import StoredFile


@dataclass(frozen=True)
class Unpacked:
    """Members that the loader reads, by name, and a check that names those it leaves alone.

    `origins`: the delivered file that a member was in, by the member's name.
    """

    files: dict[str, Path]
    unread: list[str]
    origins: dict[str, str]

    def check(self, manifest: Manifest) -> Check:
        """Nothing of a delivery is passed over in silence."""
        stems = {Path(name).stem for name in self.files}
        ignored = [f"{stem} ({reason})" for stem, reason in manifest.ignored.items() if stem in stems]
        left_out = [*self.unread, *ignored]
        return Check("", "members", True, f"not loaded: {', '.join(left_out)}" if left_out else "all are known")


def digest_delivery(manifest: Manifest, stored: list[StoredFile]) -> str:
    """SHA-256 over the loader and, sorted by name, name and SHA-256 of every file."""
    lines = [manifest.loader, *sorted(f"{file.record.name}\0{file.record.sha256}" for file in stored)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def unpack_delivery(manifest: Manifest, stored: list[StoredFile], target: Path) -> Unpacked:
    """Lay out the delivery's members in `target`, archives unpacked. Raises InvalidDelivery."""
    unread: list[str] = []
    origins: dict[str, str] = {}
    taken: dict[str, str] = {}
    for file in stored:
        if file.path.suffix.lower() == ".zip":
            members, left_alone = unpack(file.path, target, manifest.reads_file)
            unread += left_alone
        elif manifest.reads_file(file.path.name):
            members = [file.path.name]
            _refuse_taken(file.path.name, taken)
            (target / file.path.name).symlink_to(file.path)
        else:
            members = []
            unread.append(file.path.name)
        names = [PurePosixPath(member).name for member in members]
        taken |= {fold(name): name for name in names}
        origins |= dict.fromkeys(names, file.record.name)
    files = {path.name: path for path in sorted(target.iterdir())}
    if not files:
        raise InvalidDelivery(
            "files",
            f"The delivery holds no file that {manifest.dataset} reads ({', '.join(manifest.reads)}), "
            f"only {', '.join(unread)}. Give the delivery of {manifest.dataset}.",
        )
    return Unpacked(files, unread, origins)


def _refuse_taken(name: str, taken: dict[str, str]) -> None:
    """Names that some file system takes for one must not hide one another."""
    if other := taken.get(fold(name)):
        raise InvalidDelivery(
            "files",
            f"The delivery holds both {other} and {name}, so it is not clear which counts. Leave one of them.",
        )
