"""What all aggregates share: recording what is decided, evolving by what happened."""

import copy
from collections.abc import Iterable
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import msgspec

from domain.event import Event, Moment, Recorded
from domain.lifecycle import NEW, Lifecycle

A = TypeVar("A", bound="Aggregate")


class Aggregate(msgspec.Struct, kw_only=True):
    """A consistency boundary: its state, and the events it decided that are not stored yet.

    Decisions call `record`, which asks the lifecycle; `apply` evolves the state from an event
    without asking anybody, since an event that happened, happened. Collections in the state are
    replaced, never changed in place, so that a shallow copy is a safe copy.
    """

    kind: ClassVar[str]
    lifecycle: ClassVar[Lifecycle]
    snapshot_version: ClassVar[int] = 1
    """To be raised when the state's fields change, so that older snapshots are ignored."""
    snapshot_topic: ClassVar[str]

    id: UUID
    version: int = 0
    state: str = NEW
    pending: list[Recorded[Event]] = []

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.snapshot_topic = f"{cls.kind}.state.v{cls.snapshot_version}"

    def record(self, event: Event, at: Moment) -> None:
        """Decides that `event` happens now. Raises NotAllowed where the lifecycle forbids it."""
        target = self.lifecycle.after(event.verb, self.state, aggregate_id=self.id)
        recorded = Recorded(aggregate_id=self.id, version=self.version + 1, event=event, moment=at)
        self._evolve(recorded, target)
        self.pending.append(recorded)

    def replay(self, recorded: Recorded[Event]) -> None:
        """Evolves by an event that was stored. It must be the next one of this aggregate."""
        if recorded.version != self.version + 1:
            raise ValueError(f"{self.kind} {self.id}: {recorded.version} after {self.version}")
        target = self.lifecycle.next(recorded.event.verb, self.state)
        self._evolve(recorded, target or self.state)

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

    def _evolve(self, recorded: Recorded[Event], target: str) -> None:
        self.version = recorded.version
        self.apply(recorded.event, recorded.moment)
        self.state = target
