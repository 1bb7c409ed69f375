"""/os-services/enable and its like: what administrators do with services (api.md 8)."""

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from domain.aggregates.service import VOLUME_SERVICE, ServiceName
from domain.errors import InvalidRequest, NotFound
from services.api import rules
from services.api.bodies import Name
from services.api.call import Call
from services.api.routing import Route
from services.api.services import said_of
from services.commands.service import DisableService, EnableService, FreezeBackend, ThawBackend


class ServiceBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which service: its host, and its binary under that or its older name."""

    host: Name
    binary: Name | UnsetType = UNSET
    service: Name | UnsetType = UNSET
    cluster: Name | None = None
    """There are no clusters."""


class ReasonBody(ServiceBody, kw_only=True, forbid_unknown_fields=True):
    """With a reason."""

    disabled_reason: Name


class BackendBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which backend: host@backend."""

    host: Name
    cluster: Name | None = None
    """There are no clusters."""


class ChangedService(msgspec.Struct, kw_only=True):
    """A service as it is from now on, with what the request called it."""

    host: str
    service: str
    binary: str
    status: str
    disabled: bool
    disabled_reason: str | UnsetType = UNSET


async def enable(call: Call) -> Response:
    """Takes a service into use again; one that is in use stays so."""
    call.check(rules.SERVICES_UPDATE)
    body = await call.body(ServiceBody)
    name = await _named(call, body)
    await call.application.execute(EnableService(name=name, at=call.moment()))
    return call.json(200, _changed(body, disabled=False))


async def disable(call: Call) -> Response:
    """Takes a service out of use: a backend gets nothing new, and keeps working on what it has."""
    call.check(rules.SERVICES_UPDATE)
    body = await call.body(ServiceBody)
    name = await _named(call, body)
    await call.application.execute(DisableService(name=name, at=call.moment()))
    return call.json(200, _changed(body, disabled=True))


async def disable_log_reason(call: Call) -> Response:
    """The same for a reason, which whoever finds no place for a volume is told."""
    call.check(rules.SERVICES_UPDATE)
    body = await call.body(ReasonBody)
    reason = body.disabled_reason.strip()
    if not reason:
        raise InvalidRequest("Invalid input for field/attribute disabled_reason: it is blank.")
    name = await _named(call, body)
    await call.application.execute(DisableService(name=name, reason=reason, at=call.moment()))
    changed = _changed(body, disabled=True)
    changed.disabled_reason = reason
    return call.json(200, changed)


async def freeze(call: Call) -> Response:
    """Nothing is made on the backend and nothing there is deleted, until it is thawed."""
    call.check(rules.SERVICES_UPDATE)
    call.check(rules.FREEZE)
    name = await _named(call, await call.body(BackendBody))
    await call.application.execute(FreezeBackend(host=name.host, at=call.moment()))
    return call.empty(200)


async def thaw(call: Call) -> Response:
    """The backend may change again."""
    call.check(rules.SERVICES_UPDATE)
    call.check(rules.THAW)
    name = await _named(call, await call.body(BackendBody))
    await call.application.execute(ThawBackend(host=name.host, at=call.moment()))
    return call.empty(200)


async def _named(call: Call, body: ServiceBody | BackendBody) -> ServiceName:
    """The service. Raises NotFound for one that never reported itself nor was ever spoken of."""
    binary = VOLUME_SERVICE if isinstance(body, BackendBody) else body.binary or body.service
    if not binary:
        raise InvalidRequest("Invalid input for the request body: binary is required.")
    if body.cluster is not None:
        raise NotFound(kind="service", id=f"{binary} of cluster {body.cluster}")
    name = ServiceName(binary, body.host)
    reported = {
        ServiceName(status.binary, status.host) for status in await call.application.services()
    }
    if name not in reported and name not in await said_of(call):
        raise NotFound(kind="service", id=f"{binary} on {body.host}")
    return name


def _changed(body: ServiceBody, *, disabled: bool) -> ChangedService:
    return ChangedService(
        host=body.host,
        service=body.service or "",
        binary=body.binary or "",
        status="disabled" if disabled else "enabled",
        disabled=disabled,
    )


ROUTES = (
    Route(
        method="PUT",
        path="/os-services/enable",
        handler=enable,
        summary="Enable a service",
        body=ServiceBody,
        answer=ChangedService,
        refuses=(409, 503),
    ),
    Route(
        method="PUT",
        path="/os-services/disable",
        handler=disable,
        summary="Disable a service",
        body=ServiceBody,
        answer=ChangedService,
        refuses=(409, 503),
    ),
    Route(
        method="PUT",
        path="/os-services/disable-log-reason",
        handler=disable_log_reason,
        summary="Disable a service, saying why",
        body=ReasonBody,
        answer=ChangedService,
        refuses=(409, 503),
    ),
    Route(
        method="PUT",
        path="/os-services/freeze",
        handler=freeze,
        summary="Freeze a backend",
        body=BackendBody,
        refuses=(409, 503),
    ),
    Route(
        method="PUT",
        path="/os-services/thaw",
        handler=thaw,
        summary="Thaw a backend",
        body=BackendBody,
        refuses=(409, 503),
    ),
)
