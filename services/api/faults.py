"""How errors are answered: the one table from error to HTTP code, and the envelope (api.md 1)."""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
import structlog

from domain import errors

log = structlog.get_logger(__name__)

CODES: Mapping[type[errors.LapilliError], int] = {
    errors.NotFound: 404,
    errors.InvalidRequest: 400,
    errors.LimitBelowUsage: 400,
    errors.NotAllowed: 400,
    errors.Forbidden: 403,
    errors.OverQuota: 413,
    errors.Conflict: 409,
    errors.AlreadyExists: 409,
    errors.InUse: 400,
    errors.OutOfStep: 409,
    errors.BackendFailed: 500,
    errors.OverCommitted: 409,
    errors.Superseded: 409,
    errors.Unavailable: 503,
}

NAMES: Mapping[int, str] = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    501: "notImplemented",
    503: "serviceUnavailable",
}
OTHERS = "computeFault"
"""The name in the envelope of codes that have none of their own."""

UNEXPECTED = "The server has either erred or is incapable of performing the requested operation."


class Fault(Exception):
    """A refusal that HTTP alone is about: how a request was put, not what it wants."""

    def __init__(
        self, code: int, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        self.code, self.message = code, message
        self.headers = dict(headers or {})
        super().__init__(message)


class Rendered(msgspec.Struct, frozen=True):
    """An error as it goes out."""

    code: int
    body: bytes
    headers: dict[str, str]


def rendered(error: Exception, *, request_id: str) -> Rendered:
    """The answer to an error. What nobody foresaw is logged, and its text kept from clients."""
    if isinstance(error, Fault):
        return _envelope(error.code, error.message, error.headers)
    # adapters have kinds of their own of what is unavailable or not found
    code = next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), None)
    if code is None:
        log.error("request failed", request_id=request_id, exc_info=error)
        return _envelope(500, UNEXPECTED, {})
    return _envelope(code, str(error), {})


def name(code: int) -> str:
    """What the envelope is called."""
    return NAMES.get(code, OTHERS)


def _envelope(code: int, message: str, headers: dict[str, str]) -> Rendered:
    inner: dict[str, int | str] = {"code": code, "message": message or HTTPStatus(code).phrase}
    if code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        inner["retryAfter"] = "0"
        headers = {"Retry-After": "0", **headers}
    try:
        body = msgspec.json.encode({name(code): inner})
    except UnicodeEncodeError:
        inner["message"] = message.encode("ascii", "backslashreplace").decode()
        body = msgspec.json.encode({name(code): inner})
    return Rendered(code, body, headers)
