"""`opennrw load --as NAME FILE`: a file becomes a collection; where it is one already, by its YAML."""

import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from loaders.delivery import unpack_delivery
from loaders.described import Described
from loaders.errors import LoadError
from loaders.fetch import fetch
from loaders.files.compose import Wishes, compose
from loaders.files.crs import to_srid
from loaders.files.description import NAME, find_text, path_of, read_collection, to_manifest
from loaders.files.guess import survey
from loaders.files.opening import READS, open_layer
from loaders.grid import GRID
from loaders.manifest import CollectionSource
from loaders.progress import Progress
from loaders.retries import DEFAULT_POLICY
from loaders.store import StoredFile, in_use


@dataclass(frozen=True)
class Prepared:
    """How a file is loaded, the files themselves, and where the schema was guessed, what to show of it."""

    manifest: Described
    stored: tuple[StoredFile, ...]
    shown: list[list[str]]
    path: Path


def prepare(name: str, source: str, wishes: Wishes, store: Path, progress: Progress) -> Prepared:
    """Fetch a file and find out what it holds; nothing is written but to the store. Raises LoadError."""
    if not re.fullmatch(NAME, name):
        raise LoadError(
            f"'{name[:60]}' cannot be the name of a collection: it must be small letters, digits and _, a letter "
            "first, at most 40. Choose another one."
        )
    text = find_text(name)
    path = path_of(name)
    if text is None and path.is_file():
        raise LoadError(f"{path} describes a collection that was not made of a file. Choose another name.")
    plain = _plain(name)
    with in_use(store):
        stored = fetch(source, plain, store, progress, DEFAULT_POLICY)
        if text is not None:
            _require_same(text, path, wishes)
            return Prepared(to_manifest(text, str(path)), tuple(stored), [], path)
        progress.step("look", None)
        with TemporaryDirectory(prefix="look-", dir=store) as folder:
            unpacked = unpack_delivery(plain, stored, Path(folder))
            layer = open_layer(unpacked.files, wishes.layer)
            text, shown = compose(name, layer, survey(layer), wishes)
        progress.done()
    return Prepared(to_manifest(text, str(path)), tuple(stored), shown, path)


def _plain(name: str) -> Described:
    """What fetches and unpacks: all that a file may be."""
    return Described(
        dataset=name,
        version=1,
        title=name,
        url="https://file.invalid/",
        file=".*",
        reads=READS,
        area=GRID,
        collections={name: CollectionSource(min=1, key="id", columns={"id": "text"})},
        reader="files",
        tables=(),
        documents={},
    )


def _require_same(text: str, path: Path, wishes: Wishes) -> None:
    """What was chosen once stays: another wish is told where to change it. Raises LoadError."""
    source = read_collection(text, str(path)).source
    chosen = {
        "--layer": (wishes.layer, source.layer),
        "--key": (wishes.key, source.key),
        "--crs": (wishes.crs and to_srid(wishes.crs), source.crs),
        "--coordinates": (wishes.coordinates, source.coordinates),
    }
    for option, (wanted, kept) in chosen.items():
        if wanted and wanted != kept:
            raise LoadError(
                f"{option} says {wanted}, but {path} says {kept}, which each further load keeps. Change it there, or "
                "remove the file to have it made anew."
            )
