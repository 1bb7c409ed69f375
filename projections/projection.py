"""A projection: a table, and pure folds that say how events change its rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import MetaData, Table

from domain.event import E, Event, Recorded

Row = dict[str, Any]
"""Values by column, as Python objects."""

Tables = Mapping[str, Table]
"""The table of each projection, by the projection's name, in the generation that is active."""


class Put(msgspec.Struct, frozen=True):
    """The whole row of `key` from now on, whatever was there."""

    key: UUID
    row: Mapping[str, Any]


class Patch(msgspec.Struct, frozen=True):
    """Some columns of `key` from now on; nothing happens where there is no such row."""

    key: UUID
    values: Mapping[str, Any]


class Drop(msgspec.Struct, frozen=True):
    """No row of `key` any more; nothing happens where there is none."""

    key: UUID


Change = Put | Patch | Drop
Outcome = Change | Sequence[Change] | None
Fold = Callable[[Recorded[Any]], Outcome]
F = TypeVar("F", bound=Fold)


class Poisonous(ValueError):
    """A fold failed on an event: the projection must not go past it."""

    def __init__(self, recorded: Recorded[Event], cause: Exception) -> None:
        self.position = recorded.position
        super().__init__(
            f"event {recorded.position} ({recorded.event.topic}, {recorded.id}): {cause!r}"
        )


class Projection:
    """A read model: its name, its table in any generation, and the folds that fill it.

    `version` goes up whenever the folds or the table change; what is stored by another version
    is rebuilt. `build(name, metadata)` declares the table and its indexes under the given name
    (indexes named after it); its only primary key is `id`, the key of the changes.
    """

    def __init__(self, name: str, *, version: int, build: Callable[[str, MetaData], Table]) -> None:
        self.name, self.version = name, version
        self._build = build
        self._tables: dict[int, Table] = {}
        self._folds: dict[type[Event], Fold] = {}
        self._others: dict[str, Fold] = {}

    def table(self, generation: int) -> Table:
        """The table of a generation; the same object every time, so that SQL is compiled once."""
        found = self._tables.get(generation)
        if found is None:
            built = self._build(f"{self.name}_g{generation}", MetaData())
            found = self._tables.setdefault(generation, built)
        return found

    def projects(
        self, *types: type[E]
    ) -> Callable[[Callable[[Recorded[E]], Outcome]], Callable[[Recorded[E]], Outcome]]:
        """Registers the fold of these events."""

        def register(fold: Callable[[Recorded[E]], Outcome]) -> Callable[[Recorded[E]], Outcome]:
            for event_type in types:
                if event_type in self._folds:
                    raise ValueError(f"{self.name} folds {event_type.type_name} twice")
                self._folds[event_type] = fold
            return fold

        return register

    def projects_others(self, kind: str) -> Callable[[F], F]:
        """Registers the fold of those events of an aggregate kind that have none of their own."""

        def register(fold: F) -> F:
            self._others[kind] = fold
            return fold

        return register

    def changes(self, recorded: Recorded[Event]) -> Sequence[Change]:
        """What an event changes, in order. Raises Poisonous if the fold fails."""
        fold = self._folds.get(type(recorded.event)) or self._others.get(recorded.event.kind)
        if fold is None:
            return ()
        try:
            outcome = fold(recorded)
        except Exception as failure:  # a fold is pure: whatever it raises is this event's fault
            raise Poisonous(recorded, failure) from failure
        if outcome is None:
            return ()
        return outcome if isinstance(outcome, Sequence) else (outcome,)

    def __repr__(self) -> str:
        return f"Projection({self.name}, version {self.version})"


class Pending:
    """Changes that wait to be written, at most one for each row."""

    def __init__(self) -> None:
        self.puts: dict[UUID, Row] = {}
        self.patches: dict[UUID, Row] = {}
        self.drops: set[UUID] = set()

    def add(self, change: Change) -> None:
        """Takes a change that comes after all that were added before."""
        key = change.key
        match change:
            case Patch():
                self._patch(key, change.values)
            case Put():
                self.puts[key] = dict(change.row)
                self.patches.pop(key, None)
                self.drops.discard(key)
            case Drop():
                self.puts.pop(key, None)
                self.patches.pop(key, None)
                self.drops.add(key)

    def _patch(self, key: UUID, values: Mapping[str, Any]) -> None:
        row = self.puts.get(key)
        if row is None:
            row = self.patches.get(key)
        if row is not None:
            row.update(values)
        elif key not in self.drops:
            self.patches[key] = dict(values)


def coalesce(projection: Projection, events: Iterable[Recorded[Event]]) -> Pending:
    """All changes of consecutive events, one for each row. Raises Poisonous."""
    pending = Pending()
    add, changes = pending.add, projection.changes
    for recorded in events:
        for change in changes(recorded):
            add(change)
    return pending


def fold(projection: Projection, events: Iterable[Recorded[Event]]) -> dict[UUID, Row]:
    """The rows that these events lead to, from nothing and without a database."""
    return coalesce(projection, events).puts
