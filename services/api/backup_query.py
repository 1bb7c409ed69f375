"""From the query of a list of backups to the question put to the read model."""

from typing import Any
from uuid import UUID

from domain.errors import NotFound
from projections import backups
from projections.backups import BackupQuery, BackupRow
from services.api import filters, microversions, paging, rules
from services.api.call import Call
from services.api.lookup import as_id, named_id
from services.api.policy import Owner
from services.api.routing import Parameter
from services.api.volume_view import Link

_NOTHING: tuple[Any, ...] = ()
_IDS = frozenset({"id", "volume_id", "snapshot_id", "parent_id"})
_WORDS = frozenset(
    {
        "availability_zone",
        "container",
        "description",
        "fail_reason",
        "host",
        "name",
        "project_id",
        "status",
        "user_id",
    }
)
_NUMBERS = frozenset({"object_count", "size"})

SORT_KEYS = frozenset(
    {"id", "status", "volume_id", "size", "created_at", "updated_at", "data_timestamp"}
)

PARAMETERS = (
    *paging.PARAMETERS,
    paging.COUNT,
    Parameter(filters.ALL_TENANTS, "Of all projects (administrators)", bool),
    Parameter("name", "The name"),
    Parameter("status", "The status"),
    Parameter("volume_id", "The volume that it is of"),
)


async def page(call: Call) -> tuple[list[BackupRow], list[Link], int | None]:
    """The rows that the query asks for, the link to the next page, and the count if wanted.

    Raises InvalidRequest, Forbidden, NotFound (marker).
    """
    call.check(rules.BACKUP_GET_ALL)
    names = {"name"} if call.has(microversions.BACKUP_SORT_NAME) else set[str]()
    part = paging.wanted(call, sort_keys=SORT_KEYS | names)
    query = _query(call, part)
    views = call.application.views
    rows = await views.read(backups.page, query) if part.limit else []
    total = await views.read(backups.count, query) if part.with_count else None
    links = paging.links(call, part, [str(row.id) for row in rows], total=total)
    return rows, [Link(**link) for link in links or []], total


async def named(call: Call, rule: str) -> BackupRow:
    """The backup of the path, with which the caller may do that. Raises NotFound, Forbidden."""
    return await by_id(call, named_id(call, "backup"), rule)


async def by_id(call: Call, id: UUID, rule: str) -> BackupRow:
    """The same of a backup that is named elsewhere."""
    row = await call.application.views.read(backups.find, id, call.visible_project)
    if row is None:
        raise NotFound(kind="backup", id=str(id))
    call.check(rule, owner(row))
    return row


def owner(row: BackupRow) -> Owner:
    """Whose it is, for policy rules."""
    return row.project_id, row.user_id


def _query(call: Call, part: paging.Page) -> BackupQuery:
    equals: dict[str, Any] = {}
    contains: dict[str, str] = {}
    for name, text in filters.given(call, resource="backup", without=paging.KEYS).items():
        if name.endswith(filters.LIKE) and call.has(microversions.LIKE_FILTERS):
            column = name.removesuffix(filters.LIKE)
            if column in _WORDS:
                contains[column] = text
            else:
                equals["id"] = _NOTHING
        elif name in _IDS:
            ids = (as_id(value) for value in filters.values(text, str) if value is not None)
            equals[name] = [id for id in ids if id is not None]
        elif name in _NUMBERS:
            equals[name] = filters.values(text, filters.number)
        elif name in _WORDS:
            equals[name] = filters.values(text, str)
        else:  # what no backup has, none is found by
            equals["id"] = _NOTHING
    return BackupQuery(
        project_id=None if filters.of_all_projects(call) else call.caller.project_id,
        equals=equals,
        contains=contains,
        sort=part.sort,
        marker=paging.marker_id(part, kind="backup"),
        limit=part.limit,
        offset=part.offset,
    )
