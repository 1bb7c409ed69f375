"""What all aggregates share: recording what is decided, evolving by what happened."""

import copy
from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import msgspec

from domain.errors import NotAllowed
from domain.event import Event, Moment, Recorded
from domain.lifecycle import IDLE, NEW, Lifecycle

A = TypeVar("A", bound="Aggregate")


class Aggregate(msgspec.Struct, kw_only=True):
    """A consistency boundary: its state, and the events it decided that are not stored yet.

    Decisions call `record`, which asks the lifecycle; `apply` evolves the state from an event
    without asking anybody, since an event that happened, happened. Collections in the state are
    replaced, never changed in place, so that a shallow copy is a safe copy.
    """

    kind: ClassVar[str]
    lifecycle: ClassVar[Lifecycle]
    beside: ClassVar[Lifecycle | None] = None
    """What can be under way without changing the state, one at a time: a second region of the same
    statechart. Its events are the lifecycle's, too, whose rows say in which states they happen."""
    inside: ClassVar[Lifecycle | None] = None
    """The life of each of its parts, if they have one; their events are the aggregate's."""
    snapshot_version: ClassVar[int] = 1
    """To be raised when the state's fields change, so that older snapshots are ignored."""
    snapshot_topic: ClassVar[str]
    singular: ClassVar[bool] = False
    """There is one, under a known id; that nothing happened to it yet is worth remembering."""

    id: UUID
    version: int = 0
    state: str = NEW
    operation: str = IDLE
    since: datetime | None = None
    """When it came into this state and operation."""
    pending: list[Recorded[Event]] = []

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.snapshot_topic = f"{cls.kind}.state.v{cls.snapshot_version}"

    def record(self, event: Event, at: Moment) -> None:
        """Decides that `event` happens now. Raises NotAllowed where the lifecycle forbids it, or
        what is under way beside it does."""
        target = self.lifecycle.next(event.verb, self.state)
        operation = self._operation_after(event.verb)
        if target is None or operation is None:
            raise NotAllowed(kind=self.kind, id=str(self.id), state=self.status, event=event.verb)
        recorded = Recorded(aggregate_id=self.id, version=self.version + 1, event=event, moment=at)
        self._evolve(recorded, target, operation)
        self.pending.append(recorded)

    def replay(self, recorded: Recorded[Event]) -> None:
        """Evolves by an event that was stored. It must be the next one of this aggregate."""
        if recorded.version != self.version + 1:
            raise ValueError(f"{self.kind} {self.id}: {recorded.version} after {self.version}")
        target = self.lifecycle.next(recorded.event.verb, self.state)
        operation = self._operation_after(recorded.event.verb)
        self._evolve(recorded, target or self.state, operation or self.operation)

    def apply(self, event: Any, at: Moment) -> None:
        """Evolves the state by a fact: no checks, no clock, no outside."""
        raise NotImplementedError

    @classmethod
    def from_history(cls: type[A], id: UUID, history: Iterable[Recorded[Event]]) -> A:
        """The aggregate as its events tell it."""
        aggregate = cls(id=id)
        for recorded in history:
            aggregate.replay(recorded)
        return aggregate

    def settled(self: A) -> A:
        """A copy that has nothing pending, to be kept once the events are stored."""
        twin = copy.copy(self)
        twin.pending = []
        return twin

    @property
    def exists(self) -> bool:
        """False before the first event."""
        return self.version > 0

    @property
    def status(self) -> str:
        """The state in its users' words."""
        return self.state

    def _operation_after(self, verb: str) -> str | None:
        """What is under way after an event; None if it may not happen beside what is."""
        if self.beside is None or verb not in self.beside.events:
            return self.operation
        return self.beside.next(verb, self.operation)

    def _evolve(self, recorded: Recorded[Event], target: str, operation: str) -> None:
        self.version = recorded.version
        self.apply(recorded.event, recorded.moment)
        if (target, operation) != (self.state, self.operation):
            self.since = recorded.moment.at
        self.state, self.operation = target, operation
