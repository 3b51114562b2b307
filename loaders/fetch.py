"""From a source to raw files in the store.

A source is a local folder, zip or file, the URL of a file, or the URL of a download folder with index.json. Names come
from the listing or the folder, never from a guess; the manifest's pattern picks among them.
"""

import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import httpx

from loaders.errors import SourceError
from loaders.listing import ListedFile, Listing, parse_listing
from loaders.manifest import Manifest
from loaders.progress import Progress
from loaders.store import StoredFile, keep

TIMEOUT = httpx.Timeout(60, connect=10)
CHUNK = 1 << 20
MAX_LISTING = 64 << 20
MAX_FOLDERS = 500

Reader = Callable[[ListedFile], Generator[bytes]]


def fetch(source: str, manifest: Manifest, store: Path, progress: Progress) -> list[StoredFile]:
    """Take the delivery's files from the source into the store, sorted by name. Raises SourceError."""
    if urlsplit(source).scheme not in {"http", "https"}:
        return _keep_all(_find_local(Path(source), manifest), _read, store, progress)
    with httpx.Client(timeout=TIMEOUT, follow_redirects=True, max_redirects=5) as client:
        progress.step("list", None)
        files = _find_remote(client, source, manifest)
        return _keep_all(files, partial(_download, client), store, progress)


def _keep_all(files: list[ListedFile], read: Reader, store: Path, progress: Progress) -> list[StoredFile]:
    sizes = [file.size for file in files]
    progress.step("fetch", None if None in sizes else sum(size or 0 for size in sizes))
    stored = []
    for file in sorted(files, key=lambda f: f.name):
        with closing(read(file)) as chunks:
            stored.append(keep(store, file, _reported(chunks, progress)))
    return stored


def _reported(chunks: Iterable[bytes], progress: Progress) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk
        progress.advance(len(chunk))


def newest_edition(files: Iterable[ListedFile], pattern: str) -> list[ListedFile]:
    """The files whose whole name matches; where the pattern has a group `edition`, only those of the newest."""
    matches = [(match, file) for file in files if (match := re.fullmatch(pattern, file.name))]
    if "edition" not in re.compile(pattern).groupindex:
        return [file for _, file in matches]
    newest = max((match["edition"] or "" for match, _ in matches), default="")
    return [file for match, file in matches if (match["edition"] or "") == newest]


def _find_local(source: Path, manifest: Manifest) -> list[ListedFile]:
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


def _read(file: ListedFile) -> Generator[bytes]:
    with Path(file.url).open("rb") as opened:
        while chunk := opened.read(CHUNK):
            yield chunk


def _find_remote(client: httpx.Client, url: str, manifest: Manifest) -> list[ListedFile]:
    """The file that the URL names, or the matching files of the nearest listed folder: breadth first."""
    name = unquote(PurePosixPath(urlsplit(url).path).name)
    if name.lower().endswith((".zip", *manifest.reads)):
        return [ListedFile(name, url)]
    folders = deque([url if url.endswith("/") else url + "/"])
    seen: list[str] = []
    while folders and len(seen) < MAX_FOLDERS:
        listing = _list(client, folder := folders.popleft())
        if found := newest_edition(listing.files, manifest.file):
            return _refuse_doubles(found)
        seen.append(folder)
        folders.extend(f for f in listing.folders if f not in seen)
    raise SourceError(
        f"No file named like '{manifest.file}' is listed at {url} ({len(seen)} folders were read). "
        f"Look at {url} in a browser: if the publisher renamed the file, correct `file` in "
        f"loaders/{manifest.dataset}/source.yaml."
    )


def _list(client: httpx.Client, folder: str) -> Listing:
    content = bytearray()
    with closing(_download(client, ListedFile("index.json", folder + "index.json"))) as chunks:
        for chunk in chunks:
            content += chunk
            if len(content) > MAX_LISTING:
                raise SourceError(f"{folder}index.json is larger than {MAX_LISTING} bytes: it is no listing.")
    return parse_listing(bytes(content), folder)


def _download(client: httpx.Client, file: ListedFile) -> Generator[bytes]:
    """The content of a URL. An interrupted download raises; nothing of it is kept."""
    with _explained(file.url), client.stream("GET", file.url) as response:
        response.raise_for_status()
        yield from response.iter_bytes(CHUNK)


@contextmanager
def _explained(url: str) -> Iterator[None]:
    try:
        yield
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        raise SourceError(
            f"{url} answered {status}. Check the address in a browser; load from a local copy with --from."
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise SourceError(
            f"{url} cannot be fetched: {reason}. Load again, or load from a local copy with --from."
        ) from error
