"""Pages of lists: limit, marker, offset, sorting, and the link to the next page (api.md 1)."""

from collections.abc import Collection, Sequence
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from msgspec import Meta

from domain.errors import InvalidRequest, NotFound
from projections.paging import Direction
from services.api import microversions
from services.api.call import Call
from services.api.routing import Parameter

MAX_OFFSET = 2**31 - 1

SORTING = ("sort", "sort_key", "sort_dir")
KEYS = frozenset({"limit", "marker", "offset", "with_count", *SORTING})
"""Query parameters that say which part of a list is wanted, and in which order."""

PARAMETERS = (
    Parameter("limit", "Entries on the page, at most", Annotated[int, Meta(ge=0)]),
    Parameter("marker", "Id of the last entry of the page before"),
    Parameter("offset", "Entries to skip", Annotated[int, Meta(ge=0, le=MAX_OFFSET)]),
    Parameter("sort", "`key[:direction],…`; by default created_at:desc"),
    Parameter("sort_key", "One key to sort by (use `sort`)"),
    Parameter("sort_dir", "Its direction", Direction),
)
COUNT = Parameter(
    "with_count", "Adds the number of entries on all pages", bool, microversions.WITH_COUNT
)


class Page(msgspec.Struct, frozen=True):
    """Which part of a list is wanted, and in which order."""

    limit: int
    offset: int
    marker: str | None
    sort: tuple[tuple[str, Direction], ...]
    with_count: bool


def wanted(call: Call, *, sort_keys: Collection[str]) -> Page:
    """What the query asks for. Raises InvalidRequest."""
    query = call.query
    highest = call.application.settings.api.max_limit
    return Page(
        limit=min(_number(query, "limit", highest), highest),
        offset=_number(query, "offset", 0),
        marker=query.get("marker"),
        sort=_sort(query, sort_keys),
        with_count=call.has(microversions.WITH_COUNT) and call.flag("with_count"),
    )


def marker_id(page: Page, *, kind: str) -> UUID | None:
    """The marker of things that have UUIDs. Raises NotFound for what cannot be one."""
    if page.marker is None:
        return None
    try:
        return UUID(page.marker)
    except ValueError:
        raise NotFound(kind=kind, id=page.marker[:64]) from None


def links(
    call: Call, page: Page, ids: Sequence[str], *, total: int | None = None
) -> list[dict[str, str]] | None:
    """The link to the next page, where Cinder gives one: whenever the page is full.

    With `total` it compares that instead, so the last page has a link too (Cinder's way).
    """
    if not ids or page.limit > (len(ids) if total is None else total):
        return None
    query = urlencode({**call.query, "marker": ids[-1]})
    return [{"rel": "next", "href": f"{call.base}{call.http.scope['path']}?{query}"}]


def _number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()):
        raise InvalidRequest(f"{name} must be an integer of at least 0, not {text[:64]!r}.")
    number = int(text) if len(text) < 20 else MAX_OFFSET + 1
    if name == "offset" and number > MAX_OFFSET:
        raise InvalidRequest(f"offset must be at most {MAX_OFFSET}.")
    return number


def _sort(query: dict[str, str], keys: Collection[str]) -> tuple[tuple[str, Direction], ...]:
    if "sort" in query:
        if "sort_key" in query or "sort_dir" in query:
            raise InvalidRequest("sort_key and sort_dir cannot be used together with sort.")
        pairs = [part.strip().partition(":") for part in query["sort"].split(",")]
        return tuple(_key(key, direction or "desc", keys) for key, _, direction in pairs)
    if "sort_key" in query or "sort_dir" in query:
        key = query.get("sort_key", "created_at")
        return (_key(key, query.get("sort_dir", "desc"), keys),)
    return (("created_at", "desc"),)


def _key(key: str, direction: str, keys: Collection[str]) -> tuple[str, Direction]:
    key = key.strip()
    if key not in keys:
        raise InvalidRequest(f"Invalid sort key: {key[:64]!r}.")
    match direction.strip():
        case "asc":
            return key, "asc"
        case "desc":
            return key, "desc"
    raise InvalidRequest(f"Invalid sort direction {direction[:64]!r}: it must be asc or desc.")
