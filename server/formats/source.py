"""Where the features of a whole file come from."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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


def read_ahead(rows: Iterator[TupleRow]) -> Iterator[TupleRow]:
    """The same rows; the database makes the next one while the last one is worked on."""
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, rows, None)
        while (row := following.result()) is not None:
            following = reader.submit(next, rows, None)
            yield row
