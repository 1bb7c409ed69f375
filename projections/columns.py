"""Column types that mean the same on SQLite and PostgreSQL, and what is asked of JSON columns."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Dialect,
    String,
    Table,
    TableValuedAlias,
    Text,
    TypeDecorator,
    and_,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

_encoder = msgspec.json.Encoder()
_reader = msgspec.json.Decoder(dict[str, Any])
_decoder = msgspec.json.Decoder(dict[str, str])

POSTGRESQL = "postgresql"


def words() -> String:
    """Text that both databases compare and sort byte by byte, whatever the locale."""
    return String().with_variant(String(collation="C"), POSTGRESQL)


def filled(table: Table) -> list[Column[Any]]:
    """The columns that folds fill; the others the database works out from these."""
    return [found for found in table.c if found.computed is None]


def without_zone(time: datetime) -> datetime:
    """The time in UTC, as tables have it."""
    return time.astimezone(UTC).replace(tzinfo=None)


class Instant(TypeDecorator[datetime]):
    """A point in time: UTC in Python, without a zone in the table."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else without_zone(value)

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], datetime | None]:
        # one call a value instead of one within another: these are many
        return _from_text if dialect.name == "sqlite" else _in_utc


class Pairs(TypeDecorator[dict[str, str]]):
    """Words by words, as JSON: JSONB on PostgreSQL, text on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        kind: TypeEngine[Any] = JSONB() if dialect.name == POSTGRESQL else Text()
        return dialect.type_descriptor(kind)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str | None]:
        return _encoded

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return _AsText(column, type_=self)

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], dict[str, str] | None]:
        return _decoded


class Document(Pairs):
    """Anything that JSON can say, within an object."""

    cache_ok = True

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], dict[str, Any] | None]:
        return _read


class _AsText(FunctionElement[Any]):
    """JSON as it is written: PostgreSQL's driver would decode JSONB itself, and slowly."""

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], *, type_: TypeEngine[Any]) -> None:
        super().__init__(column)
        self.type = type_


@compiles(_AsText)
def _as_it_is(element: _AsText, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(_AsText, POSTGRESQL)
def _cast(element: _AsText, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AS TEXT)"


def holds(
    connection: Connection, column: ColumnElement[Any], pairs: Mapping[str, str]
) -> ColumnElement[bool]:
    """True where the JSON of `column` has every one of `pairs`."""
    if connection.dialect.name == POSTGRESQL:
        return column.op("@>", is_comparison=True)(dict(pairs))
    return and_(*(_has_pair(column, key, value) for key, value in pairs.items()))


def each_pair(connection: Connection, column: ColumnElement[Any]) -> TableValuedAlias:
    """The `key`s and `value`s within a JSON column, to be joined laterally with its table."""
    explode = func.jsonb_each_text if connection.dialect.name == POSTGRESQL else func.json_each
    return explode(column).table_valued("key", "value", joins_implicitly=True)


def _has_pair(column: ColumnElement[Any], key: str, value: str) -> ColumnElement[bool]:
    pair = func.json_each(column).table_valued("key", "value")
    found = select(pair.c.key).where(pair.c.key == key, pair.c.value == value)
    return found.exists()


def _from_text(value: Any) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value + "+00:00")


def _in_utc(value: Any) -> datetime | None:
    return None if value is None else value.replace(tzinfo=UTC)


def _encoded(value: Any) -> str | None:
    return None if value is None else _encoder.encode(value).decode()


def _decoded(value: Any) -> dict[str, str] | None:
    return None if value is None else _decoder.decode(value)


def _read(value: Any) -> dict[str, Any] | None:
    return None if value is None else _reader.decode(value)
