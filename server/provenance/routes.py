"""/collections/{collectionId}/provenance: the deliveries that made a collection what it is."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from server.exchange import Exchange, open_exchange, respond_document, validators
from server.links import link
from server.negotiation import JSON

MAX_DELIVERIES = 100

# One JSON text per delivery that touched the collection, the newest first
DELIVERIES = b"""
select json_build_object(
  'id', d.id, 'dataset', d.dataset, 'status', d.status, 'refusal', d.refusal, 'source', d.source, 'loader', d.loader,
  'started', d.started, 'finished', d.finished, 'digest', d.digest, 'rollback_of', d.rollback_of,
  'packages', d.packages,
  'files', (select coalesce(json_agg(json_build_object('name', f.name, 'url', f.url, 'size', f.size,
     'sha256', f.sha256, 'listed', f.listed, 'fetched', f.fetched) order by f.name), '[]')
     from provenance.file f where f.delivery = d.id),
  'counts', (select row_to_json(l) from (select read, inserted, updated, unchanged, rejected, duplicate, deleted,
     repaired, kept, handed_over from provenance.load where delivery = d.id and collection = %(collection)s) l),
  'checks', (select coalesce(json_agg(json_build_object('rule', c.rule, 'passed', c.passed, 'detail', c.detail)
     order by c.rule), '[]') from provenance.checked c where c.delivery = d.id and c.collection = %(collection)s)
)::text::bytea
from provenance.delivery d
where d.dataset = %(dataset)s
  and (exists (select from provenance.load l where l.delivery = d.id and l.collection = %(collection)s)
    or exists (select from provenance.checked c where c.delivery = d.id and c.collection = %(collection)s))
order by d.id desc limit %(limit)s"""

# What a joined collection was last made of, source by source: of each the deliveries that changed it until then and
# were not rolled back, the newest first, with their files. They are many where a product comes in thousands of
# packages: `deliveries` are the newest of them, `numberOfDeliveries` says how many there are, as with the files.
SOURCES = b"""
with made as (
  select m.source, m.version, m.made_of, c.dataset
  from provenance.made_of m left join provenance.collection c on c.collection = m.source
  where m.delivery = (select max(m.delivery) from provenance.made_of m join provenance.delivery d on d.id = m.delivery
    where d.dataset = %(dataset)s)
)
select json_build_object('collection', made.source, 'dataset', made.dataset, 'loaded', made.version is not null,
  'version', made.version, 'delivery', made.made_of, 'numberOfDeliveries', coalesce(max(s.total), 0),
  'deliveries', coalesce(json_agg(json_build_object('id', s.id, 'finished', s.finished, 'source', s.source,
    'digest', s.digest, 'packages', s.packages, 'numberOfFiles', s.number, 'files', s.files) order by s.id desc)
    filter (where s.id is not null), '[]'))::text::bytea
from made left join lateral (
  select d.id, d.finished, d.source, d.digest, d.packages, count(*) over () as total,
    (select count(*) from provenance.file f where f.delivery = d.id) as number,
    (select coalesce(json_agg(json_build_object('name', f.name, 'url', f.url, 'size', f.size, 'sha256', f.sha256)
       order by f.name), '[]')
     from (select * from provenance.file f where f.delivery = d.id order by f.name limit %(limit)s) f) as files
  from provenance.load l join provenance.delivery d on d.id = l.delivery
  where l.collection = made.source and l.inserted + l.updated + l.deleted > 0 and d.id <= made.made_of
    and d.status = 'published' and d.rollback_of is null
    and not exists (select from provenance.delivery r where r.rollback_of = d.id and r.id <= made.made_of
      and not exists (select from provenance.delivery u where u.rollback_of = r.id and u.id <= made.made_of))
  order by d.id desc limit %(limit)s
) s on true
group by made.source, made.dataset, made.version, made.made_of order by made.source"""


async def get_provenance(request: Request) -> Response:
    """/collections/{collectionId}/provenance"""
    exchange = open_exchange(request)
    collection = exchange.collection()
    state = exchange.state(collection)
    parameters = {"collection": collection.id, "dataset": collection.dataset, "limit": MAX_DELIVERIES}
    rows = await exchange.context.database.fetch(DELIVERIES, parameters)
    deliveries = [orjson.loads(row[0]) for row in rows]
    document: dict[str, Any] = {
        "collection": collection.id,
        "title": collection.title.in_(exchange.lang),
        "version": state.version,
        "features": state.features,
        "deliveries": deliveries,
        "links": exchange.links_self(),
    }
    rows = await exchange.context.database.fetch(SOURCES, {"dataset": collection.dataset, "limit": MAX_DELIVERIES})
    if rows:
        document["sources"] = [_with_rights(exchange, orjson.loads(row[0])) for row in rows]
    latest = deliveries[0]["id"] if deliveries else None
    marks = validators(exchange, (state.mark, latest), None)
    return respond_document(exchange, lambda: document, "provenance.html", marks=marks, collection=collection)


def _with_rights(exchange: Exchange, source: dict[str, Any]) -> dict[str, Any]:
    """A source with its title, attribution and licence, and where all of its deliveries are told."""
    collection = exchange.context.registry.collections.get(source["collection"])
    if collection is None:
        return source
    rights = exchange.context.service.rights_of(collection)
    href = exchange.href("collections", collection.id, "provenance")
    return {
        **source,
        "dataset": collection.dataset,
        "title": collection.title.in_(exchange.lang),
        "attribution": rights.attribution.in_(exchange.lang),
        "license": rights.licence.url,
        "links": [link("provenance", href, JSON, collection.title.in_(exchange.lang))],
    }
