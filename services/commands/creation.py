"""The command that makes a volume: raw, or with what something else holds."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID, uuid5

import msgspec

from domain.aggregates.backup import Backup
from domain.aggregates.image_cache import ImageCache
from domain.aggregates.quota_reservation import QuotaReservation
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import Volume, caching, imaging, sourcing
from domain.aggregates.volume_type import VolumeType
from domain.errors import InvalidRequest, OverQuota
from domain.event import Moment
from domain.image import ChosenImage
from domain.metadata import checked_metadata, checked_name
from domain.quota import GIGABYTES, MAX_USAGE, VOLUMES, of_type
from services.commands.backup import claim, restored_from
from services.commands.copying import CopyRules, Original, check_copy, original_of
from services.commands.encrypting import encrypted, key_of_image
from services.commands.placing import allowed_zones, checked_hints
from services.unit_of_work import UnitOfWork


class CreateVolume(msgspec.Struct, frozen=True, kw_only=True):
    """A volume. `known_zones` are the availability zones there are when it is asked for.

    `visible_to` is the project that must see what it is made from, and its type if that is named;
    None sees all.
    """

    id: UUID
    project_id: str
    user_id: str
    size_gib: int | None
    """None: as large as what it is made from."""
    name: str | None
    description: str | None
    metadata: dict[str, str]
    volume_type_id: UUID | None
    """None: of the type of what it is made from."""
    snapshot_id: UUID | None = None
    source_volume_id: UUID | None = None
    copies: CopyRules = CopyRules()
    availability_zone: str | None
    default_zone: str | None = None
    """Where it goes if neither it nor its type or source names a zone; None: anywhere."""
    known_zones: frozenset[str]
    visible_to: str | None = None
    hints: Mapping[str, Any] = {}
    """Cinder's scheduler hints."""
    image: ChosenImage | None = None
    """What is to be on it."""
    backup_id: UUID | None = None
    """The backup that it is to hold."""
    at: Moment


async def create_volume(
    cmd: CreateVolume,
    work: UnitOfWork,
    *,
    cache: ImageCache | None = None,
    waits: Volume | None = None,
) -> Volume:
    """Volume, quota reservation and the claim on what it is made from in one append, if that and
    the type are still as they were read; the volume. `cache` is where it is to keep its image, for
    another one that `waits` and for those to come.

    Raises InvalidRequest, NotFound, NotAllowed, OverQuota.
    """
    original = await original_of(
        snapshot_id=cmd.snapshot_id,
        volume_id=cmd.source_volume_id,
        visible_to=cmd.visible_to,
        work=work,
    )
    volume_type = await _type(cmd, original, work)
    size_gib = _size(cmd, await _of_size(cmd, original, work))
    volume_type.check_size(size_gib)
    if original is not None:
        await check_copy(original, volume_type, size_gib, cmd.availability_zone, cmd.copies, work)
    here = original.of.availability_zone if original is not None else None
    zones = allowed_zones(
        cmd.availability_zone or here,
        extra_specs=volume_type.extra_specs,
        known=cmd.known_zones | ({here} if here else set()),
        default=cmd.default_zone,
    )
    reservation = QuotaReservation.reserve(
        uuid5(cmd.id, "reservation"),
        project_id=cmd.project_id,
        subject=cmd.id,
        amounts=of_type({VOLUMES: 1, GIGABYTES: size_gib}, str(volume_type.id)),
        largest_gib=size_gib,
        at=cmd.at,
    )
    volume = Volume.request(
        cmd.id,
        project_id=cmd.project_id,
        user_id=cmd.user_id,
        size_gib=size_gib,
        name=checked_name(cmd.name, field="name"),
        description=checked_name(cmd.description, field="description"),
        metadata={**checked_metadata(cmd.metadata), **restored_from(cmd.backup_id)},
        volume_type_id=volume_type.id,
        availability_zone=zones[0] if len(zones) == 1 else None,
        reservation_id=reservation.id,
        zones=zones,
        hints=checked_hints(cmd.hints),
        at=cmd.at,
    )
    if original is not None:
        sourcing.begin(volume, original.itself, original.of, cmd.at)
    if cmd.image is not None:
        imaging.choose(volume, cmd.image, cmd.at)
    if cache is not None and cmd.image is not None:
        caching.keep(volume, cache.host, cmd.image.id, cmd.at)
    read_with = None if original is None else original.of.encryption_key_id
    if cmd.backup_id is not None:
        backup = await claim(cmd.backup_id, volume, volume_type, work, cmd.at)
        read_with = backup.encryption_key_id
    of_image = None if cmd.image is None else await key_of_image(cmd.image, volume_type, work)
    if of_image is not None:
        read_with = of_image.key_id
    key = encrypted(volume, volume_type, read_with, cmd.at)
    volume.change_multiattach(volume_type.multiattach, cmd.at)
    try:
        kept = [each for each in (cache, waits) if each is not None]
        await work.commit(reservation, volume, *key, *kept)
    except OverQuota as over:
        await work.commit(reservation.refused(over.overs, cmd.at))
        raise
    return volume


async def _type(cmd: CreateVolume, original: Original | None, work: UnitOfWork) -> VolumeType:
    if cmd.volume_type_id is not None:
        named = await work.load(VolumeType, cmd.volume_type_id)
        return named.visible_to(cmd.visible_to)
    if original is None:
        raise InvalidRequest("A volume that is made from nothing needs a volume type.")
    return await work.load(VolumeType, UUID(original.of.volume_type_id))


async def _of_size(
    cmd: CreateVolume, original: Original | None, work: UnitOfWork
) -> Volume | Snapshot | Backup | None:
    """What it is as large as, unless a size is named."""
    if cmd.backup_id is not None:
        return (await work.load(Backup, cmd.backup_id)).visible_to(cmd.visible_to)
    return None if original is None else original.itself


def _size(cmd: CreateVolume, like: Volume | Snapshot | Backup | None) -> int:
    size_gib = cmd.size_gib
    if size_gib is None:
        if like is None:
            raise InvalidRequest("A volume that is made from nothing needs a size.")
        size_gib = like.size_gib
    if not 1 <= size_gib <= MAX_USAGE:
        raise InvalidRequest(f"Volume size must be 1 to {MAX_USAGE} GiB, not {size_gib}.")
    return size_gib


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {CreateVolume: create_volume}
