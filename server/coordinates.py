"""What the coordinates of an answer are: official, as they were delivered, or transformed, and how."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Coordinates:
    """operation: PROJ's name of it, accuracy: of it, metres; None where they are official, or not known."""

    official: bool
    operation: str | None = None
    accuracy: float | None = None
    simplified: bool = False
