"""After its backend was away, what is attached can be reached again, or says that it cannot."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.drivers.contract import DriverFailure
from adapters.drivers.memory import Fault, MemoryDriver
from projections.runner import Runner
from projections.views import Views
from services.processes.exporting import Exporting
from services.unit_of_work import Commands
from tests.services.processes.ring import BACKEND, POOL, Ring
from tests.services.processes.test_attaching import CONNECTED, an_attached_volume
from tests.support.builders import an_id
from tests.support.read_models import read_models

OFFLINE = DriverFailure("the array is offline", True)


class Stage:
    """A volume in use, whose backend has forgotten that; and the views of the log."""

    def __init__(self, ring: Ring, directory: Path) -> None:
        self.ring = ring
        self._engine = read_models(directory)
        self._runner = Runner(self._engine, ring.store, clock=ring.clock)
        self._views = Views(self._engine)
        self.exporting = Exporting(
            commands=Commands(ring.store),
            views=self._views,
            driver=MemoryDriver(ring.backend, faults=ring.faults),
            backend=BACKEND,
            clock=ring.clock,
            new_id=uuid4,
        )

    async def started(self) -> None:
        """The backend's worker starts, and has looked once at least."""
        await self.projected()
        before = await self.ring.store.last_position()
        keeping = asyncio.create_task(self.exporting.keep_exported(interval_s=0))
        async with asyncio.timeout(30):
            while not await self._settled(before):  # noqa: ASYNC110 - it has nothing to tell
                await asyncio.sleep(0.01)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await self.projected()

    async def _settled(self, before: int) -> bool:
        await self.projected()
        volume = await self.ring.volume()
        reached = self.ring.connections == CONNECTED and volume.state == "available"
        return reached or await self.ring.store.last_position() > before

    async def projected(self) -> None:
        self._views.progressed(await self._runner.catch_up())

    async def status(self) -> str:
        return (await self.ring.volume()).status

    async def close(self) -> None:
        await self._views.close()
        self._runner.close()
        self._engine.dispose()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    ring = await an_attached_volume()
    ring.backend.pools[POOL].connected.clear()
    stage = Stage(ring, tmp_path)
    yield stage
    await stage.close()


async def test_what_is_in_use_can_be_reached_again(stage: Stage):
    before = await stage.ring.store.last_position()
    await stage.started()
    assert stage.ring.connections == CONNECTED
    assert await stage.ring.store.last_position() == before
    assert await stage.status() == "in-use"


async def test_what_cannot_be_reached_is_in_error_until_it_can(stage: Stage):
    stage.ring.faults.plan("connect_volume", Fault(failure=OFFLINE))
    await stage.started()
    volume = await stage.ring.volume()
    assert (volume.status, volume.attach_status, volume.at_rest) == ("error", "attached", True)
    await stage.started()
    assert stage.ring.connections == CONNECTED
    assert await stage.status() == "in-use"
    await stage.ring.world.assert_sound()


async def test_what_stays_away_says_so_once(stage: Stage):
    stage.ring.faults.plan("connect_volume", Fault(failure=OFFLINE), times=3)
    await stage.started()
    before = await stage.ring.store.last_position()
    for _ in range(2):
        await stage.exporting.export([an_id(1)])
    assert await stage.ring.store.last_position() == before
    await stage.exporting.export([an_id(1)])
    assert await stage.status() == "in-use"


async def test_what_could_not_be_reached_can_be_detached_and_is_then_well_again(stage: Stage):
    stage.ring.faults.plan("connect_volume", Fault(failure=OFFLINE))
    await stage.started()
    await stage.ring.detach()
    await stage.ring.go_on()
    assert (await stage.ring.volume()).attachments == {}
    await stage.started()
    assert await stage.status() == "available"
    assert stage.ring.connections == set()


async def test_what_is_detached_meanwhile_is_not_reached_again(stage: Stage):
    stale = await stage.ring.volume()
    await stage.ring.detach()
    await stage.ring.go_on()
    await stage.exporting._export(stale)
    assert stage.ring.connections == set()
