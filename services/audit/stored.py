"""The log as it is stored: every row, also those that cannot be read any more."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

import msgspec
from eventsourcing.persistence import Notification
from eventsourcing_sqlalchemy.datastore import SQLAlchemyDatastore
from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import sessionmaker

from adapters import database
from adapters.event_store.port import EventStore
from adapters.event_store.recorder import EventMapper, EventRecorder
from domain.event import Event, Recorded

T = TypeVar("T")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the log. `recorded` is None where `problem` tells why it cannot be read."""

    position: int
    aggregate_id: UUID
    version: int
    topic: str
    recorded: Recorded[Event] | None
    problem: str | None = None


class StoredLog(Protocol):
    """What an audit reads. Everything here raises Unavailable if the store cannot be reached."""

    async def after(self, position: int, limit: int) -> Sequence[Entry]:
        """The log above a position, in order."""
        ...

    async def stream(self, aggregate_id: UUID) -> Sequence[Entry]:
        """All of one aggregate, in order."""
        ...

    async def last_position(self) -> int:
        """The position of the newest row; 0 when there is none."""
        ...

    async def matching(self, low: UUID, high: UUID, limit: int) -> Sequence[UUID]:
        """Some aggregates whose ids are in this range, in order."""
        ...


class SqlLog:
    """Reads the event store's tables, without writing to them or decoding in batches."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._mapper = EventMapper()
        datastore = SQLAlchemyDatastore(session_maker=sessionmaker(bind=engine))
        self._recorder = EventRecorder(datastore, events_table_name="events")

    async def after(self, position: int, limit: int) -> list[Entry]:
        rows = await self._read(lambda c: self._recorder.after(c, position, limit))
        return [self._entry(row) for row in rows]

    async def stream(self, aggregate_id: UUID) -> list[Entry]:
        rows = await self._read(
            lambda c: self._recorder.stream(c, aggregate_id, after=0, limit=None)
        )
        return [self._entry(row) for row in rows]

    async def last_position(self) -> int:
        return await self._read(self._recorder.last_position)

    async def matching(self, low: UUID, high: UUID, limit: int) -> list[UUID]:
        ids = self._recorder.table.c.originator_id
        query = select(ids).distinct().where(ids.between(low, high)).order_by(ids).limit(limit)
        return await self._read(lambda c: list(c.execute(query).scalars()))

    def _entry(self, row: Notification) -> Entry:
        recorded, problem = None, None
        try:
            recorded = self._mapper.to_domain_event(row)
        except Exception as error:  # reading is pure: whatever it raises is this row's fault
            problem = f"{type(error).__name__}: {error}"
        return Entry(
            position=row.id,
            aggregate_id=UUID(str(row.originator_id)),
            version=row.originator_version,
            topic=row.topic,
            recorded=recorded,
            problem=problem,
        )

    async def _read(self, query: Callable[[Connection], T]) -> T:
        def run() -> T:
            with self._engine.connect() as connection:
                return query(connection)

        try:
            return await asyncio.to_thread(run)
        except DBAPIError as error:
            raise database.unavailable(error) from error


class LogOfStore:
    """The log of a store of any kind, all of which it can read."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    async def after(self, position: int, limit: int) -> list[Entry]:
        return [_of(recorded) for recorded in await self._store.log(position, limit)]

    async def stream(self, aggregate_id: UUID) -> list[Entry]:
        return [_of(recorded) for recorded in await self._store.events(aggregate_id)]

    async def last_position(self) -> int:
        return await self._store.last_position()

    async def matching(self, low: UUID, high: UUID, limit: int) -> list[UUID]:
        everything = await self._store.log(0, await self._store.last_position())
        ids = {recorded.aggregate_id for recorded in everything}
        return sorted(id for id in ids if low <= id <= high)[:limit]


def _of(recorded: Recorded[Event]) -> Entry:
    return Entry(
        position=recorded.position,
        aggregate_id=recorded.aggregate_id,
        version=recorded.version,
        topic=recorded.event.topic,
        recorded=recorded,
    )
