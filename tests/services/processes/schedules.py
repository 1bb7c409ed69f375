"""Every order in which concurrent work can proceed, tried one after the other."""

import asyncio
import random
from collections.abc import Coroutine, Iterator
from typing import Any, Protocol

from tests.support.patience import PATIENCE_S


class Chooser(Protocol):
    def of(self, options: int) -> int:
        """Which of so many options is taken now."""
        ...


class Chance:
    """Any of the options; the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def of(self, options: int) -> int:
        return self._random.randrange(options)


class Choices:
    """Repeats the choices of a former run, and takes the first option from there on."""

    def __init__(self, prefix: list[int]) -> None:
        self._prefix = prefix
        self._taken: list[tuple[int, int]] = []

    def of(self, options: int) -> int:
        step = len(self._taken)
        choice = self._prefix[step] if step < len(self._prefix) else 0
        self._taken.append((choice, options))
        return choice

    def next_prefix(self) -> list[int] | None:
        """What leads to a run not had yet; None after the last."""
        taken = list(self._taken)
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        if not taken:
            return None
        return [choice for choice, _ in taken[:-1]] + [taken[-1][0] + 1]


def every_schedule() -> Iterator[Choices]:
    """One for every run there can be. Each must be run to its end before the next is asked for."""
    prefix: list[int] | None = []
    while prefix is not None:
        choices = Choices(prefix)
        yield choices
        prefix = choices.next_prefix()


class Turns:
    """Tasks that stand still at gates until it is their turn."""

    def __init__(self, *gates: str) -> None:
        self._gates = gates
        self._tasks: list[asyncio.Task[None]] = []
        self.standing: list[asyncio.Future[None]] = []

    async def gate(self, method: str) -> None:
        """A hook for `around`."""
        if method in self._gates:
            turn = asyncio.get_running_loop().create_future()
            self.standing.append(turn)
            await turn

    async def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Lets a new task run to its first gate, or its end."""
        self._tasks.append(asyncio.create_task(work))
        await self._until_all_stand()

    async def go(self, which: int) -> None:
        """Lets the task at a gate run to the next, or to its end."""
        self.standing.pop(which).set_result(None)
        await self._until_all_stand()

    async def _until_all_stand(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while sum(not task.done() for task in self._tasks) > len(self.standing):  # noqa: ASYNC110
                await asyncio.sleep(0)
        for task in self._tasks:
            if task.done():
                task.result()
