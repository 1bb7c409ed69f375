"""Read models of things that have ids: finding one, listing some, counting them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import starmap
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import Column, ColumnElement, Connection, Select, Table, false, func, select

from domain.errors import InvalidRequest
from projections.columns import holds
from projections.filters import Bound, among, within
from projections.paging import NEWEST_FIRST, Sort, page_of
from projections.projection import Projection, Tables


class _Row(Protocol):
    """A msgspec.Struct of something that has an id."""

    __struct_fields__: ClassVar[tuple[str, ...]]

    @property
    def id(self) -> UUID: ...


Row = TypeVar("Row", bound=_Row)

_NOTHING: Mapping[str, str] = {}


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows, in which order, and which part of them. Conditions all have to hold.

    Keys are Cinder's (`size`, `display_name`…) or the columns'.
    """

    project_id: str | None = None
    """None: of all projects."""
    equals: Mapping[str, Sequence[Any]] = {}
    """Any one of the values; None among them stands for unset."""
    contains: Mapping[str, str] = {}
    """A substring, in any case (`name~=…`)."""
    pairs: Mapping[str, Mapping[str, str]] = {}
    """What has to be among the pairs of a column."""
    times: Sequence[Bound] = ()
    sort: Sort = NEWEST_FIRST
    """`id` always decides last, in the direction of the key before it."""
    marker: UUID | None = None
    """The page begins after this row."""
    limit: int | None = None
    offset: int = 0


class Listing(Generic[Row]):
    """One read model as it is asked. Its functions take what `Views.read` provides.

    The fields of a row are the columns of the table, in their order. `hidden` are those that it
    can be neither asked for nor sorted by; `words` are Cinder's names for others; `same` has what
    Cinder asks for and is the same in all rows. `rows` selects them, if there is more to a row
    than its columns.
    """

    def __init__(
        self,
        projection: Projection,
        row: type[Row],
        kind: str,
        *,
        hidden: Collection[str] = (),
        words: Mapping[str, str] = _NOTHING,
        same: Mapping[str, Any] = _NOTHING,
        rows: Callable[[Table], Select[Any]] = select,
    ) -> None:
        self._projection, self._row, self._kind, self._rows = projection, row, kind, rows
        self._same = same
        self.keys: Mapping[str, str | None] = {
            **{name: name for name in row.__struct_fields__ if name not in hidden},
            **words,
            **dict.fromkeys(same),
        }
        """What can be asked for and sorted by: the column, or None where it is always the same."""

    def find(
        self, connection: Connection, tables: Tables, id: UUID, project_id: str | None = None
    ) -> Row | None:
        """The one of that id, if it exists and is of the project (None: of any)."""
        table = tables[self._projection.name]
        statement = of_project(table, project_id, self._rows(table).where(table.c.id == id))
        row = connection.execute(statement).one_or_none()
        return None if row is None else self._row(*row)

    def page(self, connection: Connection, tables: Tables, query: Query) -> list[Row]:
        """Those asked for. Raises InvalidRequest for keys that do not exist, NotFound if the
        marker cannot be seen."""
        table = tables[self._projection.name]
        rows = page_of(
            connection,
            table,
            self.matching(connection, table, query, self._rows(table)),
            query,
            allowed=self.keys,
            seen=of_project(table, query.project_id, select(table)),
            kind=self._kind,
        )
        return list(starmap(self._row, rows))

    def count(self, connection: Connection, tables: Tables, query: Query) -> int:
        """How many match, on all pages together. Raises InvalidRequest as `page`."""
        table = tables[self._projection.name]
        number = select(func.count()).select_from(table)
        found: int = connection.execute(
            self.matching(connection, table, query, number)
        ).scalar_one()
        return found

    def matching(
        self, connection: Connection, table: Table, query: Query, statement: Select[Any]
    ) -> Select[Any]:
        """The statement, narrowed to what was asked. Raises InvalidRequest as `page`."""
        conditions: list[ColumnElement[bool]] = [within(table, bound) for bound in query.times]
        for key, values in query.equals.items():
            column = self._column(table, key)
            if column is not None:
                conditions.append(among(column, values))
            elif self._same[key] not in values:
                conditions.append(false())
        for key, part in query.contains.items():
            column = self._column(table, key)
            if column is None or column.type.python_type is not str:
                raise InvalidRequest(f"Invalid filter: {key}~.")
            conditions.append(column.icontains(part, autoescape=True))
        conditions += [
            holds(connection, table.c[name], some) for name, some in query.pairs.items() if some
        ]
        return of_project(table, query.project_id, statement.where(*conditions))

    def _column(self, table: Table, key: str) -> Column[Any] | None:
        if key not in self.keys:
            raise InvalidRequest(f"Invalid filter: {key}.")
        name = self.keys[key]
        return None if name is None else table.c[name]


def of_project(table: Table, project_id: str | None, statement: Select[Any]) -> Select[Any]:
    """Only what a project owns; None: all projects."""
    return statement if project_id is None else statement.where(table.c.project_id == project_id)
