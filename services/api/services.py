"""/os-services: what runs, and whether it is well (api.md 8)."""

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from domain.aggregates.service import VOLUME_SERVICE, ServiceName
from projections import services
from projections.services import ServiceRow
from services.api import microversions, rules
from services.api.application import ServiceStatus
from services.api.call import Call
from services.api.routing import Parameter, Route
from services.api.volume_view import time


class Service(msgspec.Struct, kw_only=True):
    """A service in Cinder's words; the last five fields only where it keeps volumes."""

    binary: str
    host: str
    zone: str
    status: str
    state: str
    updated_at: str | None
    disabled_reason: str | None
    cluster: str | UnsetType | None = UNSET
    backend_state: str | UnsetType = UNSET
    replication_status: str | UnsetType | None = UNSET
    active_backend_id: str | UnsetType | None = UNSET
    frozen: bool | UnsetType = UNSET


class ServiceList(msgspec.Struct):
    """GET /os-services."""

    services: list[Service]


async def list_all(call: Call) -> Response:
    """All of them, or those of a binary or host."""
    call.check(rules.SERVICES)
    binary, host = call.query.get("binary"), call.query.get("host")
    said = await said_of(call)
    found = [
        _shown(call, status, said.get(ServiceName(status.binary, status.host)))
        for status in await call.application.services()
        if (not binary or status.binary == binary) and (not host or _is_on(status, host))
    ]
    return call.json(200, ServiceList(found))


async def said_of(call: Call) -> dict[ServiceName, ServiceRow]:
    """What administrators said of services; one that is missing is enabled and not frozen."""
    rows = await call.application.views.read(services.every)
    return {ServiceName(row.binary, row.host): row for row in rows}


def _is_on(status: ServiceStatus, host: str) -> bool:
    """Whether it is `host`, or one of the backends there."""
    return status.host == host or status.host.startswith(f"{host}@")


def _shown(call: Call, status: ServiceStatus, said: ServiceRow | None) -> Service:
    shown = Service(
        binary=status.binary,
        host=status.host,
        zone=status.zone,
        status="disabled" if said and said.disabled else "enabled",
        state="up" if status.up else "down",
        updated_at=None if status.updated_at is None else time(status.updated_at),
        disabled_reason=said.reason if said else None,
    )
    if call.has(microversions.SERVICE_CLUSTER):
        shown.cluster = None
    if status.binary == VOLUME_SERVICE:
        shown.replication_status, shown.active_backend_id = "disabled", None
        shown.frozen = bool(said and said.frozen)
        if call.has(microversions.BACKEND_STATE):
            shown.backend_state = shown.state
    return shown


ROUTES = (
    Route(
        method="GET",
        path="/os-services",
        handler=list_all,
        summary="List services",
        query=(
            Parameter("binary", "Of this program, such as cinder-volume"),
            Parameter("host", "Of this host, or host@backend"),
        ),
        answer=ServiceList,
    ),
)
