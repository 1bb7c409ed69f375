"""A volume and two types, its moves step by step, and the ways in which they come to nothing."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from domain.aggregates.move import Move
from domain.placement import Promise
from services.commands.migration import MigrateVolume
from services.commands.move import FinishMove, PlaceMove, StartMove
from services.commands.retype import RetypeVolume
from services.commands.volume import DeleteVolume
from services.commands.volume_reset import ResetVolume
from services.commands.volume_type import CreateVolumeType
from tests.services.commands.world import World
from tests.support.builders import HOST, PROJECT, THERE, a_moment, a_pool, an_id

SILVER, ID = an_id(0xB), an_id(1)
UP = frozenset({"host1@gold", "host2@blue"})
BACK = {"reads_from": ["host1@gold"]}


async def a_world(**extra_specs: str) -> World:
    """A volume of 2 GiB at HOST, and a type SILVER."""
    world = await World().has_a_type()
    await world.run(a_silver_type(extra_specs))
    return await world.has_a_volume(in_state="available")


def a_silver_type(
    extra_specs: Mapping[str, str] = {}, *, is_public: bool = True
) -> CreateVolumeType:
    return CreateVolumeType(
        id=SILVER,
        name="silver",
        description=None,
        is_public=is_public,
        extra_specs={key.replace("__", ":"): value for key, value in extra_specs.items()},
        at=a_moment(),
    )


def retype(**changes: Any) -> RetypeVolume:
    wanted = {"id": ID, "project_id": PROJECT, "volume_type_id": SILVER, "at": a_moment()}
    return RetypeVolume(**{**wanted, **changes})


def migrate(to: str = THERE, **changes: Any) -> MigrateVolume:
    return MigrateVolume(id=ID, project_id=None, to=to, up=UP, at=a_moment(), **changes)


async def the_move(world: World) -> Move:
    log = await world.store.log(0, 1_000)
    id = [r.aggregate_id for r in log if r.event.kind == "move"][-1]
    return Move.from_history(id, await world.store.events(id))


async def place(world: World, *pools: str, **more: Any) -> PlaceMove:
    found = [a_pool(name, **more) for name in pools]
    return PlaceMove(id=(await the_move(world)).id, pools=found, at=a_moment())


async def start(world: World) -> StartMove:
    move = await the_move(world)
    return StartMove(id=move.id, host=move.target, worker="worker-1", at=a_moment())


async def finish(world: World, failure: str | None = None) -> FinishMove:
    move = await the_move(world)
    return FinishMove(id=move.id, attempt=move.attempt, failure=failure, at=a_moment())


async def promises(world: World) -> dict[str, Promise]:
    _, promised = await world.store.promises()
    return {pool: p for pool, p in promised.items() if p.gib or p.volumes}


async def typed(world: World) -> dict[str, tuple[int, int]]:
    """What is used of each type's volumes and GiB, and what is reserved."""
    usage = await world.store.usage(PROJECT)
    names = {str(SILVER): "silver", str(world.type_id): "old"}
    return {
        f"{resource.partition('_')[0]} {names[resource.partition('_')[2]]}": (u.in_use, u.reserved)
        for resource, u in usage.items()
        if "_" in resource
    }


BEFORE = {"volumes old": (1, 0), "gigabytes old": (2, 0)}
DURING = {**BEFORE, "volumes silver": (0, 1), "gigabytes silver": (0, 2)}
AFTER = {
    "volumes old": (0, 0),
    "gigabytes old": (0, 0),
    "volumes silver": (1, 0),
    "gigabytes silver": (2, 0),
}
NOT_AFTER = {**BEFORE, "volumes silver": (0, 0), "gigabytes silver": (0, 0)}


Failing = Callable[[World], Awaitable[list[str]]]


async def without_a_pool(world: World) -> list[str]:
    return await world.news(await place(world, THERE))


async def declined(world: World) -> list[str]:
    await world.run(await place(world, HOST))
    await world.run(await start(world))
    return await world.news(await finish(world, "it stays thin"))


async def by_force(world: World) -> list[str]:
    await world.run(await place(world, HOST))
    return await world.news(DeleteVolume(id=ID, project_id=PROJECT, force=True, at=a_moment()))


async def by_an_administrator(world: World) -> list[str]:
    return await world.news(ResetVolume(id=ID, project_id=None, status="available", at=a_moment()))
