"""Keeps the read models up with the log: batches, positions, failures, rebuilds."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import datetime
from typing import Protocol, TypeVar

import msgspec
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from domain.errors import Unavailable
from domain.event import Event, Recorded
from projections import PROJECTIONS, generations
from projections.generations import Generation, Overtaken
from projections.projection import Projection, coalesce
from projections.rebuild import Log, Rebuild
from projections.writing import write

__all__ = ["Log", "Runner", "Wakeups"]

logger = structlog.get_logger()

T = TypeVar("T")

POLL_S = 0.5
"""How long a commit that nobody signalled may stay unseen."""

PATIENCE_FIRST_S = 0.1
PATIENCE_LAST_S = 10.0
"""Between tries of what failed, doubling from the first."""

NARROWING = 16
"""By how much a batch shrinks when something in it fails, until the one event is found."""


class Wakeups(Protocol):
    """Says that the log has grown. May be late or forget: it is also polled."""

    async def wait(self, timeout_s: float) -> None:
        """Returns when set, or after so many seconds; what was set before is not lost."""
        ...


class _Course(msgspec.Struct, kw_only=True):
    """How one projection gets on, as this runner knows."""

    projection: Projection
    limit: int
    position: int = 0
    outdated: bool = False
    failures: int = 0
    retry_at: float = 0.0
    trouble: str | None = None

    def fills(self, found: Generation, events: Sequence[Recorded[Event]]) -> bool:
        """Whether these events are the next ones for a generation, and it is ours to fill."""
        return (
            found.version == self.projection.version
            and found.position >= self.position  # else events in between are missing here
            and found.position < events[-1].position
        )


class Runner:
    """Follows the log for some projections, in any number of processes at once.

    Projections at the same position share batches; one that fails falls behind alone. An event
    that cannot be applied is never skipped: its projection stops there, says so in the log, in
    `troubles` and in the stored standings, and tries again for ever.
    """

    def __init__(
        self,
        engine: Engine,
        log: Log,
        projections: Iterable[Projection] = PROJECTIONS,
        *,
        clock: Callable[[], datetime],
        on_progress: Callable[[int], None] | None = None,
        batch: int = 1_000,
        rebuild_batch: int = 10_000,
        poll_s: float = POLL_S,
        executor: Executor | None = None,
    ) -> None:
        self._engine = engine
        self._writing = generations.for_writing(engine)
        self._log = log
        self._clock = clock
        self._on_progress = on_progress
        self._batch = batch
        self._rebuild_batch = rebuild_batch
        self._poll_s = poll_s
        # one thread for following and one for a rebuild
        self._executor = executor or ThreadPoolExecutor(2, "projections")
        self._turn = asyncio.Lock()
        self._told = -1
        self._prepared = False
        self._courses = {
            projection.name: _Course(projection=projection, limit=batch)
            for projection in projections
        }

    @property
    def position(self) -> int:
        """The position that all of the projections have passed, as far as is known here."""
        return min((course.position for course in self._courses.values()), default=0)

    def troubles(self) -> dict[str, str]:
        """Why a projection does not follow the log, by its name; empty when all is well."""
        return {name: course.trouble for name, course in self._courses.items() if course.trouble}

    async def catch_up(self) -> int:
        """Applies all there is now and returns the position; rebuilds first what is outdated.

        Raises Unavailable if something cannot be applied.
        """
        await self._prepare()
        for name in self._outdated():
            await self.rebuild(name)
        for course in self._courses.values():
            course.retry_at = 0.0
        while await self._advance():
            pass
        for name, trouble in self.troubles().items():
            raise Unavailable(part=f"projection {name}", reason=trouble)
        return self.position

    async def run(self, wakeups: Wakeups) -> None:
        """Follows the log until cancelled; database and log may come and go."""
        await _patiently(self._prepare)
        async with asyncio.TaskGroup() as tasks:
            for name in self._outdated():
                tasks.create_task(self._renew(name), name=f"rebuild-{name}")
            while True:
                if not await self._advance():
                    await wakeups.wait(self._pause_s())
                    if self._outdated():
                        await _patiently(self._locate)

    async def rebuild(
        self, name: str, on_progress: Callable[[int], None] = lambda position: None
    ) -> int:
        """Fills the projection's table anew beside the old, and switches; the position then.

        Raises KeyError for a projection this runner does not have, and as `Rebuild.run`.
        """
        course = self._courses[name]
        await self._prepare()
        position = await Rebuild(
            self._engine,
            self._log,
            course.projection,
            clock=self._clock,
            executor=self._executor,
            batch=self._rebuild_batch,
        ).run(on_progress)
        async with self._turn:
            course.outdated, course.trouble = False, None
            course.position = max(course.position, position)
        return position

    def close(self) -> None:
        """Waits for what is being written, and stops the threads."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    # following

    async def _advance(self) -> bool:
        """One batch for every group of projections; whether trying again at once is worthwhile."""
        async with self._turn:
            again = False
            for group in self._groups():
                again = await self._follow(group) or again
            if self.position > self._told and self._on_progress is not None:
                self._told = self.position
                self._on_progress(self._told)
            return again

    def _groups(self) -> list[list[_Course]]:
        """Those that may be tried now, by position and size of batch."""
        now = asyncio.get_running_loop().time()
        groups: dict[tuple[int, int], list[_Course]] = {}
        for course in self._courses.values():
            if not course.outdated and course.retry_at <= now:
                groups.setdefault((course.position, course.limit), []).append(course)
        return list(groups.values())

    async def _follow(self, group: list[_Course]) -> bool:
        after, limit = group[0].position, group[0].limit
        try:
            events = await self._log.log(after, limit)
            if not events:
                return self._rested(group)
            found = await self._in_thread(lambda: self._apply(group, events))
        except Exception as failure:  # whatever it is, following goes on, and it is told
            if len(group) > 1:
                alone = [await self._follow([course]) for course in group]
                return any(alone)
            return await self._failed(group[0], failure)
        moved = [self._moved(course, found.get(course.projection.name)) for course in group]
        return any(moved)

    def _rested(self, group: list[_Course]) -> bool:
        for course in group:
            course.trouble, course.failures = None, 0
        return False

    def _moved(self, course: _Course, now: Generation | None) -> bool:
        if now is None:  # being switched; its successor is found next time
            return True
        if now.version != course.projection.version:
            course.outdated = True
            course.trouble = f"is filled by version {now.version} of the code"
            logger.error("projection outdated", projection=now.name, version=now.version)
            return False
        before, course.position = course.position, now.position
        if course.trouble:
            logger.info("projection goes on", projection=now.name, position=now.position)
        course.trouble, course.failures = None, 0
        if now.position > before:
            course.limit = min(self._batch, course.limit * 2)
        return now.position != before

    async def _failed(self, course: _Course, failure: Exception) -> bool:
        """Narrows down what an event is to blame for; else waits longer and longer."""
        passing = _is_passing(failure)
        if not passing and course.limit > 1:
            course.limit = max(1, course.limit // NARROWING)
            return True
        name, reason = course.projection.name, str(failure) or repr(failure)
        if not passing:
            reason = f"stopped after position {course.position}: {reason}"
        if course.trouble != reason:
            logger.error("projection stopped", projection=name, reason=reason, passing=passing)
            course.trouble = reason
            if not passing:
                await self._blame(name, reason)
        pause_s = _patience_s(course.failures)
        course.failures += 1
        course.retry_at = asyncio.get_running_loop().time() + pause_s
        return False

    def _pause_s(self) -> float:
        """Until the next poll, or the next try of what failed."""
        now = asyncio.get_running_loop().time()
        waits = [course.retry_at - now for course in self._courses.values() if course.trouble]
        return max(0.0, min([self._poll_s, *(wait for wait in waits if wait > 0)]))

    async def _blame(self, name: str, reason: str) -> None:
        def blame() -> None:
            with self._writing.begin() as connection:
                generations.blame(connection, name, reason)

        try:
            await self._in_thread(blame)
        except SQLAlchemyError as failure:
            logger.error("trouble could not be stored", projection=name, reason=str(failure))

    # starting, and starting over

    async def _prepare(self) -> None:
        """Makes what is missing, clears away what a crash left, and finds the positions."""
        if not self._prepared:
            await self._in_thread(self._create)
            await self._locate()
            self._prepared = True

    async def _locate(self) -> None:
        async with self._turn:
            for found in await self._in_thread(self._standings):
                course = self._courses.get(found.name)
                if course is not None:
                    course.position = found.position
                    course.outdated = found.version != course.projection.version

    def _outdated(self) -> list[str]:
        return [name for name, course in self._courses.items() if course.outdated]

    async def _renew(self, name: str) -> None:
        course = self._courses[name]

        async def attempt() -> None:
            try:
                await self.rebuild(name)
            except Exception as failure:
                course.trouble = f"cannot be rebuilt: {failure}"
                raise

        await _patiently(attempt)

    # in threads

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _apply(
        self, group: list[_Course], events: Sequence[Recorded[Event]]
    ) -> dict[str, Generation]:
        """Applies a batch to those of the projections that have not passed it, in one transaction.

        Returns where they all are then, whoever took them there.
        """
        courses = {course.projection.name: course for course in group}
        with self._writing.begin() as connection:
            locked = generations.lock_active(connection, list(courses))
            behind = [found for found in locked if courses[found.name].fills(found, events)]
            for found in behind:
                projection = courses[found.name].projection
                fresh = [recorded for recorded in events if recorded.position > found.position]
                write(connection, projection.table(found.generation), coalesce(projection, fresh))
            moved = generations.move(connection, behind, events[-1].position, self._clock())
        return {found.name: found for found in (*locked, *moved)}

    def _create(self) -> None:
        projections = [course.projection for course in self._courses.values()]
        generations.create_tables(self._engine, projections)
        for projection in projections:
            with self._writing.begin() as connection:
                generations.drop_older(connection, projection)

    def _standings(self) -> list[Generation]:
        with self._engine.connect() as connection:
            return generations.active(connection)


def _is_passing(failure: Exception) -> bool:
    """Whether it says that something does not answer now, rather than that an event is bad."""
    if isinstance(failure, DBAPIError) and failure.connection_invalidated:
        return True
    return isinstance(failure, _PASSING)


_PASSING = (Unavailable, OperationalError, InterfaceError, PoolTimeout, Overtaken, OSError)


def _patience_s(failures: int) -> float:
    return min(PATIENCE_FIRST_S * 2.0 ** min(failures, 20), PATIENCE_LAST_S)


async def _patiently(work: Callable[[], Awaitable[None]]) -> None:
    """Does it, trying again until it succeeds."""
    for failures in itertools.count():
        try:
            return await work()
        except Exception as failure:  # whatever it is, it is told, and tried again
            logger.error("projections wait", reason=str(failure) or repr(failure))
            await asyncio.sleep(_patience_s(failures))
