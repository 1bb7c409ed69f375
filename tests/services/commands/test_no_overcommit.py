"""Placements at the same time, by several schedulers, never promise more than there is."""

import asyncio
from uuid import UUID

import pytest

from adapters import database
from adapters.event_store.memory import MemoryEventStore
from adapters.event_store.port import EventStore
from adapters.event_store.sql import SqlEventStore
from domain.aggregates import volume
from domain.errors import Conflict
from domain.placement import Promise
from services.commands import HANDLERS
from services.commands.volume import DeleteVolume, FinishDeletion, PlaceVolume, StartDeletion
from services.unit_of_work import Commands
from tests.services.commands.world import World
from tests.support.builders import a_moment, a_pool, an_id

LIMITS = {"volumes": -1, "gigabytes": -1}
VOLUMES, ROOM = 500, 400
POOLS = [a_pool(f"h@b{n}#p", total_gib=ROOM / 4, foreign_gib=0.0) for n in range(4)]


def stores(kind: str, tmp_path, request) -> list[EventStore]:
    """Three schedulers' ways to one log."""
    if kind == "memory":
        return [MemoryEventStore(default_limits=LIMITS)] * 3
    url = (
        f"sqlite:///{tmp_path / 'log.db'}"
        if kind == "sqlite"
        else request.getfixturevalue("postgres_url")
    )
    opened = [SqlEventStore(database.engine(url), default_limits=LIMITS) for _ in range(3)]
    opened[0].create_tables()
    return list(opened)


@pytest.mark.parametrize(
    "kind", ["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
async def test_of_500_at_once_on_pools_that_fit_400_exactly_400_are_placed(kind, tmp_path, request):
    opened = stores(kind, tmp_path, request)
    world = await World(opened[0]).has_a_type()  # type: ignore[arg-type]
    await asyncio.gather(*(world.run(world.creation(n, size_gib=1)) for n in range(1, VOLUMES + 1)))
    schedulers = [Commands(store) for store in opened]

    async def place(number: int, commands: Commands) -> None:
        command = PlaceVolume(id=an_id(number), pools=POOLS, at=a_moment())
        while True:
            try:
                await commands.run(HANDLERS[PlaceVolume], command)
                return
            except Conflict:  # as the bus does, that delivers again
                await asyncio.sleep(0)

    await asyncio.gather(*(place(n, schedulers[n % 3]) for n in range(1, VOLUMES + 1)))
    log = await opened[0].log(0, 10_000)
    failed = [r.event for r in log if isinstance(r.event, volume.PlacementFailed)]
    assert sum(isinstance(r.event, volume.Placed) for r in log) == ROOM
    assert len(failed) == VOLUMES - ROOM
    assert all("1 GiB asked, 0.0 GiB left" in event.reason for event in failed)
    _, promised = await opened[-1].promises()
    assert promised == {pool.name: Promise(100, 100) for pool in POOLS}
    for store in set(opened):
        await store.close()


async def test_room_that_was_given_back_can_be_promised_at_once():
    world = await World().has_a_type()
    pool = a_pool("h@b#p", total_gib=2, foreign_gib=0.0)
    for number in (1, 2, 3):
        await world.run(world.creation(number, size_gib=2))
        await world.run(PlaceVolume(id=an_id(number), pools=[pool], at=a_moment()))
        if number == 1:
            continue
        state = (await world.volume(number)).state
        assert state == ("error" if number == 2 else "placed")
        if number == 2:
            await _delete(world, an_id(1))


async def _delete(world: World, id: UUID) -> None:
    await world.run(DeleteVolume(id=id, project_id=None, force=True, at=a_moment()))
    attempt = await world.run(StartDeletion(id=id, worker="w", at=a_moment()))
    await world.run(FinishDeletion(id=id, attempt=attempt, at=a_moment()))
