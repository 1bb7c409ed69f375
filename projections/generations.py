"""Generations: which table of a projection is active, how far each has come, and the switch.

One row of `projection_positions` for each table there is. Whoever fills a table locks its row
first, and moves the row's position in the same transaction, so that every event is applied once
however many processes try.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.schema import CreateIndex, CreateTable, DropTable

from projections import PROJECTIONS
from projections.columns import POSTGRESQL, Instant
from projections.projection import Projection

positions = Table(
    "projection_positions",
    MetaData(),
    Column("name", String, primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("moved_at", Instant),
    Column("error", Text),
)
_c = positions.c

# What every batch asks, made once: making a statement takes longer than SQLite does to answer it.
_ACTIVE = select(positions).where(_c.active).order_by(_c.name)
_LOCKED = _ACTIVE.where(_c.name.in_(bindparam("names", expanding=True))).with_for_update()
_MOVED = (
    update(positions)
    .where(tuple_(_c.name, _c.generation, _c.position).in_(bindparam("found", expanding=True)))
    .values(position=bindparam("to"), moved_at=bindparam("at"), error=None)
)
_one_active = Index(
    "projection_positions_active",
    _c.name,
    unique=True,
    postgresql_where=_c.active,
    sqlite_where=_c.active,
)

_SCHEMA_LOCK = 0x6C6170696C6C69  # "lapilli", for pg_advisory_xact_lock


class Generation(msgspec.Struct, frozen=True):
    """One table of a projection, and how far it has come.

    `version` is the one of the code that fills it; `position` that of the last event applied, at
    `moved_at`. `error` tells why it stands still, if it does.
    """

    name: str
    generation: int
    version: int
    active: bool
    position: int
    moved_at: datetime | None
    error: str | None


class Overtaken(Exception):
    """A position is not where it was read, although it was locked: the lock did not hold."""


def for_writing(engine: Engine) -> Engine:
    """The engine whose transactions take SQLite's write lock when they begin (see
    adapters/database.py); PostgreSQL locks rows instead."""
    return engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")


def create_tables(engine: Engine, projections: Iterable[Projection] = PROJECTIONS) -> None:
    """Makes what is missing. Any number of processes may do so at the same time."""
    with for_writing(engine).begin() as connection:
        _alone(connection)
        connection.execute(CreateTable(positions, if_not_exists=True))
        connection.execute(CreateIndex(_one_active, if_not_exists=True))
        known = {found.name for found in active(connection)}
        for projection in projections:
            if projection.name not in known:
                begun = _begin(connection, projection, generation=1, active=True)
                add_indexes(connection, projection, begun)


def active(connection: Connection) -> list[Generation]:
    """The generations that are read, as this transaction sees them."""
    return _generations(connection, _ACTIVE)


def all_of(connection: Connection, name: str) -> list[Generation]:
    """Every generation of a projection, the oldest first."""
    statement = select(positions).where(_c.name == name).order_by(_c.generation)
    return _generations(connection, statement)


def lock_active(connection: Connection, names: Sequence[str]) -> list[Generation]:
    """The active generations of these projections, which nobody else moves until the commit.

    One that is switched while this waits for its lock is left out.
    """
    return _generations(connection, _LOCKED, names=list(names))


def lock_one(connection: Connection, generation: Generation) -> Generation | None:
    """The generation as it is now, locked; None if it is gone."""
    found = _generations(connection, select(positions).where(*_is(generation)).with_for_update())
    return found[0] if found else None


def move(
    connection: Connection, generations: Sequence[Generation], position: int, at: datetime
) -> list[Generation]:
    """The locked generations at their new position, which is one statement for all of them.

    Raises Overtaken if a lock did not hold.
    """
    if not generations:
        return []
    where = [(found.name, found.generation, found.position) for found in generations]
    moved = connection.execute(_MOVED, {"found": where, "to": position, "at": at})
    if moved.rowcount != len(where):
        raise Overtaken(f"not all of {where} are where they were")
    return [
        msgspec.structs.replace(found, position=position, moved_at=at, error=None)
        for found in generations
    ]


def blame(connection: Connection, name: str, error: str) -> None:
    """Records why the active generation of a projection stands still."""
    connection.execute(update(positions).where(_c.name == name, _c.active).values(error=error))


def open_beside(connection: Connection, projection: Projection) -> Generation:
    """The generation of this version that is being filled; a new and empty one if there is none.

    A new one has no indexes yet. One that another version began is dropped.
    """
    _alone(connection)
    generations = all_of(connection, projection.name)
    newest = generations[-1]
    if not newest.active and newest.version == projection.version:
        return newest
    if not newest.active:
        drop(connection, projection, newest)
    return _begin(connection, projection, generation=newest.generation + 1, active=False)


def add_indexes(connection: Connection, projection: Projection, generation: Generation) -> None:
    """Adds the indexes that a generation does not have; quicker after its rows than before."""
    _alone(connection)
    if lock_one(connection, generation) is None:
        return  # gone already
    table = projection.table(generation.generation)
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        connection.execute(CreateIndex(index, if_not_exists=True))


def switch(connection: Connection, old: Generation, new: Generation) -> None:
    """Makes `new` the active generation instead of `old`; both must be locked."""
    connection.execute(update(positions).where(*_is(old)).values(active=False))
    connection.execute(update(positions).where(*_is(new)).values(active=True))


def drop_older(connection: Connection, projection: Projection) -> None:
    """Drops the generations before the active one; nobody begins to read them any more.

    PostgreSQL waits for those who still do, so this must hold no lock that others need.
    """
    _alone(connection)
    generations = all_of(connection, projection.name)
    current = next(found for found in generations if found.active)
    for found in generations:
        if found.generation < current.generation:
            drop(connection, projection, found)


def drop(connection: Connection, projection: Projection, generation: Generation) -> None:
    """Drops a generation that is not active."""
    connection.execute(DropTable(projection.table(generation.generation), if_exists=True))
    connection.execute(delete(positions).where(*_is(generation)))


def _begin(
    connection: Connection, projection: Projection, *, generation: int, active: bool
) -> Generation:
    table = projection.table(generation)
    connection.execute(DropTable(table, if_exists=True))
    connection.execute(CreateTable(table))
    begun = Generation(projection.name, generation, projection.version, active, 0, None, None)
    connection.execute(insert(positions), msgspec.structs.asdict(begun))
    return begun


def _alone(connection: Connection) -> None:
    """Waits until no other process changes tables."""
    if connection.dialect.name == POSTGRESQL:
        connection.execute(select(func.pg_advisory_xact_lock(_SCHEMA_LOCK)))


def _is(generation: Generation) -> tuple[Any, Any]:
    return _c.name == generation.name, _c.generation == generation.generation


def _generations(
    connection: Connection, statement: Select[Any], **parameters: Any
) -> list[Generation]:
    return [Generation(*row) for row in connection.execute(statement, parameters)]
