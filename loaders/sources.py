"""Which files a delivery is made of: a local folder, zip or file, the URL of a file, or of a folder with index.json.

Names come from the listing or the folder, never from a guess; the manifest's pattern picks among them.
"""

import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from loaders.errors import SourceError
from loaders.hosts import host_of
from loaders.listing import MAX_LISTING, ListedFile, Listing, check_name, parse_listing
from loaders.manifest import Manifest
from loaders.retries import Again, Retries

if TYPE_CHECKING:
    from loaders.web import Web

MAX_FOLDERS = 500
MAX_DEPTH = 8


def is_url(source: str) -> bool:
    return source.lower().startswith(("http://", "https://"))


def allowed_hosts(source: str, manifest: Manifest) -> frozenset[str]:
    """The publisher's hosts for a source there; otherwise the source's own host alone."""
    own, publishers = host_of(source), {host_of(manifest.url), *manifest.hosts}
    return frozenset(publishers if own in publishers else {own})


def newest_edition(files: Iterable[ListedFile], pattern: str) -> list[ListedFile]:
    """The files whose whole name matches; where the pattern has a group `edition`, only those of the newest.

    Where it has a group `package`, too, those of each package's newest.
    """
    matches = [(match.groupdict(), file) for file in files if (match := re.fullmatch(pattern, file.name))]
    newest: dict[str | None, str] = {}
    for groups, _ in matches:
        package = groups.get("package")
        newest[package] = max(newest.get(package, ""), groups.get("edition") or "")
    return [file for groups, file in matches if (groups.get("edition") or "") == newest[groups.get("package")]]


def pick_packages(files: list[ListedFile], manifest: Manifest, packages: Sequence[str]) -> list[ListedFile]:
    """The files of these packages; all, where none is named. Raises SourceError for one that the source lacks."""
    if not packages:
        return files
    if manifest.packages is None:
        raise SourceError(f"{manifest.dataset} does not come in packages: load it as a whole, without {packages[0]}.")
    held = [(file, match["package"] if (match := re.fullmatch(manifest.file, file.name)) else None) for file in files]
    there = sorted({package for _, package in held if package})
    if missing := sorted(set(packages) - set(there)):
        some = ", ".join(there[:10]) + (f" … ({len(there)} in all)" if len(there) > 10 else "")
        raise SourceError(
            f"The source holds no package {missing[0]} of {manifest.dataset}. It holds: {some or 'none'}. Name one of "
            "these, or give another source with --from."
        )
    return [file for file, package in held if package in packages]


def find_local(source: Path, manifest: Manifest) -> list[ListedFile]:
    """The delivery's files on this machine. Raises SourceError."""
    if source.is_file():
        return [_local(path) for path in _with_siblings(source)]
    if not source.is_dir():
        raise SourceError(f"{source} does not exist. Give a folder, a zip, a file, or a URL that begins with https://.")
    files = [_local(path) for path in sorted(source.rglob("*")) if path.is_file()]
    found = newest_edition(files, manifest.file) or [file for file in files if manifest.reads_file(file.name)]
    if not found:
        raise SourceError(
            f"{source} holds no file of {manifest.dataset}: none is named like '{manifest.file}', "
            f"none ends with {', '.join(manifest.reads)}. Give the folder that the delivery was put into."
        )
    return _refuse_doubles(found)


def _with_siblings(path: Path) -> list[Path]:
    """A Shape file is several files of one name."""
    if path.suffix.lower() != ".shp":
        return [path]
    return sorted(sibling for sibling in path.parent.iterdir() if sibling.stem == path.stem and sibling.is_file())


def _local(path: Path) -> ListedFile:
    return ListedFile(path.name, str(path.resolve()), path.stat().st_size)


def _refuse_doubles(files: list[ListedFile]) -> list[ListedFile]:
    by_name: dict[str, ListedFile] = {}
    for file in files:
        if other := by_name.get(file.name):
            raise SourceError(
                f"{file.url} and {other.url} bear the same name, so it is not clear which belongs to the delivery. "
                "Give a folder that holds one delivery."
            )
        by_name[file.name] = file
    return files


@dataclass(frozen=True)
class Site:
    """A download server, read folder by folder."""

    web: "Web"
    retries: Retries

    def find(self, url: str, manifest: Manifest) -> list[ListedFile]:
        """The file that the URL names, or the matching files of the nearest listed folder. Raises SourceError."""
        name = PurePosixPath(urlsplit(url).path).name
        if name.lower().endswith((".zip", *manifest.reads)):
            return [ListedFile(_name_in(url, name), url)]
        folders = deque([(url if url.endswith("/") else url + "/", 1)])
        read: set[str] = set()
        while folders and len(read) < MAX_FOLDERS:
            folder, depth = folders.popleft()
            listing = self._list(folder)
            if found := newest_edition(listing.files, manifest.file):
                return _refuse_doubles(found)
            read.add(folder)
            if depth < MAX_DEPTH:
                folders.extend((below, depth + 1) for below in listing.folders if below not in read)
        raise SourceError(
            f"No file named like '{manifest.file}' is listed at {url} ({len(read)} folders were read, at most "
            f"{MAX_DEPTH} below each other). Look at {url} in a browser: if the publisher renamed the file, correct "
            f"`file` in loaders/{manifest.dataset}/source.yaml; if it is elsewhere, give that folder with --from."
        )

    def _list(self, folder: str) -> Listing:
        url = folder + "index.json"
        return parse_listing(self.retries.run(url, lambda: self._read(url)), folder)

    def _read(self, url: str) -> bytes:
        content = bytearray()
        with self.web.get(url, {}) as response:
            if response.status_code != 200:
                raise SourceError(f"{url} answered {response.status_code}. Check the address in a browser.")
            for chunk in response.iter_raw():
                self.retries.stop.check()
                content += chunk
                if len(content) > MAX_LISTING:
                    raise SourceError(
                        f"{url} is larger than {MAX_LISTING} bytes: it is no listing. Check the address in a browser."
                    )
            length = response.headers.get("Content-Length")
        if length and len(content) < int(length):
            raise Again(f"the connection ended after {len(content)} of {length} bytes")
        return bytes(content)


def _name_in(url: str, name: str) -> str:
    try:
        return check_name(unquote(name))
    except ValueError as error:
        raise SourceError(f"{url} does not name a file: {error}. Correct the address.") from error
