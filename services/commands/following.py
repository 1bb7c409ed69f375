"""What the snapshots of a volume do when it is retyped, transferred or deleted: they follow it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID, uuid5

import msgspec

from domain.aggregate import Aggregate
from domain.aggregates.quota_reservation import QuotaReservation, reservation_id
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import Volume
from domain.aggregates.volume.under_way import Retype
from domain.dependence import words
from domain.errors import InUse, InvalidRequest
from domain.event import Moment
from domain.quota import exchanged, of_snapshot, of_type
from services.commands import settling
from services.unit_of_work import UnitOfWork


class GoOnDeleting(msgspec.Struct, frozen=True, kw_only=True):
    """A volume that waits for its snapshots to be deleted goes on, if none is left, or gives up, if
    one stays: `why` is what is known of that."""

    id: UUID
    why: str | None = None
    at: Moment


async def go_on_deleting(cmd: GoOnDeleting, work: UnitOfWork) -> None:
    """Does nothing while it has to wait, or does not."""
    volume = await work.load(Volume, cmd.id)
    if volume.state != "emptying":
        return
    left = await snapshots_of(volume, work)
    stay = [snapshot for snapshot in left if not snapshot.going]
    if stay:
        why = f": {cmd.why}" if cmd.why else ""
        volume.give_up_deletion(f"its snapshot {stay[0].id} is {stay[0].status}{why}", cmd.at)
        await work.commit(volume)
    elif not left:
        volume.emptied(cmd.at)
        await work.commit(volume)


async def snapshots_of(volume: Volume, work: UnitOfWork) -> list[Snapshot]:
    """All that there are now, in the order of their ids; one that is asked for meanwhile holds the
    volume to be unchanged. Who must not miss one says in an event which ones it knows."""
    needs = await work.dependents(volume.id)
    found = [await work.load(Snapshot, id) for id in sorted(needs) if needs[id] == "snapshot"]
    return [each for each in found if each.state != "deleted"]  # since that was asked


async def doomed(
    volume: Volume, work: UnitOfWork, *, project_id: str | None, force: bool
) -> list[Snapshot]:
    """The snapshots that are to be deleted with a volume (lifecycles 6, delete cascade).

    Raises InUse while something is made from it, InvalidRequest for those of another project than
    this (None: of any).
    """
    needs = await work.dependents(volume.id)
    copies = [(id, need) for id, need in needs.items() if need == "copy"]
    if copies:
        raise InUse(kind=volume.kind, id=str(volume.id), by=words(copies))
    found = await snapshots_of(volume, work)
    for snapshot in found:
        if not force and project_id not in (None, snapshot.project_id):
            raise InvalidRequest(
                f"Volume {volume.id} has snapshots of another project, which cannot be deleted"
                " with it."
            )
    return found


async def has_more(volume: Volume, known: Sequence[Snapshot], work: UnitOfWork) -> bool:
    """Whether it has snapshots that are not among the known."""
    needs = await work.dependents(volume.id)
    taken = {id for id, need in needs.items() if need == "snapshot"}
    return not taken <= {each.id for each in known}


def request_deletion(snapshots: Sequence[Snapshot], at: Moment, *, force: bool) -> None:
    """Wants them gone, unless they are on their way. Raises NotAllowed as for each alone."""
    for snapshot in snapshots:
        if not snapshot.going:
            snapshot.request_deletion(at, force=force)


def exchange(
    volume: Volume, snapshots: Sequence[Snapshot], new_type_id: str, *, paid_by: UUID, at: Moment
) -> dict[str, QuotaReservation]:
    """What a retype means for the quota of each snapshot, by its id, held for the retype."""
    return {
        str(snapshot.id): QuotaReservation.hold(
            uuid5(paid_by, str(snapshot.id)),
            project_id=snapshot.project_id,
            subject=volume.id,
            subject_kind=volume.kind,
            amounts=exchanged(
                of_snapshot(snapshot.size_gib, counts_gigabytes=snapshot.counts_gigabytes),
                snapshot.volume_type_id,
                new_type_id,
            ),
            largest_gib=0,
            at=at,
        )
        for snapshot in snapshots
    }


async def retyped(retype: Retype, work: UnitOfWork, at: Moment) -> list[Aggregate]:
    """The snapshots of a volume that was retyped, and what pays for them; to be stored with that.

    Those that were deleted meanwhile have given back what they had.
    """
    changed: list[Aggregate] = []
    for id, paid_by in retype.snapshots.items():
        snapshot = await work.load(Snapshot, UUID(id))
        reservation = await work.load(QuotaReservation, UUID(paid_by))
        if snapshot.state == "deleted":
            reservation.roll_back(at)
        else:
            snapshot.retype(retype.volume_type_id, paid_by, at)
            reservation.commit(at, subject=snapshot.id)
        changed += [snapshot, reservation]
    return changed


async def transferred(
    snapshots: Sequence[Snapshot], work: UnitOfWork, *, project_id: str, user_id: str, at: Moment
) -> tuple[list[Aggregate], list[Aggregate]]:
    """Gives snapshots to another project: what their owner gets back of quota, and what is to be
    stored after that. Raises NotAllowed unless all are available."""
    given_back: list[Aggregate] = []
    taken: list[Aggregate] = []
    for snapshot in snapshots:
        given_back += await settling.give_back(snapshot, work, at)
        amounts = of_snapshot(snapshot.size_gib, counts_gigabytes=snapshot.counts_gigabytes)
        reservation = QuotaReservation.reserve(
            reservation_id(snapshot.id, f"transfer to {project_id}", at),
            project_id=project_id,
            subject=snapshot.id,
            amounts=of_type(amounts, snapshot.volume_type_id),
            largest_gib=0,
            at=at,
        )
        reservation.commit(at)
        snapshot.transfer(
            project_id=project_id, user_id=user_id, reservation_id=str(reservation.id), at=at
        )
        taken += [reservation, snapshot]
    return given_back, taken


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {GoOnDeleting: go_on_deleting}
