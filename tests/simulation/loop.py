"""An event loop in simulated time, in which a seed decides which machine's turn it is.

Within one machine callbacks run in the order in which asyncio would run them; between machines
any order is possible. When nobody has anything to do, time jumps to the next timer. A machine
that is dead is never run again; one that stands still is, later.
"""

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from itertools import count
from typing import Any, TypeVar

T = TypeVar("T")

MOST_STEPS = 3_000_000
"""More callbacks than any run needs: it goes round in circles."""


class Livelock(Exception):
    """The simulation never comes to an end."""


class Machine:
    """Where callbacks run: one process of ours, or the world around all of them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.stands_until = 0.0
        self.ready: deque[asyncio.Handle] = deque()
        self.tasks: list[asyncio.Task[Any]] = []
        """Held until the run is over: what is dead must not come to the end of its blocks."""
        self._kept = 1_000

    def keep(self, task: asyncio.Task[Any]) -> None:
        self.tasks.append(task)
        if len(self.tasks) > self._kept:
            self.tasks = [each for each in self.tasks if not each.done()]
            self._kept = 2 * len(self.tasks) + 1_000


class _Numbered:
    """Sets of these are gone through in the same order in every run."""

    numbers = count()

    def __hash__(self) -> int:
        return self.number  # type: ignore[attr-defined, no-any-return]


class SimulatedTask(_Numbered, asyncio.Task[Any]):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.number = next(_Numbered.numbers)
        super().__init__(*args, **kwargs)

    __hash__ = _Numbered.__hash__


class SimulatedFuture(_Numbered, asyncio.Future[Any]):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.number = next(_Numbered.numbers)
        super().__init__(*args, **kwargs)

    __hash__ = _Numbered.__hash__


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs everything of one simulation, in one thread. Seconds since its beginning."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.world = Machine("world")
        self.now_s = 0.0
        self.steps = 0
        self.thread_work: Callable[[Machine, Callable[[], Any]], Coroutine[Any, Any, Any]]
        """How what is run in threads is run."""
        self._chance = chance
        self._where: ContextVar[Machine] = ContextVar("machine", default=self.world)
        self._timers: list[tuple[float, int, asyncio.TimerHandle, Machine]] = []
        self._numbers = count()
        self._busy: dict[Machine, None] = {}
        _Numbered.numbers = count()
        self.set_task_factory(self._task)  # type: ignore[arg-type]

    @property
    def machine(self) -> Machine:
        """On which this runs."""
        return self._where.get()

    def start(self, work: Coroutine[Any, Any, T], *, on: Machine) -> "asyncio.Task[T]":
        """Runs it on a machine."""
        return self.create_task(work, context=self._context_of(on))

    def later(self, delay_s: float, work: Callable[[], None], *, on: Machine | None = None) -> None:
        """Does it then and there; in the world unless it is said where."""
        self.call_later(delay_s, work, context=self._context_of(on or self.world))

    def jump(self, seconds: float) -> None:
        """Time passes in which nobody does anything."""
        self.now_s += seconds

    def _context_of(self, machine: Machine) -> Context:
        context = copy_context()
        context.run(self._where.set, machine)
        return context

    def _task(
        self,
        loop: asyncio.AbstractEventLoop,
        work: Coroutine[Any, Any, T],
        context: Context | None = None,
    ) -> "asyncio.Task[T]":
        task = SimulatedTask(work, loop=loop, context=context)
        (context[self._where] if context and self._where in context else self.machine).keep(task)
        return task

    # what asyncio asks of a loop

    def time(self) -> float:
        return self.now_s

    def create_future(self) -> "asyncio.Future[Any]":
        return SimulatedFuture(loop=self)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, work: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        done = self.thread_work(self.machine, lambda: work(*args))
        return self.create_task(done)

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._enqueue(handle, self._machine_of(handle))
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        entry = when, next(self._numbers), timer, self._machine_of(timer)
        heapq.heappush(self._timers, entry)
        return timer

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now_s + max(0.0, delay), callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass  # it is skipped when its time has come

    def _process_events(self, event_list: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def _machine_of(self, handle: asyncio.Handle) -> Machine:
        return handle._context.get(self._where, self.world)  # type: ignore[attr-defined, no-any-return]

    def _enqueue(self, handle: asyncio.Handle, machine: Machine) -> None:
        machine.ready.append(handle)
        if machine.alive:
            self._busy[machine] = None

    def _run_once(self) -> None:
        """One callback of one machine."""
        self._ring()
        for machine in [each for each in self._busy if not each.alive or not each.ready]:
            del self._busy[machine]
        able = [each for each in self._busy if each.stands_until <= self.now_s]
        if not able:
            self._pass_time()
            return
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise Livelock(f"{MOST_STEPS} steps and no end")
        machine = able[int(self._chance.random() * len(able))] if len(able) > 1 else able[0]
        handle = machine.ready.popleft()
        if not handle.cancelled():
            handle._run()

    def _ring(self) -> None:
        """What the clock has reached is ready."""
        timers = self._timers
        while timers and timers[0][0] <= self.now_s:
            _, _, timer, machine = heapq.heappop(timers)
            if not timer.cancelled():
                self._enqueue(timer, machine)

    def _pass_time(self) -> None:
        """To the next thing that can happen."""
        timers = self._timers
        while timers and (timers[0][2].cancelled() or not timers[0][3].alive):
            heapq.heappop(timers)
        times = [each.stands_until for each in self._busy]
        if timers:
            times.append(timers[0][0])
        if not times:
            raise Livelock("nothing will ever happen again")
        self.now_s = max(self.now_s, min(times))
