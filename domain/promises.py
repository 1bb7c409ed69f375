"""What is promised on pools, as the log tells it: a ledger that may refuse one promise too many.

A promise begins when a volume is placed and ends when nothing of it can be left on the pool. So
the room of a pool does not depend on how old its backend's report is, and placements at the same
time cannot promise the same room twice: the store asks this ledger in each append's transaction.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from domain.aggregates import move, remnant, snapshot, volume
from domain.errors import OverCommitted
from domain.event import Event
from domain.placement.capacity import NOTHING, Promise


class Change(msgspec.Struct, frozen=True):
    """What an event adds to the promises of a pool, and how high they may be then."""

    pool: str
    gib: int
    volumes: int
    ceiling_gib: float | None = None


def change(event: Event) -> Change | None:
    """What an event changes, if it changes anything."""
    match event:
        case volume.Placed():
            return Change(event.host, event.size_gib, 1, event.decision.ceiling_gib)
        case volume.extension.ExtensionPlaced():
            return Change(event.host, event.added_gib, 0, event.ceiling_gib)
        case volume.extension.ExtensionFailed() | volume.extension.ExtensionRefused() if (
            event.promised_gib
        ):
            return Change(event.host, -event.promised_gib, 0)
        case move.Placed() if event.host != event.from_host:
            return Change(event.host, event.size_gib, 1, event.decision.ceiling_gib)
        case move.Failed() if event.host is not None and event.promised_gib:
            return Change(event.host, -event.promised_gib, -1)
        case volume.moving.Moved():
            return Change(event.from_host, -event.size_gib, -1)
        case volume.Rescheduled():
            return Change(event.host, -event.size_gib, -1)
        case volume.Deleted() if event.host is not None:
            return Change(event.host, -event.size_gib, -1)
        case snapshot.Placed():
            return Change(event.host, event.size_gib, 0, event.ceiling_gib)
        case snapshot.Deleted() if event.promised_gib:
            return Change(event.host, -event.promised_gib, 0)
        case remnant.Left():
            return Change(event.host, event.size_gib, 1)
        case remnant.Removed():
            return Change(event.host, -event.size_gib, -1)
        case _:
            return None


def changes(events: Iterable[Event]) -> list[Change]:
    """What these events change, in order."""
    return [made for event in events if (made := change(event)) is not None]


class PoolLedger:
    """The promises of some pools. Whoever stores events checks, then takes them in."""

    def __init__(self, promised: Mapping[str, Promise] = {}) -> None:
        self.promised = dict(promised)
        self.touched: set[str] = set()

    def of(self, pool: str) -> Promise:
        """What is promised on a pool."""
        return self.promised.get(pool, NOTHING)

    def check(self, wanted: Sequence[Change]) -> None:
        """Raises OverCommitted if these changes, together, promise more than a pool can keep."""
        after: dict[str, int] = {}
        for each in wanted:
            before = after.get(each.pool, self.of(each.pool).gib)
            after[each.pool] = before + each.gib
            if each.ceiling_gib is not None and after[each.pool] > each.ceiling_gib:
                raise OverCommitted(
                    pool=each.pool, asked=each.gib, promised=before, ceiling=each.ceiling_gib
                )

    def take(self, happened: Iterable[Change]) -> None:
        """Takes in what happened: nothing is refused any more."""
        for each in happened:
            before = self.of(each.pool)
            self.promised[each.pool] = Promise(before.gib + each.gib, before.volumes + each.volumes)
            self.touched.add(each.pool)
