"""Admission: whether an append may follow what is stored, and what was admitted before it."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from domain import dependence, promises, quota
from domain.dependence import Dependents
from domain.errors import Conflict
from domain.event import Event, Recorded
from domain.names import SCOPES, Names
from domain.promises import PoolLedger
from domain.quota import Ledger


class Wanted(msgspec.Struct, eq=False, frozen=True):
    """An append as it is judged, with what its events say to the ledgers: worked out once, before
    anybody holds the log."""

    events: Sequence[Recorded[Event]]
    unchanged: Mapping[UUID, int]
    """The versions of what was only read."""
    promised: Sequence[promises.Change]
    needs: Sequence[dependence.Change]

    @classmethod
    def of(cls, events: Sequence[Recorded[Event]], *, unchanged: Mapping[UUID, int]) -> "Wanted":
        return cls(
            events=events,
            unchanged=unchanged,
            promised=promises.changes(recorded.event for recorded in events),
            needs=dependence.changes(events),
        )


class Admission:
    """Judges appends in the order of the log. One that is refused leaves no trace.

    `heads` are the versions of aggregates, as far as they are known, and move with what is
    admitted; what an append says about others is left to the unique index of the log.
    """

    def __init__(
        self,
        ledger: Ledger,
        names: Names,
        pools: PoolLedger,
        dependents: Dependents,
        *,
        heads: Mapping[UUID, int],
    ) -> None:
        self._ledger, self._names, self._pools = ledger, names, pools
        self._dependents = dependents
        self.heads = dict(heads)

    def admit(self, wanted: Wanted) -> None:
        """Takes in all of its events. Raises as `EventStore.append`."""
        events = wanted.events
        ahead = self._ahead(events)
        for id, version in wanted.unchanged.items():
            if self.heads.get(id, 0) != version:
                raise Conflict(kind="aggregate", id=str(id))
        catalogue = [recorded for recorded in events if recorded.event.kind in SCOPES]
        for recorded in catalogue:
            quota.check_unused(recorded, self._ledger)
        self._names.check(catalogue)
        self._dependents.check(wanted.needs)
        self._pools.check(wanted.promised)
        self._ledger.admit([recorded.event for recorded in events])
        self._names.settle(catalogue)
        self._pools.take(wanted.promised)
        self._dependents.take(wanted.needs)
        self.heads.update(ahead)

    def _ahead(self, events: Sequence[Recorded[Event]]) -> dict[UUID, int]:
        """The versions after these events.

        Raises Conflict unless each of them follows what is known of its aggregate.
        """
        ahead: dict[UUID, int] = {}
        for recorded in events:
            id = recorded.aggregate_id
            head = ahead[id] if id in ahead else self.heads.get(id)
            if head is not None and recorded.version != head + 1:
                raise conflict_over(recorded)
            ahead[id] = recorded.version
        return ahead


def conflict_over(recorded: Recorded[Event]) -> Conflict:
    """Its aggregate has moved on."""
    return Conflict(kind=recorded.event.kind, id=str(recorded.aggregate_id))
