"""What is under way and since when: one row for each thing that somebody of ours has to go on with.

There is nothing here of what is at rest, so that whoever looks for what is late looks at little.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import starmap
from typing import Any
from uuid import UUID, uuid5

import msgspec
from sqlalchemy import (
    Column,
    Connection,
    Index,
    MetaData,
    Table,
    Uuid,
    and_,
    or_,
    select,
    tuple_,
)

from domain.deadlines import WAITS
from domain.event import Event, Recorded
from domain.lifecycle import STAYS, Lifecycle
from domain.machines import LIFECYCLES
from domain.machines.attachment import ATTACHMENT
from domain.machines.backup import BACKUP
from domain.machines.move import MOVE
from domain.machines.snapshot import SNAPSHOT
from domain.machines.volume import VOLUME
from domain.machines.volume_operation import VOLUME_OPERATION
from projections.columns import Instant, words
from projections.projection import Change, Drop, Patch, Projection, Put, Tables


def _table(name: str, metadata: MetaData) -> Table:
    table = Table(
        name,
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("subject_id", Uuid, nullable=False),
        Column("subject_kind", words(), nullable=False),
        Column("lifecycle", words(), nullable=False),
        Column("state", words(), nullable=False),
        Column("since", Instant, nullable=False),
        Column("request_id", words(), nullable=False),
        Column("project_id", words(), nullable=False),
        Column("cause", words(), nullable=False),
    )
    Index(f"{name}_oldest", table.c.since, table.c.id)
    return table


UNDER_WAY = Projection("under_way", version=5, build=_table)


class UnderWayRow(msgspec.Struct, frozen=True):
    """One thing under way on a volume or snapshot: which `state` of which `lifecycle` lasts.

    Time in UTC.

    `request_id`, `project_id` and `cause` are of the event that brought it there. A claim that was
    taken over does not make it younger.
    """

    id: UUID
    subject_id: UUID
    subject_kind: str
    lifecycle: str
    state: str
    since: datetime
    request_id: str
    project_id: str
    cause: str


# How events change it

Key = Callable[[Recorded[Event]], UUID]


def _itself(recorded: Recorded[Event]) -> UUID:
    return recorded.aggregate_id


def _beside(recorded: Recorded[Event]) -> UUID:
    return uuid5(recorded.aggregate_id, "operation")


def _attachment_of(recorded: Recorded[Any]) -> UUID:
    return UUID(recorded.event.attachment_id)


def _volume_of(recorded: Recorded[Any]) -> UUID:
    return UUID(recorded.event.volume_id)


class Followed(msgspec.Struct, frozen=True):
    """A lifecycle of what can be under way: what tells one such thing from another, and the volume
    or whatever else it is on, which is of that `kind`."""

    lifecycle: Lifecycle
    key: Key
    subject: Key = _itself
    kind: str = "volume"


FOLLOWED: Mapping[str, Sequence[Followed]] = {
    "volume": (
        Followed(VOLUME, _itself),
        Followed(VOLUME_OPERATION, _beside),
        Followed(ATTACHMENT, _attachment_of),
    ),
    "snapshot": (Followed(SNAPSHOT, _itself, kind="snapshot"),),
    "backup": (Followed(BACKUP, _itself, kind="backup"),),
    "move": (Followed(MOVE, _itself, _volume_of),),
}
"""By the kind of the aggregate. When this changes, the version goes up."""


class _Effect(msgspec.Struct, frozen=True):
    """What an event does to a thing: it is over, or in `state`, where it may have been already."""

    state: str | None
    again: bool = False


def _effects(lifecycle: Lifecycle) -> dict[str, _Effect]:
    """By event; those that change nothing are not there."""
    owed, found = WAITS[lifecycle.name], dict[str, _Effect]()
    for event, sources, target in lifecycle.rows:
        if target in owed:
            found[event] = _Effect(target, again=target in sources)
        elif target != STAYS and any(source in owed for source in sources):
            found[event] = _Effect(None)
    return found


_EFFECTS = {name: _effects(LIFECYCLES[name]) for name in WAITS}


def moved(recorded: Recorded[Event]) -> list[Change]:
    """Whatever happens to it, something may begin, go on or be over."""
    return [
        _change(recorded, followed, effect)
        for followed in FOLLOWED[recorded.event.kind]
        if (effect := _EFFECTS[followed.lifecycle.name].get(recorded.event.verb)) is not None
    ]


for _kind in FOLLOWED:
    UNDER_WAY.projects_others(_kind)(moved)


def _change(recorded: Recorded[Event], followed: Followed, effect: _Effect) -> Change:
    key = followed.key(recorded)
    if effect.state is None:
        return Drop(key)
    if effect.again:
        return Patch(key, {"state": effect.state})
    row = UnderWayRow(
        id=key,
        subject_id=followed.subject(recorded),
        subject_kind=followed.kind,
        lifecycle=followed.lifecycle.name,
        state=effect.state,
        since=recorded.moment.at,
        request_id=recorded.moment.request_id,
        project_id=recorded.moment.actor.project_id,
        cause=recorded.id,
    )
    return Put(key, msgspec.structs.asdict(row))


# The query


def older_than(
    connection: Connection,
    tables: Tables,
    limits: Mapping[tuple[str, str], datetime],
    *,
    after: UnderWayRow | None = None,
    most: int,
) -> list[UnderWayRow]:
    """What has been in a state of a lifecycle since that `limit` or longer, the oldest first."""
    table = tables[UNDER_WAY.name]
    together: dict[datetime, list[tuple[str, str]]] = {}
    for kind_of_wait, limit in limits.items():
        together.setdefault(limit, []).append(kind_of_wait)
    waiting = tuple_(table.c.lifecycle, table.c.state)
    late = [and_(table.c.since <= limit, waiting.in_(kinds)) for limit, kinds in together.items()]
    statement = select(table).where(table.c.since <= max(limits.values()), or_(*late))
    if after is not None:
        marker: Any = tuple_(table.c.since, table.c.id)
        statement = statement.where(marker > (after.since, after.id))
    statement = statement.order_by(table.c.since, table.c.id).limit(most)
    return list(starmap(UnderWayRow, connection.execute(statement)))
