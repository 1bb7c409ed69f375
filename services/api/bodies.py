"""Request bodies: reading them within bounds, and checking them against the structs of resources.

The constraints of the structs are the only statement of the rules: they refuse requests and they
are what /openapi.json shows.
"""

import json
from collections.abc import Iterable
from functools import cache
from itertools import islice
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta
from starlette.requests import Request

from domain.errors import InvalidRequest
from services.api.faults import Fault

MAX_BYTES = 114_688
"""Cinder's osapi_max_request_body_size."""

MEDIA_TYPES = ("application/json", "application/vnd.openstack.volume+json")

ANY_KEY, MOST_KEYS = "[...]", 256
"""How msgspec calls the key of a wrong value, and how many are looked at for which it is."""

T = TypeVar("T")

Words = Annotated[str, Meta(max_length=255)]
"""A name, a description, a value."""

Key = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9\-_:. /]*$")]
Metadata = dict[Key, Words]

Name = Annotated[str, Meta(min_length=1, max_length=255)]
"""What must be called something."""

SpecKey = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9\-_:.]*$")]
Specs = dict[SpecKey, Words]
"""Extra specs, and keys of QoS specs."""

YES = ("true", "True", "TRUE", "1", "on", "On", "ON", "yes", "Yes", "YES", "y", "t")
NO = ("false", "False", "FALSE", "0", "off", "Off", "OFF", "no", "No", "NO", "n", "f")
Flag = (
    bool
    | Literal["true", "True", "TRUE", "1", "on", "On", "ON", "yes", "Yes", "YES", "y", "t"]
    | Literal["false", "False", "FALSE", "0", "off", "Off", "OFF", "no", "No", "NO", "n", "f"]
)
"""A boolean in a body, with the spellings that Cinder takes."""


class MetadataBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST and PUT …/metadata."""

    metadata: Metadata


class MetaBody(msgspec.Struct, forbid_unknown_fields=True):
    """PUT …/metadata/{key}."""

    meta: Annotated[Metadata, Meta(min_length=1, max_length=1)]


def is_yes(flag: bool | str | None) -> bool:
    """The meaning of a `Flag`; null is no."""
    return flag in YES if isinstance(flag, str) else bool(flag)


async def read(request: Request) -> bytes:
    """The body. Raises Fault: 413 once it is known to be too long, 415 for what is not JSON."""
    announced = request.headers.get("content-length")
    if announced is not None and announced.isdigit() and int(announced) > MAX_BYTES:
        raise _too_long()
    chunks, length = [], 0
    async for chunk in request.stream():
        length += len(chunk)
        if length > MAX_BYTES:
            raise _too_long()
        chunks.append(chunk)
    _check_media_type(request.headers.get("content-type"), length)
    return b"".join(chunks)


def decoded(body: bytes, kind: type[T], *, strict: Iterable[str] = ()) -> T:
    """The body as a struct. Members of the objects named in `strict` must all be known ones.

    Raises InvalidRequest for what is not JSON, is ambiguous, or breaks a constraint.
    """
    return converted(_parsed(body), kind, strict=strict)


def converted(raw: Any, kind: type[T], *, strict: Iterable[str] = ()) -> T:
    """The same for what is parsed already. Raises InvalidRequest."""
    for name in strict:
        _refuse_unknown(raw, name, kind)
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as failure:
        raise InvalidRequest(_sentence(_with_key(str(failure), raw, kind), raw)) from None


def _parsed(body: bytes) -> Any:
    try:
        raw = msgspec.json.decode(body)
        json.loads(body, object_pairs_hook=_refuse_twice)
    except RecursionError:
        raise InvalidRequest("Malformed request body: it is nested too deeply.") from None
    except msgspec.MsgspecError as failure:
        raise InvalidRequest(f"Malformed request body: {failure}.") from None
    except (UnicodeError, ValueError):
        raise InvalidRequest("Malformed request body: it is not JSON in UTF-8.") from None
    return raw


def _refuse_twice(pairs: list[tuple[str, Any]]) -> None:
    """Neither msgspec nor json minds a key given twice, of which the last would win."""
    if len(pairs) > 1 and len({key for key, _ in pairs}) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InvalidRequest(f"Malformed request body: {twice[:64]!r} is given more than once.")


def _refuse_unknown(raw: Any, name: str, kind: type) -> None:
    inner = raw.get(name) if isinstance(raw, dict) else None
    if not isinstance(inner, dict):
        return
    known = _known(kind, name)
    unknown = sorted(key for key in inner if key not in known)
    if unknown:
        names = ", ".join(repr(key[:64]) for key in unknown[:8])
        raise InvalidRequest(
            f"Invalid input for field/attribute {name}. Additional properties are not allowed"
            f" ({names} unexpected)."
        )


@cache
def _known(kind: type, name: str) -> frozenset[str]:
    """The fields that may be given inside field `name` of a body."""
    struct = next(f.type for f in msgspec.structs.fields(kind) if f.encode_name == name)
    return frozenset(field.encode_name for field in msgspec.structs.fields(struct))


def _with_key(failure: str, raw: Any, kind: Any) -> str:
    """The failure with the key for which msgspec writes `[...]`: that which fails alone, too."""
    before, where, after = failure.partition(ANY_KEY)
    steps = before.partition(" - at `$.")[2].split(".")
    held = raw
    for step in steps:
        held = held.get(step) if isinstance(held, dict) else None
    if not where or not isinstance(held, dict):
        return failure
    for key in islice(held, MOST_KEYS):
        alone: Any = {key: held[key]}
        for step in reversed(steps):
            alone = {step: alone}
        try:
            msgspec.convert(alone, kind)
        except msgspec.ValidationError as again:
            if str(again) == failure:
                return f"{before}.{key[:64]}{after}"
    return failure


def _sentence(failure: str, raw: Any) -> str:
    """msgspec's "reason - at `$.volume.size`", in the form that Cinder gives it."""
    reason, at, path = failure.partition(" - at `$.")
    if not at:
        return f"Invalid input for the request body: {failure}."
    path = path.rstrip("`")
    value = raw
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    shown = "" if value is None else f" Value: {_shown(value)}."
    return f"Invalid input for field/attribute {path}.{shown} {reason}."


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 64 else f"{text[:64]}…"


def _check_media_type(header: str | None, length: int) -> None:
    if header is None or not length:
        return
    media_type = header.partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise Fault(415, f"Unsupported Content-Type {media_type[:64]}; it must be JSON.")


def _too_long() -> Fault:
    return Fault(
        413, f"Request is too large: at most {MAX_BYTES} bytes.", headers={"Connection": "close"}
    )
