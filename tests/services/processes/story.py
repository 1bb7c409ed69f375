"""A forced deletion in the middle of everything that two processes do to make a volume."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from adapters.bus.port import Delivery
from adapters.drivers.memory import MemoryDriver
from tests.services.processes.ring import Process, Ring
from tests.services.processes.schedules import Chooser, Turns
from tests.support.around import around


class Story:
    """A volume is being made by two processes that take turns; its user forces its deletion.

    Tasks stop at gates: before an append, before and after a call of a driver or key manager.
    Some messages are delivered once more, at any time from their first delivery on, to the other
    process.
    """

    def __init__(self, ring: Ring, *, gates: Sequence[str], repeats: int) -> None:
        self._ring = ring
        self._repeats = repeats
        self._turns = Turns(*gates)
        self._one, self._other = (self._process(name) for name in ("worker-1", "worker-2"))
        self._waiting: list[tuple[str, Delivery]] = []
        self._heard: list[tuple[str, Delivery]] = []
        self.forced_in = ""
        """The state in which the deletion was forced."""

    async def go(self, choices: Chooser) -> None:
        """One after the other of the things that can happen, until nothing can."""
        while True:
            self._waiting += await self._ring.deliveries()
            options = self._options()
            if not options:
                return
            await options[choices.of(len(options))]()

    def _options(self) -> list[Callable[[], Awaitable[None]]]:
        options: list[Callable[[], Awaitable[None]]] = [
            partial(self._turns.go, place) for place in range(len(self._turns.standing))
        ]
        options += [partial(self._deliver, place) for place in range(len(self._waiting))]
        if not self.forced_in:
            options.append(self._force)
        if self._repeats:
            options += [partial(self._repeat, place) for place in range(len(self._heard))]
        return options

    async def _deliver(self, place: int) -> None:
        kind, delivery = self._waiting.pop(place)
        self._heard.append((kind, delivery))
        await self._turns.start(self._one.handle(kind, delivery))

    async def _repeat(self, place: int) -> None:
        self._repeats -= 1
        await self._turns.start(self._other.handle(*self._heard[place]))

    async def _force(self) -> None:
        self.forced_in = (await self._ring.volume()).state
        await self._ring.delete(force=True)

    def _process(self, name: str) -> Process:
        gate = self._turns.gate
        return Process(
            self._ring,
            name,
            store=around(self._ring.store, before=gate),
            driver=around(MemoryDriver(self._ring.backend), before=gate, after=gate),
            keys=around(self._ring.keys, before=gate, after=gate),
        )
