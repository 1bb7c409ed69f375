"""The command that gives a volume another type."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid5

import msgspec

from domain.aggregates.move import Move
from domain.aggregates.qos_specs import QosSpecs
from domain.aggregates.quota_reservation import QuotaReservation, reservation_id
from domain.aggregates.volume import Volume, retyping
from domain.aggregates.volume.under_way import MigrationPolicy
from domain.aggregates.volume_type import VolumeType
from domain.errors import OverQuota
from domain.event import Moment
from domain.quota import GIGABYTES, VOLUMES, exchanged
from services.commands import following
from services.commands.placing import fixed_zones
from services.unit_of_work import UnitOfWork


class RetypeVolume(msgspec.Struct, frozen=True, kw_only=True):
    """Wants a volume to be of another type. `project_id` None sees every project's volumes.

    `type_visible_to` is the project that must see the type; None sees all.
    """

    id: UUID
    project_id: str | None
    volume_type_id: UUID
    type_visible_to: str | None = None
    policy: MigrationPolicy = "never"
    at: Moment


async def retype_volume(cmd: RetypeVolume, work: UnitOfWork) -> None:
    """The wish, its move and the quota of the types in one append, if both are as they were read;
    its snapshots, which must be so, too, follow it.

    Raises NotFound, InvalidRequest, NotAllowed, OverQuota.
    """
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    new = (await work.load(VolumeType, cmd.volume_type_id)).visible_to(cmd.type_visible_to)
    old = await work.load(VolumeType, UUID(volume.volume_type_id))
    new_qos, old_qos = await _qos_of(new, work), await _qos_of(old, work)
    retyping.check(volume, new, old, new_qos=new_qos, old_qos=old_qos)
    paid_by = reservation_id(volume.id, f"retype after {volume.version}", cmd.at)
    move_id = uuid5(volume.id, f"move after {volume.version}")
    snapshots = await following.snapshots_of(volume, work)
    exchange = following.exchange(volume, snapshots, str(new.id), paid_by=paid_by, at=cmd.at)
    retyping.request(
        volume,
        str(new.id),
        cmd.policy,
        move_id=str(move_id),
        reservation_id=str(paid_by),
        snapshots={id: str(held.id) for id, held in exchange.items()},
        at=cmd.at,
    )
    here, zone = volume.held_by(), volume.availability_zone
    stays = cmd.policy == "never" or bool(volume.attachments)
    move = Move.request(
        move_id,
        volume_id=volume.id,
        project_id=volume.project_id,
        size_gib=volume.size_gib,
        from_host=here,
        volume_type_id=str(new.id),
        number=volume.placements,
        zones=fixed_zones(new.extra_specs) or ([zone] if zone else []),
        only=here if stays else None,
        may_stay=True,
        at=cmd.at,
    )
    reservation = QuotaReservation.hold(
        paid_by,
        project_id=volume.project_id,
        subject=volume.id,
        subject_kind=volume.kind,
        amounts=exchanged({VOLUMES: 1, GIGABYTES: volume.size_gib}, str(old.id), str(new.id)),
        largest_gib=0,
        at=cmd.at,
    )
    try:
        await work.commit(reservation, *exchange.values(), volume, move)
    except OverQuota as over:
        await work.commit(reservation.refused(over.overs, cmd.at))
        raise


async def _qos_of(volume_type: VolumeType, work: UnitOfWork) -> QosSpecs | None:
    if volume_type.qos_specs_id is None:
        return None
    return await work.load(QosSpecs, UUID(volume_type.qos_specs_id))


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {RetypeVolume: retype_volume}
