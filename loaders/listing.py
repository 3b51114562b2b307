"""index.json, the listing of an OpenGeodata.NRW download folder.

`size` is a string, `timestamp` has no zone, names hold raw umlauts. There is no checksum.
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from loaders.errors import SourceError


@dataclass(frozen=True)
class ListedFile:
    """A file as the publisher lists it; `size` in bytes, `timestamp` as printed."""

    name: str
    url: str
    size: int | None = None
    timestamp: str | None = None


@dataclass(frozen=True)
class Listing:
    """Files of a folder (of all its datasets, then the metadata files) and the URLs of its sub-folders."""

    files: tuple[ListedFile, ...]
    folders: tuple[str, ...]


def parse_listing(content: bytes, folder_url: str) -> Listing:
    """Read an index.json. `folder_url` ends with a slash. Raises SourceError that names the folder."""
    try:
        document = json.loads(content.decode("utf-8-sig"))
        datasets = [entry for dataset in document.get("datasets", []) for entry in dataset["files"]]
        entries = [*datasets, *document.get("metafiles", []), *document.get("geometafiles", [])]
        files = tuple(_file(entry, folder_url) for entry in entries)
        folders = tuple(f"{folder_url}{quote(_name(entry))}/" for entry in document.get("folders", []))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f"{folder_url}index.json is not a listing of OpenGeodata.NRW ({type(error).__name__}: {error}). "
            "Give the URL of a folder with a valid index.json, or a local folder or file."
        ) from error
    return Listing(files, folders)


def _file(entry: dict[str, Any], folder_url: str) -> ListedFile:
    name = _name(entry)
    return ListedFile(name, folder_url + quote(name), int(entry["size"]), entry.get("timestamp"))


def _name(entry: dict[str, Any]) -> str:
    """A name is one path segment: a listing must not lead elsewhere."""
    name = entry["name"]
    if not name or name in {".", ".."} or any(c in name for c in "/\\") or not name.isprintable():
        raise ValueError(f"'{name}' is not the name of a file")
    return name
