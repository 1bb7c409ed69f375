"""Why a volume is where it is, or nowhere: its placements, and what came of each."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from domain.aggregates import volume
from domain.errors import NotFound
from domain.event import Event
from domain.placement import Decision
from services.audit.stored import Entry, StoredLog


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """One decision, and what its backend made of it."""

    number: int
    most: int
    at: datetime
    host: str | None
    """None: no pool could take it."""
    decision: Decision
    outcome: str
    said: str | None = None
    """What the driver said where it failed, or why there was no place."""
    ended_at: datetime | None = None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was decided about where a volume goes, oldest first."""

    id: UUID
    name: str | None
    state: str
    placements: list[Placement]


async def explain(log: StoredLog, id: UUID) -> Explanation:
    """Raises NotFound if nothing ever happened to such a volume."""
    entries = await log.stream(id)
    recorded = [entry.recorded for entry in entries if entry.recorded is not None]
    if not recorded or recorded[0].event.kind != volume.Volume.kind:
        raise NotFound(kind=volume.Volume.kind, id=str(id))
    now = volume.Volume(id=id)
    for each in recorded:  # an entry that cannot be read leaves a hole
        now.version = each.version - 1
        now.replay(each)
    return Explanation(id=id, name=now.name, state=now.state, placements=list(_placements(entries)))


def _placements(entries: Sequence[Entry]) -> Iterator[Placement]:
    open_: Placement | None = None
    for entry in entries:
        if entry.recorded is None:
            continue
        event, at = entry.recorded.event, entry.recorded.moment.at
        if isinstance(event, volume.Placed | volume.PlacementFailed):
            if open_ is not None:
                yield open_
            open_ = _begun(event, at)
        elif open_ is not None and (ended := _ended(event)) is not None:
            outcome, said = ended
            open_ = msgspec.structs.replace(
                open_, outcome=outcome, said=said or open_.said, ended_at=at
            )
            if outcome in _LAST:
                yield open_
                open_ = None
    if open_ is not None:
        yield open_


_LAST = ("made", "failed, another backend shall try", "failed")


def _begun(event: volume.Placed | volume.PlacementFailed, at: datetime) -> Placement:
    if isinstance(event, volume.Placed):
        return Placement(
            number=event.number,
            most=event.most,
            at=at,
            host=event.host,
            decision=event.decision,
            outcome="waits for its backend",
        )
    return Placement(
        number=event.number,
        most=event.most,
        at=at,
        host=None,
        decision=event.decision,
        outcome="no place",
        said=event.reason,
    )


def _ended(event: Event) -> tuple[str, str | None] | None:
    match event:
        case volume.ProvisioningStarted():
            return "is being made", None
        case volume.Provisioned():
            return "made", None
        case volume.Rescheduled():
            return "failed, another backend shall try", event.reason
        case volume.ProvisioningFailed():
            return "failed", event.reason
        case volume.CreationCancelled():
            return "cancelled", None
        case _:
            return None
