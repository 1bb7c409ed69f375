"""Removing from a backend what is left there of volumes that are gone."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import structlog

from adapters.drivers.contract import Driver, DriverFailure, VolumeSpec
from domain.aggregates.volume import Volume
from domain.errors import Unavailable
from services.processes.backend_work import spec_of
from services.unit_of_work import Commands
from services.wakeup import going_on

log = structlog.get_logger()

INTERVAL_S = 3600.0
"""How long what a dead worker made too late may take up space."""

_PREFIX = "volume-"


async def keep_swept(
    commands: Commands, driver: Driver, *, backend: str, interval_s: float = INTERVAL_S
) -> None:
    """Sweeps now, which is when a worker of this backend may have died, and again and again.

    Runs until cancelled.
    """
    while going_on():
        try:
            await sweep(commands, driver, backend=backend)
        except (DriverFailure, Unavailable) as error:
            log.warning("cannot sweep", backend=backend, reason=str(error))
        await asyncio.sleep(interval_s)


async def sweep(commands: Commands, driver: Driver, *, backend: str) -> int:
    """Removes the objects of volumes that the log says are deleted; how many that were.

    A worker whose claim was superseded removes what it made after the volume was gone, unless it
    dies first; this closes that gap. Deleted is final, so that there is nothing to race with.
    Objects of volumes that the log does not know are somebody else's and stay; `lapilli verify`
    lists them. Raises DriverFailure, Unavailable.
    """
    swept = 0
    async for left in _left_behind(commands, driver, backend):
        try:
            await driver.delete_volume(left)
        except DriverFailure as failed:  # one that stays must not keep the others
            log.warning("cannot sweep", backend=backend, volume=str(left.id), reason=failed.reason)
            continue
        swept += 1
        log.warning("swept what a deleted volume left", backend=backend, volume=str(left.id))
    return swept


async def _left_behind(
    commands: Commands, driver: Driver, backend: str
) -> AsyncIterator[VolumeSpec]:
    for pool in (await driver.stats()).pools:
        for name in sorted(await driver.objects(pool.pool_name)):
            id = _volume_id(name)
            volume = None if id is None else await commands.aggregates.read(Volume, id)
            if volume is not None and volume.state == "deleted":
                yield spec_of(
                    volume.id,
                    host=f"{backend}#{pool.pool_name}",
                    size_gib=volume.size_gib,
                    project_id=volume.project_id,
                )


def _volume_id(object_name: str) -> UUID | None:
    if not object_name.startswith(_PREFIX):
        return None
    try:
        return UUID(object_name.removeprefix(_PREFIX))
    except ValueError:
        return None
