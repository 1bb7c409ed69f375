"""Read models: each row against what the log leads to, at the read model's own position."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from domain.event import Event, Recorded
from projections import PROJECTIONS, generations
from projections.columns import filled
from projections.generations import Generation
from projections.projection import Pending, Poisonous, Projection, Row, Tables
from projections.views import Views
from services.audit.report import Finding, Note


class ReadModelAudit:
    """One read model as it was read, held against the log up to the position it was at."""

    def __init__(self, projection: Projection, generation: Generation, rows: Mapping[UUID, Row]):
        self.projection, self.generation = projection, generation
        self._rows = rows
        self._log = Pending()
        self._poisoned: Poisonous | None = None

    def take(self, recorded: Recorded[Event]) -> None:
        """The next event of the log."""
        if recorded.position > self.generation.position or self._poisoned is not None:
            return
        try:
            for change in self.projection.changes(recorded):
                self._log.add(change)
        except Poisonous as poisonous:
            self._poisoned = poisonous

    def compared(self) -> int:
        """How many rows there are in either."""
        return len(self._rows.keys() | self._log.puts.keys())

    def findings(self, last_position: int) -> Iterator[Finding]:
        """Where the two differ; `last_position` is where the log ends."""
        name, position = self.projection.name, self.generation.position
        if self.generation.error is not None:
            yield Finding(kind="projection.stopped", id=name, detail=self.generation.error)
        if position > last_position:
            detail = f"is at position {position}, the log ends at {last_position}"
            yield Finding(kind="projection.stopped", id=name, detail=detail)
        if self._poisoned is not None:
            yield Finding(kind="projection.stopped", id=name, detail=str(self._poisoned))
            return
        due = self._log.puts
        for id in sorted(self._rows.keys() | due.keys()):
            yield from _row(f"{name}/{id}", self._rows.get(id), due.get(id), position)

    def notes(self, last_position: int) -> Iterator[Note]:
        """How far it is behind."""
        behind = last_position - self.generation.position
        if behind > 0:
            detail = f"is {behind} events behind the log"
            yield Note(kind="projection.behind", id=self.projection.name, detail=detail)


async def read(views: Views) -> tuple[list[ReadModelAudit], list[Note]]:
    """Every read model with its position, in one consistent look; and those that cannot be read.

    Raises Unavailable.
    """
    return await views.read(_read)


def _read(connection: Connection, tables: Tables) -> tuple[list[ReadModelAudit], list[Note]]:
    known = {projection.name: projection for projection in PROJECTIONS}
    found: list[ReadModelAudit] = []
    unread: list[Note] = []
    for generation in generations.active(connection):
        projection = known.get(generation.name)
        if projection is None:
            continue
        if generation.version != projection.version:
            detail = f"is filled by version {generation.version} of the code: rebuild it"
            unread.append(Note(kind="projection", id=generation.name, detail=detail))
            continue
        rows = connection.execute(select(*filled(tables[generation.name]))).mappings()
        found.append(ReadModelAudit(projection, generation, {row["id"]: dict(row) for row in rows}))
    seen = {each.projection.name for each in found} | {note.id for note in unread}
    for name in sorted(known.keys() - seen):
        unread.append(Note(kind="projection", id=name, detail="has never been filled"))
    return found, unread


def _row(id: str, stored: Row | None, due: Row | None, position: int) -> Iterator[Finding]:
    where = f"at position {position}"
    if stored is None:
        yield Finding(kind="projection.missing", id=id, detail=f"is not there {where}")
    elif due is None:
        yield Finding(kind="projection.extra", id=id, detail=f"is there {where}; by the log not")
    else:
        wrong = [name for name in stored if stored[name] != due.get(name)]
        if wrong:
            detail = "; ".join(_difference(name, stored[name], due.get(name)) for name in wrong)
            yield Finding(kind="projection.differs", id=id, detail=detail)


def _difference(name: str, stored: Any, due: Any) -> str:
    return f"{name} is {stored!s}, by the log {due!s}"
