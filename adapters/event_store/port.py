"""What Lapilli asks of an event store; memory.py and sql.py keep the same contract."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from domain.dependence import Need
from domain.event import Event, Recorded
from domain.names import Name
from domain.placement import Promise
from domain.quota import Usage


class Snapshot(msgspec.Struct, frozen=True):
    """The encoded state of a long-lived aggregate at one version."""

    aggregate_id: UUID
    version: int
    topic: str
    """Names the aggregate and the schema of its state; a reader ignores those it does not know."""
    state: bytes


class EventStore(Protocol):
    """The log, by aggregate and as a whole, with what lives in its transactions and may refuse an
    append: the quota ledger, and the unique names.

    Everything here raises Unavailable if the store cannot be reached.
    """

    async def append(
        self, events: Sequence[Recorded[Event]], *, unchanged: Mapping[UUID, int] = {}
    ) -> int:
        """Stores all of these events, of one or more aggregates, or none.

        `unchanged` are aggregates that were only read, at their versions. Returns the log position
        of the last event. Raises Conflict if an aggregate has moved on since the version that its
        first event follows, or that it was read at; OverQuota or LimitBelowUsage if the ledger
        refuses, InUse if volumes, or what depends on it, stand against it; AlreadyExists for a name
        that is held, InvalidRequest for the deletion of the last volume type; OverCommitted if a
        pool would be promised beyond the ceiling that an event names.

        Positions are without gaps in the order of commits, as far as readers can tell: once a
        position can be read, no lower one will appear.
        """
        ...

    async def events(
        self, aggregate_id: UUID, *, after: int = 0, limit: int | None = None
    ) -> list[Recorded[Event]]:
        """An aggregate's events above a version, in order."""
        ...

    async def log(self, after: int, limit: int) -> list[Recorded[Event]]:
        """The log above a position, in order."""
        ...

    async def last_position(self) -> int:
        """The position of the newest event; 0 when there is none."""
        ...

    async def usage(self, project_id: str) -> dict[str, Usage]:
        """What the ledger says the project consumes, by resource."""
        ...

    async def limits(self, subject: str) -> dict[str, int]:
        """The own limits of a project or quota class, by resource."""
        ...

    async def ledger(self) -> tuple[int, dict[tuple[str, str], Usage], dict[str, dict[str, int]]]:
        """The whole ledger: position it is at, usage by (project, resource), own
        limits by project or quota class."""
        ...

    async def names(self) -> tuple[int, dict[Name, UUID]]:
        """All names that are held: the position this is at, and the holders."""
        ...

    async def promises(self, *, after: int = 0) -> tuple[int, dict[str, Promise]]:
        """The position the log is at, and what is promised on the pools on which that changed
        above a position; of all that ever were promised anything."""
        ...

    async def dependents(self, id: UUID) -> dict[UUID, Need]:
        """What needs the thing of that id now, and as what."""
        ...

    async def dependence(self) -> tuple[int, dict[tuple[UUID, UUID], Need]]:
        """The position this is at, and as what the second of two things needs the first."""
        ...

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keeps a snapshot; an older one of the same aggregate may be forgotten."""
        ...

    async def snapshot(self, aggregate_id: UUID) -> Snapshot | None:
        """The newest snapshot of an aggregate."""
        ...

    def on_append(self, told: Callable[[int], None]) -> None:
        """`told` is called in the event loop with the last position of every committed append."""
        ...

    async def close(self) -> None:
        """Finishes what was accepted, then lets go."""
        ...
