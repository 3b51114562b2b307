"""index.json, the listing of an OpenGeodata.NRW download folder.

`size` is a string, `timestamp` has no zone, names hold raw umlauts. There is no checksum.
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from loaders.errors import SourceError

# a listing of all of the state's tiles has 4 MB; what JSON makes of 16 MB still fits into the memory of a load
MAX_LISTING = 16 << 20
LONGEST_NAME = 255  # bytes, what file systems take


@dataclass(frozen=True)
class ListedFile:
    """A file as the publisher lists it; `size` in bytes, `timestamp` as printed. Both are None for a bare URL."""

    name: str
    url: str
    size: int | None = None
    timestamp: str | None = None

    @property
    def identified(self) -> bool:
        """Whether the listing tells this version of the file from others."""
        return self.size is not None and self.timestamp is not None


@dataclass(frozen=True)
class Listing:
    """Files of a folder (of all its datasets, then the metadata files) and the URLs of its sub-folders."""

    files: tuple[ListedFile, ...]
    folders: tuple[str, ...]


def parse_listing(content: bytes, folder_url: str) -> Listing:
    """Read an index.json. `folder_url` ends with a slash. Raises SourceError that names the folder."""
    if content.lstrip()[:1] == b"<":
        raise _no_listing(folder_url, "it is a web page or XML")
    try:
        document = json.loads(content.decode("utf-8-sig"))
        datasets = [entry for dataset in document.get("datasets", []) for entry in dataset["files"]]
        entries = [*datasets, *document.get("metafiles", []), *document.get("geometafiles", [])]
        files = tuple(_file(entry, folder_url) for entry in entries)
        folders = tuple(f"{folder_url}{quote(check_name(entry['name']))}/" for entry in document.get("folders", []))
    except RecursionError as error:
        raise _no_listing(folder_url, "it is nested too deeply") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _no_listing(folder_url, f"{type(error).__name__}: {error}") from error
    return Listing(files, folders)


def check_name(name: Any) -> str:
    """A file's name is one path segment: what a server says must not lead elsewhere. Raises ValueError."""
    if not isinstance(name, str) or not name.isprintable() or any(c in name for c in "/\\") or name in {"", ".", ".."}:
        raise ValueError(f"'{name}' is not the name of a file")
    if len(name.encode()) > LONGEST_NAME:
        raise ValueError(f"'{name[:40]}…' is longer than {LONGEST_NAME} bytes, which no file's name is")
    return name


def _file(entry: dict[str, Any], folder_url: str) -> ListedFile:
    name, size, timestamp = check_name(entry["name"]), int(entry["size"]), entry.get("timestamp")
    if size < 0:
        raise ValueError(f"the size {size} of {name} is negative")
    if not isinstance(timestamp, str | None):
        raise TypeError(f"the timestamp {timestamp} of {name} is not a text")
    return ListedFile(name, folder_url + quote(name), size, timestamp)


def _no_listing(folder_url: str, reason: str) -> SourceError:
    return SourceError(
        f"{folder_url}index.json is not a listing of OpenGeodata.NRW ({reason}). "
        "Give the URL of a folder with a valid index.json, or a local folder or file."
    )
