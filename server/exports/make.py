"""One file of an extract, from the first feature to its digest."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from loaders.progress import Progress
from server.catalogue import Language, Service
from server.errors import ServiceError
from server.exports.area import explain
from server.exports.extract import Extract
from server.exports.shelf import PART, Stored, digest, is_full, no_room
from server.exports.source import Connection, TableSource
from server.formats.layer import About, Layer
from server.formats.whole import write_file

LONGEST = 600  # seconds that one statement may take


@dataclass(frozen=True)
class Maker:
    """What makes files needs: a connection that only reads, the service's texts, who is told how far it is."""

    connection: Connection
    service: Service
    progress: Progress
    lang: Language = "de"

    def open(self, extract: Extract) -> TableSource:
        """The rows of an extract as they are now. Raises Overtaken, Unavailable, InvalidParameter."""
        return TableSource(self.connection, extract, self.progress.advance)

    def make(self, extract: Extract, source: TableSource, folder: Path) -> tuple[Path, Stored]:
        """An unfinished file in a folder and what is known of it. Raises Overtaken, NotFitting, NoRoom.

        Nothing is left where it failed.
        """
        part = folder / f"{extract.kind.key}{PART}"
        self.progress.step(extract.kind.key, source.total, "features")
        try:
            layer = Layer(extract.collection, extract.crs)
            write_file(source, layer, self._about(extract, source), extract.kind, part)
            return part, self._describe(extract, source, part)
        except BaseException as error:
            cause = source.failure or error  # libraries that call us back hand on no more than its text
            if not isinstance(cause, ServiceError) and is_full(folder, cause):
                cause = no_room(folder)
            for left in folder.glob(f"{extract.kind.key}{PART}*"):
                left.unlink()
            if cause is error:
                raise
            raise cause from error

    def _about(self, extract: Extract, source: TableSource) -> About:
        """What the file says of itself."""
        collection, lang, published = extract.collection, self.lang, source.edition
        rights = self.service.rights_of(collection)
        parts = [collection.description.in_(lang)]
        if extract.area:
            parts.append(explain(collection, extract.area, source.area_name))
        parts += [f"{name}: {text}" for name, text in extract.given if name not in {"area", "crs"}]
        return About(
            title=collection.title.in_(lang),
            description=" ".join(parts),
            attribution=rights.attribution.in_(lang),
            licence=rights.licence.url,
            lang=lang,
            returned=source.total,
            matched=source.total,
            delivery=published.delivery,
            published=published.published,
            written=datetime.now(UTC),
        )

    def _describe(self, extract: Extract, source: TableSource, part: Path) -> Stored:
        return Stored(
            kind=extract.kind.key,
            name=extract.name,
            size=part.stat().st_size,
            sha256=digest(part),
            features=source.total,
            version=source.edition.version,
            published=source.edition.published,
            updated=datetime.now(UTC),
            crs=extract.crs.uri,
        )
