"""/os-availability-zone: the zones that volumes may be asked for in (api.md 8)."""

import msgspec
from starlette.responses import Response

from services.api.call import Call
from services.api.routing import Route
from services.api.services import VOLUME_SERVICE


class ZoneState(msgspec.Struct):
    """Whether any volume service there is enabled."""

    available: bool


class Zone(msgspec.Struct, rename="camel"):
    """A zone."""

    zone_name: str
    zone_state: ZoneState


class ZoneList(msgspec.Struct):
    """GET /os-availability-zone."""

    zones: list[Zone] = msgspec.field(name="availabilityZoneInfo")


async def list_all(call: Call) -> Response:
    """Every zone, by name."""
    enabled = {
        status.zone: status.enabled
        for status in sorted(await call.application.services(), key=lambda each: each.enabled)
        if status.binary == VOLUME_SERVICE
    }
    names = sorted({*enabled, *call.application.zones()})
    return call.json(
        200, ZoneList([Zone(name, ZoneState(enabled.get(name, False))) for name in names])
    )


ROUTES = (
    Route(
        method="GET",
        path="/os-availability-zone",
        handler=list_all,
        summary="List availability zones",
        answer=ZoneList,
    ),
)
