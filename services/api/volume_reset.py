"""os-reset_status: an administrator says what a volume's status is (api.md 3)."""

import msgspec
from starlette.responses import Response

from services.api import rules, volume_lookup
from services.api.action import Action
from services.api.bodies import Name
from services.api.call import Call
from services.commands.volume_reset import ResetVolume


class Reset(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be true from now on."""

    status: Name


async def reset_status(call: Call, wanted: Reset) -> Response:
    """Says so, whatever it was."""
    row = await volume_lookup.named(call)
    call.check(rules.RESET_STATUS, volume_lookup.owner(row))
    await call.application.execute(
        ResetVolume(
            id=row.id,
            project_id=call.visible_project,
            status=wanted.status.lower(),
            at=call.moment(),
        )
    )
    return call.empty(202)


ACTIONS = (Action("os-reset_status", Reset, reset_status),)
