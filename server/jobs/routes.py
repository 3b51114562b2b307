"""/admin: what the staff may see. JSON only, read only, with the bearer token OPENNRW_ADMIN_TOKEN; never public."""

import hmac
from collections.abc import Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from server.errors import InvalidParameter, NotFound, Unauthorized, shorten
from server.exchange import Exchange, open_exchange
from server.jobs.listing import DELIVERIES, JOBS, REPORT, STATES, job_filter
from server.links import Link, link
from server.negotiation import JSON

FORMATS = {"json": JSON}
HEADERS = {"Content-Type": JSON, "Cache-Control": "no-store", "Vary": "Authorization"}
DEFAULT_LIMIT, MAX_LIMIT, MAX_ID = 50, 1000, 2**63 - 1
DELIVERY_STATES = ("published", "unchanged", "refused")


async def get_jobs(request: Request) -> Response:
    """/admin/jobs"""
    return await _list(request, JOBS, "jobs", STATES)


async def get_deliveries(request: Request) -> Response:
    """/admin/deliveries"""
    return await _list(request, DELIVERIES, "deliveries", DELIVERY_STATES)


async def get_job(request: Request) -> Response:
    """/admin/jobs/{jobId}"""
    exchange = _open(request, ())
    given = request.path_params["jobId"]
    job_id = int(given) if given.isascii() and given.isdecimal() and len(given) < 19 else 0
    database = exchange.context.database
    row = await database.fetch_one(JOBS.encode(), job_filter(id=job_id))
    if row is None:
        raise NotFound(
            f"There is no job '{shorten(given)}'. Jobs are kept for 30 days after their end: see /admin/jobs."
        )
    report = await database.fetch_one(REPORT.encode(), {"id": job_id})
    report = orjson.loads(report[0]) if report and report[0] else None
    return _respond({**orjson.loads(row[0]), "report": report, "links": exchange.links_self()})


def require_token(request: Request) -> None:
    """Raises NotFound where the service has no token, as if there were nothing; Unauthorized for another one."""
    token = request.app.state.context.settings.admin_token
    if token is None:
        raise NotFound(f"There is nothing at '{shorten(request.url.path)}'. The resources are listed at / and in /api.")
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        raise Unauthorized("This needs the service's token: send 'Authorization: Bearer <token>'.")


def _open(request: Request, allowed: Sequence[str]) -> Exchange:
    require_token(request)
    return open_exchange(request, FORMATS, allowed)


async def _list(request: Request, query: str, name: str, states: Sequence[str]) -> Response:
    """Newest first; `next` leads on from the last id."""
    exchange = _open(request, ("limit", "before", "status", "dataset"))
    limit = _number(exchange, "limit", DEFAULT_LIMIT, MAX_LIMIT) or DEFAULT_LIMIT
    status = exchange.parameters.get("status")
    if status is not None and status not in states:
        raise InvalidParameter("status", status, f"it is one of {', '.join(states)}", "Leave it out for all")
    wanted = {
        "limit": limit + 1,
        "before": _number(exchange, "before", None, MAX_ID),
        "status": status,
        "dataset": exchange.parameters.get("dataset"),
    }
    rows = await exchange.context.database.fetch(query.encode(), job_filter(**wanted))
    found = [orjson.loads(row[0]) for row in rows[:limit]]
    links: list[Link] = exchange.links_self()
    if len(rows) > limit:
        links.append(link("next", exchange.href_self(before=str(found[-1]["id"])), JSON, "older ones"))
    return _respond({name: found, "links": links})


def _number(exchange: Exchange, name: str, default: int | None, largest: int) -> int | None:
    given = exchange.parameters.get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdecimal() and len(given) < 20 and 1 <= int(given) <= largest):
        raise InvalidParameter(name, given, f"it is a whole number from 1 to {largest}", "Correct it or leave it out")
    return int(given)


def _respond(document: dict[str, Any]) -> Response:
    return Response(orjson.dumps(document), headers=HEADERS)
