"""From the query of a list of snapshots to the question put to the read model (api.md 1 and 4)."""

from typing import Any

from projections import snapshots
from projections.snapshots import SnapshotQuery, SnapshotRow
from services.api import filters, microversions, paging, rules
from services.api.call import Call
from services.api.routing import Parameter
from services.api.volume_view import Link

_WORDS = frozenset(
    {
        "id",
        "project_id",
        "user_id",
        "volume_id",
        "volume_type_id",
        "name",
        "display_name",
        "description",
        "display_description",
        "status",
        "progress",
        "availability_zone",
        "provider_id",
    }
)
_NUMBERS = frozenset({"size", "volume_size"})
_SAME: dict[str, Any] = {"group_snapshot_id": None, "cgsnapshot_id": None}
"""What Cinder's administrators may filter by and is the same for all snapshots so far."""

SORT_KEYS = frozenset(
    {
        "id",
        "display_name",
        "description",
        "volume_id",
        "status",
        "size",
        "volume_size",
        "created_at",
        "updated_at",
        "project_id",
        "user_id",
    }
)

PARAMETERS = (
    *paging.PARAMETERS,
    paging.COUNT,
    Parameter(filters.ALL_TENANTS, "Of all projects (administrators)", bool),
    Parameter("name", 'The name, or several: `["a", "b"]`'),
    Parameter("status", 'The status, or several: `["error", "available"]`'),
    Parameter("volume_id", "Of this volume"),
    Parameter("availability_zone", "The availability zone of its volume"),
    Parameter(
        "metadata",
        "Pairs that all must be there: `{'k': 'v'}`",
        str,
        microversions.SNAPSHOT_METADATA_FILTER,
    ),
    Parameter("consumes_quota", "Whether it counts for quota", bool, microversions.CONSUMES_QUOTA),
)


async def page(call: Call) -> tuple[list[SnapshotRow], list[Link], int | None]:
    """The rows that the query asks for, the link to the next page, and the count if wanted.

    Raises InvalidRequest, Forbidden, NotFound (marker).
    """
    call.check(rules.SNAPSHOT_GET_ALL)
    by_name = {"name"} if call.has(microversions.SNAPSHOT_SORT_NAME) else set()
    part = paging.wanted(call, sort_keys=SORT_KEYS | by_name)
    query = _query(call, part)
    views = call.application.views
    rows = await views.read(snapshots.page, query) if part.limit else []
    total = await views.read(snapshots.count, query) if part.with_count else None
    links = paging.links(call, part, [str(row.id) for row in rows], total=total)
    return rows, [Link(**link) for link in links or []], total


def _query(call: Call, part: paging.Page) -> SnapshotQuery:
    equals: dict[str, Any] = {}
    contains: dict[str, str] = {}
    metadata: dict[str, str] = {}
    for name, text in filters.given(call, resource="snapshot", without=paging.KEYS).items():
        like = name.removesuffix(filters.LIKE)
        if name != like and call.has(microversions.LIKE_FILTERS):
            if like in _WORDS - {"id", "volume_id", "volume_type_id"}:
                contains[like] = text
            else:  # of what is not text there is no part
                equals["id"] = ()
        elif name == "metadata":
            metadata = filters.pairs(text)
        else:
            key, values = _equal(name, text)
            equals[key] = values
    return SnapshotQuery(
        project_id=None if filters.of_all_projects(call) else call.caller.project_id,
        equals=equals,
        contains=contains,
        metadata=metadata,
        sort=part.sort,
        marker=paging.marker_id(part, kind="snapshot"),
        limit=part.limit,
        offset=part.offset,
    )


def _equal(name: str, text: str) -> tuple[str, Any]:
    """A condition of the read model. What no snapshot has leaves none (Cinder's empty list)."""
    if name == "consumes_quota":
        return name, [filters.boolean(text)]
    values = filters.values(text, filters.number if name in _NUMBERS else str)
    if name in _SAME:
        return ("consumes_quota", [True]) if _SAME[name] in values else ("id", ())
    return (name, values) if name in _WORDS | _NUMBERS else ("id", ())
