"""What lists of things that projects own have in common: which rows match what was asked."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, false

from domain.errors import InvalidRequest
from projections.columns import holds
from projections.filters import among


class Asked(Protocol):
    """Which rows: conditions that all have to hold."""

    @property
    def project_id(self) -> str | None:
        """None: of all projects."""
        ...

    @property
    def equals(self) -> Mapping[str, Sequence[Any]]:
        """By key, any one of the values; None among them stands for unset."""
        ...

    @property
    def contains(self) -> Mapping[str, str]:
        """By key, a substring, in any case."""
        ...


def matching(
    connection: Connection,
    table: Table,
    asked: Asked,
    statement: Select[Any],
    *,
    keys: Mapping[str, str | None],
    always: Mapping[str, Any],
    pairs: Mapping[str, Mapping[str, str]],
) -> Select[Any]:
    """The statement, narrowed to what was asked.

    `keys` are the columns by what they are asked for; None for what is the same for all, which
    `always` tells. `pairs` have to be among those of a column. Raises InvalidRequest for keys that
    do not exist.
    """
    conditions: list[ColumnElement[bool]] = []
    for key, values in asked.equals.items():
        column = _column(table, keys, key)
        if column is not None:
            conditions.append(among(column, values))
        elif always[key] not in values:
            conditions.append(false())
    for key, part in asked.contains.items():
        column = _column(table, keys, key)
        if column is None or column.type.python_type is not str:
            raise InvalidRequest(f"Invalid filter: {key}~.")
        conditions.append(column.icontains(part, autoescape=True))
    conditions += [
        holds(connection, table.c[name], wanted) for name, wanted in pairs.items() if wanted
    ]
    return of_project(table, asked.project_id, statement.where(*conditions))


def of_project(table: Table, project_id: str | None, statement: Select[Any]) -> Select[Any]:
    """Only what a project owns; None: all projects."""
    return statement if project_id is None else statement.where(table.c.project_id == project_id)


def _column(table: Table, keys: Mapping[str, str | None], key: str) -> Column[Any] | None:
    if key not in keys:
        raise InvalidRequest(f"Invalid filter: {key}.")
    name = keys[key]
    return None if name is None else table.c[name]
