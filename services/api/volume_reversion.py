"""revert: taking a volume back to its latest snapshot (api.md 3)."""

from uuid import UUID

import msgspec
from starlette.responses import Response

from services.api import microversions, rules, volume_lookup
from services.api.action import Action
from services.api.call import Call
from services.commands.reverting import RevertVolume


class Revert(msgspec.Struct, forbid_unknown_fields=True):
    """The snapshot that it is to hold what is in."""

    snapshot_id: UUID


async def revert(call: Call, wanted: Revert) -> Response:
    """Accepts the wish."""
    row = await volume_lookup.named(call)
    call.check(rules.REVERT, volume_lookup.owner(row))
    await call.application.execute(
        RevertVolume(
            id=row.id,
            project_id=call.visible_project,
            snapshot_id=wanted.snapshot_id,
            at=call.moment(),
        )
    )
    return call.empty(202)


ACTIONS = (Action("revert", Revert, revert, since=microversions.REVERT),)
