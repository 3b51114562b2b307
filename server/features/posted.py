"""Parameters in the body of a POST, for filters that are too long for an address."""

from starlette.requests import Request

from server.errors import ContentTooLarge, InvalidParameter, UnsupportedMediaType, shorten
from server.features.params import allowed_parameters
from server.links import Link
from server.parameters import parse_query

FORM = "application/x-www-form-urlencoded"
MAX_BODY = 1_000_000  # bytes: the longest filter with each of its characters escaped
# Longer addresses are cut or refused by proxies and clients on their way
MAX_ADDRESS = 4_000


async def read_posted(request: Request) -> dict[str, str]:
    """Parameters of a form, or a filter in CQL2 JSON as the whole body (OWSLib sends it so)."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = media_type in {"application/json", "application/query-cql-json"} or media_type.endswith("+json")
    if not is_json and media_type != FORM:
        raise UnsupportedMediaType(
            f"The Content-Type '{shorten(media_type)}' is not read here. Send a form ({FORM}) with the parameters of "
            "the query string, or a filter in CQL2 JSON as application/json."
        )
    body = await _body(request)
    if is_json:
        return {"filter": _text(body), "filter-lang": "cql2-json"}
    collection = request.app.state.context.registry.collection(request.path_params["collectionId"])
    return parse_query(body, {*allowed_parameters(collection), "f", "lang"}, MAX_BODY)


async def _body(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            raise ContentTooLarge(
                f"The body has more than {MAX_BODY} bytes, which is what this service reads. Ask for less at a time."
            )
        chunks.append(chunk)
    return b"".join(chunks)


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        shown = body[:100].decode("ascii", "replace")
        raise InvalidParameter("filter", shown, "it is not UTF-8", "Send UTF-8") from None


def as_post(found: Link, posted: dict[str, str]) -> Link:
    """A link to this resource is to be followed by POST, with the same body: named as STAC API names them."""
    if found["rel"] not in {"self", "alternate", "next", "prev"}:
        return found
    return {**found, "method": "POST", "headers": {"Content-Type": FORM}, "body": posted}
