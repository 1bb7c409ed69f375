"""Fills a new generation of a projection from the start of the log, and switches to it."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from datetime import datetime
from typing import Protocol

import structlog
from sqlalchemy import Connection, Engine

from domain.event import Event, Recorded
from projections import generations
from projections.generations import Generation
from projections.projection import Projection, coalesce
from projections.writing import write

logger = structlog.get_logger()

END_OF_LOG_S = 0.02
"""The pause after finding the log read to its end while the old generation is already beyond."""


class Log(Protocol):
    """The committed log, as projections follow it."""

    async def log(self, after: int, limit: int) -> Sequence[Recorded[Event]]:
        """At most `limit` events above a position, by position. Raises Unavailable; for an event
        that cannot be decoded, anything else."""
        ...


class Rebuild:
    """One rebuild of one projection.

    It goes on where a rebuild to the same version was interrupted, and several processes may work
    at the same one. Until the switch the old generation is followed and read as ever; afterwards
    it is dropped.
    """

    def __init__(
        self,
        engine: Engine,
        log: Log,
        projection: Projection,
        *,
        clock: Callable[[], datetime],
        executor: Executor,
        batch: int,
    ) -> None:
        self._engine = generations.for_writing(engine)
        self._log = log
        self._projection = projection
        self._clock = clock
        self._executor = executor
        self._batch = batch

    async def run(self, on_progress: Callable[[int], None]) -> int:
        """The position at which the new generation took over; `on_progress` hears of every batch.

        Raises Poisonous, Unavailable, and what the database raises; run it again to go on.
        """
        in_thread = asyncio.get_running_loop().run_in_executor
        new = await in_thread(self._executor, self._open)
        about = logger.bind(projection=self._projection.name, generation=new.generation)
        about.info("rebuild began", version=self._projection.version, position=new.position)
        indexed = switched = False
        while not switched:
            events = await self._log.log(new.position, self._batch)
            if len(events) < self._batch and not indexed:
                await in_thread(self._executor, self._add_indexes, new)
                indexed = True
                continue  # the log has grown meanwhile
            new, switched = await in_thread(self._executor, self._fill, new, events)
            on_progress(new.position)
            if not events and not switched:
                await asyncio.sleep(END_OF_LOG_S)
        await in_thread(self._executor, self._drop_old)
        about.info("rebuild ended", position=new.position)
        return new.position

    def _open(self) -> Generation:
        with self._engine.begin() as connection:
            return generations.open_beside(connection, self._projection)

    def _add_indexes(self, new: Generation) -> None:
        with self._engine.begin() as connection:
            generations.add_indexes(connection, self._projection, new)

    def _fill(self, new: Generation, events: Sequence[Recorded[Event]]) -> tuple[Generation, bool]:
        """The new generation after a batch, and whether it is the active one now."""
        at_the_end = len(events) < self._batch
        with self._engine.begin() as connection:
            old: Generation | None = None
            if at_the_end:  # and until then, who follows the old generation is not kept waiting
                old = next(iter(generations.lock_active(connection, [new.name])), None)
            found = generations.lock_one(connection, new)
            if found is None or found.active:
                return new, True  # another process was faster
            if found.position >= new.position:
                found = self._apply(connection, found, events)
            if old is not None and found.position >= old.position:
                generations.switch(connection, old, found)
                return found, True
            return found, False

    def _apply(
        self, connection: Connection, new: Generation, events: Sequence[Recorded[Event]]
    ) -> Generation:
        fresh = [recorded for recorded in events if recorded.position > new.position]
        if not fresh:
            return new
        pending = coalesce(self._projection, fresh)
        write(connection, self._projection.table(new.generation), pending)
        [moved] = generations.move(connection, [new], fresh[-1].position, self._clock())
        return moved

    def _drop_old(self) -> None:
        with self._engine.begin() as connection:
            generations.drop_older(connection, self._projection)
