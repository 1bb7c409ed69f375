"""Every order in which concurrent work can proceed, tried one after the other."""

import asyncio
import random
from collections.abc import Collection, Coroutine, Iterator
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
    """Tasks that stand still at gates until it is their turn.

    Those gates that are `reads` lead to nothing that another task could notice.
    """

    def __init__(self, *gates: str, reads: Collection[str] = ()) -> None:
        self._gates = {*gates, *reads}
        self._reads = reads
        self._tasks: list[asyncio.Task[None]] = []
        self._reading: set[asyncio.Future[None]] = set()
        self.standing: list[asyncio.Future[None]] = []

    async def gate(self, method: str) -> None:
        """A hook for `around`."""
        if method in self._gates:
            turn = asyncio.get_running_loop().create_future()
            self.standing.append(turn)
            if method in self._reads:
                self._reading.add(turn)
            await turn

    async def run(self, choices: Choices) -> bool:
        """Lets all tasks come to their ends, one step at a time.

        False if this order differs from an earlier one of `every_schedule` only in which of two
        reads was first, so that it need not be seen to its end: a task that was let go first, when
        everything else was as it is now, rests until another one writes ("sleep sets", Godefroid,
        Partial-Order Methods for the Verification of Concurrent Systems, 1996, chapter 5).
        """
        resting: set[asyncio.Future[None]] = set()
        while self.standing:
            awake = [turn for turn in self.standing if turn not in resting]
            if not awake:
                await self._abandon()
                return False
            choice = choices.of(len(awake))
            chosen = awake[choice]
            resting |= {*awake[:choice]}
            resting = resting & self._reading if chosen in self._reading else set()
            await self.go(self.standing.index(chosen))
        return True

    async def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Lets a new task run to its first gate, or its end."""
        self._tasks.append(asyncio.create_task(work))
        await self._until_all_stand()

    async def go(self, which: int) -> None:
        """Lets the task at a gate run to the next, or to its end."""
        self.standing.pop(which).set_result(None)
        await self._until_all_stand()

    async def _abandon(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _until_all_stand(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while sum(not task.done() for task in self._tasks) > len(self.standing):  # noqa: ASYNC110
                await asyncio.sleep(0)
        for task in self._tasks:
            if task.done():
                task.result()
