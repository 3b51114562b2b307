"""What an invented delivery is made from: the same options always give the same bytes."""

import datetime as dt
from dataclasses import dataclass

MAX_ADDRESSES = 5_000_000
MIN_ADDRESSES = 500


@dataclass(frozen=True)
class ExampleOptions:
    """`changes` is the share of addresses that differ from the delivery with changes=0 of the same seed."""

    addresses: int = 20_000
    seed: int = 1
    date: dt.date = dt.date(2026, 7, 1)
    changes: float = 0.0

    def __post_init__(self) -> None:
        if not MIN_ADDRESSES <= self.addresses <= MAX_ADDRESSES:
            raise ValueError(
                f"addresses={self.addresses}: the example region holds {MIN_ADDRESSES} to {MAX_ADDRESSES} addresses; "
                "choose a number between them"
            )
        if self.seed < 0:
            raise ValueError(f"seed={self.seed}: a seed is 0 or more; choose another number")
        if not 0 <= self.changes <= 0.5:
            raise ValueError(
                f"changes={self.changes}: the changed share lies between 0 and 0.5; 0.01 changes one per cent"
            )
