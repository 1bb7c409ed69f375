"""Commands about snapshots: from users, and from the processes that carry their wishes out."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid5

import msgspec
from msgspec import UNSET, UnsetType

from domain.aggregates.quota_reservation import QuotaReservation
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import Volume
from domain.errors import Conflict, NotFound, OverQuota
from domain.event import Moment
from domain.metadata import checked_metadata, checked_name
from domain.placement import Pool
from domain.quota import of_snapshot, of_type
from services.commands import settling
from services.commands.placing import room_on
from services.commands.service import closures_of
from services.unit_of_work import UnitOfWork


class CreateSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot of a volume as it is when its backend gets to it.

    `of_project` is the project that must see the volume; None sees every project's, here and below.
    `force` lets it be in use. `counts_gigabytes` says whether its size counts for quota, too.
    """

    id: UUID
    volume_id: UUID
    of_project: str | None
    user_id: str
    name: str | None
    description: str | None
    metadata: dict[str, str]
    force: bool = False
    counts_gigabytes: bool = True
    at: Moment


class DescribeSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Changes what is set. `project_id` None sees every project's snapshots, here and below."""

    id: UUID
    project_id: str | None
    name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    at: Moment


class ChangeSnapshotMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """Merges `set` into the metadata, or replaces all by it, and removes keys."""

    id: UUID
    project_id: str | None
    set: dict[str, str] = {}
    replace: bool = False
    remove: tuple[str, ...] = ()
    at: Moment


class ResetSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """An administrator says what its status is, in Cinder's words."""

    id: UUID
    project_id: str | None
    status: str
    at: Moment


class DeleteSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """`force` deletes in every state."""

    id: UUID
    project_id: str | None
    force: bool = False
    at: Moment


class PlaceSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Decides whether the pool of its volume has the room, given what the pools last reported."""

    id: UUID
    pools: list[Pool]
    at: Moment


class StartSnapshotCreation(msgspec.Struct, frozen=True, kw_only=True):
    """A worker claims the making of a snapshot."""

    id: UUID
    worker: str
    at: Moment


class FinishSnapshotCreation(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt: made if there is no `failure`."""

    id: UUID
    attempt: int
    provider_id: str | None = None
    failure: str | None = None
    at: Moment


class StartSnapshotDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """A worker claims the deletion of a snapshot."""

    id: UUID
    worker: str
    at: Moment


class FinishSnapshotDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt: gone if there is no `failure`; `busy` if it may not go."""

    id: UUID
    attempt: int
    failure: str | None = None
    busy: bool = False
    at: Moment


async def create_snapshot(cmd: CreateSnapshot, work: UnitOfWork) -> UUID:
    """Snapshot and quota reservation in one append, if the volume is still as it was read.

    Raises NotFound, InvalidRequest while its backend is frozen, NotAllowed, OverQuota.
    """
    volume = (await work.load(Volume, cmd.volume_id)).visible_to(cmd.of_project)
    closures = await closures_of(work)
    volume.check_stays("snapshot")
    (volume.check_free if cmd.force else volume.check_available)("snapshot")
    closures.check_not_frozen(volume.held_by())
    reservation = QuotaReservation.reserve(
        uuid5(cmd.id, "reservation"),
        project_id=volume.project_id,
        subject=cmd.id,
        amounts=of_type(
            of_snapshot(volume.size_gib, counts_gigabytes=cmd.counts_gigabytes),
            volume.volume_type_id,
        ),
        largest_gib=0,
        at=cmd.at,
    )
    snapshot = Snapshot.request(
        cmd.id,
        project_id=volume.project_id,
        user_id=cmd.user_id,
        volume_id=volume.id,
        volume_type_id=volume.volume_type_id,
        host=volume.held_by(),
        availability_zone=volume.availability_zone,
        size_gib=volume.size_gib,
        name=checked_name(cmd.name, field="name"),
        description=checked_name(cmd.description, field="description"),
        metadata=checked_metadata(cmd.metadata),
        reservation_id=reservation.id,
        counts_gigabytes=cmd.counts_gigabytes,
        bootable=volume.bootable,
        image_metadata=volume.image_metadata,
        at=cmd.at,
    )
    try:
        await work.commit(reservation, snapshot)
    except OverQuota as over:
        await work.commit(reservation.refused(over.overs, cmd.at))
        raise
    return snapshot.id


async def describe_snapshot(cmd: DescribeSnapshot, work: UnitOfWork) -> None:
    """Raises NotFound, InvalidRequest."""
    snapshot = (await work.load(Snapshot, cmd.id)).visible_to(cmd.project_id)
    snapshot.describe(
        snapshot.name if cmd.name is UNSET else checked_name(cmd.name, field="name"),
        snapshot.description
        if cmd.description is UNSET
        else checked_name(cmd.description, field="description"),
        cmd.at,
    )
    await work.commit(snapshot)


async def change_snapshot_metadata(cmd: ChangeSnapshotMetadata, work: UnitOfWork) -> dict[str, str]:
    """All metadata after the change. Raises NotFound (also for a key to remove), InvalidRequest."""
    snapshot = (await work.load(Snapshot, cmd.id)).visible_to(cmd.project_id)
    metadata = {**({} if cmd.replace else snapshot.metadata), **checked_metadata(cmd.set)}
    for key in cmd.remove:
        if key not in metadata:
            raise NotFound(kind="snapshot_metadata", id=key)
        del metadata[key]
    snapshot.change_metadata(metadata, cmd.at)
    await work.commit(snapshot)
    return metadata


async def reset_snapshot(cmd: ResetSnapshot, work: UnitOfWork) -> None:
    """Its quota is settled in the same append. Raises NotFound, NotAllowed, InvalidRequest."""
    snapshot = (await work.load(Snapshot, cmd.id)).visible_to(cmd.project_id)
    snapshot.reset(cmd.status, cmd.at)
    await work.commit(snapshot, *await settling.keep(snapshot, work, cmd.at))


async def delete_snapshot(cmd: DeleteSnapshot, work: UnitOfWork) -> None:
    """Wants it gone. Raises NotFound, NotAllowed, InvalidRequest while its backend is frozen,
    InUse while something is made from it."""
    snapshot = (await work.load(Snapshot, cmd.id)).visible_to(cmd.project_id)
    snapshot.request_deletion(cmd.at, force=cmd.force)
    if snapshot.pending:
        closures = await closures_of(work)
        closures.check_not_frozen(snapshot.host)
        await work.commit(snapshot)


async def place_snapshot(cmd: PlaceSnapshot, work: UnitOfWork) -> None:
    """Raises NotAllowed if that is decided already, OverCommitted if others were promised the
    room first, Conflict if a backend was closed or opened: then it is decided again."""
    snapshot = await work.load(Snapshot, cmd.id)
    volume = await work.load(Volume, UUID(snapshot.volume_id))
    room = await room_on(snapshot.host, snapshot.size_gib, volume, work, pools=cmd.pools)
    if room.why_not is None:
        snapshot.place(ceiling_gib=room.ceiling_gib, at=cmd.at)
        with work.promised.holding(snapshot.host, snapshot.size_gib):
            await work.commit(snapshot)
        return
    if work.guessed:  # a refusal is believed only on fresh state
        raise Conflict(kind=snapshot.kind, id=str(snapshot.id))
    snapshot.placement_failed(room.why_not, cmd.at)
    kept = await settling.keep(snapshot, work, cmd.at)
    await work.commit(snapshot, *kept)


async def start_snapshot_creation(cmd: StartSnapshotCreation, work: UnitOfWork) -> int | None:
    """The attempt's number; None if there is nothing to make (any more). Raises NotAllowed."""
    snapshot = await work.load(Snapshot, cmd.id)
    attempt = None
    if snapshot.state == "cancelling":
        snapshot.abandon_creation(cmd.at)
    else:
        attempt = snapshot.start_creation(cmd.worker, cmd.at)
    await work.commit(snapshot)
    return attempt


async def finish_snapshot_creation(cmd: FinishSnapshotCreation, work: UnitOfWork) -> None:
    """Outcome and quota in one append. Raises Superseded."""
    snapshot = await work.load(Snapshot, cmd.id)
    if cmd.failure is None:
        snapshot.created(cmd.attempt, cmd.provider_id, cmd.at)
    else:
        snapshot.creation_failed(cmd.attempt, cmd.failure, cmd.at)
    # what was cancelled is paid for until it is gone
    settled = await settling.keep(snapshot, work, cmd.at) if snapshot.at_rest else []
    await work.commit(snapshot, *settled)


async def start_snapshot_deletion(cmd: StartSnapshotDeletion, work: UnitOfWork) -> int:
    """The attempt's number. Raises NotAllowed if it is not to be deleted (any more)."""
    snapshot = await work.load(Snapshot, cmd.id)
    attempt = snapshot.start_deletion(cmd.worker, cmd.at)
    await work.commit(snapshot)
    return attempt


async def finish_snapshot_deletion(cmd: FinishSnapshotDeletion, work: UnitOfWork) -> None:
    """Outcome and quota in one append. Raises Superseded, NotAllowed."""
    snapshot = await work.load(Snapshot, cmd.id)
    if cmd.failure is None:
        snapshot.deleted(cmd.at)
        await work.commit(snapshot, *await settling.give_back(snapshot, work, cmd.at))
        return
    if cmd.busy:
        snapshot.found_busy(cmd.attempt, cmd.failure, cmd.at)
    else:
        snapshot.deletion_failed(cmd.attempt, cmd.failure, cmd.at)
    await work.commit(snapshot, *await settling.keep(snapshot, work, cmd.at))


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    CreateSnapshot: create_snapshot,
    DescribeSnapshot: describe_snapshot,
    ChangeSnapshotMetadata: change_snapshot_metadata,
    ResetSnapshot: reset_snapshot,
    DeleteSnapshot: delete_snapshot,
    PlaceSnapshot: place_snapshot,
    StartSnapshotCreation: start_snapshot_creation,
    FinishSnapshotCreation: finish_snapshot_creation,
    StartSnapshotDeletion: start_snapshot_deletion,
    FinishSnapshotDeletion: finish_snapshot_deletion,
}
