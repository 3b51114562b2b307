"""Where the features of a whole file come from."""

from collections.abc import Iterator
from typing import Protocol

from psycopg import sql
from psycopg.rows import TupleRow


class Source(Protocol):
    """Features of one state of the data; connections speak UTC and ISO."""

    @property
    def total(self) -> int:
        """How many features there are."""
        ...

    def read(self, columns: sql.Composable) -> Iterator[TupleRow]:
        """A row per batch, see `layer.batch_query`, in the order of the spatial key; values in the binary format."""
        ...
