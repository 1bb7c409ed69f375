"""The event store on SQLite and PostgreSQL, with group commit."""

import asyncio
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar
from uuid import UUID

import msgspec
from eventsourcing import persistence
from eventsourcing.persistence import StoredEvent
from eventsourcing_sqlalchemy.datastore import SQLAlchemyDatastore
from eventsourcing_sqlalchemy.recorders import SQLAlchemyAggregateRecorder
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from adapters import database
from adapters.event_store import tables
from adapters.event_store.port import Snapshot
from adapters.event_store.recorder import EventMapper, EventRecorder
from domain.errors import Conflict, LapilliError, Unavailable
from domain.event import Event, Recorded
from domain.quota import Ledger, Usage

T = TypeVar("T")

MAX_GROUP = 256
"""How many commands share a transaction at most; bounds how long it holds the log."""

PART = "database"


class _Append(msgspec.Struct, eq=False):
    """A command's events on their way into the log, and whoever waits for their position."""

    events: Sequence[Recorded[Event]]
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


class SqlEventStore:
    """Keeps the contract of `EventStore`.

    One thread writes. While it commits one group of commands the next one gathers, so that
    concurrent commands share transactions (group commit), at no cost to a lonely one. Thinking is
    done before: the transaction only asks the ledger, inserts and commits.
    """

    def __init__(self, engine: Engine, *, default_limits: Mapping[str, int]) -> None:
        self._engine = engine
        self._default_limits = default_limits
        sessions = sessionmaker(bind=database.for_writing(engine))
        datastore = SQLAlchemyDatastore(session_maker=sessions)
        self._sessions = sessions
        self._turn = database.Turn(engine)
        self._mapper = EventMapper()
        self._recorder = EventRecorder(datastore, events_table_name="events")
        self._snapshots = SQLAlchemyAggregateRecorder(
            SQLAlchemyDatastore(session_maker=sessionmaker(bind=engine)),
            events_table_name="snapshots",
            for_snapshots=True,
        )
        self._told: list[Callable[[int], None]] = []
        self._closing = False
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="store-read")
        self._queue: queue.SimpleQueue[_Append | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_groups, name="store-write", daemon=True)
        self._writer.start()

    def create_tables(self) -> None:
        """Creates what is not there yet; harmless when several processes start at once."""
        writing = database.for_writing(self._engine)
        with writing.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(727201)")
            self._recorder.table.create(connection, checkfirst=True)
            for table in self._snapshots.tables:
                table.create(connection, checkfirst=True)
            tables.metadata.create_all(connection)

    # writing

    async def append(self, events: Sequence[Recorded[Event]]) -> int:
        loop = asyncio.get_running_loop()
        # encoded here: what cannot be encoded harms no neighbour, and the transaction is short
        stored = [self._mapper.to_stored_event(recorded) for recorded in events]
        append = _Append(events=events, stored=stored, loop=loop, waiter=loop.create_future())
        if self._closing:
            raise Unavailable(part=PART, reason="the store is closed")
        self._queue.put(append)
        return await append.waiter

    def on_append(self, told: Callable[[int], None]) -> None:
        self._told.append(told)

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
                    self._fail(remaining, database.unavailable(PART, error))
                elif len(remaining) == 1:
                    self._fail(remaining, error)  # a fault of ours must reach those who wait
                else:  # and only those: each on its own
                    for append in remaining:
                        self._write([append])
                return

    def _transact(self, group: Sequence[_Append]) -> None:
        projects = {p for append in group for p in _projects(append.events)}
        with self._turn, self._sessions.begin() as session:
            self._recorder.lock(session)
            connection = session.connection()
            ledger = (
                tables.load(connection, projects, self._default_limits)
                if projects
                else Ledger(defaults=self._default_limits)
            )
            admitted = _admitted(group, ledger)
            self._insert(session, admitted)
            tables.save(connection, ledger)

    def _insert(self, session: Session, admitted: Sequence[_Append]) -> None:
        stored = [event for append in admitted for event in append.stored]
        if not stored:
            return
        positions = self._recorder.insert_events(stored, session=session)
        assert positions is not None
        end = 0
        for append in admitted:
            end += len(append.events)
            append.position = positions[end - 1]

    def _without_conflicting(self, group: Sequence[_Append]) -> list[_Append]:
        """Finds out whose versions the unique index refused, and returns the others."""
        ids = list({recorded.aggregate_id for append in group for recorded in append.events})
        try:
            with self._engine.connect() as connection:
                heads = self._recorder.heads(connection, ids)
        except DBAPIError as error:
            self._fail(group, database.unavailable(PART, error))
            return []
        others = []
        for append in group:
            stale = (r for r in append.events if r.version <= heads.get(r.aggregate_id, 0))
            first = next(stale, None)
            if first is None:
                others.append(append)
            else:
                append.error = _conflict(first)
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
            for told in self._told:
                told(newest)

    # reading

    async def events(
        self, aggregate_id: UUID, *, after: int = 0, limit: int | None = None
    ) -> list[Recorded[Event]]:
        rows = await self._read(
            lambda c: self._recorder.stream(c, aggregate_id, after=after, limit=limit)
        )
        return [self._mapper.to_domain_event(row) for row in rows]

    async def log(self, after: int, limit: int) -> list[Recorded[Event]]:
        return await self._read(
            lambda c: [
                self._mapper.to_domain_event(row) for row in self._recorder.after(c, after, limit)
            ]
        )

    async def last_position(self) -> int:
        return await self._read(self._recorder.last_position)

    async def usage(self, project_id: str) -> dict[str, Usage]:
        found = await self._read(lambda c: tables.load_usage(c, [project_id]))
        return {resource: usage for (_, resource), usage in found.items()}

    async def limits(self, project_id: str) -> dict[str, int]:
        found = await self._read(lambda c: tables.load_limits(c, [project_id]))
        return found.get(project_id, {})

    async def ledger(self) -> tuple[int, dict[tuple[str, str], Usage], dict[str, dict[str, int]]]:
        def whole(
            connection: Connection,
        ) -> tuple[int, dict[tuple[str, str], Usage], dict[str, dict[str, int]]]:
            position = self._recorder.last_position(connection)
            return position, tables.load_usage(connection), tables.load_limits(connection)

        return await self._read(whole, isolation="REPEATABLE READ")

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        def save() -> None:
            if self._newest_snapshot_version(snapshot.aggregate_id) >= snapshot.version:
                return
            stored = StoredEvent(
                snapshot.aggregate_id, snapshot.version, snapshot.topic, snapshot.state
            )
            with suppress(persistence.IntegrityError):  # another process just saved the same
                self._snapshots.insert_events([stored])

        await self._in_thread(save)

    async def snapshot(self, aggregate_id: UUID) -> Snapshot | None:
        def newest() -> Snapshot | None:
            rows = self._snapshots.select_events(aggregate_id, desc=True, limit=1)
            return next(
                (Snapshot(aggregate_id, r.originator_version, r.topic, r.state) for r in rows), None
            )

        return await self._in_thread(newest)

    async def close(self) -> None:
        self._closing = True
        self._queue.put(None)
        await asyncio.to_thread(self._writer.join)
        self._readers.shutdown()
        self._turn.close()
        self._engine.dispose()

    def _newest_snapshot_version(self, aggregate_id: UUID) -> int:
        rows = self._snapshots.select_events(aggregate_id, desc=True, limit=1)
        return rows[0].originator_version if rows else 0

    async def _read(self, query: Callable[[Connection], T], *, isolation: str | None = None) -> T:
        def run() -> T:
            engine = self._engine
            if isolation is not None and engine.dialect.name == "postgresql":
                engine = engine.execution_options(isolation_level=isolation)
            with engine.connect() as connection:
                return query(connection)

        return await self._in_thread(run)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, work)
        except DBAPIError as error:
            raise database.unavailable(PART, error) from error
        except persistence.PersistenceError as error:  # the library's own, of snapshots
            raise Unavailable(part=PART, reason=str(error).splitlines()[0]) from error


def _projects(events: Sequence[Recorded[Event]]) -> set[str]:
    """The projects whose ledger these events may ask or change."""
    return {
        recorded.event.project_id  # type: ignore[attr-defined]
        for recorded in events
        if recorded.event.kind in ("quota_reservation", "quota_limits")
    }


def _admitted(group: Sequence[_Append], ledger: Ledger) -> list[_Append]:
    """Those that neither the ledger nor an earlier member of the group stands against."""
    heads: dict[UUID, int] = {}
    admitted = []
    for append in group:
        append.error = None
        try:
            _follow(append.events, heads)
            ledger.admit([recorded.event for recorded in append.events])
        except LapilliError as refusal:
            append.error = refusal
            continue
        heads.update({recorded.aggregate_id: recorded.version for recorded in append.events})
        admitted.append(append)
    return admitted


def _follow(events: Sequence[Recorded[Event]], heads: Mapping[UUID, int]) -> None:
    """Raises Conflict unless each event follows what the group holds of its aggregate."""
    ahead = dict(heads)
    for recorded in events:
        head = ahead.get(recorded.aggregate_id)
        if head is not None and recorded.version != head + 1:
            raise _conflict(recorded)
        ahead[recorded.aggregate_id] = recorded.version


def _conflict(recorded: Recorded[Event]) -> Conflict:
    return Conflict(kind=recorded.event.kind, id=str(recorded.aggregate_id))
