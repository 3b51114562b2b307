"""What is searched for -> SQL and bound parameters. Pure."""

from collections.abc import Iterable, Sequence

from psycopg import sql

from server.catalogue import STORAGE_SRID, Collection, Found
from server.crs import Crs

CANDIDATES = 80
NEAR = 1_000  # metres: no address further off is near a point

FOLDED = b"select search.compact(geobasis.folded(%(text)s))"

ENTRY = """e.collection, e.kind, e.key::text, e.name, e.part, e.place, e.words, e.place_words, e.weight, e.features,
  {point}, array[{west}, {south}, {east}, {north}]::float8[]"""

FIND = """
select {entry}, {near} as near
from search.entry e cross join lateral (select {shape} as g) b
where e.id in ({branches})"""
BRANCH = """(select e.id from search.entry e where {condition} and {filters} order by {order} limit {most})"""
BEGINNING = "e.text like %(beginning)s"
# A name and words of its place, whichever comes first
SPLIT = "e.words like {name} and e.place_words like all({place}::text[])"
ALIKE_NAME = "e.words %% %(text)s"
ALIKE_TEXT = "%(text)s <%% e.text"

# Of each street the house with the number, or the one with the number next to it
HOUSES = """
select k.place, a.id, a.number, a.suffix, a.point, a.exact
from unnest(%(keys)s::jsonb[]) with ordinality k (key, place)
cross join lateral (
  select h.id, h.number::text, h.suffix, {point} as point,
    h.number = %(number)s and h.suffix = any(%(suffixes)s) as exact
  from (
    select t.id, t.geom, substring({number} from '^[0-9]{{1,6}}')::integer as number,
      lower(replace(concat(substring({number} from '^[0-9]*(.*)$'), {suffix}), ' ', '')) as suffix
    from {table} t where {same}
  ) h
  where h.number is not null
  order by abs(h.number - %(number)s), array_position(%(suffixes)s, h.suffix), h.suffix, h.id limit 1
) a"""

AROUND = """
select t.id, {name}, {part}, {within},
  concat({number}, {suffix}), {point}, ST_Distance(t.geom, %(point)s::geometry)
from {table} t where ST_DWithin(t.geom, %(point)s::geometry, {near})
order by t.geom <-> %(point)s::geometry limit %(limit)s"""

PARCELS = """
select t.id, {flur}::text, concat_ws('/', {counter}, {divisor}), {part}, {within}, {point},
  array[{west}, {south}, {east}, {north}]::float8[]
from {table} t cross join lateral (select {shape} as g) b
where {condition} order by {divisor} nulls first, t.id limit %(limit)s"""

WITHIN = """
select {entry} from {table} t
join search.entry e on e.collection = {collection} and e.key = jsonb_build_object({pairs})
cross join lateral (select {shape} as g) b
where ST_Covers(t.geom, %(point)s::geometry)"""


def find_text(crs: Crs, kinds: tuple[str, ...], splits: int, *, near: bool) -> bytes:
    """SQL text of the candidates that are typed rightly, the last word perhaps not to its end.

    Needs `beginning`, for each of the splits `name0` and `place0`, `collections` and, where `near`, `box`.
    """
    of_names = [
        sql.SQL(SPLIT).format(name=sql.Placeholder(f"name{number}"), place=sql.Placeholder(f"place{number}"))
        for number in range(splits)
    ]
    conditions = [sql.SQL(BEGINNING), *of_names]
    return _candidates(crs, kinds, conditions, sql.SQL("e.weight desc"), near)


def alike_text(crs: Crs, kinds: tuple[str, ...], *, single: bool, near: bool) -> bytes:
    """SQL text of the candidates that are like what was typed: a `single` word is sought among the names, several also
    among their places. Needs `text`, `collections` and, where `near`, `box`.
    """
    condition = sql.SQL(ALIKE_NAME if single else ALIKE_TEXT)
    likeness = sql.SQL("similarity(e.words, %(text)s)" if single else "word_similarity(%(text)s, e.text)")
    return _candidates(crs, kinds, [condition], sql.SQL("{} desc, e.weight desc").format(likeness), near)


def _candidates(
    crs: Crs, kinds: tuple[str, ...], conditions: Sequence[sql.Composable], order: sql.Composable, near: bool
) -> bytes:
    within = sql.SQL("(e.geom && %(box)s::geometry)" if near else "(e.id is null)")
    branches = [
        sql.SQL(BRANCH).format(
            condition=condition,
            filters=sql.SQL("e.collection = any(%(collections)s) and e.kind in ({})").format(
                sql.SQL(", ").join(map(sql.Literal, kinds))
            ),
            order=sql.SQL("{} desc, {}").format(within, order),
            most=sql.Literal(CANDIDATES),
        )
        for condition in conditions
    ]
    names = {"entry": _entry(crs), "shape": _box(crs), "near": within}
    return sql.SQL(FIND).format(branches=sql.SQL(" union ").join(branches), **names).as_bytes()


def houses_text(collection: Collection, found: Found, crs: Crs) -> bytes:
    """SQL text of the houses of streets. Needs `keys`, `number`, `suffixes`."""
    first = found.key[:1] or (found.name,)
    same = [
        sql.SQL("t.{} {} k.key->>{}").format(
            sql.Identifier(name),
            sql.SQL("=" if name in (*first, found.name) else "is not distinct from"),
            sql.Literal(name),
        )
        for name in dict.fromkeys((found.name, *found.key))
    ]
    return (
        sql.SQL(HOUSES)
        .format(
            point=_point(sql.SQL("h.geom"), collection.srid, crs),
            same=sql.SQL(" and ").join(same),
            table=sql.Identifier("geobasis", collection.id),
            **_numbers(found),
        )
        .as_bytes()
    )


def around_text(collection: Collection, found: Found, crs: Crs) -> bytes:
    """SQL text of the addresses near a point. Needs `point`, `limit`."""
    return (
        sql.SQL(AROUND)
        .format(
            name=_column(found.name),
            part=_column(found.part),
            within=_column(found.within),
            point=_point(sql.SQL("t.geom"), collection.srid, crs),
            table=sql.Identifier("geobasis", collection.id),
            near=sql.Literal(NEAR),
            **_numbers(found),
        )
        .as_bytes()
    )


def within_text(collection: Collection, found: Found, crs: Crs) -> bytes:
    """SQL text of the places of a collection that a point lies in. Needs `point`."""
    return (
        sql.SQL(WITHIN)
        .format(
            entry=_entry(crs),
            shape=_box(crs),
            pairs=_pairs(found),
            table=sql.Identifier("geobasis", collection.id),
            collection=sql.Literal(collection.id),
        )
        .as_bytes()
    )


def parcels_text(collection: Collection, found: Found, crs: Crs, condition: sql.Composable) -> bytes:
    """SQL text of the parcels that meet a condition on the table `t`. Needs `limit`."""
    _, flur, counter, divisor = map(_column, found.key)
    return (
        sql.SQL(PARCELS)
        .format(
            flur=flur,
            counter=counter,
            divisor=divisor,
            part=_column(found.part),
            within=_column(found.within),
            point=_point(sql.SQL("ST_PointOnSurface(t.geom)"), collection.srid, crs),
            shape=_transformed(sql.SQL("ST_Envelope(t.geom)"), collection.srid, crs),
            table=sql.Identifier("geobasis", collection.id),
            condition=condition,
            **_sides(crs),
        )
        .as_bytes()
    )


def _entry(crs: Crs) -> sql.Composable:
    return sql.SQL(ENTRY).format(point=_point(sql.SQL("e.geom"), STORAGE_SRID, crs), **_sides(crs))


def _sides(crs: Crs) -> dict[str, sql.Composable]:
    """Of the geometry `b.g`."""
    sides = {
        "west": sql.SQL("ST_XMin(b.g)"),
        "south": sql.SQL("ST_YMin(b.g)"),
        "east": sql.SQL("ST_XMax(b.g)"),
        "north": sql.SQL("ST_YMax(b.g)"),
    }
    rounded = sql.SQL("round({}::numeric, {})")
    return {name: rounded.format(side, sql.Literal(crs.decimals)) for name, side in sides.items()}


def _box(crs: Crs) -> sql.Composable:
    box = sql.SQL("ST_MakeEnvelope(e.bbox[1], e.bbox[2], e.bbox[3], e.bbox[4], {})").format(sql.Literal(STORAGE_SRID))
    return _transformed(box, STORAGE_SRID, crs)


def _point(geometry: sql.Composable, srid: int, crs: Crs) -> sql.Composable:
    return sql.SQL("ST_AsGeoJSON({}, {}, 0)").format(_transformed(geometry, srid, crs), sql.Literal(crs.decimals))


def _transformed(geometry: sql.Composable, srid: int, crs: Crs) -> sql.Composable:
    if crs.srid != srid:
        geometry = sql.SQL("ST_Transform({}, {})").format(geometry, sql.Literal(crs.srid))
    return sql.SQL("ST_FlipCoordinates({})").format(geometry) if crs.northing_first else geometry


def _pairs(found: Found) -> sql.Composable:
    names: Iterable[str] = dict.fromkeys((found.name, *found.key))
    return sql.SQL(", ").join(sql.SQL("{}, {}").format(sql.Literal(n), _column(n)) for n in names)


def _numbers(found: Found) -> dict[str, sql.Composable]:
    return {"number": _column(found.numbers[0]), "suffix": _column(found.numbers[1] if found.numbers[1:] else None)}


def _column(name: str | None) -> sql.Composable:
    return sql.SQL("t.{}").format(sql.Identifier(name)) if name else sql.SQL("null::text")
