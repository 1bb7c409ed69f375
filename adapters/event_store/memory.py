"""An event store in memory, for tests and simulation."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import msgspec

from adapters.event_store.admission import Admission, Wanted
from adapters.event_store.port import Snapshot
from domain import codec
from domain.dependence import Dependents, Need
from domain.event import Event, Recorded
from domain.names import Name, Names
from domain.placement import Promise
from domain.promises import PoolLedger
from domain.quota import Ledger, Usage


class MemoryEventStore:
    """Keeps the contract of `EventStore` in one process. Events pass through their stored form."""

    def __init__(self, *, default_limits: Mapping[str, int]) -> None:
        self._limits = default_limits
        self._log: list[Recorded[Event]] = []
        self._streams: dict[UUID, list[Recorded[Event]]] = defaultdict(list)
        self._ledger = Ledger(defaults=default_limits)
        self._names = Names()
        self._pools = PoolLedger()
        self._dependents = Dependents()
        self._snapshots: dict[UUID, Snapshot] = {}
        self._told: list[Callable[[int], None]] = []

    def twin(self) -> "MemoryEventStore":
        """A store of its own that holds the same so far; nobody is told of its appends yet."""
        twin = MemoryEventStore(default_limits=self._limits)
        twin._log = self._log.copy()
        twin._streams.update({id: stream.copy() for id, stream in self._streams.items()})
        twin._ledger, twin._names, twin._pools, twin._dependents = self.ledgers()
        twin._snapshots.update(self._snapshots)
        return twin

    def ledgers(self) -> tuple[Ledger, Names, PoolLedger, Dependents]:
        """Copies of what judges appends, to try one on."""
        ledger = Ledger(defaults=self._limits)
        ledger.usage.update(self._ledger.usage)
        ledger.limits.update(self._ledger.limits)
        return (
            ledger,
            Names(self._names.holders),
            PoolLedger(self._pools.promised),
            Dependents(self._dependents.on),
        )

    async def append(
        self, events: Sequence[Recorded[Event]], *, unchanged: Mapping[UUID, int] = {}
    ) -> int:
        concerned = {*unchanged, *(recorded.aggregate_id for recorded in events)}
        heads = {id: len(self._streams[id]) for id in concerned}
        admission = Admission(self._ledger, self._names, self._pools, self._dependents, heads=heads)
        admission.admit(Wanted.of(events, unchanged=unchanged))
        for recorded in events:
            stored = msgspec.structs.replace(_stored(recorded), position=len(self._log) + 1)
            self._log.append(stored)
            self._streams[stored.aggregate_id].append(stored)
        for told in self._told:
            told(len(self._log))
        return len(self._log)

    async def events(
        self, aggregate_id: UUID, *, after: int = 0, limit: int | None = None
    ) -> list[Recorded[Event]]:
        return self._streams[aggregate_id][after:][:limit]

    async def log(self, after: int, limit: int) -> list[Recorded[Event]]:
        return self._log[after : after + limit]

    async def last_position(self) -> int:
        return len(self._log)

    async def usage(self, project_id: str) -> dict[str, Usage]:
        return {r: usage for (p, r), usage in self._ledger.usage.items() if p == project_id}

    async def limits(self, subject: str) -> dict[str, int]:
        return dict(self._ledger.limits.get(subject, {}))

    async def ledger(self) -> tuple[int, dict[tuple[str, str], Usage], dict[str, dict[str, int]]]:
        limits = {subject: dict(own) for subject, own in self._ledger.limits.items() if own}
        return len(self._log), dict(self._ledger.usage), limits

    async def names(self) -> tuple[int, dict[Name, UUID]]:
        return len(self._log), dict(self._names.holders)

    async def promises(self, *, after: int = 0) -> tuple[int, dict[str, Promise]]:
        return len(self._log), dict(self._pools.promised)

    async def dependents(self, id: UUID) -> dict[UUID, Need]:
        return dict(self._dependents.on.get(id, {}))

    async def dependence(self) -> tuple[int, dict[tuple[UUID, UUID], Need]]:
        rows = {
            (on, dependent): need
            for on, dependents in self._dependents.on.items()
            for dependent, need in dependents.items()
        }
        return len(self._log), rows

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        known = self._snapshots.get(snapshot.aggregate_id)
        if known is None or known.version < snapshot.version:
            self._snapshots[snapshot.aggregate_id] = snapshot

    async def snapshot(self, aggregate_id: UUID) -> Snapshot | None:
        return self._snapshots.get(aggregate_id)

    def on_append(self, told: Callable[[int], None]) -> None:
        self._told.append(told)

    async def close(self) -> None:
        pass


def _stored(recorded: Recorded[Event]) -> Recorded[Event]:
    """What a real store would give back: nothing survives that cannot be encoded."""
    return codec.decode(
        aggregate_id=recorded.aggregate_id,
        version=recorded.version,
        topic=recorded.event.topic,
        state=codec.encode(recorded),
    )
