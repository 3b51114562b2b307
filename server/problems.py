"""Errors -> problem documents (RFC 9457), as JSON or, for a browser, as a page."""

from typing import Any
from urllib.parse import parse_qsl

import orjson
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from server.catalogue import LANGUAGES
from server.errors import (
    Answer,
    ClientError,
    MethodNotAllowed,
    NotFound,
    ServiceError,
    shorten,
    to_problem,
)
from server.negotiation import HTML, PROBLEM, choose_language, parse_accept
from server.parameters import MAX_QUERY

log = structlog.get_logger()

ALLOWED_METHODS = "GET, HEAD, OPTIONS"


async def answer_service_error(request: Request, error: Exception) -> Response:
    """Answer to an error of ours."""
    if not isinstance(error, ServiceError):
        return await answer_unexpected(request, error)
    answer, problem = to_problem(error, request.url.path)
    if not isinstance(error, ClientError):
        log.warning("request failed", request_id=_request_id(request), error=error.detail, cause=repr(error.__cause__))
    headers = {"Retry-After": str(answer.retry_after)} if answer.retry_after else {}
    if answer.challenge:
        headers["WWW-Authenticate"] = answer.challenge
    headers |= error.headers
    return _respond(request, answer, problem, headers)


async def answer_http_error(request: Request, error: Exception) -> Response:
    """Answer to what the framework refuses: no such path, no such method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405:
        detail = f"The method {shorten(request.method)} is not allowed here. Use one of: {ALLOWED_METHODS}."
        answer, problem = to_problem(MethodNotAllowed(detail), request.url.path)
        return _respond(request, answer, problem, {"Allow": ALLOWED_METHODS})
    if status == 404:
        detail = f"There is nothing at '{shorten(request.url.path)}'. The resources are listed at / and in /api."
        answer, problem = to_problem(NotFound(detail), request.url.path)
        return _respond(request, answer, problem, {})
    return await answer_unexpected(request, error)


async def answer_unexpected(request: Request, error: Exception) -> Response:
    """Answer to a fault of ours: neutral for the client, whole in the log."""
    log.error("unexpected error", request_id=_request_id(request), path=request.url.path[:500], exc_info=error)
    detail = f"The service failed to answer. Tell its provider the request id {_request_id(request)}."
    answer, problem = to_problem(ServiceError(detail), request.url.path)
    return _respond(request, answer, problem, {})


def _request_id(request: Request) -> str:
    return getattr(request.state, "request_id", "unknown")


def _respond(request: Request, answer: Answer, problem: dict[str, Any], headers: dict[str, str]) -> Response:
    problem = {**problem, "request_id": _request_id(request)}
    common = {"Cache-Control": "no-store", "Vary": "Accept, Accept-Language", **headers}
    if _wants_page(request):
        page = _page(request, problem)
        return Response(page, answer.status, {"Content-Type": f"{HTML}; charset=utf-8", **common})
    return Response(orjson.dumps(problem), answer.status, {"Content-Type": PROBLEM, **common})


def _page(request: Request, problem: dict[str, Any]) -> bytes:
    """The problem as a page, in the language that the address asks for, if it asks for one."""
    query = dict(parse_qsl(request.scope["query_string"][:MAX_QUERY].decode("latin-1")))
    given = query.get("lang") in LANGUAGES
    context = request.app.state.context
    return context.pages.render(
        "problem.html",
        choose_language(query["lang"] if given else None, request.headers.get("accept-language")),
        base=context.settings.base_url or "",
        path=request.url.path,
        query={name: value for name, value in query.items() if name not in {"f", "lang"}},
        lang_given=given,
        collections=list(context.registry.collections.values()),
        problem=problem,
    )


def _wants_page(request: Request) -> bool:
    """Whether a person reads the answer: f=html, or text/html named in Accept."""
    query = request.scope["query_string"]
    if b"f=html" in query:
        return True
    accept = dict(parse_accept(request.headers.get("accept", "")))
    return b"f=" not in query and accept.get(HTML, 0) > accept.get("application/json", 0)
