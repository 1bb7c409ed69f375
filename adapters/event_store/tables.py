"""Tables beside the log and in its transactions: ledgers of quota and pools, unique names, what
depends on what."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    Connection,
    CursorResult,
    MetaData,
    Select,
    String,
    Table,
    Uuid,
    bindparam,
    delete,
    select,
    text,
    tuple_,
)

from domain.aggregates.quota_limits import DEFAULT_CLASS
from domain.dependence import Dependents, Need
from domain.names import Name, Names
from domain.placement import Promise
from domain.placement.capacity import NOTHING
from domain.promises import PoolLedger
from domain.quota import Amounts, Ledger, Usage

metadata = MetaData()

usage_table = Table(
    "quota_usage",
    metadata,
    Column("project_id", String(255), primary_key=True),
    Column("resource", String(255), primary_key=True),
    Column("in_use", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
)

limits_table = Table(
    "quota_limits",
    metadata,
    Column("project_id", String(255), primary_key=True),
    Column("resource", String(255), primary_key=True),
    Column("limit", BigInteger, nullable=False),
)
"""Own limits; `project_id` is `class/NAME` where they are a quota class's."""

names_table = Table(
    "unique_names",
    metadata,
    Column("scope", String(64), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("holder", Uuid, nullable=False),
)

pools_table = Table(
    "pool_promises",
    metadata,
    Column("pool", String(255), primary_key=True),
    Column("gib", BigInteger, nullable=False),
    Column("volumes", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False, index=True),
)
"""What is promised on each pool; `position` is the last event that changed it, or above."""

dependents_table = Table(
    "dependents",
    metadata,
    Column("on_id", Uuid, primary_key=True),
    Column("dependent", Uuid, primary_key=True),
    Column("need", String(16), nullable=False),
)

_IN_PROJECTS: BindParameter[str] = bindparam("projects", expanding=True)
_ALL_USAGE, _ALL_LIMITS = select(usage_table), select(limits_table)
_SOME_USAGE = _ALL_USAGE.where(usage_table.c.project_id.in_(_IN_PROJECTS))
_SOME_LIMITS = _ALL_LIMITS.where(limits_table.c.project_id.in_(_IN_PROJECTS))


_UPSERT = text(
    # as text, since SQLAlchemy compiles ON CONFLICT anew each time; both databases read it alike
    "INSERT INTO quota_usage (project_id, resource, in_use, reserved)"
    " VALUES (:project_id, :resource, :in_use, :reserved)"
    " ON CONFLICT (project_id, resource)"
    " DO UPDATE SET in_use = excluded.in_use, reserved = excluded.reserved"
)


_SOME_POOLS = select(pools_table.c.pool, pools_table.c.gib, pools_table.c.volumes).where(
    pools_table.c.pool.in_(bindparam("pools", expanding=True))
)
_CHANGED_POOLS = select(pools_table.c.pool, pools_table.c.gib, pools_table.c.volumes).where(
    pools_table.c.position > bindparam("after")
)
_UPSERT_POOL = text(
    "INSERT INTO pool_promises (pool, gib, volumes, position)"
    " VALUES (:pool, :gib, :volumes, :position)"
    " ON CONFLICT (pool) DO UPDATE"
    " SET gib = excluded.gib, volumes = excluded.volumes, position = excluded.position"
)


def load_promises(connection: Connection, *, after: int = 0) -> dict[str, Promise]:
    """What is promised on the pools that changed above a position."""
    rows = connection.execute(_CHANGED_POOLS, {"after": after})
    return {pool: Promise(gib, volumes) for pool, gib, volumes in rows}


def save_promises(connection: Connection, ledger: PoolLedger, *, position: int) -> None:
    """Writes what changed since the last time, as of a position."""
    rows = [
        {"pool": pool, "gib": now.gib, "volumes": now.volumes, "position": position}
        for pool in sorted(ledger.touched)
        for now in [ledger.of(pool)]
    ]
    if rows:
        connection.execute(_UPSERT_POOL, rows)
    ledger.touched.clear()


def load_usage(
    connection: Connection, projects: Collection[str] | None = None
) -> dict[tuple[str, str], Usage]:
    """Usage by project and resource, of some projects or all."""
    rows = _of(connection, projects, _ALL_USAGE, _SOME_USAGE)
    return {(p, r): Usage(used, reserved) for p, r, used, reserved in rows}


def load_limits(
    connection: Connection, projects: Collection[str] | None = None
) -> dict[str, dict[str, int]]:
    """Own limits by project or quota class, of some of them or all."""
    found: dict[str, dict[str, int]] = {}
    rows = _of(connection, projects, _ALL_LIMITS, _SOME_LIMITS)
    for project_id, resource, limit in rows:
        found.setdefault(project_id, {})[resource] = limit
    return found


def load_names(connection: Connection, scopes: Collection[str]) -> dict[Name, UUID]:
    """Who holds which name, of some scopes. There are as many as an operator has thought of."""
    table = names_table.c
    found = connection.execute(select(names_table).where(table.scope.in_(scopes)))
    return {Name(scope, name): holder for scope, name, holder in found}


class KnownNames(Names):
    """The names of some scopes, as this transaction sees them."""

    def __init__(self, connection: Connection, scopes: Collection[str]) -> None:
        super().__init__(load_names(connection, scopes) if scopes else {})

    def save(self, connection: Connection) -> None:
        """Writes what changed."""
        if not self.touched:
            return
        gone = [(name.scope, name.name) for name in self.touched]
        at = tuple_(names_table.c.scope, names_table.c.name)
        connection.execute(delete(names_table).where(at.in_(gone)))
        rows = [
            {"scope": name.scope, "name": name.name, "holder": self.holders[name]}
            for name in sorted(self.touched)
            if name in self.holders
        ]
        if rows:
            connection.execute(names_table.insert(), rows)


def load_dependents(
    connection: Connection, ids: Collection[UUID] | None = None
) -> dict[tuple[UUID, UUID], Need]:
    """As what the second of two things needs the first; of some first ones, or all."""
    statement = select(dependents_table)
    if ids is not None:
        statement = statement.where(dependents_table.c.on_id.in_(ids))
    return {(on, dependent): need for on, dependent, need in connection.execute(statement)}


class KnownDependents(Dependents):
    """Who depends on some things, as this transaction sees them."""

    def __init__(self, connection: Connection, ids: Collection[UUID]) -> None:
        known: dict[UUID, dict[UUID, Need]] = {}
        for (on, dependent), need in (load_dependents(connection, ids) if ids else {}).items():
            known.setdefault(on, {})[dependent] = need
        super().__init__(known)

    def save(self, connection: Connection) -> None:
        """Writes what changed."""
        if not self.touched:
            return
        at = tuple_(dependents_table.c.on_id, dependents_table.c.dependent)
        connection.execute(delete(dependents_table).where(at.in_(list(self.touched))))
        rows = [
            {"on_id": on, "dependent": dependent, "need": need}
            for (on, dependent), need in self.touched.items()
            if need is not None
        ]
        if rows:
            connection.execute(dependents_table.insert(), rows)


class KnownLedger(Ledger):
    """The ledgers of quota and pools as of a log position, as far as it was needed so far.

    It is exact for as long as the log ends there: whatever changes the ledger is in the log.
    """

    def __init__(self, defaults: Amounts, *, position: int) -> None:
        super().__init__(defaults=defaults)
        self.position = position
        self.heads: dict[UUID, int] = {}
        """The versions of aggregates that appends depend on without changing them."""
        self.pools = PoolLedger()
        self._subjects: set[str] = set()

    def load(
        self, connection: Connection, subjects: Collection[str], pools: Collection[str]
    ) -> None:
        """Makes sure that these projects and quota classes, and pools, are known."""
        unknown = set(pools) - self.pools.promised.keys()
        if unknown:
            self.pools.promised.update(dict.fromkeys(unknown, NOTHING))
            rows = connection.execute(_SOME_POOLS, {"pools": list(unknown)})
            self.pools.promised.update({row[0]: Promise(row[1], row[2]) for row in rows})
        missing = {*subjects, DEFAULT_CLASS} - self._subjects if subjects else set()
        if missing:
            self.usage.update(load_usage(connection, missing))
            self.limits.update(load_limits(connection, missing))
            self._subjects |= missing

    def load_of_all(self, connection: Connection, resources: Collection[str]) -> None:
        """Makes sure that every project's usage of these resources is known."""
        for resource in resources:
            rows = connection.execute(_ALL_USAGE.where(usage_table.c.resource == resource))
            self.usage.update({(p, r): Usage(used, reserved) for p, r, used, reserved in rows})

    def save(self, connection: Connection) -> None:
        """Writes what changed since the last time."""
        save_promises(connection, self.pools, position=self.position)
        if self.touched:
            self._save_usage(connection)
        for subject in sorted(self.relimited):
            self._save_limits(connection, subject)
        self.touched.clear()
        self.relimited.clear()

    def _save_usage(self, connection: Connection) -> None:
        rows = [
            {"project_id": p, "resource": r, "in_use": used.in_use, "reserved": used.reserved}
            for p, r in sorted(self.touched)
            for used in [self.usage[p, r]]
        ]
        connection.execute(_UPSERT, rows)

    def _save_limits(self, connection: Connection, subject: str) -> None:
        connection.execute(delete(limits_table).where(limits_table.c.project_id == subject))
        own = self.limits[subject]
        if own:
            connection.execute(
                limits_table.insert(),
                [{"project_id": subject, "resource": r, "limit": n} for r, n in own.items()],
            )


def _of(
    connection: Connection,
    projects: Collection[str] | None,
    all_rows: Select[Any],
    some_rows: Select[Any],
) -> CursorResult[Any]:
    if projects is None:
        return connection.execute(all_rows)
    return connection.execute(some_rows, {"projects": list(projects)})
