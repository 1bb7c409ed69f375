"""What process managers that call a driver share."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from adapters.drivers.contract import Driver, DriverFailure, SnapshotSpec, VolumeSpec
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import Volume
from services.processes.runtime import ProcessManager
from services.unit_of_work import Commands

T = TypeVar("T")


class BackendWork(ProcessManager):
    """Works for one backend, `worker` being the name under which it claims things."""

    def __init__(
        self,
        *,
        commands: Commands,
        clock: Callable[[], datetime],
        backend: str,
        driver: Driver,
        worker: str,
        timeout_s: float,
    ) -> None:
        super().__init__(commands=commands, clock=clock, backend=backend)
        self.driver = driver
        self.worker = worker
        self._timeout_s = timeout_s

    async def called(self, call: Awaitable[T], *, timeout_s: float | None = None) -> T:
        """The driver's answer. Raises DriverFailure, also when it takes too long."""
        return await answered(call, within_s=timeout_s or self._timeout_s)


async def answered(call: Awaitable[T], *, within_s: float) -> T:
    """A driver's answer. Raises DriverFailure, also when it takes too long: then another backend
    may well do better."""
    try:
        async with asyncio.timeout(within_s):
            return await call
    except TimeoutError:
        raise DriverFailure(f"the driver did not answer within {within_s:g} s", True) from None


def spec_of_volume(volume: Volume) -> VolumeSpec:
    """A volume that is on a backend."""
    return spec_of(
        volume.id, host=volume.held_by(), size_gib=volume.size_gib, project_id=volume.project_id
    )


def spec_of(id: UUID, *, host: str, size_gib: int, project_id: str) -> VolumeSpec:
    """The volume as drivers know it."""
    return VolumeSpec(id=id, size_gib=size_gib, pool=host.partition("#")[2], project_id=project_id)


def spec_of_snapshot(known: Snapshot) -> SnapshotSpec:
    """The snapshot as drivers know it."""
    return SnapshotSpec(
        id=known.id,
        volume_id=UUID(known.volume_id),
        size_gib=known.size_gib,
        pool=known.host.partition("#")[2],
        project_id=known.project_id,
    )
