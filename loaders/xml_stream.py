"""Features of XML files of any size, one by one: memory holds one of them.

Nothing is taken on trust: a document type declaration ends it (so there are no entities, no files from elsewhere and no
bombs), and no feature may have more bytes than MAX_BYTES or more tags than MAX_TAGS, which limits its depth as well.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loaders.errors import InvalidDelivery

CHUNK = 1 << 16
MAX_BYTES = 8 << 20
MAX_TAGS = 200_000
DOCTYPE = b"<!DOCTYPE"
MEMBERS = frozenset({"member", "featureMember", "featureMembers", "cityObjectMember"})
HREF = "{http://www.w3.org/1999/xlink}href"

Element = ET.Element


@dataclass(frozen=True)
class XmlFeature:
    """`name` of the element without its namespace; its number in the file, from 1."""

    name: str
    namespace: str
    number: int
    element: Element


def local(element: Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


class FeatureReader:
    """Reads the features of a file. `srs`: what the elements before them say of the CRS of those that say nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parser = ET.XMLPullParser(("start", "end"))
        self._started = False
        self._read = 0
        self.srs: str | None = None

    def read(self) -> Iterator[XmlFeature]:
        """One after the other; an element is gone when the next one is asked for. Raises InvalidDelivery."""
        number = 0
        try:
            for element in self._features():
                namespace, _, name = element.tag.rpartition("}")
                number += 1
                yield XmlFeature(name, namespace.removeprefix("{"), number, element)
        except ET.ParseError as error:
            raise self._refused(f"is no whole XML file: {error}") from error

    def _features(self) -> Iterator[Element]:
        """The children of members, at whatever depth those are."""
        around: list[Element] = []
        depth = 0  # below the feature's own element, while one is being read
        inside = False
        for event, element in self._events():
            if event == "start":
                if inside:
                    depth += 1
                    continue
                inside = bool(around) and local(around[-1]) in MEMBERS
                around.append(element)
            elif depth:
                depth -= 1
            else:
                around.pop()
                if inside:
                    self._read = self._tags = 0
                    yield element
                    inside = False
                else:
                    self._note_srs(element)
                if around:
                    del around[-1][:]

    def _events(self) -> Iterator[tuple[str, Element]]:
        self._tags = 0
        with self._path.open("rb") as opened:
            last = b""
            while chunk := opened.read(CHUNK):
                self._check(last, chunk)
                self._parser.feed(chunk)
                for event in self._parser.read_events():
                    self._started = True
                    yield event  # pyright: ignore[reportReturnType]
                last = chunk[-len(DOCTYPE) :]
        self._parser.close()
        yield from self._parser.read_events()  # pyright: ignore[reportReturnType]

    def _check(self, last: bytes, chunk: bytes) -> None:
        if not self._started:
            if chunk[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" in chunk[:4]:
                raise self._refused("is in UTF-16 or UTF-32; it must be UTF-8")
            if DOCTYPE in (last + chunk).upper():
                raise self._refused("has a document type declaration, which a delivery never needs")
        self._read += len(chunk)
        self._tags += chunk.count(b"<")
        if self._read > MAX_BYTES or self._tags > MAX_TAGS:
            raise self._refused(f"holds a feature of more than {MAX_BYTES} bytes or {MAX_TAGS} tags")

    def _note_srs(self, element: Element) -> None:
        if local(element) == "Envelope":
            self.srs = self.srs or element.get("srsName")
        elif local(element) == "crs":
            self.srs = self.srs or element.get(HREF)

    def _refused(self, fault: str) -> InvalidDelivery:
        return InvalidDelivery("xml", f"{self._path.name} {fault}. Fetch the delivery again.")
