"""What the query side uses: reads of the active tables, and the wait for one's own writes."""

import asyncio
import heapq
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from domain.errors import Unavailable
from projections import PROJECTIONS, generations
from projections.columns import POSTGRESQL
from projections.generations import Generation
from projections.projection import Projection, Tables

log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")
Query = Callable[[Connection, Tables], T]

POLL_FIRST_S = 0.02
POLL_LAST_S = 0.25
"""How often a waiter looks itself, doubling from the first, in case that nobody signals."""

THREADS = 4


class Views:
    """The read models of one database, for one event loop.

    Everything here raises Unavailable if the database cannot be reached.
    """

    def __init__(
        self,
        engine: Engine,
        projections: Iterable[Projection] = PROJECTIONS,
        *,
        executor: Executor | None = None,
    ) -> None:
        self._projections = {projection.name: projection for projection in projections}
        self._engine = _reading(engine)
        self._executor = executor or ThreadPoolExecutor(THREADS, "views")
        self._passed = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._waited = 0
        self._poller: asyncio.Task[None] | None = None

    async def read(
        self,
        query: Callable[Concatenate[Connection, Tables, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """What `query(connection, tables, …)` answers, in one read transaction, off the event
        loop. `tables` are the active ones, by the projections' names."""
        return await self._in_thread(
            lambda: self._read(
                lambda connection, tables: query(connection, tables, *args, **kwargs)
            )
        )

    async def position(self) -> int:
        """The position that every projection has passed."""
        found = await self.standings()
        if len(found) < len(self._projections):
            return 0
        return min((active.position for active in found), default=0)

    async def standings(self) -> list[Generation]:
        """How far each projection has come, and what keeps it, if anything does."""
        return await self._in_thread(self._standings)

    def progressed(self, position: int) -> None:
        """To be called in the event loop when the projections have passed a position."""
        self._passed = max(self._passed, position)
        while self._waiting and self._waiting[0][0] <= self._passed:
            _, _, waiter = heapq.heappop(self._waiting)
            if not waiter.done():
                waiter.set_result(None)

    async def wait_for(self, position: int, timeout_s: float) -> None:
        """Returns once every projection has passed `position`.

        Raises Unavailable if that takes longer than `timeout_s` seconds.
        """
        if position <= self._passed:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waited += 1
        heapq.heappush(self._waiting, (position, self._waited, waiter))
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll(), name="views-poll")
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        except TimeoutError:
            raise Unavailable(
                part="projection",
                reason=f"position {position} was not reached within {timeout_s:g} s",
            ) from None

    async def close(self) -> None:
        """Stops threads and polling. Who still waits is told Unavailable when their time is up."""
        if self._poller is not None:
            self._poller.cancel()
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _poll(self) -> None:
        """Looks at the stored position while somebody waits."""
        pause_s, seen = POLL_FIRST_S, self._passed
        while self._still_waiting():
            await asyncio.sleep(pause_s)
            if not self._still_waiting():
                return
            try:
                self.progressed(await self.position())
            except Unavailable as failure:
                log.warning("projection positions cannot be read", reason=str(failure))
            pause_s = POLL_FIRST_S if self._passed > seen else min(pause_s * 2, POLL_LAST_S)
            seen = self._passed

    def _still_waiting(self) -> bool:
        while self._waiting and self._waiting[0][2].done():  # timed out, or cancelled
            heapq.heappop(self._waiting)
        return bool(self._waiting)

    # in threads

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _read(self, query: Query[T]) -> T:
        found: list[Generation] = []
        try:
            return self._attempt(found, query)
        except OperationalError as failure:
            if not self._changed_since(found):
                raise _unavailable(failure) from failure
        except ProgrammingError:
            if not self._changed_since(found):
                self._check_versions(found)
                raise
        # A generation was dropped between its name being found and its table being read.
        return self._attempt([], query)

    def _attempt(self, found: list[Generation], query: Query[T]) -> T:
        """Leaves in `found` what it reads from."""
        with self._engine.connect() as connection:
            found.extend(self._active(connection))
            return query(
                connection,
                {
                    active.name: self._projections[active.name].table(active.generation)
                    for active in found
                },
            )

    def _changed_since(self, found: list[Generation]) -> bool:
        now = {(active.name, active.generation) for active in self._standings()}
        return bool(found) and now != {(active.name, active.generation) for active in found}

    def _check_versions(self, found: list[Generation]) -> None:
        """Raises Unavailable if a table may not fit this code, because another version fills it."""
        for active in found:
            if active.version != self._projections[active.name].version:
                raise Unavailable(part="projection", reason=f"{active.name} is being rebuilt")

    def _standings(self) -> list[Generation]:
        try:
            with self._engine.connect() as connection:
                return self._active(connection)
        except DBAPIError as failure:
            raise _unavailable(failure) from failure

    def _active(self, connection: Connection) -> list[Generation]:
        return [
            active for active in generations.active(connection) if active.name in self._projections
        ]


def _reading(engine: Engine) -> Engine:
    """The engine whose transactions see the database as it was when they began."""
    if engine.dialect.name != POSTGRESQL:
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _unavailable(failure: DBAPIError) -> Unavailable:
    return Unavailable(part="projection", reason=str(failure.orig).strip().partition("\n")[0])
