"""gebref_schluessel.txt: names of the state, its districts and municipalities, which the older layout lacks."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from loaders.delimited import read_rows
from loaders.errors import InvalidDelivery

KEY_FIELDS = ("kind", "landschl", "regbezschl", "kreisschl", "gmdschl", "name")
KINDS = {"L": "land", "R": "regbez", "K": "kreis", "G": "gmd"}
# a level's key is that of the level above with one part more
PARTS = {"land": "landschl", "regbez": "regbezschl", "kreis": "kreisschl", "gmd": "gmdschl"}


@dataclass(frozen=True)
class Names:
    """Names by key, for each level."""

    levels: dict[str, dict[str, str]]

    def find(self, level: str, keys: pa.Array) -> pa.Array:
        """The names of a level's keys, null where there is none."""
        names = self.levels[level]
        positions = pc.index_in(keys, value_set=pa.array(names.keys(), pa.string()))
        return pa.array(names.values(), pa.string()).take(positions)


def read_names(paths: list[Path]) -> Names:
    """Read key files. Raises InvalidDelivery for a line that is not understood: it would leave rows without names."""
    levels: dict[str, dict[str, str]] = {level: {} for level in PARTS}
    for path in paths:
        for rows in read_rows(path, KEY_FIELDS):
            if rows.rejects:
                raise _not_understood(path, rows.rejects[0].line, rows.rejects[0].reason)
            for line, *values in zip(rows.lines, *(c.to_pylist() for c in rows.columns.values()), strict=True):
                kind, *parts, name = values
                if kind not in KINDS or not name:
                    raise _not_understood(path, line, f"'{rows.file}' must have a kind ({', '.join(KINDS)}) and a name")
                levels[KINDS[kind]]["".join(part or "" for part in parts)] = name
    return Names(levels)


def _not_understood(path: Path, line: int, reason: str) -> InvalidDelivery:
    return InvalidDelivery(
        "keys", f"{path.name}, line {line}: {reason}. Correct the line, or fetch the delivery again.", "adresse"
    )
