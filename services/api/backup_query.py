"""Finding backups: the one that a path names, and what lists are narrowed and sorted by."""

from uuid import UUID

from domain.errors import NotFound
from projections import backups
from projections.backups import BACKUP_LIST, BackupRow
from services.api import lists, microversions, paging, rules
from services.api.call import Call
from services.api.lookup import named_id
from services.api.policy import Owner
from services.api.routing import Parameter

PARAMETERS = (
    *paging.PARAMETERS,
    paging.COUNT,
    lists.ALL_TENANTS,
    Parameter("name", "The name"),
    Parameter("status", "The status"),
    Parameter("volume_id", "The volume that it is of"),
)

BACKUPS = lists.Listed(
    BACKUP_LIST,
    "backup",
    rules.BACKUP_GET_ALL,
    sorts={
        **dict.fromkeys(
            ("id", "status", "volume_id", "size", "created_at", "updated_at", "data_timestamp"),
            microversions.LOWEST,
        ),
        "name": microversions.BACKUP_SORT_NAME,
    },
    words=frozenset(
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
    ),
    ids=frozenset({"id", "volume_id", "snapshot_id", "parent_id"}),
    numbers=frozenset({"object_count", "size"}),
)


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
