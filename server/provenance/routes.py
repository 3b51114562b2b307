"""/collections/{collectionId}/provenance: the deliveries that made a collection what it is."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from server.exchange import open_exchange, respond_document, validators

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
    latest = deliveries[0]["id"] if deliveries else None
    marks = validators(exchange, (state.mark, latest), None)
    return respond_document(exchange, lambda: document, "provenance.html", marks=marks, collection=collection)
