"""The quota ledger's tables, which live beside the log and in its transactions."""

from collections.abc import Collection

from sqlalchemy import BigInteger, Column, Connection, MetaData, String, Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite

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


def load_usage(
    connection: Connection, projects: Collection[str] | None = None
) -> dict[tuple[str, str], Usage]:
    """Usage by project and resource, of some projects or all."""
    query = select(usage_table)
    if projects is not None:
        query = query.where(usage_table.c.project_id.in_(projects))
    return {(p, r): Usage(used, reserved) for p, r, used, reserved in connection.execute(query)}


def load_limits(
    connection: Connection, projects: Collection[str] | None = None
) -> dict[str, dict[str, int]]:
    """Own limits by project, of some projects or all."""
    query = select(limits_table)
    if projects is not None:
        query = query.where(limits_table.c.project_id.in_(projects))
    found: dict[str, dict[str, int]] = {}
    for project_id, resource, limit in connection.execute(query):
        found.setdefault(project_id, {})[resource] = limit
    return found


def load(connection: Connection, projects: Collection[str], defaults: Amounts) -> Ledger:
    """The ledger of some projects."""
    return Ledger(
        defaults=defaults,
        usage=load_usage(connection, projects),
        limits=load_limits(connection, projects),
    )


def save(connection: Connection, ledger: Ledger) -> None:
    """Writes what changed since `load`."""
    rows = [
        {"project_id": p, "resource": r, "in_use": used.in_use, "reserved": used.reserved}
        for p, r in sorted(ledger.touched)
        for used in [ledger.usage[p, r]]
    ]
    if rows:
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        insert = dialect.insert(usage_table)
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=["project_id", "resource"],
                set_={"in_use": insert.excluded.in_use, "reserved": insert.excluded.reserved},
            ),
            rows,
        )
    for project_id in sorted(ledger.relimited):
        connection.execute(delete(limits_table).where(limits_table.c.project_id == project_id))
        own = ledger.limits[project_id]
        if own:
            connection.execute(
                limits_table.insert(),
                [{"project_id": project_id, "resource": r, "limit": n} for r, n in own.items()],
            )
