"""Group commit: one thread that writes the commands that gather while it writes."""

import asyncio
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from uuid import UUID

import msgspec
from eventsourcing.persistence import StoredEvent
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from adapters import database
from adapters.event_store import tables
from adapters.event_store.admission import Admission, Wanted, conflict_over
from adapters.event_store.recorder import EventRecorder
from adapters.event_store.tables import KnownLedger
from domain import quota
from domain.dependence import Alone
from domain.errors import LapilliError, Unavailable
from domain.event import Event, Recorded
from domain.names import SCOPES

MAX_GROUP = 256
"""How many commands share a transaction at most; bounds how long it holds the log."""


class _Append(msgspec.Struct, eq=False):
    """A command's events on their way into the log, and whoever waits for their position."""

    wanted: Wanted
    stored: Sequence[StoredEvent]
    loop: asyncio.AbstractEventLoop
    waiter: asyncio.Future[int]
    position: int = 0
    error: Exception | None = None

    def settle(self) -> None:
        if self.waiter.done():  # the waiter was cancelled; what was stored stays stored
            return
        if self.error is not None:
            self.waiter.set_exception(self.error)
        else:
            self.waiter.set_result(self.position)


class GroupWriter:
    """While it commits one group of commands the next one gathers.

    So concurrent commands share transactions, at no cost to a lonely one. Thinking is done before:
    the transaction only asks the ledger, inserts and commits.
    """

    def __init__(
        self, engine: Engine, recorder: EventRecorder, *, default_limits: Mapping[str, int]
    ) -> None:
        self._engine = database.for_writing(engine)
        self._recorder = recorder
        self._default_limits = default_limits
        self._turn = database.Turn(engine)
        self._ledger: KnownLedger | None = None
        self._closing = False
        self._queue: queue.SimpleQueue[_Append | None] = queue.SimpleQueue()
        self.told: list[Callable[[int], None]] = []
        """Called in the event loop with the last position of every commit."""
        self._thread = threading.Thread(target=self._write_groups, name="store-write", daemon=True)
        self._thread.start()

    async def append(
        self,
        events: Sequence[Recorded[Event]],
        stored: Sequence[StoredEvent],
        *,
        unchanged: Mapping[UUID, int],
    ) -> int:
        """The position of the last, once all are stored. Raises as `EventStore.append`."""
        loop = asyncio.get_running_loop()
        append = _Append(
            wanted=Wanted.of(events, unchanged=unchanged),
            stored=stored,
            loop=loop,
            waiter=loop.create_future(),
        )
        if self._closing:
            raise Unavailable(part=database.PART, reason="the store is closed")
        self._queue.put(append)
        return await append.waiter

    async def close(self) -> None:
        """Refuses what comes from now on, and writes what was accepted."""
        self._closing = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._turn.close()

    def _write_groups(self) -> None:
        while (first := self._queue.get()) is not None:
            group = [first]
            closing = False
            while len(group) < MAX_GROUP and not closing:
                try:
                    another = self._queue.get_nowait()
                except queue.Empty:
                    break
                if another is None:
                    closing = True
                else:
                    group.append(another)
            self._write(group)
            self._settle(group)
            if closing:
                return

    def _write(self, group: Sequence[_Append]) -> None:
        """Stores a group; a member that conflicts or is refused fails alone."""
        remaining = list(group)
        while remaining:
            try:
                self._transact(remaining)
                return
            except IntegrityError as error:
                # who was refused beside a conflicting neighbour is judged anew without it
                unharmed = self._without_conflicting(remaining)
                if len(unharmed) == len(remaining):
                    self._fail(remaining, error)
                    return
                remaining = unharmed
            except Exception as error:
                if isinstance(error, DBAPIError) and not isinstance(error, DataError):
                    self._fail(remaining, database.unavailable(error))
                elif len(remaining) == 1:
                    self._fail(remaining, error)  # a fault of ours must reach those who wait
                else:  # and only those: each on its own
                    for append in remaining:
                        self._write([append])
                return

    def _transact(self, group: Sequence[_Append]) -> None:
        needed = _needed(group)
        ledger = self._ledger
        self._ledger = None  # what fails half-way leaves nothing behind
        with self._turn, self._engine.begin() as connection:
            self._recorder.lock(connection)
            last = self._recorder.last_position(connection)
            if ledger is None or ledger.position != last:
                ledger = KnownLedger(self._default_limits, position=last)
            ledger.load(connection, needed.subjects, needed.pools)
            ledger.load_of_all(connection, needed.resources)
            names = tables.KnownNames(connection, needed.scopes)
            dependents = tables.KnownDependents(connection, needed.alone)
            unknown = needed.unchanged - ledger.heads.keys()
            if unknown:
                ledger.heads |= {
                    **dict.fromkeys(unknown, 0),
                    **self._recorder.heads(connection, list(unknown)),
                }
            admission = Admission(ledger, names, ledger.pools, dependents, heads=ledger.heads)
            admitted = _admitted(group, admission)
            ledger.position = self._insert(connection, admitted, after=last)
            ledger.heads = {id: admission.heads[id] for id in ledger.heads}
            ledger.save(connection)
            names.save(connection)
            dependents.save(connection)
        self._ledger = ledger

    def _insert(self, connection: Connection, admitted: Sequence[_Append], *, after: int) -> int:
        """Stores the events as the next ones of the log; the position of the last."""
        stored = [event for append in admitted for event in append.stored]
        if stored:
            self._recorder.insert(connection, stored, after=after)
        position = after
        for append in admitted:
            position += len(append.stored)
            append.position = position
        return position

    def _without_conflicting(self, group: Sequence[_Append]) -> list[_Append]:
        """Finds out whose versions the unique index refused, and returns the others."""
        ids = list({recorded.aggregate_id for append in group for recorded in append.wanted.events})
        try:
            with self._engine.connect() as connection:
                heads = self._recorder.heads(connection, ids)
        except DBAPIError as error:
            self._fail(group, database.unavailable(error))
            return []
        others = []
        for append in group:
            stale = (r for r in append.wanted.events if r.version <= heads.get(r.aggregate_id, 0))
            first = next(stale, None)
            if first is None:
                others.append(append)
            else:
                append.error = conflict_over(first)
        return others

    def _fail(self, group: Sequence[_Append], error: Exception) -> None:
        for append in group:
            if append.error is None:
                append.error = error

    def _settle(self, group: Sequence[_Append]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[_Append]] = {}
        for append in group:
            by_loop.setdefault(append.loop, []).append(append)
        for loop, appends in by_loop.items():
            with suppress(RuntimeError):  # that loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(self._tell, appends)

    def _tell(self, appends: Sequence[_Append]) -> None:
        for append in appends:
            append.settle()
        newest = max((append.position for append in appends if append.error is None), default=0)
        if newest:
            for told in self.told:
                told(newest)


class _Needed(msgspec.Struct):
    """What has to be known to judge a group."""

    subjects: set[str]
    """The projects and quota classes whose ledger may be asked or change."""
    pools: set[str]
    """Those whose promises may change."""
    resources: set[str]
    """Those whose usage by all projects is asked for."""
    scopes: set[str]
    """Those whose names may change."""
    unchanged: set[UUID]
    """The aggregates that were only read."""
    alone: set[UUID]
    """The things that nothing may depend on."""


def _needed(group: Sequence[_Append]) -> _Needed:
    needed = _Needed(set(), set(), set(), set(), set(), set())
    for append in group:
        wanted = append.wanted
        needed.unchanged.update(wanted.unchanged)
        needed.pools.update(change.pool for change in wanted.promised)
        needed.alone.update(each.id for each in wanted.needs if isinstance(each, Alone))
        for recorded in wanted.events:
            kind = recorded.event.kind
            if kind in quota.KINDS:
                needed.subjects.add(quota.whose(recorded.event))
            elif kind in SCOPES:
                needed.scopes.add(kind)
                resource = quota.unused_resource(recorded)
                if resource is not None:
                    needed.resources.add(resource)
    return needed


def _admitted(group: Sequence[_Append], admission: Admission) -> list[_Append]:
    """Those that nothing stands against, neither what is stored nor an earlier member."""
    admitted = []
    for append in group:
        append.error = None
        try:
            admission.admit(append.wanted)
        except LapilliError as refusal:
            append.error = refusal
            continue
        admitted.append(append)
    return admitted
