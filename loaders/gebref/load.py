"""Gebäudereferenzen, one row per address: 15 columns and a key file until 2022, 21 columns since 2023."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from loaders.batch import Batch, Sieve
from loaders.context import Context
from loaders.delimited import SEPARATOR, Recogniser, Rows, count_fields, read_rows
from loaders.errors import InvalidDelivery
from loaders.gebref.keys import KEY_FIELDS, PARTS, Names, read_names
from loaders.geometry import points
from loaders.manifest import Manifest
from loaders.report import Reject
from loaders.values import join_texts, parse_dates, parse_numbers, to_mask

COLLECTION = "adresse"

Layout = tuple[str, ...]

UNTIL_2022 = (
    *("nba", "oid", "qua", "landschl", "regbezschl", "kreisschl", "gmdschl", "ottschl", "strschl"),
    *("hnr", "adz", "ostwert", "nordwert", "str", "datum"),
)
LAST = "datum"
NOT_KEPT = {"oid", "zone", "ostwert", "nordwert", LAST}
QUALITIES = ("A", "B", "C")
# an easting in EPSG:4647: taken away as text, so that the rest keeps the publisher's digits
ZONE_PREFIXED = r"^32([0-9]{6}([.,]|$))"

Complete = Callable[[dict[str, pa.Array], Sieve], dict[str, pa.Array]]


def load(context: Context) -> None:
    """Stage the delivery's rows. The layout of each file is told by its number of columns."""
    source = context.manifest.collections[COLLECTION]
    addresses, keys = _classify(context, tuple(source.columns))
    for path, layout in addresses.items():
        complete = _complete_until_2022(keys) if layout is UNTIL_2022 else _complete_since_2023
        for rows in read_rows(path, layout, _recogniser(context, layout, keys)):
            batch, rejects = _sift(rows, complete, context.manifest)
            context.staging.count(COLLECTION, len(rows.lines) + len(rows.rejects) + rows.known)
            context.staging.write(COLLECTION, batch, [*map(_read_id, rows.rejects), *rejects])


def _recogniser(context: Context, layout: Layout, keys: list[Path]) -> Recogniser:
    """By all of a line but its last column, the date of the delivery; the former layout's rows depend on the keys."""
    names = [sha256(path.read_bytes()).hexdigest() for path in keys] if layout is UNTIL_2022 else []
    since = context.manifest.collections[COLLECTION].since
    staging = context.staging
    return Recogniser(
        staging.salt(context.manifest, COLLECTION, layout, names),
        partial(staging.recognise, COLLECTION),
        partial(_is_date, since),
    )


def _is_date(since: int, content: bytes) -> bool:
    """Whether the rules let it pass as a row's date; an empty one does."""
    sieve = Sieve("", np.zeros(1, np.int64), lambda _: "")
    text = content.decode("ascii", "replace") or None
    parse_dates(pa.array([text], pa.string()), LAST, since, sieve)
    return bool(sieve.good[0])


def _classify(context: Context, layout: Layout) -> tuple[dict[Path, Layout], list[Path]]:
    """The files of addresses with their layouts, the manifest's or the former one, and the key files."""
    layouts = {len(UNTIL_2022): UNTIL_2022, len(layout): layout}
    counts = {path: count_fields(path) for path in context.files.values()}
    for path, count in counts.items():
        if count not in layouts and count != len(KEY_FIELDS):
            raise InvalidDelivery(
                "columns",
                f"{path.name} has {count} columns; known are {' and '.join(map(str, layouts))} of addresses and "
                f"{len(KEY_FIELDS)} of keys, separated by ';'. If the publisher changed the layout, "
                "the loader must follow.",
                COLLECTION,
            )
    addresses = {path: layouts[count] for path, count in counts.items() if count in layouts}
    if not addresses:
        raise InvalidDelivery(
            "files", "The delivery holds no file of addresses. Give the delivery of gebref.", COLLECTION
        )
    return addresses, [path for path in counts if path not in addresses]


def _complete_since_2023(columns: dict[str, pa.Array], sieve: Sieve) -> dict[str, pa.Array]:
    zones = columns["zone"]
    sieve.refuse(
        ~to_mask(pc.equal(zones, pa.scalar("32"))),
        lambda i: f"zone is '{zones[i]}', it must be 32 (EPSG:25832)",
        "area",
    )
    return columns


def _complete_until_2022(key_files: list[Path]) -> Complete:
    """Completes rows by the names that this layout keeps in a file of their own."""
    if not key_files:
        raise InvalidDelivery(
            "files",
            "The key file gebref_schluessel.txt is missing; in the layout of 15 columns it holds the names of the "
            "districts and municipalities. Give the whole delivery, not the file of addresses alone.",
            COLLECTION,
        )
    names = read_names(key_files)

    def complete(columns: dict[str, pa.Array], sieve: Sieve) -> dict[str, pa.Array]:
        return {**columns, **_find_names(names, columns, sieve), "ott": pa.nulls(len(sieve.lines), pa.string())}

    return complete


def _find_names(names: Names, columns: dict[str, pa.Array], sieve: Sieve) -> dict[str, pa.Array]:
    found: dict[str, pa.Array] = {}
    parts: list[pa.Array] = []
    for level, part in PARTS.items():
        parts.append(columns[part])
        keys = join_texts(*parts)
        found[level] = names.find(level, keys)
        unknown = to_mask(found[level].is_null())
        sieve.refuse(unknown, partial(_describe_unknown, keys), "key")
    return found


def _describe_unknown(keys: pa.Array, index: int) -> str:
    return f"the key '{keys[index]}' is not in the key file; rows and keys must be of one delivery"


def _sift(rows: Rows, complete: Complete, manifest: Manifest) -> tuple[Batch, list[Reject]]:
    source = manifest.collections[COLLECTION]
    sieve = Sieve(rows.file, rows.lines, rows.raw, rows.prints)
    columns = complete(rows.columns, sieve)
    ids, qualities = columns["oid"], columns["qua"]
    sieve.refuse(to_mask(ids.is_null()), lambda _: "oid is empty, every address must have one", "key")
    ags = join_texts(*(columns[part] for part in PARTS.values()))
    in_state = to_mask(pc.match_substring_regex(ags, "^05[0-9]{6}$"))
    sieve.refuse(
        ~in_state,
        lambda i: f"the municipality's key is '{ags[i]}'; it must be eight digits that begin with 05",
        "key",
    )
    known = to_mask(pc.is_in(qualities, value_set=pa.array(QUALITIES)))
    sieve.refuse(~known, lambda i: f"qua is '{qualities[i]}', it must be one of {', '.join(QUALITIES)}")
    dates = parse_dates(columns["datum"], "datum", source.since, sieve)
    east = _coordinate(pc.replace_substring_regex(columns["ostwert"], ZONE_PREFIXED, r"\1"), "ostwert", sieve)
    north = _coordinate(columns["nordwert"], "nordwert", sieve)
    kept = {name: columns[name] for name in source.columns if name not in NOT_KEPT}
    geometries = points(east, north, manifest.area_of_use, sieve)
    return sieve.batch(ids, {**kept, "oi": ids, "ags": ags, "datum": dates}, geometries), sieve.rejects(ids)


def _read_id(reject: Reject) -> Reject:
    """A line that is no row may still say whose it is: the second field in all layouts."""
    fields = reject.raw.split(SEPARATOR, 2)
    return replace(reject, feature=fields[1]) if len(fields) > 1 and fields[1] else reject


def _coordinate(column: pa.Array, name: str, sieve: Sieve) -> NDArray[np.float64]:
    numbers = parse_numbers(column, name, sieve)
    sieve.refuse(to_mask(column.is_null()), lambda _: f"{name} is empty, every address must have a place")
    return numbers.to_numpy(zero_copy_only=False)
