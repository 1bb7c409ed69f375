"""os-extend: making a volume larger (api.md 3)."""

import msgspec
from starlette.responses import Response

from domain.errors import NotAllowed
from services.api import microversions, rules, volume_lookup
from services.api.action import Action
from services.api.call import Call
from services.api.volume_bodies import Size
from services.commands.extension import ExtendVolume


class Extend(msgspec.Struct, forbid_unknown_fields=True):
    """The size wanted, in GiB."""

    new_size: Size


async def extend(call: Call, wanted: Extend) -> Response:
    """Accepts the wish. A volume that is attached can grow from microversion 3.42."""
    row = await volume_lookup.named(call)
    attached = row.attach_status != "detached"
    rule = rules.EXTEND_ATTACHED if attached else rules.EXTEND
    call.check(rule, volume_lookup.owner(row))
    if attached and not call.has(microversions.EXTEND_ATTACHED):
        raise NotAllowed(
            kind="volume", id=str(row.id), state=row.status, event="extend", allowed=["available"]
        )
    await call.application.execute(
        ExtendVolume(
            id=row.id,
            project_id=call.visible_project,
            new_size_gib=wanted.new_size,
            at=call.moment(),
        )
    )
    return call.empty(202)


ACTIONS = (Action("os-extend", Extend, extend),)
