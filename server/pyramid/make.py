"""Makes the tables that tiles are read from, or brings them up to what is live.

A few changes are made in place, level by level: a level's rows that came or went tell what the next one must make anew.
Otherwise all tables are made beside the former ones, which serve until the new ones are told of. Either way one
transaction tells: of the new state, and of the kept tiles it takes out those that lie where something changed.
"""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

from psycopg import Connection, sql
from psycopg.types.json import Jsonb

from loaders.locks import take
from loaders.progress import Progress, Quiet
from loaders.publish import CHANNEL
from loaders.session import connect, explained
from server.catalogue import Collection
from server.pyramid import base, beside, cells, coverage, tables
from server.pyramid.base import Live, OutdatedError
from server.pyramid.plan import Level, declare, relation, zooms

# From this share of changed features on everything is made anew: that is quicker, and leaves no gaps in the tables
ANEW_SHARE = 0.3
ATTEMPTS = 5

KEPT = """
select version, delivery, published, declared, base, zooms, relations from tiles.collection where collection = %s"""
TELL = """
insert into tiles.collection (collection, version, delivery, published, made, declared, base, zooms, relations)
values (%(collection)s, %(version)s, %(delivery)s, %(published)s, nextval('tiles.made'), %(declared)s, %(base)s,
  %(zooms)s, %(relations)s)
on conflict (collection) do update set version = excluded.version, delivery = excluded.delivery,
  published = excluded.published, made = excluded.made, declared = excluded.declared, base = excluded.base,
  zooms = excluded.zooms, relations = excluded.relations, refreshed = clock_timestamp()"""
FORGET = """
delete from tiles.cache c where c.collection = %(collection)s and {of_level}
  and exists (select from {changed} x where x.geom && c.area)"""


@dataclass(frozen=True)
class Made:
    """What was done. `changed`: rows of all tables that went or came."""

    collection: str
    how: Literal["nothing", "made", "amended"]
    version: int = 0
    changed: int = 0
    forgotten: int = 0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class _Kept:
    """The tables that are told of."""

    live: Live
    declared: str
    base: str
    levels: tuple[tuple[int, str], ...]


class UnequalError(Exception):
    """After the changes the tables do not hold as many features as are live: something changed beside the loaders."""


def refresh(owner_url: str, collection: Collection, progress: Progress | None = None) -> Made:
    """Bring a collection's tables to what is live. Safe to be run again and to be broken off. Raises LoadError."""
    start = time.monotonic()
    with (
        explained("pyramid"),
        closing(connect(owner_url, f"pyramid {collection.id}")) as connection,
    ):
        maker = _Maker(connection, collection, progress or Quiet())
        take(connection, f"opennrw pyramid {collection.id}", maker.progress, "the same job")
        made = maker.run()
    return Made(**{**made.to_dict(), "seconds": round(time.monotonic() - start, 3)})


def is_current(connection: Connection[Any], collection: Collection) -> bool:
    """Whether the tables are of what is live, or nothing is."""
    live, kept = base.read_live(connection, collection), _read_kept(connection, collection)
    return live is None or (kept is not None and _same(kept, live, collection))


@dataclass(frozen=True)
class _Maker:
    connection: Connection[Any]
    collection: Collection
    progress: Progress

    def run(self) -> Made:
        for _ in range(ATTEMPTS):
            tables.drop_left(self.connection, self.collection)
            live, kept = base.read_live(self.connection, self.collection), _read_kept(self.connection, self.collection)
            if live is None or (kept and _same(kept, live, self.collection)):
                return Made(self.collection.id, "nothing", live.version if live else 0)
            try:
                return self._amend(kept, live) or self._make(live)
            except OutdatedError:
                continue
            except UnequalError:
                return self._make(live)
        return Made(self.collection.id, "nothing")  # each publication asks for another run

    def _make(self, live: Live) -> Made:
        """All tables anew."""
        row = self.connection.execute("select nextval('tiles.made')").fetchone()
        number = row[0] if row else 0
        name = relation(self.collection, None, number)
        table = tables.create(self.connection, self.collection, None, name)
        base.fill(self.connection, self.collection, table, live, self.progress)
        tables.finish(self.connection, table)
        beside.fill_names(self.connection, self.collection, name)
        beside.fill_borders(self.connection, self.collection, name)
        levels, finer = [], None
        for zoom in zooms(self.collection):
            level = Level(self.collection, zoom, relation(self.collection, zoom, number))
            self.progress.step(f"level {zoom}", None)
            tables.create(self.connection, self.collection, zoom, level.relation)
            self._fill(level, finer, table)
            tables.finish(self.connection, level.table)
            beside.fill_borders(self.connection, self.collection, level.relation)
            levels.append((zoom, level.relation))
            finer = level
        kept = _Kept(live, declare(self.collection), name, tuple(levels))
        with self._telling(kept):
            forgotten = self.connection.execute(
                "delete from tiles.cache where collection = %s", [self.collection.id]
            ).rowcount
        return Made(self.collection.id, "made", live.version, live.features, forgotten)

    def _fill(self, level: Level, finer: Level | None, table: sql.Identifier) -> None:
        pyramid = self.collection.tiles.pyramid
        if pyramid and pyramid.method == "coverage":
            coverage.fill(self.connection, level, finer.table if finer else table, self.progress)
        else:
            cells.fill(self.connection, level, finer, table)

    def _amend(self, kept: _Kept | None, live: Live) -> Made | None:
        """Change the tables in place; None where they had better be made anew. Raises UnequalError, OutdatedError."""
        if kept is None or kept.declared != declare(self.collection) or kept.live.version >= live.version:
            return None
        self.progress.step("changes", None)
        affected = base.read_changes(self.connection, self.collection, kept.live, live)
        if affected > ANEW_SHARE * live.features:
            return None
        with self.connection.transaction():
            changed = self._amend_tables(kept, live)
            now = _Kept(live, kept.declared, kept.base, kept.levels)
            with self._telling(now):
                forgotten = self._forget(kept)
        for name in (kept.base, *(name for _, name in kept.levels)):
            self.connection.execute(sql.SQL("vacuum (analyze) {}").format(sql.Identifier("tiles", name)))
        return Made(self.collection.id, "amended", live.version, changed, forgotten)

    def _amend_tables(self, kept: _Kept, live: Live) -> int:
        """Within a transaction; leaves a temporary table of changes for each table. Gives their number."""
        table = sql.Identifier("tiles", kept.base)
        changed = _changed(None)
        names = {"affected": sql.Identifier("affected_base"), "fresh": sql.Identifier("fresh_base"), "changed": changed}
        tables.amend(self.connection, table, names)
        if self._count(table) != live.features:
            raise UnequalError
        number = self._count(changed)
        beside.amend_names(self.connection, self.collection, kept.base)
        beside.amend_borders(self.connection, self.collection, kept.base)
        finer = None
        for zoom, name in kept.levels:
            level = Level(self.collection, zoom, name)
            self.progress.step(f"level {zoom}", None)
            self._find_fresh(level, finer, table, changed)
            changed = _changed(zoom)
            names = {"affected": sql.Identifier("affected"), "fresh": sql.Identifier("fresh"), "changed": changed}
            self.connection.execute("create index on affected (fid)")
            self.connection.execute("create index on fresh (fid)")
            tables.amend(self.connection, level.table, names)
            self.connection.execute("drop table affected, fresh")
            number += self._count(changed)
            beside.amend_borders(self.connection, self.collection, name)
            finer = level
        return number

    def _find_fresh(self, level: Level, finer: Level | None, table: sql.Identifier, changed: sql.Identifier) -> None:
        pyramid = self.collection.tiles.pyramid
        if pyramid and pyramid.method == "coverage":
            coverage.find_fresh(self.connection, level, finer.table if finer else table, changed, self.progress)
        else:
            cells.find_fresh(self.connection, level, finer, table, changed)

    def _forget(self, kept: _Kept) -> int:
        """Take out the kept tiles that the changes touch, by level; their number."""
        numbers = [zoom for zoom, _ in kept.levels]
        others = sql.SQL("c.zoom <> all({}::smallint[])").format(sql.Literal(numbers))
        changes: list[tuple[sql.Identifier, sql.Composable]] = [(_changed(None), others)]
        changes += [(_changed(zoom), sql.SQL("c.zoom = {}").format(sql.Literal(zoom))) for zoom in numbers]
        if self.collection.tiles.names:
            changes.append((beside.CHANGED_NAMES, sql.SQL("true")))
        forgotten = 0
        for changed, of_level in changes:
            self.connection.execute(sql.SQL("create index on {} using gist (geom)").format(changed))
            self.connection.execute(sql.SQL("analyze {}").format(changed))
            statement = sql.SQL(FORGET).format(of_level=of_level, changed=changed)
            forgotten += self.connection.execute(statement, {"collection": self.collection.id}).rowcount
        return forgotten

    @contextmanager
    def _telling(self, kept: _Kept) -> Iterator[None]:
        """A transaction that tells of the tables at its end; while it runs nobody keeps tiles of the collection."""
        with self.connection.transaction():
            self.connection.execute("select pg_advisory_xact_lock(tiles.lock_of(%s))", [self.collection.id])
            yield
            live = kept.live
            values = {
                "collection": self.collection.id,
                "version": live.version,
                "delivery": live.delivery,
                "published": live.published,
                "declared": kept.declared,
                "base": kept.base,
                "zooms": [zoom for zoom, _ in kept.levels],
                "relations": [name for _, name in kept.levels],
            }
            self.connection.execute(TELL, values)
            event = Jsonb({"collection": self.collection.id, "version": live.version})
            self.connection.execute("select pg_notify(%s, %s::jsonb::text)", [CHANNEL, event])

    def _count(self, table: sql.Identifier) -> int:
        row = self.connection.execute(sql.SQL("select count(*) from {}").format(table)).fetchone()
        return row[0] if row else 0


def _changed(zoom: int | None) -> sql.Identifier:
    return sql.Identifier("changed_base" if zoom is None else f"changed_{zoom}")


def _same(kept: _Kept, live: Live, collection: Collection) -> bool:
    at = (kept.live.version, kept.live.published)
    return at == (live.version, live.published) and kept.declared == declare(collection)


def _read_kept(connection: Connection[Any], collection: Collection) -> _Kept | None:
    row = connection.execute(KEPT, [collection.id]).fetchone()
    if row is None:
        return None
    version, delivery, published, declared, name, numbers, relations = row
    levels = tuple(zip(numbers, relations, strict=True))
    return _Kept(Live(version, delivery, published, 0), declared, name, levels)
