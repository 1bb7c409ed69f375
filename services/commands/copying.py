"""What commands that make volumes from others have to know of those, and the rules for copies."""

from uuid import UUID

import msgspec

from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import Volume, sourcing
from domain.aggregates.volume_type import VolumeType
from domain.errors import InvalidRequest
from services.unit_of_work import UnitOfWork

BACKEND_NAME_SPEC = "volume_backend_name"
"""The extra spec by which a type names the backends that its volumes may be on."""


class CopyRules(msgspec.Struct, frozen=True, kw_only=True):
    """Where copies may be: see `placement.copies_stay` and `copies_same_zone` in the settings.

    `lone` says that there is one backend at most, so that a copy cannot be elsewhere.
    """

    stay: bool = True
    same_zone: bool = True
    lone: bool = False


class Original(msgspec.Struct, frozen=True, kw_only=True):
    """What a volume is made from: a volume, or a snapshot `of` one."""

    itself: Volume | Snapshot
    of: Volume


async def original_of(
    *,
    snapshot_id: UUID | None,
    volume_id: UUID | None,
    visible_to: str | None,
    work: UnitOfWork,
) -> Original | None:
    """What is named, if anything is. Raises InvalidRequest for two, NotFound, NotAllowed unless it
    can be copied now."""
    if snapshot_id is not None and volume_id is not None:
        raise InvalidRequest("A volume is made from a snapshot or from a volume, not from both.")
    if snapshot_id is not None:
        snapshot = (await work.load(Snapshot, snapshot_id)).visible_to(visible_to)
        snapshot.check_available("copy")
        of = await work.load(Volume, UUID(snapshot.volume_id))
        return Original(itself=snapshot, of=of)
    if volume_id is not None:
        volume = (await work.load(Volume, volume_id)).visible_to(visible_to)
        sourcing.check(volume)
        return Original(itself=volume, of=volume)
    return None


async def check_copy(
    original: Original,
    volume_type: VolumeType,
    size_gib: int,
    zone: str | None,
    rules: CopyRules,
    work: UnitOfWork,
) -> None:
    """Raises InvalidRequest unless a copy can be of that type and size, and in that zone
    (lifecycles 3)."""
    kind, of = original.itself.kind, original.of
    if size_gib < original.itself.size_gib:
        raise InvalidRequest(
            f"The volume has to have the {original.itself.size_gib} GiB at least that {kind}"
            f" {original.itself.id} has, not {size_gib} GiB."
        )
    if rules.same_zone and zone is not None and zone != of.availability_zone:
        raise InvalidRequest(
            f"Volumes made from {kind} {original.itself.id} have to be in its availability zone,"
            f" {of.availability_zone}, not in {zone}."
        )
    if volume_type.encryption != of.encryption:
        raise InvalidRequest(
            f"Volume type {volume_type.name} is not encrypted as {kind} {original.itself.id} is."
        )
    if str(volume_type.id) == of.volume_type_id:
        return
    old = await work.load(VolumeType, UUID(of.volume_type_id))
    names = {each.extra_specs.get(BACKEND_NAME_SPEC) for each in (old, volume_type)}
    if rules.stay and not rules.lone and len(names) > 1:
        raise InvalidRequest(
            f"Volumes of type {volume_type.name} are on another backend than those of type"
            f" {old.name}, and copies stay on the backend of what they are made from."
        )
