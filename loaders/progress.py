"""How a load tells where it is; the command line shows it as bars or as plain lines."""

from typing import Protocol


class Progress(Protocol):
    """Told of steps that follow each other. `total` is in the step's own unit (bytes or rows), None where unknown."""

    def step(self, name: str, total: int | None) -> None:
        """A step begins; the one before it, if any, is over."""
        ...

    def advance(self, n: int) -> None:
        """n more units of the step are done."""
        ...

    def done(self) -> None:
        """The last step is over."""
        ...


class Quiet:
    """Says nothing."""

    def step(self, name: str, total: int | None) -> None: ...

    def advance(self, n: int) -> None: ...

    def done(self) -> None: ...
