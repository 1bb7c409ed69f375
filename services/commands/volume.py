"""Commands about volumes: from users, and from the processes that carry their wishes out."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid5

import msgspec
from msgspec import UNSET, UnsetType

from domain.aggregates.quota_reservation import QuotaReservation
from domain.aggregates.volume import Volume
from domain.aggregates.volume_type import VolumeType
from domain.errors import InvalidRequest, NotFound, OverQuota
from domain.event import Moment
from domain.metadata import checked_metadata, checked_name
from domain.placement import Pool, place
from domain.quota import GIGABYTES, MAX_USAGE, VOLUMES, of_type
from services.unit_of_work import UnitOfWork


class CreateVolume(msgspec.Struct, frozen=True, kw_only=True):
    """A raw volume. `known_zones` are the availability zones there are when it is asked for.

    `type_visible_to` is the project that must see the type; None sees all.
    """

    id: UUID
    project_id: str
    user_id: str
    size_gib: int
    name: str | None
    description: str | None
    metadata: dict[str, str]
    volume_type_id: UUID
    availability_zone: str | None
    known_zones: frozenset[str]
    type_visible_to: str | None = None
    at: Moment


class DescribeVolume(msgspec.Struct, frozen=True, kw_only=True):
    """Changes what is set. `project_id` None sees every project's volumes, here and below."""

    id: UUID
    project_id: str | None
    name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    metadata: dict[str, str] | UnsetType = UNSET
    at: Moment


class ChangeVolumeMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """Merges `set` into the metadata, or replaces all by it, and removes keys."""

    id: UUID
    project_id: str | None
    set: dict[str, str] = {}
    replace: bool = False
    remove: tuple[str, ...] = ()
    at: Moment


class DeleteVolume(msgspec.Struct, frozen=True, kw_only=True):
    """`force` deletes in (nearly) every state; `cascade` takes what depends on it along."""

    id: UUID
    project_id: str | None
    force: bool = False
    cascade: bool = False
    at: Moment


class PlaceVolume(msgspec.Struct, frozen=True, kw_only=True):
    """Decides where a requested volume goes, given what the pools last reported."""

    id: UUID
    pools: list[Pool]
    at: Moment


class StartProvisioning(msgspec.Struct, frozen=True, kw_only=True):
    """A worker claims the making of a volume."""

    id: UUID
    worker: str
    at: Moment


class FinishProvisioning(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt: made if there is no `failure`."""

    id: UUID
    attempt: int
    provider_id: str | None = None
    failure: str | None = None
    at: Moment


class StartDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """A worker claims the deletion of a volume."""

    id: UUID
    worker: str
    at: Moment


class FinishDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt: gone if there is no `failure`; `busy` if it may not go."""

    id: UUID
    attempt: int
    failure: str | None = None
    busy: bool = False
    at: Moment


async def create_volume(cmd: CreateVolume, work: UnitOfWork) -> UUID:
    """Volume and quota reservation in one append, if the type is still as it was read.

    Raises InvalidRequest, NotFound, OverQuota.
    """
    volume_type = await work.load(VolumeType, cmd.volume_type_id)
    volume_type.visible_to(cmd.type_visible_to)
    _check_size(cmd.size_gib)
    volume_type.check_size(cmd.size_gib)
    _check_zone(cmd.availability_zone, cmd.known_zones)
    reservation = QuotaReservation.reserve(
        uuid5(cmd.id, "reservation"),
        project_id=cmd.project_id,
        subject=cmd.id,
        amounts=of_type({VOLUMES: 1, GIGABYTES: cmd.size_gib}, str(cmd.volume_type_id)),
        largest_gib=cmd.size_gib,
        at=cmd.at,
    )
    volume = Volume.request(
        cmd.id,
        project_id=cmd.project_id,
        user_id=cmd.user_id,
        size_gib=cmd.size_gib,
        name=checked_name(cmd.name, field="name"),
        description=checked_name(cmd.description, field="description"),
        metadata=checked_metadata(cmd.metadata),
        volume_type_id=cmd.volume_type_id,
        availability_zone=cmd.availability_zone,
        reservation_id=reservation.id,
        at=cmd.at,
    )
    try:
        await work.commit(reservation, volume, unchanged=[volume_type])
    except OverQuota as over:
        await work.commit(reservation.refused(over.overs, cmd.at))
        raise
    return volume.id


async def describe_volume(cmd: DescribeVolume, work: UnitOfWork) -> None:
    """Raises NotFound, InvalidRequest."""
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    volume.describe(
        volume.name if cmd.name is UNSET else checked_name(cmd.name, field="name"),
        volume.description
        if cmd.description is UNSET
        else checked_name(cmd.description, field="description"),
        cmd.at,
    )
    if cmd.metadata is not UNSET:
        volume.change_metadata(checked_metadata(cmd.metadata), cmd.at)
    await work.commit(volume)


async def change_volume_metadata(cmd: ChangeVolumeMetadata, work: UnitOfWork) -> dict[str, str]:
    """All metadata after the change. Raises NotFound (also for a key to remove), InvalidRequest."""
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    metadata = {**({} if cmd.replace else volume.metadata), **checked_metadata(cmd.set)}
    for key in cmd.remove:
        if key not in metadata:
            raise NotFound(kind="volume_metadata", id=key)
        del metadata[key]
    volume.change_metadata(metadata, cmd.at)
    await work.commit(volume)
    return metadata


async def delete_volume(cmd: DeleteVolume, work: UnitOfWork) -> None:
    """Wants it gone; at once where no backend ever held it. Raises NotFound, NotAllowed."""
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    volume.request_deletion(cmd.at, force=cmd.force)
    if volume.host is None and volume.pending:
        await _commit_deleted(volume, work, cmd.at)
    else:
        await work.commit(volume)


async def place_volume(cmd: PlaceVolume, work: UnitOfWork) -> None:
    """Raises NotAllowed if it is placed already, or not wanted any more."""
    volume = await work.load(Volume, cmd.id)
    decision = place(cmd.pools, size_gib=volume.size_gib, zone=volume.availability_zone)
    volume.place(decision, cmd.at)
    if decision.chosen is None:
        await work.commit(volume, await _settled(volume, work, cmd.at))
    else:
        await work.commit(volume)


async def start_provisioning(cmd: StartProvisioning, work: UnitOfWork) -> int | None:
    """The attempt's number; None if there is nothing to make (any more). Raises NotAllowed."""
    volume = await work.load(Volume, cmd.id)
    if volume.state == "cancelling":
        volume.abandon_creation(cmd.at)
        await work.commit(volume)
        return None
    attempt = volume.start_provisioning(cmd.worker, cmd.at)
    await work.commit(volume)
    return attempt


async def finish_provisioning(cmd: FinishProvisioning, work: UnitOfWork) -> None:
    """Outcome and quota in one append. Raises Superseded."""
    volume = await work.load(Volume, cmd.id)
    if cmd.failure is None:
        volume.provisioned(cmd.attempt, cmd.provider_id, cmd.at)
    else:
        volume.provisioning_failed(cmd.attempt, cmd.failure, cmd.at)
    if volume.at_rest:
        await work.commit(volume, await _settled(volume, work, cmd.at))
    else:  # cancelled: its quota goes when it goes
        await work.commit(volume)


async def start_deletion(cmd: StartDeletion, work: UnitOfWork) -> int:
    """The attempt's number. Raises NotAllowed if it is not to be deleted (any more)."""
    volume = await work.load(Volume, cmd.id)
    attempt = volume.start_deletion(cmd.worker, cmd.at)
    await work.commit(volume)
    return attempt


async def finish_deletion(cmd: FinishDeletion, work: UnitOfWork) -> None:
    """Outcome and quota in one append. Raises Superseded, NotAllowed."""
    volume = await work.load(Volume, cmd.id)
    if cmd.failure is None:
        await _commit_deleted(volume, work, cmd.at)
        return
    if cmd.busy:
        volume.found_busy(cmd.attempt, cmd.failure, cmd.at)
    else:
        volume.deletion_failed(cmd.attempt, cmd.failure, cmd.at)
    await work.commit(volume, await _settled(volume, work, cmd.at))


async def _commit_deleted(volume: Volume, work: UnitOfWork, at: Moment) -> None:
    volume.deleted(at)
    reservation = await work.load(QuotaReservation, UUID(volume.reservation_id))
    await work.commit(volume, reservation.give_back(at))


async def _settled(volume: Volume, work: UnitOfWork, at: Moment) -> QuotaReservation:
    """Its reservation, committed: a volume in error is there too, until its user deletes it.

    It is so already when a deletion failed, unless the creation had been cancelled.
    """
    reservation = await work.load(QuotaReservation, UUID(volume.reservation_id))
    reservation.keep(at)
    return reservation


def _check_size(size_gib: int) -> None:
    if not 1 <= size_gib <= MAX_USAGE:
        raise InvalidRequest(f"Volume size must be 1 to {MAX_USAGE} GiB, not {size_gib}.")


def _check_zone(zone: str | None, known: frozenset[str]) -> None:
    if zone is not None and zone not in known:
        raise InvalidRequest(f"Availability zone {zone!r} is invalid; known: {sorted(known)}.")


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    CreateVolume: create_volume,
    DescribeVolume: describe_volume,
    ChangeVolumeMetadata: change_volume_metadata,
    DeleteVolume: delete_volume,
    PlaceVolume: place_volume,
    StartProvisioning: start_provisioning,
    FinishProvisioning: finish_provisioning,
    StartDeletion: start_deletion,
    FinishDeletion: finish_deletion,
}
