"""How a load tells where it is; the command line shows it as bars or as plain lines."""

from typing import Protocol

BYTES = "bytes"


class Progress(Protocol):
    """Told of steps that follow each other. `total` is in the unit (BYTES, otherwise rows), None where unknown."""

    def step(self, name: str, total: int | None, unit: str = "") -> None:
        """A step begins; the one before it, if any, is over."""
        ...

    def advance(self, n: int) -> None:
        """n more units of the step are done; negative where they have to be done again."""
        ...

    def note(self, text: str) -> None:
        """What a person who waits should know: why something takes longer, for instance."""
        ...

    def done(self) -> None:
        """The last step is over."""
        ...


class Quiet:
    """Says nothing."""

    def step(self, name: str, total: int | None, unit: str = "") -> None: ...

    def advance(self, n: int) -> None: ...

    def note(self, text: str) -> None: ...

    def done(self) -> None: ...


def megabytes(size: int) -> str:
    """A number of bytes for people: `1,234.5 MB`."""
    return f"{size / 1e6:,.1f} MB"
