"""Answers out of the database."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
from psycopg import sql
from psycopg.rows import TupleRow

from server.catalogue import Collection, Found
from server.crs import ETRS89_UTM32
from server.database import Database
from server.ewkb import to_ewkb
from server.parcels import parcel_condition
from server.search.found import Hit, told_apart
from server.search.params import House, Wanted
from server.search.query import FOLDED, alike_text, around_text, find_text, houses_text, parcels_text, within_text
from server.search.ranking import LEAST, Words, score, take_apart

SECONDS = 5
SHORT = 3  # characters: fewer are a beginning, and no likeness is sought
GOOD = 0.7  # an answer so good is what was meant: none that is only like it is sought
MAX_SPLITS = 8
IN_BOX = 0.1  # so much better is what lies in the preferred box
PLACE_OF_HOUSE = 0.7  # and a place, where a house was asked for
OTHER_NUMBER = 0.9  # so much of its score keeps a house with another number than was asked for


async def search(database: Database, wanted: Wanted) -> list[Hit]:
    """The best answers to a text. Raises as `Database.fetch` does."""
    parcels = await _parcels(database, wanted)
    if parcels and wanted.parcel and wanted.parcel.mark:
        return parcels
    return [*parcels, *(await _named(database, wanted))][: wanted.limit]


async def _named(database: Database, wanted: Wanted) -> list[Hit]:
    row = await database.fetch_one(FOLDED, {"text": wanted.text})
    kinds = frozenset(word for _, found in wanted.found for word in found.words)
    words = take_apart((row[0] or b"").decode() if row else "", kinds)
    if not words.words:
        return []
    hits = await _find(database, wanted, words)
    streets = [hit for hit in hits if hit.kind == "street"][: wanted.limit]
    houses = await _houses(database, wanted, streets) if wanted.house and "address" in wanted.kinds else {}
    found = [houses.get(hit.id, hit) for hit in hits]
    found = [hit for hit in found if hit.kind in wanted.kinds]
    return told_apart(sorted(found, key=lambda hit: -hit.score)[: wanted.limit])


async def _find(database: Database, wanted: Wanted, words: Words) -> list[Hit]:
    """Names that fit, the best first. To seek likeness takes longer, so it is done where nothing fits well."""
    kinds = ["street"] if {"street", "address"} & set(wanted.kinds) else []
    kinds += ["place"] if "place" in wanted.kinds else []
    short = len(words.text) < SHORT
    if not kinds:
        return []
    if len(words.text) < 2 and "place" in kinds:
        kinds = ["place"]
    given: dict[str, Any] = {"collections": _array(sorted({collection.id for collection, _ in wanted.found}))}
    near = wanted.box is not None
    if wanted.box:
        given["box"] = to_ewkb(wanted.box, ETRS89_UTM32.srid)
    splits = _splits(words.words)
    typed = {**given, "beginning": f"{words.text}%"}  # folded: without any % or _
    for number, (name, place) in enumerate(splits):
        typed |= {f"name{number}": f"{name}%", f"place{number}": _array([f"%{word}%" for word in place])}
    text = find_text(wanted.crs, tuple(kinds), len(splits), near=near)
    hits = _ranked(wanted, words, await database.fetch(text, typed, plan_by_values=True, seconds=SECONDS))
    if short or (hits and hits[0].score >= GOOD):
        return hits
    text = alike_text(wanted.crs, tuple(kinds), single=len(words.words) == 1, near=near)
    given["text"] = words.text
    rows = await database.fetch(text, given, plan_by_values=True, seconds=SECONDS)
    known = {hit.id for hit in hits}
    more = [hit for hit in _ranked(wanted, words, rows) if hit.id not in known]
    return sorted([*hits, *more], key=_order)


def _splits(words: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """Each way to read some words as a name before or behind those of its place; a name has two letters or more."""
    found = []
    for cut in range(1, len(words)):
        found += [(" ".join(words[:cut]), words[cut:]), (" ".join(words[cut:]), words[:cut])]
    return [(name, place) for name, place in found if len(name) > 1][:MAX_SPLITS]


def _order(hit: Hit) -> tuple[float, int, str]:
    return -hit.score, -hit.features, hit.id


def _ranked(wanted: Wanted, words: Words, rows: list[TupleRow]) -> list[Hit]:
    declared = {(collection.id, found.kind, found.name): (collection, found) for collection, found in wanted.found}
    hits = []
    for row in rows:
        key = orjson.loads(row[2])
        matching = [d for (name, kind, prop), d in declared.items() if (name, kind) == _kind(row) and prop in key]
        if not matching:
            continue
        hit = _hit(*matching[0], row)
        value = score(words, tuple(_text(row[6]).split()), tuple(_text(row[7]).split()), row[8])
        value += (0.05 if words.said & set(hit.found.words) else -0.05) if words.said else 0
        value += IN_BOX if row[12] else 0
        value *= PLACE_OF_HOUSE if wanted.house and hit.kind == "place" else 1
        if value >= LEAST:
            hits.append(replace(hit, score=min(value, 1.0)))
    return sorted(hits, key=_order)


def _kind(row: TupleRow) -> tuple[str, str]:
    return row[0].decode(), row[1].decode()


def _hit(collection: Collection, found: Found, row: TupleRow) -> Hit:
    return Hit(
        kind=found.kind,
        collection=collection,
        found=found,
        name=_text(row[3]),
        around=tuple(_text(part) for part in row[4:6] if part),
        score=1.0,
        geometry=row[10],
        key=orjson.loads(row[2]),
        bbox=row[11],
        features=row[9],
    )


async def _houses(database: Database, wanted: Wanted, streets: list[Hit]) -> Mapping[str, Hit]:
    """By the id of its street, the house that was asked for or the one next to it."""
    assert wanted.house  # noqa: S101
    of_collection: dict[tuple[Collection, Found], list[Hit]] = defaultdict(list)
    for street in streets:
        if street.found.numbers and str(wanted.house.number) not in street.name.replace(".", " ").split():
            of_collection[street.collection, street.found].append(street)
    houses: dict[str, Hit] = {}
    for (collection, found), asked in of_collection.items():
        parameters = {
            "keys": _array([orjson.dumps(street.key).decode() for street in asked]),
            "number": wanted.house.number,
            "suffixes": _array(_suffixes(wanted.house)),
        }
        text = houses_text(collection, found, wanted.crs)
        for row in await database.fetch(text, parameters, plan_by_values=True, seconds=SECONDS):
            street = asked[row[0] - 1]
            houses[street.id] = replace(
                street,
                kind="address",
                feature=_text(row[1]),
                number=_text(row[2]) + _text(row[3]),
                geometry=row[4],
                exact=row[5],
                score=street.score * (1 if row[5] else OTHER_NUMBER),
                bbox=None,
            )
    return houses


def _suffixes(house: House) -> list[str]:
    """What may stand behind the number, the likeliest first: of 12-14 also plain 12 is meant."""
    return list(dict.fromkeys((house.suffix + house.rest, house.suffix)))


async def reverse(database: Database, wanted: Wanted) -> list[Hit]:
    """What is near a point: addresses by their distance, then the places that it lies in, from small to large."""
    assert wanted.point  # noqa: S101
    parameters = {"point": _to_point(wanted.point)}
    hits: list[Hit] = []
    for collection, found in wanted.found:
        if found.numbers and "address" in wanted.kinds:
            given = {**parameters, "limit": wanted.limit}
            rows = await database.fetch(
                around_text(collection, found, wanted.crs), given, plan_by_values=True, seconds=SECONDS
            )
            hits += [_near(collection, found, row) for row in rows]
    hits = sorted(hits, key=lambda hit: hit.distance or 0)[: wanted.limit]
    return [*hits, *(await _parcels(database, wanted)), *(await _places(database, wanted, parameters))]


async def _places(database: Database, wanted: Wanted, parameters: dict[str, Any]) -> list[Hit]:
    hits: list[Hit] = []
    for collection, found in wanted.found:
        if found.kind == "place" and collection.geometry.endswith("Polygon") and "place" in wanted.kinds:
            text = within_text(collection, found, wanted.crs)
            rows = await database.fetch(text, parameters, plan_by_values=True, seconds=SECONDS)
            hits += [replace(_hit(collection, found, row), distance=0.0) for row in rows]
    return told_apart(sorted(hits, key=lambda hit: -hit.found.weight))


async def _parcels(database: Database, wanted: Wanted) -> list[Hit]:
    """The parcels that a text means, or that a point lies in."""
    hits: list[Hit] = []
    for collection, found in wanted.found:
        if found.kind != "parcel" or "parcel" not in wanted.kinds:
            continue
        given: dict[str, Any] = {"limit": wanted.limit}
        if wanted.point:
            condition = sql.SQL("ST_Covers(t.geom, %(point)s::geometry)")
            given["point"] = _to_point(wanted.point)
        elif wanted.parcel:
            condition, numbers = parcel_condition(found, wanted.parcel)
            given |= numbers
        else:
            continue
        text = parcels_text(collection, found, wanted.crs, condition)
        rows = await database.fetch(text, given, plan_by_values=True, seconds=SECONDS)
        # a parcel that several collections hold is one answer
        known = {hit.feature for hit in hits}
        hits += [hit for row in rows if (hit := _parcel(collection, found, row)).feature not in known]
    return hits[: wanted.limit]


def _to_point(point: tuple[float, float]) -> str:
    return f"SRID={ETRS89_UTM32.srid};POINT({point[0]!r} {point[1]!r})"


def _parcel(collection: Collection, found: Found, row: TupleRow) -> Hit:
    around = (f"Flur {_text(row[1])}" if row[1] else "", _text(row[3]), _text(row[4]))
    return Hit(
        kind="parcel",
        collection=collection,
        found=found,
        name=f"Flurstück {_text(row[2])}",
        around=tuple(part for part in around if part),
        score=1.0,
        geometry=row[5],
        feature=_text(row[0]),
        bbox=row[6],
    )


def _near(collection: Collection, found: Found, row: TupleRow) -> Hit:
    return Hit(
        kind="address",
        collection=collection,
        found=found,
        name=_text(row[1]),
        around=tuple(_text(part) for part in row[2:4] if part),
        score=max(0.0, 1 - row[6] / 1000),
        geometry=row[5],
        feature=_text(row[0]),
        number=_text(row[4]),
        distance=row[6],
    )


def _text(value: Any) -> str:
    return str(value or b"", "utf-8") if isinstance(value, (bytes, memoryview)) else str(value or "")


def _array(texts: list[str]) -> str:
    """PostgreSQL's text of an array of texts."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"
