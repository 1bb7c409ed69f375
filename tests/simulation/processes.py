"""Our processes: the real roles on simulated parts; they die, come back, and stand still."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from adapters.backup_store.store import ChunkedBackupStore
from adapters.bus import port
from adapters.drivers.memory import MemoryDriver
from domain.errors import LapilliError, Unavailable
from projections.views import Views
from services import roles
from services.application import Lapilli
from services.node import Node, connect_signals
from services.reports import Reports
from tests.simulation.backends import Misfortunes
from tests.simulation.bus import SimulatedBus
from tests.simulation.history import WatchedCommands
from tests.simulation.loop import Machine
from tests.simulation.parts import SimulatedImages, SimulatedKeys, SimulatedShelf, SimulatedStore
from tests.simulation.wire import Line, at_once
from tests.support.builders import MORNING

if TYPE_CHECKING:
    from tests.simulation.world import World

RESTART_S = 1.0
"""Between two tries to start, as long as something is away."""


class ConnectionLost(Exception):
    """The process died before it answered."""


class Process:
    """One of several; its `name` stays when it comes back, with nothing in its memory."""

    def __init__(self, world: "World", name: str, role: str) -> None:
        self.world, self.name, self.role = world, name, role
        self.lives = 0
        self.skew_s = 0.0
        """How far its clock is from the others'."""
        self.machine = Machine(name)
        self.machine.alive = False
        self.away = False
        """Whether it is not started again for now."""
        self.node: Node | None = None
        self.application: Lapilli | None = None
        self._bus: SimulatedBus | None = None
        self._shelves: list[SimulatedShelf] = []
        self._asked: set[asyncio.Future[Any]] = set()

    def clock(self) -> datetime:
        return MORNING + timedelta(seconds=self.world.loop.now_s + self.skew_s)

    def start(self) -> None:
        """Nothing if it runs, or is to stay away."""
        if not self.machine.alive and not self.away:
            self.lives += 1
            self.machine = Machine(f"{self.name}.{self.lives}")
            self.world.machines.append(self.machine)
            self.world.loop.start(self._play(), on=self.machine)

    def die(self) -> None:
        if self.machine.alive:
            self.world.tell(f"{self.name} is dead")
            self.machine.alive = False
            self.application = self.node = None
            if self._bus is not None:
                at_once(self._bus.close())
            for shelf in self._shelves:
                shelf.drop_claims()
            self._shelves = []
            for asked in self._asked:
                if not asked.done():
                    asked.set_exception(ConnectionLost())
            self._asked = set()
            self.world.loop.later(self.world.chances.between(0.05, 10.0), self.start)

    def leave(self) -> None:
        """As if its host was gone, until it returns."""
        self.away = True
        self.die()

    def come_back(self) -> None:
        self.away = False
        self.start()

    def stand_still(self, seconds: float) -> None:
        """As if it was stopped, and then goes on where it was."""
        self.machine.stands_until = self.world.loop.now_s + seconds

    async def ask(self, command: Any) -> Any:
        """What users ask of an API. Raises ConnectionLost, and as the command does."""
        if self.application is None:
            raise ConnectionLost
        answer = self.world.loop.create_future()
        self._asked.add(answer)
        self.world.loop.start(self._answer(self.application, command, answer), on=self.machine)
        try:
            return await answer
        finally:
            self._asked.discard(answer)

    async def _answer(
        self, application: Lapilli, command: Any, answer: asyncio.Future[Any]
    ) -> None:
        try:
            value = await application.carry_out(command)
        except LapilliError as refusal:
            if not answer.done():
                answer.set_exception(refusal)
        except Exception as wrong:
            self.world.violated(f"{self.name} failed on {command}: {wrong!r}")
            raise
        else:
            if not answer.done():
                answer.set_result(value)

    async def _play(self) -> None:
        """As services/process.py does it."""
        while True:
            try:
                async with AsyncExitStack() as stack:
                    self.node = await self._open(stack)
                    await self._role()(self.node)
            except* Unavailable as away:
                self.world.tell(f"{self.name} waits: {away.exceptions}")
            except* Exception as wrong:
                self.world.violated(f"{self.name} fell over: {_leaves(wrong)!r}")
            await asyncio.sleep(RESTART_S)

    async def _open(self, stack: AsyncExitStack) -> Node:
        world = self.world
        store: Any = SimulatedStore(world.store, self._line("store"), world.chances)
        self._bus = bus = self._connected()
        views = Views(world.engine)
        node = Node(
            settings=world.settings,
            instance=f"{self.name}.{self.lives}",
            store=store,
            bus=bus,
            reports=Reports(bus, clock=self.clock, down_after_s=world.settings.service_down_s),
            views=views,
            views_engine=world.engine,
            commands=WatchedCommands(store, history=world.history, log=world.store, by=self.name),
            open_driver=self._open_driver,
            open_keys=self._open_keys,
            open_images=self._open_images,
            open_backups=self._open_backups,
            clock=self.clock,
            monotonic=lambda: world.loop.now_s,
            new_id=world.new_id,
        )
        await connect_signals(node, stack)
        return node

    def _connected(self) -> SimulatedBus:
        world, machine = self.world, self.machine

        def down() -> bool:
            return world.down("bus")

        line = Line(
            "bus",
            who=self,
            loop=world.loop,
            chances=world.chances,
            down=down,
            unavailable=port.Unavailable,
        )
        return SimulatedBus(
            world.bus.another(),
            line,
            loop=world.loop,
            chances=world.chances,
            down=down,
            alive=lambda: machine.alive,
        )

    def _open_driver(self, name: str) -> MemoryDriver:
        misfortunes = Misfortunes(self, self.world.chances, name)
        return MemoryDriver(self.world.backends[name], faults=misfortunes, volume_backend_name=name)

    def _open_keys(self) -> SimulatedKeys:
        return SimulatedKeys(self.world.keys, self._line("key manager"), self.world.chances)

    def _open_images(self) -> SimulatedImages:
        return SimulatedImages(self.world.images, self._line("image service"), self.world.chances)

    def _open_backups(self) -> ChunkedBackupStore:
        shelf = SimulatedShelf(self.world.shelf)
        self._shelves.append(shelf)
        return ChunkedBackupStore(shelf, threads=0)

    def _line(self, part: str) -> Line:
        world = self.world
        return Line(
            part, who=self, loop=world.loop, chances=world.chances, down=lambda: world.down(part)
        )

    def _role(self) -> Callable[[Node], Awaitable[None]]:
        return self._api if self.role == "api" else roles.role(self.role)

    async def _api(self, node: Node) -> None:
        """The role without HTTP."""
        application = roles.application_of(node)
        await roles.ensure_default_type(node)
        self.application = application
        await application.watch(interval_s=10.0)


def _leaves(group: BaseException) -> list[BaseException]:
    if isinstance(group, BaseExceptionGroup):
        return [leaf for each in group.exceptions for leaf in _leaves(each)]
    return [group]
