"""Features of XML deliveries on their way to a staging table: those that are known, so many at once."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loaders.batch import Batch
from loaders.context import Context
from loaders.errors import InvalidDelivery
from loaders.manifest import Manifest
from loaders.report import Reject
from loaders.xml_stream import FeatureReader, XmlFeature


@dataclass
class Block(ABC):
    """Features of a collection that wait to be staged together.

    `package`: what the loader took the file for. `lines`: their numbers in the file; `faults`: why some of them cannot
    be used, by their index.
    """

    path: Path
    manifest: Manifest
    collection: str
    package: str
    lines: list[int] = field(default_factory=list)
    faults: dict[int, str] = field(default_factory=dict)

    @abstractmethod
    def add(self, feature: XmlFeature, srs: str | None) -> None:
        """Take what is needed of a feature, which is gone afterwards; `srs`: the CRS of a geometry that names none."""

    @abstractmethod
    def take(self) -> tuple[Batch, list[Reject]]:
        """Usable rows and rejects of what waits; afterwards nothing does."""

    def stage(self, context: Context) -> None:
        """Stage what waits."""
        if self.lines:
            context.staging.count(self.collection, len(self.lines))
            context.staging.write(self.collection, *self.take())


@dataclass(frozen=True)
class Model:
    """The namespaces whose features a loader reads, and how many features it stages at once.

    `others`: a file may hold features of other names, which are passed over.
    """

    namespaces: Collection[str]
    rows: int
    others: bool = False

    def check(self, path: Path, feature: XmlFeature, names: Collection[str]) -> None:
        """Raise InvalidDelivery for a feature of another model."""
        if feature.name not in names or feature.namespace not in self.namespaces:
            raise InvalidDelivery(
                "xml",
                f"{path.name} holds {feature.name} of the namespace '{feature.namespace[:100]}'; known are "
                f"{', '.join(names)} of {' and '.join(self.namespaces)}. If the publisher changed the model, the "
                "loader must follow.",
            )


def stage_file(context: Context, path: Path, model: Model, blocks: Mapping[str, Block]) -> None:
    """Stage the features of a file; `blocks`: by the features' names. Raises InvalidDelivery."""
    reader = FeatureReader(path)
    for feature in reader.read():
        if model.others and feature.name not in blocks:
            continue
        model.check(path, feature, blocks.keys())
        block = blocks[feature.name]
        block.add(feature, reader.srs)
        if len(block.lines) == model.rows:
            block.stage(context)
    for block in blocks.values():
        block.stage(context)
