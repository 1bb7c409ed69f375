"""How a process reaches what is outside: calls travel, get lost, and outlive who made them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from domain.errors import Unavailable
from tests.simulation.chance import Chances
from tests.simulation.loop import Machine, SimulatedLoop

T = TypeVar("T")
Call = Callable[[], Awaitable[Any]]


class Mortal(Protocol):
    """Whoever makes calls."""

    name: str
    machine: Machine

    def die(self) -> None:
        """Now; nothing that it would have done next is done."""


class Line:
    """One process's line to one part. What arrives there is done at once, or not at all.

    `why_not` tells why the part cannot do anything now, if so.
    """

    def __init__(
        self,
        part: str,
        *,
        who: Mortal,
        loop: SimulatedLoop,
        chances: Chances,
        down: Callable[[], bool],
        unavailable: Callable[[str], Exception] | None = None,
    ) -> None:
        self.part = part
        self._who, self._loop, self._chances, self._down = who, loop, chances, down
        self._unavailable = unavailable or (lambda reason: Unavailable(part=part, reason=reason))

    async def ask(
        self, what: str, call: Call, *, refuse: Callable[[], Exception | None] = lambda: None
    ) -> Any:
        """The answer. Raises as the call does, as `refuse` says, and if the part is away."""
        chances, part, where = self._chances, self.part, f"{self._who.name}: {what}"
        if not self._who.machine.alive:
            await for_ever()
        if chances.strikes("process dies on the way there", where):
            self._who.die()
            if chances.times.random() < 0.5:  # else it is sent all the same
                await for_ever()
        answer: asyncio.Future[Any] = self._loop.create_future()

        def arrive() -> None:
            if self._down():
                return reply(self._unavailable("down"))
            if chances.strikes(f"{part} does not answer", where):
                return reply(self._unavailable("no answer"))
            refusal = refuse()
            if refusal is not None:
                return reply(refusal)
            try:
                value = at_once(call())
            except Exception as error:
                return reply(error)
            if chances.strikes(f"{part}'s answer is lost", where):
                return reply(self._unavailable("the answer was lost"))
            return reply(None, value)

        def reply(error: Exception | None, value: Any = None) -> None:
            if chances.strikes("process dies on the way back", where):
                self._who.die()
            self._loop.later(chances.latency_s(), lambda: come_back(error, value))

        def come_back(error: Exception | None, value: Any) -> None:
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(value)

        slow = chances.strikes(f"{part} is slow", where)
        delay_s = chances.between(0.5, 5.0) if slow else chances.latency_s()
        self._loop.later(delay_s, arrive)
        return await answer


async def for_ever() -> None:
    """The dead do nothing."""
    await asyncio.get_running_loop().create_future()


def at_once(call: Awaitable[T]) -> T:
    """What is awaited, and never waits for anything itself."""
    try:
        next(call.__await__())
    except StopIteration as done:
        value: T = done.value
        return value
    raise AssertionError("it waits for something")
