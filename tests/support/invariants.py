"""What must hold of every log, however it came about: in simulated and in real time."""

from collections.abc import Iterator, Mapping, Sequence

from domain.event import Event, Recorded
from domain.quota import UNLIMITED, Ledger, entries, settle
from services.notifications.telling import Notifications


def over_quota(log: Sequence[Recorded[Event]], *, limits: Mapping[str, int]) -> Iterator[str]:
    """At no instant did anybody consume more than they may. `limits` are those of who has none."""
    ledger = Ledger(defaults=limits)
    for recorded in log:
        settle(ledger, [recorded.event])
        for entry in entries(recorded.event):
            if entry.in_use + entry.reserved > 0:
                used = ledger.used(entry.project_id, entry.resource).consumed
                limit = ledger.limit(entry.project_id, entry.resource)
                if limit != UNLIMITED and used > limit:
                    yield (
                        f"over quota at {recorded.position}: {entry.project_id} consumes {used}"
                        f" {entry.resource}, of {limit}"
                    )


def not_copied(told: Sequence[int], *, end: int) -> Iterator[str]:
    """The log stream, which has these positions, is a copy of the log, which ends there."""
    if list(told) != list(range(1, end + 1)):
        missing = sorted({*range(1, end + 1)} - {*told})[:5]
        yield f"the log stream has {len(told)} events, without {missing}; the log ends at {end}"


async def not_told(
    telling: Notifications, log: Sequence[Recorded[Event]], told: Sequence[str]
) -> list[str]:
    """Each notification was told once, in the order of the log; `told` are their ids."""
    due = [each.id for each in await telling.messages(log)]
    return [] if list(told) == due else [f"told were {len(told)} notifications, due {len(due)}"]
