"""From the query of a list to the question put to the read model (api.md 1 and 2)."""

from typing import Annotated, Any

from msgspec import Meta

from projections import volumes
from projections.filters import Bound
from projections.volumes import VolumeQuery, VolumeRow
from services.api import filters, microversions, paging, rules
from services.api.call import Call
from services.api.routing import Parameter
from services.api.volume_view import Link

_SAME: dict[str, Any] = {
    "cluster_name": None,
    "consistencygroup_id": None,
    "replication_status": None,
    "service_uuid": None,
    "snapshot_id": None,
    "source_volid": None,
}
"""What Cinder's administrators may filter by and is the same for all volumes so far."""

_BOOLEANS = frozenset({"bootable", "consumes_quota", "encrypted", "multiattach"})
_STORED = frozenset({"multiattach"})
_NOTHING: tuple[Any, ...] = ()

_COLUMNS = frozenset(
    {
        "id",
        "project_id",
        "user_id",
        "name",
        "display_name",
        "description",
        "display_description",
        "status",
        "availability_zone",
        "volume_type_id",
        "host",
        "provider_id",
        "group_id",
        "migration_status",
        "bootable",
        "consumes_quota",
        "encrypted",
        "encryption_key_id",
        "size",
        "attach_status",
        "multiattach",
    }
)
_TIMES = frozenset({"created_at", "updated_at"})
_WORDS = _COLUMNS - _BOOLEANS - {"size"}

SORT_KEYS = frozenset(
    {
        "id",
        "name",
        "display_name",
        "description",
        "display_description",
        "status",
        "size",
        "availability_zone",
        "bootable",
        "created_at",
        "updated_at",
        "project_id",
        "user_id",
        "volume_type_id",
        "group_id",
        "host",
        "migration_status",
    }
)

ALL_TENANTS = Parameter(filters.ALL_TENANTS, "Of all projects (administrators)", bool)

_TIME = "A time, or tests of one: `gt:2026-01-01T00:00:00,lt:…` (gt, gte, lt, lte, eq, neq)"

PARAMETERS = (
    *paging.PARAMETERS,
    paging.COUNT,
    ALL_TENANTS,
    Parameter("name", 'The name, or several: `["a", "b"]`'),
    Parameter("status", 'The status, or several: `["error", "available"]`'),
    Parameter("metadata", "Pairs that all must be there: `{'k': 'v'}`"),
    Parameter("bootable", "Whether it can be booted from", bool),
    Parameter("migration_status", "None, or how its migration stands"),
    Parameter("availability_zone", "The availability zone"),
    Parameter("group_id", "The group", str, microversions.GROUP_FILTER),
    Parameter("size", "GiB", Annotated[int, Meta(ge=0, le=2**31 - 1)]),
    Parameter("created_at", _TIME, str, microversions.TIME_FILTERS),
    Parameter("updated_at", _TIME, str, microversions.TIME_FILTERS),
    Parameter("consumes_quota", "Whether it counts for quota", bool, microversions.CONSUMES_QUOTA),
)


async def page(call: Call) -> tuple[list[VolumeRow], list[Link], int | None]:
    """The rows that the query asks for, the link to the next page, and the count if wanted.

    Raises InvalidRequest, Forbidden, NotFound (marker).
    """
    call.check(rules.GET_ALL)
    part = paging.wanted(call, sort_keys=SORT_KEYS)
    query = _query(call, part)
    views = call.application.views
    rows = await views.read(volumes.page, query) if part.limit else []
    total = await views.read(volumes.count, query) if part.with_count else None
    links = paging.links(call, part, [str(row.id) for row in rows], total=total)
    return rows, [Link(**link) for link in links or []], total


def of_whole(call: Call) -> VolumeQuery:
    """Every volume of the caller's project, or of all projects. Filters are ignored."""
    return VolumeQuery(project_id=_project(call))


def _project(call: Call) -> str | None:
    return None if filters.of_all_projects(call) else call.caller.project_id


def _query(call: Call, part: paging.Page) -> VolumeQuery:
    equals: dict[str, Any] = {}
    contains: dict[str, str] = {}
    metadata: dict[str, str] = {}
    image_metadata: dict[str, str] = {}
    times: list[Bound] = []
    for name, text in filters.given(call, resource="volume", without=paging.KEYS).items():
        if name.endswith(filters.LIKE) and call.has(microversions.LIKE_FILTERS):
            _contain(contains, equals, name.removesuffix(filters.LIKE), text)
        elif name in _TIMES:
            times += filters.times(name, text)
        elif name == "metadata":
            metadata = filters.pairs(text)
        elif name == "glance_metadata":
            image_metadata = filters.pairs(text)
        else:
            key, values = _equal(call, name, text)
            equals[key] = values
    return VolumeQuery(
        project_id=_project(call),
        equals=equals,
        contains=contains,
        metadata=metadata,
        image_metadata=image_metadata,
        times=times,
        sort=part.sort,
        marker=paging.marker_id(part, kind="volume"),
        limit=part.limit,
        offset=part.offset,
    )


def _equal(call: Call, name: str, text: str) -> tuple[str, Any]:
    """A condition of the read model. What no volume has leaves none (Cinder's empty list)."""
    if name == "bootable" and call.has(microversions.STRICT_BOOTABLE):
        return name, [filters.boolean(text)]
    if name in _BOOLEANS:
        values = filters.values(text, _loose_boolean)
        if name in _STORED:  # what is neither true nor false, no volume is
            values = [value for value in values if not isinstance(value, str)]
    elif name == "size":
        values = filters.values(text, filters.number)
    else:
        values = filters.values(text, str)
    if name in _SAME:
        return ("id", _NOTHING) if _SAME[name] not in values else ("consumes_quota", [True])
    return (name, values) if name in _COLUMNS else ("id", _NOTHING)


def _contain(contains: dict[str, str], equals: dict[str, Any], name: str, text: str) -> None:
    """A substring; of what is not text there is none."""
    if name == "group_id" or name not in _WORDS:
        equals["id"] = _NOTHING
    else:
        contains[name] = text


def _loose_boolean(text: str) -> bool | str:
    word = text.strip().lower()
    if word in filters.YES_OR_NO:
        return filters.boolean(word)
    return text
