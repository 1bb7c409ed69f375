"""Clients: they wish, ask any API, and ask again when they get no answer."""

import asyncio
import random
from typing import TYPE_CHECKING, Any

import msgspec

from domain.errors import Conflict, LapilliError, Unavailable
from services.commands.creation import CreateVolume
from tests.simulation.processes import ConnectionLost, Process
from tests.simulation.sight import PROJECTS, Sight
from tests.simulation.wishes import wished

if TYPE_CHECKING:
    from tests.simulation.world import World

TRIES = 4
PER_CLIENT = 1_000
"""By which the numbers of wishes tell the client."""


async def client(world: "World", number: int, wishes: int) -> None:
    """Wishes so often, one after the other."""
    for count in range(wishes):
        wish = number * PER_CLIENT + count
        chance = random.Random(f"{world.case.seed} wish {wish}")
        await asyncio.sleep(4.0 * chance.random() ** 2)
        see = Sight(world, chance, PROJECTS[number % len(PROJECTS)])
        if wish not in world.case.unwished:
            command = wished(see)
            if command is not None:
                world.wished.append(wish)
                await _insist(world, see, wish, command)


async def _insist(world: "World", see: Sight, wish: int, command: Any) -> None:
    """As clients do: no answer may mean yes or no. A volume may be asked for as another one."""
    for tried in range(TRIES):
        api: Process = see.one(world.apis)
        world.tell(f"wish {wish} of {api.name}: {_short(command)}")
        try:
            await api.ask(command)
            world.tell(f"wish {wish} is done")
            return
        except (ConnectionLost, Unavailable, Conflict) as lost:
            world.tell(f"wish {wish} is uncertain: {lost!r}")
        except LapilliError as refusal:
            world.tell(f"wish {wish} is refused: {refusal}")
            return
        await asyncio.sleep(2.0**tried * see.chance.random())
        again = {"id": see.new_id()} if isinstance(command, CreateVolume) and tried % 2 else {}
        command = msgspec.structs.replace(command, at=see.moment(), **again)


def _short(command: Any) -> str:
    fields = msgspec.structs.asdict(command)
    told = {
        name: value for name, value in fields.items() if name not in ("at", "up", "known_zones")
    }
    return f"{type(command).__name__} {told}"
