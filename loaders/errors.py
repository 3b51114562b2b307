"""Errors of loading.

    LoadError
    ├── ManifestError      source.yaml is wrong: names file and line
    ├── SourceError        the source cannot be reached or does not hold what its listing promises
    ├── InvalidDelivery    the delivery holds what the loader does not understand: the run refuses it
    └── DeliveryRefused    what a caller sees of a refused delivery, with the report

Every text names the value, the rule and the remedy.
"""

from loaders.report import Report


class LoadError(Exception):
    """Base of all errors that loading raises on purpose."""


class ManifestError(LoadError):
    """A source.yaml does not follow its schema."""


class SourceError(LoadError):
    """A source cannot be fetched; nothing was taken from it."""


class InvalidDelivery(LoadError):
    """A delivery as a whole breaks a rule, named by `rule`; no row of it can be trusted."""

    def __init__(self, rule: str, detail: str, collection: str = "") -> None:
        super().__init__(detail)
        self.rule = rule
        self.collection = collection


class DeliveryRefused(LoadError):
    """The delivery was refused and recorded; what was live before is live still."""

    def __init__(self, detail: str, report: Report) -> None:
        super().__init__(detail)
        self.report = report
