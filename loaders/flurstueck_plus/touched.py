"""Which parcels are joined anew: those that changed, and those in the boxes of what changed around them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection, sql

COLLECTION = "flurstueck_plus"
PARCELS, ADDRESSES, BUILDINGS, VALUES = "flurstueck", "adresse", "gebaeude_bauwerk", "bodenrichtwert"
HEIGHTS = ("gebaeude_3d", "gebaeude_3d_lod1")

NOW = """
select j.source, c.version, c.delivery, c.published, d.digest
from provenance.joined j left join provenance.collection c on c.collection = j.source
left join provenance.delivery d on d.id = c.delivery
where j.collection = %(collection)s order by j.source
"""
BEFORE = """
select m.source, m.version, m.made_of, d.finished, d.digest
from provenance.made_of m left join provenance.delivery d on d.id = m.made_of
where m.delivery = %(joined)s order by m.source
"""
LAST = """
select id, loader from provenance.delivery where dataset = %(collection)s and status <> 'refused'
order by id desc limit 1
"""
# what a delivery, or a rollback, brought and took away; the clock of another machine may have been behind
CHANGED = """
select l.{column} from geobasis.{source} l where {chosen} and l.fid in (
  select fid from geobasis.{source} where delivery > %(delivery)s
  union select b.fid from provenance.restored r join geobasis.{source} b on b.id = r.id and b.delivery = r.delivery
  where r.collection = %(source)s and r.rollback > %(delivery)s)
union all
select l.{column} from history.{source} l
where {chosen} and l.valid_to > %(published)s::timestamptz - interval '1 day' and l.ended_by > %(delivery)s
"""
BOXES = "create temp table changed (geom geometry)"
AROUND = "insert into changed select ST_Envelope(geom) from ({changes}) c"
# a building of the cadastre has the identifier of its model, and an ending
OF_BUILDINGS = """
insert into changed select ST_Envelope(b.geom) from (select distinct id from ({changes}) c) m
join geobasis.gebaeude_bauwerk b on b.oi >= m.id and b.oi < m.id || '~'
"""
TOUCHED = """
create temp table touched as
select p.id from changed c join geobasis.flurstueck p on p.geom && c.geom union select id from ({changes}) c
"""
YEAR = "select max(jahr) from geobasis.bodenrichtwert"
YEAR_BEFORE = "select max(bodenrichtwert_jahr) from geobasis.flurstueck_plus"


@dataclass(frozen=True)
class State:
    """Of a source: its version, the delivery that made it, since when, that one's digest; None where none is loaded."""

    version: int | None = None
    delivery: int | None = None
    published: datetime | None = None
    digest: str | None = None

    def __bool__(self) -> bool:
        return self.version is not None


States = Mapping[str, State]


@dataclass(frozen=True)
class Sources:
    """What is live, what was joined last, by which loader, and the newest year of land values."""

    now: States
    before: States
    loader: str | None
    year: str | None
    year_before: str | None

    @property
    def changed(self) -> list[str]:
        """Those with another version than was joined."""
        return [name for name, state in self.now.items() if state.version != self.before.get(name, State()).version]

    def whole(self, loader: str) -> bool:
        """Whether all parcels are joined anew: what is said of a parcel by what is not there has changed."""
        came = [bool(self.now[n]) != bool(self.before.get(n)) for n in (PARCELS, ADDRESSES, BUILDINGS, VALUES)]
        return self.loader != loader or any(came) or self.year != self.year_before


def read_sources(connection: Connection[Any]) -> Sources:
    """As they are now; whoever asks keeps others from publishing meanwhile."""
    values: dict[str, Any] = {"collection": COLLECTION}
    now = {name: State(*rest) for name, *rest in connection.execute(NOW, values).fetchall()}
    joined, loader = connection.execute(LAST, values).fetchone() or (None, None)
    rows = connection.execute(BEFORE, {"joined": joined}).fetchall()
    before = {name: State(*rest) for name, *rest in rows}
    year, year_before = (connection.execute(query).fetchone() or (None,) for query in (YEAR, YEAR_BEFORE))
    return Sources(now, before, loader, year[0], year_before[0])


def find_touched(connection: Connection[Any], sources: Sources) -> int:
    """Ids of parcels, also of such that are gone, into the temporary table `touched`; how many."""
    connection.execute(BOXES)
    for name in sources.changed:
        if name in HEIGHTS:
            _run(connection, OF_BUILDINGS, sources, name, "id")
        elif name != PARCELS:
            _run(connection, AROUND, sources, name, "geom")
    connection.execute("analyze changed")
    _run(connection, TOUCHED, sources, PARCELS, "id")
    connection.execute("create unique index on touched (id)")
    connection.execute("analyze touched")
    row = connection.execute("select count(*) from touched").fetchone()
    return row[0] if row else 0


def _run(connection: Connection[Any], text: LiteralString, sources: Sources, name: str, column: str) -> None:
    """Of land values the newest year alone concerns anybody."""
    chosen = sql.SQL("l.jahr = {}").format(sources.year) if name == VALUES else sql.SQL("true")
    names = {"source": sql.Identifier(name), "column": sql.Identifier(column), "chosen": chosen}
    query = sql.SQL(text).format(changes=sql.SQL(CHANGED).format(**names))
    before = sources.before.get(name) or State(0, 0)
    values = {"source": name, "delivery": before.delivery, "published": before.published or "-infinity"}
    connection.execute(query, values)
