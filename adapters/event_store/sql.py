"""The event store on SQLite and PostgreSQL, with group commit."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar
from uuid import UUID

from eventsourcing import persistence
from eventsourcing.persistence import StoredEvent
from eventsourcing_sqlalchemy.datastore import SQLAlchemyDatastore
from eventsourcing_sqlalchemy.recorders import SQLAlchemyAggregateRecorder
from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import sessionmaker

from adapters import database
from adapters.event_store import tables
from adapters.event_store.port import Snapshot
from adapters.event_store.reader import FIRST, GroupReader
from adapters.event_store.recorder import EventMapper, EventRecorder
from adapters.event_store.writer import GroupWriter
from domain.dependence import Need
from domain.errors import Unavailable
from domain.event import Event, Recorded
from domain.names import SCOPES, Name
from domain.placement import Promise
from domain.promises import PoolLedger, changes
from domain.quota import Usage

T = TypeVar("T")


class SqlEventStore:
    """Keeps the contract of `EventStore`."""

    def __init__(self, engine: Engine, *, default_limits: Mapping[str, int]) -> None:
        self._engine = engine
        self._mapper = EventMapper()
        datastore = SQLAlchemyDatastore(session_maker=sessionmaker(bind=engine))
        self._recorder = EventRecorder(datastore, events_table_name="events")
        self._snapshots = SQLAlchemyAggregateRecorder(
            datastore, events_table_name="snapshots", for_snapshots=True
        )
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="store-read")
        self._writer = GroupWriter(engine, self._recorder, default_limits=default_limits)
        self._reader = GroupReader(self._recorder, self._read)

    def create_tables(self) -> None:
        """Creates what is not there yet; harmless when several processes start at once."""
        writing = database.for_writing(self._engine)
        with writing.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(727201)")
            self._recorder.table.create(connection, checkfirst=True)
            for table in self._snapshots.tables:
                table.create(connection, checkfirst=True)
            named = inspect(connection).has_table(tables.names_table.name)
            promised = inspect(connection).has_table(tables.pools_table.name)
            tables.metadata.create_all(connection)
            if not named:
                self._name_what_is_there(connection)
            if not promised:
                self._promise_what_was(connection)

    def _promise_what_was(self, connection: Connection) -> None:
        """Fills the pools' ledger from a log that is older than it."""
        ledger, position = PoolLedger(), 0
        while batch := self._recorder.after(connection, position, 1_000):
            events = [self._mapper.to_domain_event(row).event for row in batch]
            ledger.take(changes(events))
            position = batch[-1].id
        tables.save_promises(connection, ledger, position=position)

    def _name_what_is_there(self, connection: Connection) -> None:
        """Fills the names of a log that was begun before they were kept beside it."""
        names = tables.KnownNames(connection, ())
        for kind in SCOPES:
            rows = self._recorder.of_kind(connection, kind)
            names.settle(self._mapper.to_domain_event(row) for row in rows)
        names.save(connection)

    async def append(
        self, events: Sequence[Recorded[Event]], *, unchanged: Mapping[UUID, int] = {}
    ) -> int:
        # encoded here: what cannot be encoded harms no neighbour, and the transaction is short
        stored = [self._mapper.to_stored_event(recorded) for recorded in events]
        return await self._writer.append(events, stored, unchanged=unchanged)

    def on_append(self, told: Callable[[int], None]) -> None:
        self._writer.told.append(told)

    async def events(
        self, aggregate_id: UUID, *, after: int = 0, limit: int | None = None
    ) -> list[Recorded[Event]]:
        if after == 0 and limit is not None and limit <= FIRST:
            rows = (await self._reader.first(aggregate_id))[:limit]
        else:
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

    async def limits(self, subject: str) -> dict[str, int]:
        found = await self._read(lambda c: tables.load_limits(c, [subject]))
        return found.get(subject, {})

    async def ledger(self) -> tuple[int, dict[tuple[str, str], Usage], dict[str, dict[str, int]]]:
        def whole(
            connection: Connection,
        ) -> tuple[int, dict[tuple[str, str], Usage], dict[str, dict[str, int]]]:
            position = self._recorder.last_position(connection)
            return position, tables.load_usage(connection), tables.load_limits(connection)

        return await self._read(whole, isolation="REPEATABLE READ")

    async def names(self) -> tuple[int, dict[Name, UUID]]:
        def whole(connection: Connection) -> tuple[int, dict[Name, UUID]]:
            return self._recorder.last_position(connection), tables.load_names(connection, SCOPES)

        return await self._read(whole, isolation="REPEATABLE READ")

    async def promises(self, *, after: int = 0) -> tuple[int, dict[str, Promise]]:
        def changed(connection: Connection) -> tuple[int, dict[str, Promise]]:
            position = self._recorder.last_position(connection)
            return position, tables.load_promises(connection, after=after)

        return await self._read(changed, isolation="REPEATABLE READ")

    async def dependents(self, id: UUID) -> dict[UUID, Need]:
        found = await self._read(lambda c: tables.load_dependents(c, [id]))
        return {dependent: need for (_, dependent), need in found.items()}

    async def dependence(self) -> tuple[int, dict[tuple[UUID, UUID], Need]]:
        def whole(connection: Connection) -> tuple[int, dict[tuple[UUID, UUID], Need]]:
            return self._recorder.last_position(connection), tables.load_dependents(connection)

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
        await self._writer.close()
        self._threads.shutdown()
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
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except DBAPIError as error:
            raise database.unavailable(error) from error
        except persistence.PersistenceError as error:  # the library's own, of snapshots
            raise Unavailable(part=database.PART, reason=str(error).splitlines()[0]) from error
