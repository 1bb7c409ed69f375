"""Conditions that lists can be narrowed by, the same on every database."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import Column, ColumnElement, Table, false, or_


class Bound(msgspec.Struct, frozen=True):
    """A limit on a time: `Bound("created_at", "gte", …)`. An unset time keeps no bound."""

    key: Literal["created_at", "updated_at"]
    test: Literal["gt", "gte", "lt", "lte", "eq", "neq"]
    time: datetime


def within(table: Table, bound: Bound) -> ColumnElement[bool]:
    """True where the time keeps the bound."""
    test: ColumnElement[bool] = getattr(table.c[bound.key], _TESTS[bound.test])(bound.time)
    return test


def among(column: Column[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """True where the column has one of the values, of which None means NULL.

    Ids may be given as text; text that is no id matches nothing.
    """
    some = [value for value in values if value is not None]
    null = column.is_(None) if len(some) < len(values) else false()
    if column.type.python_type is UUID:
        some = list(_ids(some))
    if not some:
        return null
    return or_(column == some[0] if len(some) == 1 else column.in_(some), null)


_TESTS: Mapping[str, str] = {
    "gt": "__gt__",
    "gte": "__ge__",
    "lt": "__lt__",
    "lte": "__le__",
    "eq": "__eq__",
    "neq": "__ne__",
}


def _ids(values: Iterable[UUID | str]) -> Iterable[UUID]:
    for value in values:
        with suppress(ValueError):
            yield value if isinstance(value, UUID) else UUID(value)
