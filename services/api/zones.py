"""/os-availability-zone: the zones that volumes may be asked for in (api.md 8)."""

import msgspec
from starlette.responses import Response

from domain.aggregates.service import VOLUME_SERVICE, ServiceName
from services.api.call import Call
from services.api.routing import Route
from services.api.services import said_of


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
    said = await said_of(call)
    enabled: dict[str, bool] = dict.fromkeys(call.application.zones(), False)
    for status in await call.application.services():
        if status.binary == VOLUME_SERVICE:
            row = said.get(ServiceName(status.binary, status.host))
            usable = row is None or not row.disabled
            enabled[status.zone] = enabled.get(status.zone, False) or usable
    zones = [Zone(name, ZoneState(usable)) for name, usable in sorted(enabled.items())]
    return call.json(200, ZoneList(zones))


ROUTES = (
    Route(
        method="GET",
        path="/os-availability-zone",
        handler=list_all,
        summary="List availability zones",
        answer=ZoneList,
    ),
)
