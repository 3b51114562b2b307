"""Which features of a collection a tile shows."""

from dataclasses import dataclass
from datetime import date, datetime

from server.cql2.filter import Condition


@dataclass(frozen=True)
class Restriction:
    """Which features of a collection are wanted. since, until: days, both included; as_of: as they were then."""

    condition: Condition | None = None
    since: date | None = None
    until: date | None = None
    as_of: datetime | None = None

    @property
    def plain(self) -> bool:
        """Whether all features are wanted as they are."""
        return not (self.condition or self.since or self.until or self.as_of)


EVERYTHING = Restriction()
