"""Filters of lists: which a caller may use at which microversion, and what their values mean.

Sources: api.md 1 (filters) and 2.
"""

import ast
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from domain.errors import InvalidRequest
from projections.filters import Bound
from services.api import bodies, microversions
from services.api.call import Call

CONFIGURED: Mapping[str, tuple[str, ...]] = {
    "volume": (
        "name",
        "status",
        "metadata",
        "bootable",
        "migration_status",
        "availability_zone",
        "group_id",
        "size",
        "created_at",
        "updated_at",
        "consumes_quota",
    ),
    "snapshot": (
        "name",
        "status",
        "volume_id",
        "metadata",
        "availability_zone",
        "consumes_quota",
    ),
    "backup": ("name", "status", "volume_id"),
    "message": ("resource_uuid", "resource_type", "event_id", "request_id", "message_level"),
    "attachment": ("volume_id", "status", "instance_id", "attach_status"),
    "pool": ("name", "volume_type"),
    "volume_type": ("is_public", "extra_specs"),
}
"""Cinder's default list for what exists: the filters of callers who are not administrators."""

SINCE: Mapping[str, int] = {
    "glance_metadata": microversions.GLANCE_METADATA_FILTER,
    "group_id": microversions.GROUP_FILTER,
    "created_at": microversions.TIME_FILTERS,
    "updated_at": microversions.TIME_FILTERS,
    "consumes_quota": microversions.CONSUMES_QUOTA,
    "snapshot.metadata": microversions.SNAPSHOT_METADATA_FILTER,
}
"""Filters that are not looked at before the microversion that brought them; `<resource>.<filter>`
where it is not the same for all."""

LIKE = "~"
ALL_TENANTS = "all_tenants"
YES_OR_NO = frozenset({*bodies.YES, *bodies.NO})
TESTS = ("gt", "gte", "lt", "lte", "eq", "neq")


def given(call: Call, *, resource: str, without: frozenset[str]) -> dict[str, str]:
    """The filters in the query that count. `without` are parameters that are no filters.

    Administrators may filter by anything. For others, what is not configured is dropped below 3.31
    and refused from then on. Raises InvalidRequest.
    """
    found = {
        name: value
        for name, value in call.query.items()
        if name not in without
        and name != ALL_TENANTS
        and SINCE.get(f"{resource}.{name}", SINCE.get(name, 0)) <= call.microversion
    }
    if call.is_admin or not found:
        return found
    unknown = sorted(name for name in found if name not in CONFIGURED[resource])
    if unknown and call.has(microversions.STRICT_FILTERS):
        names = ", ".join(name[:64] for name in unknown[:16])
        raise InvalidRequest(f"Invalid filters {names} are found in query options.")
    return {name: value for name, value in found.items() if name not in unknown}


def of_all_projects(call: Call) -> bool:
    """Whether the list crosses projects: only an administrator's does, who asks for it."""
    return call.flag(ALL_TENANTS) and call.is_admin


def values(text: str, read: Callable[[str], Any]) -> list[Any]:
    """The values that a filter lets through: one, or those of a list like `["error"]`."""
    literal = _literal(text)
    if literal is None and text.strip() == "None":
        return [None]
    if isinstance(literal, list | tuple | set):
        return [None if item is None else read(_words(item)) for item in literal]
    return [read(_words(literal) if isinstance(literal, str) else text)]


def number(text: str) -> int:
    """An integer that databases can compare. Raises InvalidRequest."""
    digits = text.strip().removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) < 19:
        return int(text)
    raise InvalidRequest(f"Invalid value for a filter: {text[:64]!r} is no integer.")


def boolean(text: str) -> bool:
    """Raises InvalidRequest for what is neither true nor false."""
    word = text.strip().lower()
    if word in bodies.YES or word in bodies.NO:
        return word in bodies.YES
    raise InvalidRequest(f"Invalid value for a filter: {text[:64]!r} is not true or false.")


def pairs(text: str) -> dict[str, str]:
    """Words by words: `{'k':'v'}`. Raises InvalidRequest."""
    literal = _literal(text)
    if not isinstance(literal, dict):
        raise InvalidRequest(f"Invalid value for a filter: {text[:64]!r} is no dictionary.")
    return {_words(key): _words(value) for key, value in literal.items()}


def times(name: str, text: str) -> list[Bound]:
    """`gt:2026-01-01T00:00:00,lt:…`: all must hold; without a test the time must be equal.

    Raises InvalidRequest.
    """
    bounds = []
    for condition in text.split(","):
        test, mark, time = condition.strip().partition(":")
        if not mark or test not in TESTS:
            test, time = "eq", condition.strip()
        bounds.append(Bound(cast(Any, name), cast(Any, test), _time(time)))
    return bounds


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest(f"Invalid time in a filter: {text[:64]!r}.") from None


def _words(part: Any) -> str:
    """Part of a literal as text, whose escapes can write what is none. Raises InvalidRequest."""
    text = str(part)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest("A filter contains half a surrogate pair.") from None
    if "\0" in text:
        raise InvalidRequest("A filter contains a NUL character.")
    return text


def _literal(text: str) -> Any:
    """What the text means in Python; None where it means nothing."""
    if text[:1] not in "[({'\"":
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
