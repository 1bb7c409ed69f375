"""Why a volume is where it is, or nowhere: its placements, and what came of each."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregates import move, snapshot, volume
from domain.errors import NotFound
from domain.event import Event, Recorded
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
    of: str = "creation"
    """What it was decided for: `creation`, `retype` or `migration`."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was decided about where a volume goes, oldest first; of a snapshot, which is
    where its volume is, whether there was room for it."""

    kind: str = volume.Volume.kind

    id: UUID
    name: str | None
    state: str
    placements: list[Placement]


async def explain(log: StoredLog, id: UUID) -> Explanation:
    """Raises NotFound if nothing ever happened to such a volume or snapshot."""
    entries = await log.stream(id)
    recorded = [entry.recorded for entry in entries if entry.recorded is not None]
    if recorded and recorded[0].event.kind == snapshot.Snapshot.kind:
        return _of_snapshot(id, recorded)
    if not recorded or recorded[0].event.kind != volume.Volume.kind:
        raise NotFound(kind=volume.Volume.kind, id=str(id))
    now = volume.Volume(id=id)
    for each in recorded:  # an entry that cannot be read leaves a hole
        now.version = each.version - 1
        now.replay(each)
    moves = {
        UUID(wish.move_id): _WISHES[type(wish)]
        for wish in (each.event for each in recorded)
        if isinstance(wish, volume.retyping.RetypeRequested | volume.migrating.MigrationRequested)
    }
    for move_id in moves:
        entries = [*entries, *await log.stream(move_id)]
    entries = sorted(entries, key=lambda entry: entry.position)
    placements = list(_placements(entries, moves))
    return Explanation(id=id, name=now.name, state=now.state, placements=placements)


def _of_snapshot(id: UUID, recorded: Sequence[Recorded[Event]]) -> Explanation:
    now, told = snapshot.Snapshot(id=id), None
    for each in recorded:
        now.version = each.version - 1
        now.replay(each)
        match each.event:
            case snapshot.Placed():
                told = _room(each, now.host, "waits for its backend")
            case snapshot.PlacementFailed():
                told = _room(each, None, "no place", each.event.reason)
            case snapshot.CreationStarted() if told:
                told = msgspec.structs.replace(told, outcome="is being made")
            case snapshot.Created() if told:
                at = each.moment.at
                told = msgspec.structs.replace(told, outcome="made", ended_at=at)
            case snapshot.CreationFailed() if told:
                at, why = each.moment.at, each.event.reason
                told = msgspec.structs.replace(told, outcome="failed", said=why, ended_at=at)
            case _:
                pass
    placements = [told] if told else []
    return Explanation(kind=now.kind, id=id, name=now.name, state=now.state, placements=placements)


def _room(
    recorded: Recorded[Event], host: str | None, outcome: str, said: str | None = None
) -> Placement:
    return Placement(
        number=1,
        most=1,
        at=recorded.moment.at,
        host=host,
        decision=Decision(candidates=[], reason=said or ""),
        outcome=outcome,
        said=said,
    )


_WISHES: Mapping[type[Event], str] = {
    volume.retyping.RetypeRequested: "retype",
    volume.migrating.MigrationRequested: "migration",
}
"""What moves a volume, by the event that says which move it is."""


def _placements(entries: Sequence[Entry], moves: Mapping[UUID, str]) -> Iterator[Placement]:
    open_: Placement | None = None
    for entry in entries:
        if entry.recorded is None:
            continue
        event, at = entry.recorded.event, entry.recorded.moment.at
        if isinstance(event, _DECISIONS):
            if open_ is not None:
                yield open_
            open_ = _begun(event, at, moves.get(entry.aggregate_id, "creation"))
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


_LAST = (
    "made",
    "moved",
    "changed where it is",
    "declined, another pool is looked for",
    "failed, another backend shall try",
    "failed",
)
_DECISIONS = (volume.Placed, volume.PlacementFailed, move.Placed, move.Refused)


def _begun(event: Any, at: datetime, of: str) -> Placement:
    most = getattr(event, "most", event.number)
    if isinstance(event, volume.Placed | move.Placed):
        return Placement(
            number=event.number,
            most=most,
            at=at,
            host=event.host,
            decision=event.decision,
            outcome="waits for its backend",
            of=of,
        )
    return Placement(
        number=event.number,
        most=most,
        at=at,
        host=None,
        decision=event.decision,
        outcome="no place",
        said=event.reason,
        of=of,
    )


def _ended(event: Event) -> tuple[str, str | None] | None:
    match event:
        case volume.ProvisioningStarted():
            return "is being made", None
        case volume.Provisioned():
            return "made", None
        case volume.Rescheduled():
            return "failed, another backend shall try", event.reason
        case volume.imaging.DownloadProgressed():
            return f"has {_part(event)} of its image", None
        case volume.ProvisioningFailed() | volume.imaging.DownloadFailed():
            return "failed", event.reason
        case volume.CreationCancelled():
            return "cancelled", None
        case move.Started():
            stays = event.host == event.from_host
            return ("is being changed where it is" if stays else "is being copied"), None
        case move.Copied():
            return "is being compared with its source", None
        case move.Declined():
            return "declined, another pool is looked for", event.reason
        case move.Failed():
            return "failed", event.reason
        case volume.moving.Moved():
            return "moved", None
        case volume.retyping.Retyped():
            return "changed where it is", None
        case _:
            return None


def _part(event: volume.imaging.DownloadProgressed) -> str:
    done = f"{event.done_bytes:,} bytes"
    return done if event.total_bytes is None else f"{done} out of {event.total_bytes:,}"
