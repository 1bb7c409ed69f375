"""Commands about services: what administrators take out of use, and back."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from domain.aggregates.closures import CLOSURES_ID, Closures
from domain.aggregates.service import VOLUME_SERVICE, Service, ServiceName
from domain.event import Moment
from domain.metadata import checked_name
from services.unit_of_work import UnitOfWork


class DisableService(msgspec.Struct, frozen=True, kw_only=True):
    """Takes a service out of use; a backend then gets nothing new."""

    name: ServiceName
    reason: str | None = None
    at: Moment


class EnableService(msgspec.Struct, frozen=True, kw_only=True):
    """Takes it into use again."""

    name: ServiceName
    at: Moment


class FreezeBackend(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is made on the backend (host@backend), and nothing there is deleted."""

    host: str
    at: Moment


class ThawBackend(msgspec.Struct, frozen=True, kw_only=True):
    """It may change again."""

    host: str
    at: Moment


async def disable_service(cmd: DisableService, work: UnitOfWork) -> None:
    """Raises InvalidRequest for a reason that is too long."""
    service = await work.load(Service, cmd.name.id)
    service.disable(cmd.name, checked_name(cmd.reason, field="disabled_reason"), cmd.at)
    await _commit(service, work, cmd.at)


async def enable_service(cmd: EnableService, work: UnitOfWork) -> None:
    """Also of one that is enabled."""
    service = await work.load(Service, cmd.name.id)
    service.enable(cmd.name, cmd.at)
    await _commit(service, work, cmd.at)


async def freeze_backend(cmd: FreezeBackend, work: UnitOfWork) -> None:
    """Raises InvalidRequest if it is frozen."""
    name = ServiceName(VOLUME_SERVICE, cmd.host)
    service = await work.load(Service, name.id)
    service.freeze(name, cmd.at)
    await _commit(service, work, cmd.at)


async def thaw_backend(cmd: ThawBackend, work: UnitOfWork) -> None:
    """Raises InvalidRequest if it is not frozen."""
    name = ServiceName(VOLUME_SERVICE, cmd.host)
    service = await work.load(Service, name.id)
    service.thaw(name, cmd.at)
    await _commit(service, work, cmd.at)


async def closures_of(work: UnitOfWork) -> Closures:
    """The closed backends, to decide by."""
    return await work.load(Closures, CLOSURES_ID)


async def _commit(service: Service, work: UnitOfWork, at: Moment) -> None:
    """The service, and the list of closed backends where it is one, say so in one append."""
    if service.binary != VOLUME_SERVICE or not service.pending:
        await work.commit(service)
        return
    closures = await closures_of(work)
    closures.mark(service.host, service.closure, at)
    await work.commit(service, closures)


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    DisableService: disable_service,
    EnableService: enable_service,
    FreezeBackend: freeze_backend,
    ThawBackend: thaw_backend,
}
