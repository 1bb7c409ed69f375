"""Finding the snapshot that a path names, as far as the caller may see it."""

from uuid import UUID

from domain.errors import NotFound
from projections import snapshots
from projections.snapshots import SnapshotRow
from services.api import rules
from services.api.call import Call
from services.api.lookup import named_id
from services.api.policy import Owner


async def named(call: Call) -> SnapshotRow:
    """The snapshot of the path's `snapshot_id`. Raises NotFound if there is none, or it is another
    project's; Forbidden if it may not be seen."""
    return await by_id(call, named_id(call, "snapshot"))


async def by_id(call: Call, id: UUID) -> SnapshotRow:
    """The same of a snapshot that is named elsewhere."""
    row = await call.application.views.read(snapshots.find, id, call.visible_project)
    if row is None:
        raise NotFound(kind="snapshot", id=str(id))
    call.check(rules.SNAPSHOT_GET, owner(row))
    return row


def owner(row: SnapshotRow) -> Owner:
    """Whose it is, for policy rules."""
    return row.project_id, row.user_id
