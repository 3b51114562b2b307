"""Errors that a client or an operator can cause.

    ServiceError
    ├── ClientError                a 4xx problem document
    │   ├── InvalidParameter       400
    │   ├── UnknownParameter       400
    │   ├── InvalidHost            400
    │   ├── Unauthorized           401 with WWW-Authenticate
    │   ├── NotFound               404
    │   ├── MethodNotAllowed       405
    │   ├── NotAcceptable          406
    │   ├── Gone                   410
    │   ├── PreconditionFailed     412
    │   ├── ContentTooLarge        413
    │   ├── UriTooLong             414
    │   ├── UnsupportedMediaType   415
    │   ├── RangeNotSatisfiable    416 with Content-Range
    │   └── NotFitting             422: a format cannot hold the features
    ├── Unavailable                503 with Retry-After: pool exhausted, database away
    ├── Busy                       503 with Retry-After: a file is being made, or as many wait as may
    ├── NoRoom                     507: the disk for files is full
    ├── QueryTooSlow               503: the statement timeout ended the query
    └── ConfigurationError         ends the start with exit code 1

Every text names the value, the rule and the remedy. `STATUS` is the only place that maps an error to a status.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

MAX_ECHO = 200


class ServiceError(Exception):
    """Base of all errors that the service raises on purpose; `headers` go with the answer."""

    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members


class ClientError(ServiceError):
    """The request is at fault."""


class InvalidParameter(ClientError):
    """A parameter has a value that its rule does not allow."""

    def __init__(self, parameter: str, value: str, rule: str, remedy: str) -> None:
        value = shorten(value)
        super().__init__(
            f"The value '{value}' of parameter '{parameter}' is not valid: {rule}. {remedy}.",
            parameter=parameter,
            value=value,
            rule=rule,
            remedy=remedy,
        )


class UnknownParameter(ClientError):
    """A parameter that this resource does not have (Features Part 1, /req/core/query-param-unknown)."""

    def __init__(self, parameter: str, allowed: list[str]) -> None:
        parameter = shorten(parameter)
        super().__init__(
            f"The parameter '{parameter}' is not known here. Known parameters: {', '.join(allowed) or 'none'}.",
            parameter=parameter,
            rule="only the parameters of the API definition are allowed",
            remedy=f"use one of: {', '.join(allowed)}" if allowed else "send the request without parameters",
        )


class InvalidHost(ClientError):
    """A Host header that is no host name."""


class Unauthorized(ClientError):
    """The resource is for those who have the service's token."""


class NotFound(ClientError):
    """The resource does not exist."""


class MethodNotAllowed(ClientError):
    """The resource exists, the method does not."""


class NotAcceptable(ClientError):
    """No representation fits the Accept header."""


class JobNotFitting(ClientError):
    """A job is not in a state in which this can be done to it."""


class Gone(ClientError):
    """What the client refers to existed and is kept no more."""


class PreconditionFailed(ClientError):
    """The resource is no longer what the client has a part of."""


class RangeNotSatisfiable(ClientError):
    """A range that does not lie in the file; `headers` tells its size (RFC 9110, 15.5.17)."""

    def __init__(self, detail: str, size: int) -> None:
        super().__init__(detail)
        self.headers = {"Content-Range": f"bytes */{size}"}


class NotFitting(ClientError):
    """The features do not fit into a file of this format."""


class ContentTooLarge(ClientError):
    """The body of the request is longer than the service reads."""


class UnsupportedMediaType(ClientError):
    """The body of the request is in a format that the service does not read."""


class UriTooLong(ClientError):
    """The request target is longer than the service reads."""


class Unavailable(ServiceError):
    """The database does not answer now; the same request may work in a moment."""


class Busy(ServiceError):
    """Another process makes the same files now, or as many wait to be made as may."""


class NoRoom(ServiceError):
    """The disk for files is full."""


class QueryTooSlow(ServiceError):
    """The statement timeout ended the query."""


class ConfigurationError(ServiceError):
    """The configuration and the database do not fit together: the server does not start."""


@dataclass(frozen=True)
class Answer:
    """Status and title of the problem document of an error class; `challenge`: how to authenticate."""

    status: int
    title: str
    retry_after: int | None = None
    challenge: str | None = None


STATUS: dict[type[ServiceError], Answer] = {
    InvalidParameter: Answer(400, "Invalid parameter"),
    UnknownParameter: Answer(400, "Unknown parameter"),
    InvalidHost: Answer(400, "Invalid Host header"),
    Unauthorized: Answer(401, "Unauthorized", challenge='Bearer realm="admin"'),
    NotFound: Answer(404, "Not found"),
    MethodNotAllowed: Answer(405, "Method not allowed"),
    NotAcceptable: Answer(406, "Not acceptable"),
    JobNotFitting: Answer(409, "Conflict"),
    Gone: Answer(410, "Gone"),
    PreconditionFailed: Answer(412, "Precondition failed"),
    ContentTooLarge: Answer(413, "Content too large"),
    UriTooLong: Answer(414, "URI too long"),
    UnsupportedMediaType: Answer(415, "Unsupported media type"),
    RangeNotSatisfiable: Answer(416, "Range not satisfiable"),
    NotFitting: Answer(422, "Format does not fit"),
    Unavailable: Answer(503, "Service unavailable", retry_after=2),
    Busy: Answer(503, "Service busy", retry_after=30),
    NoRoom: Answer(507, "Insufficient storage"),
    QueryTooSlow: Answer(503, "Query took too long", retry_after=30),
}
UNEXPECTED = Answer(500, "Internal server error")


def shorten(value: str) -> str:
    """Make a client's value fit to be echoed: bounded, and without control characters or lone surrogates."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value[: MAX_ECHO + 1])
    return clean if len(clean) <= MAX_ECHO else clean[:MAX_ECHO] + "…"


def to_problem(error: ServiceError, instance: str) -> tuple[Answer, dict[str, Any]]:
    """Answer and members of the problem document (RFC 9457) of an error; `instance` is the request's path."""
    answer = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), UNEXPECTED)
    members = {"type": "about:blank", "title": answer.title, "status": answer.status, "detail": error.detail}
    return answer, {**members, **error.members, "instance": shorten(instance)}
