"""Lists in pages: sort keys, and where the next page begins (keyset pagination)."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol
from uuid import UUID

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    Select,
    Table,
    and_,
    false,
    or_,
    tuple_,
)

from domain.errors import InvalidRequest, NotFound

Direction = Literal["asc", "desc"]
Sort = Sequence[tuple[str, Direction]]

NEWEST_FIRST: Sort = (("created_at", "desc"),)


class Part(Protocol):
    """Which part of a list is wanted."""

    @property
    def sort(self) -> Sort: ...

    @property
    def marker(self) -> UUID | None:
        """The part begins after this row."""
        ...

    @property
    def limit(self) -> int | None: ...

    @property
    def offset(self) -> int: ...


class Key(msgspec.Struct, frozen=True):
    """One column of an order. NULL counts as the smallest value, on every database."""

    column: Column[Any]
    descending: bool


def page_of(
    connection: Connection,
    table: Table,
    statement: Select[Any],
    part: Part,
    *,
    allowed: Mapping[str, str | None],
    seen: Select[Any],
    kind: str,
) -> CursorResult[Any]:
    """The rows of one page of `statement`; the marker must be among the rows of `seen`.

    Raises InvalidRequest for a sort key that is not allowed (see `keys`), NotFound for an unknown
    marker.
    """
    order = keys(table, part.sort, allowed)
    statement = statement.order_by(*(_direction(key) for key in order))
    if part.marker is not None:
        marker = seen.with_only_columns(*(key.column for key in order))
        values = connection.execute(marker.where(table.c.id == part.marker)).one_or_none()
        if values is None:
            raise NotFound(kind=kind, id=str(part.marker))
        statement = statement.where(beyond(order, values))
    if part.limit is not None:
        statement = statement.limit(part.limit)
    if part.offset:
        statement = statement.offset(part.offset)
    return connection.execute(statement)


def keys(table: Table, sort: Sort, allowed: Mapping[str, str | None]) -> list[Key]:
    """The columns of an order, the last of them always `id`, in the direction before it.

    `allowed` gives the column of each sort key, or None for one whose value is the same in all
    rows. Raises InvalidRequest for other keys.
    """
    found: dict[str, Key] = {}
    descending = True
    for name, direction in sort or NEWEST_FIRST:
        if name not in allowed:
            raise InvalidRequest(f"Invalid sort key: {name}.")
        descending = direction == "desc"
        column = allowed[name]
        if column is not None:
            found.setdefault(column, Key(table.c[column], descending))
    found.setdefault("id", Key(table.c.id, descending))
    order = list(found.values())
    return order[: list(found).index("id") + 1]


def beyond(order: Sequence[Key], values: Sequence[Any]) -> ColumnElement[bool]:
    """True for the rows that come after the one with these values of the keys."""
    first = order[0]
    if all(not key.column.nullable and key.descending == first.descending for key in order):
        # one comparison, which both databases look up in an index
        here, there = tuple_(*(key.column for key in order)), tuple_(*values)
        return here < there if first.descending else here > there
    return and_(
        or_(_equal(first, values[0]), _after(first, values[0])),  # where an index may begin
        or_(
            *(
                and_(
                    *(_equal(*pair) for pair in zip(order[:n], values[:n], strict=True)),
                    _after(order[n], values[n]),
                )
                for n in range(len(order))
            )
        ),
    )


def _direction(key: Key) -> ColumnElement[Any]:
    column = key.column
    if not column.nullable:
        return column.desc() if key.descending else column.asc()
    return column.desc().nulls_last() if key.descending else column.asc().nulls_first()


def _equal(key: Key, value: Any) -> ColumnElement[bool]:
    return key.column.is_(None) if value is None else key.column == value


def _after(key: Key, value: Any) -> ColumnElement[bool]:
    column = key.column
    if key.descending:
        if value is None:
            return false()
        return or_(column < value, column.is_(None)) if column.nullable else column < value
    return column.is_not(None) if value is None else column > value
