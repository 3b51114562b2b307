"""A cut, made and kept: by the server where it is small, by a job where it is large."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loaders.progress import Progress, Quiet
from server.catalogue import Collection, Service
from server.errors import Unavailable
from server.exports.cuts import Cut, Cuts
from server.exports.extract import parse_extract
from server.exports.make import LONGEST, Maker
from server.exports.place import cuts_of
from server.exports.shelf import room
from server.exports.source import Overtaken, connect
from server.settings import Settings

ATTEMPTS = 3


@dataclass(frozen=True)
class Order:
    """What is wanted: a collection, the key of a format, and the parameters of the request."""

    collection: Collection
    kind: str
    given: Mapping[str, str]


def make_cut(
    settings: Settings, service: Service, order: Order, owner_url: str | None = None, progress: Progress | None = None
) -> Cut:
    """Make a cut and keep it, unless it is there; `owner_url`: see `source.connect`.

    Raises InvalidParameter, NotFitting, NoRoom, Unavailable, psycopg.Error.
    """
    cuts = cuts_of(settings)
    with room(cuts.folder), cuts.making() as folder, connect(settings, owner_url, LONGEST) as link:
        maker = Maker(link, service, progress or Quiet())
        for _ in range(ATTEMPTS):
            try:
                return _make(cuts, maker, order, folder)
            except Overtaken:
                continue
    raise Unavailable("Deliveries were published while the file was being made. Send the request again in a moment.")


def _make(cuts: Cuts, maker: Maker, order: Order, folder: Path) -> Cut:
    extract = parse_extract(order.collection, order.kind, order.given)
    source = maker.open(extract)
    key = extract.key(source.edition.mark)
    if found := cuts.find(key):
        return found
    part, stored = maker.make(extract, source, folder)
    cut = Cut(key, order.collection.id, dict(extract.given), stored)
    cuts.put(cut, part)
    return cut
