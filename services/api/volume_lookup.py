"""Finding the volume that a path names, as far as the caller may see it."""

from uuid import UUID

from domain.errors import NotFound
from projections import volumes
from projections.volumes import VolumeRow
from services.api import rules
from services.api.call import Call
from services.api.lookup import named_id
from services.api.policy import Owner


async def named(call: Call) -> VolumeRow:
    """The volume of the path's `volume_id`.

    Raises NotFound if there is none, and just so if it is another project's or may not be seen
    (policies.md 1: 404 before 403).
    """
    return await by_id(call, named_id(call, "volume"))


async def by_id(call: Call, id: UUID) -> VolumeRow:
    """The same of a volume that is named elsewhere."""
    row = await call.application.views.read(volumes.find, id, call.visible_project)
    if row is None or not call.allows(rules.GET, owner(row)):
        raise NotFound(kind="volume", id=str(id))
    return row


def owner(row: VolumeRow) -> Owner:
    """Whose it is, for policy rules."""
    return row.project_id, row.user_id
