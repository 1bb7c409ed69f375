"""The eventsourcing library's SQLAlchemy recorder and mapper, made fast: Core, msgspec."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any
from uuid import UUID

from eventsourcing.persistence import Mapper, Notification, StoredEvent
from eventsourcing_sqlalchemy.recorders import SQLAlchemyApplicationRecorder
from sqlalchemy import (
    Connection,
    Integer,
    Select,
    Table,
    bindparam,
    func,
    insert,
    select,
    text,
)

from domain import codec
from domain.event import Event, Recorded

ALL = 2**31 - 1
"""A limit that limits nothing."""


class EventMapper(Mapper[UUID]):
    """Turns our events into the library's stored events and back, under their stable names."""

    def __init__(self) -> None:  # neither transcoder nor cipher: the codec does all
        pass

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        recorded: Recorded[Event] = domain_event
        return StoredEvent(
            recorded.aggregate_id, recorded.version, recorded.event.topic, codec.encode(recorded)
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        assert isinstance(stored_event.originator_id, UUID)
        return codec.decode(
            aggregate_id=stored_event.originator_id,
            version=stored_event.originator_version,
            topic=stored_event.topic,
            state=stored_event.state,
            position=stored_event.id if isinstance(stored_event, Notification) else 0,
        )


class EventRecorder(SQLAlchemyApplicationRecorder):
    """Writes and reads by SQLAlchemy Core, and numbers the log itself.

    Its transactions exclude each other (see `lock`), so the next position is the last one's
    successor: no gaps where a transaction was rolled back, and no asking the database row by row
    which number it gave (three to four times as fast on SQLite).
    """

    @property
    def table(self) -> Table:
        """The stored events."""
        table: Table = self.events_record_cls.__table__
        return table

    def lock(self, connection: Connection) -> None:
        """Makes this the only writing transaction, so that positions follow commits.

        SQLite's transactions are exclusive from their beginning (BEGIN IMMEDIATE).
        """
        if connection.dialect.name == "postgresql":
            connection.execute(self._statements.lock)

    def insert(
        self, connection: Connection, stored_events: Sequence[StoredEvent], *, after: int
    ) -> None:
        """Stores these as the events that follow position `after`, the last there is."""
        rows = [
            {
                "id": position,
                "originator_id": stored.originator_id,
                "originator_version": stored.originator_version,
                "topic": stored.topic,
                "state": stored.state,
            }
            for position, stored in enumerate(stored_events, after + 1)
        ]
        connection.execute(self._statements.insert, rows)

    def heads(self, connection: Connection, ids: Sequence[UUID]) -> dict[UUID, int]:
        """The version each of these aggregates is at; those without events are absent."""
        columns = self.table.c
        query = (
            select(columns.originator_id, func.max(columns.originator_version))
            .where(columns.originator_id.in_(ids))
            .group_by(columns.originator_id)
        )
        return {row[0]: row[1] for row in connection.execute(query)}

    def stream(
        self, connection: Connection, id: UUID, *, after: int, limit: int | None
    ) -> list[Notification]:
        """An aggregate's events above a version."""
        values = {"id": id, "after": after, "limit": ALL if limit is None else limit}
        return self._notifications(connection, self._statements.stream, values)

    def beginnings(
        self, connection: Connection, ids: Sequence[UUID], *, limit: int
    ) -> list[Notification]:
        """The first events of several aggregates."""
        values = {"ids": ids, "limit": limit}
        return self._notifications(connection, self._statements.beginnings, values)

    def of_kind(self, connection: Connection, kind: str) -> list[Notification]:
        """All events of the aggregates of a kind, in the order of the log. Reads the whole log."""
        topic = self.table.c.topic
        statement = select(self.table).where(topic.startswith(f"{kind}.", autoescape=True))
        return self._notifications(connection, statement.order_by(self.table.c.id), {})

    def after(self, connection: Connection, position: int, limit: int) -> list[Notification]:
        """The log above a position."""
        values = {"position": position, "limit": limit}
        return self._notifications(connection, self._statements.after, values)

    def last_position(self, connection: Connection) -> int:
        """The newest position, 0 when there is none."""
        return connection.execute(self._statements.last).scalar() or 0

    def _notifications(
        self, connection: Connection, statement: Select[Any], values: dict[str, Any]
    ) -> list[Notification]:
        return [
            Notification(id=id, originator_id=o, originator_version=v, topic=topic, state=state)
            for id, o, v, topic, state in connection.execute(statement, values)
        ]

    @cached_property
    def _statements(self) -> "_Statements":
        return _Statements(self.table)


class _Statements:
    """What is asked most, built once: building a statement costs more than running it."""

    def __init__(self, events: Table) -> None:
        at = events.c
        limit = bindparam("limit", type_=Integer)
        self.lock = text(f"LOCK TABLE {events.name} IN EXCLUSIVE MODE")
        self.insert = insert(events)
        self.last = select(func.max(at.id))
        self.after = (
            select(events).where(at.id > bindparam("position")).order_by(at.id).limit(limit)
        )
        self.beginnings = (
            select(events)
            .where(at.originator_id.in_(bindparam("ids", expanding=True)))
            .where(at.originator_version <= limit)
            .order_by(at.originator_id, at.originator_version)
        )
        self.stream = (
            select(events)
            .where(at.originator_id == bindparam("id"))
            .where(at.originator_version > bindparam("after"))
            .order_by(at.originator_version)
            .limit(limit)
        )
