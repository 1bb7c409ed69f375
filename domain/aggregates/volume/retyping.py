"""Giving a volume another type: where it is if its backend can, else elsewhere (lifecycles 6).

The type changes when that has happened and not before: until then quota, QoS and whether several
may attach it are those of the type it has.
"""

from collections.abc import Mapping

from domain.aggregates.move import Move
from domain.aggregates.qos_specs import QosSpecs
from domain.aggregates.volume.under_way import MigrationPolicy, Retype
from domain.aggregates.volume.volume import Volume, evolves
from domain.aggregates.volume_type import VolumeType
from domain.errors import InvalidRequest
from domain.event import Event, Moment, event
from domain.specs import multiattach


@event("volume.retype_requested", version=2)
class RetypeRequested(Event, frozen=True):
    """A user wants it to be of another type; quota was reserved and `move_id` begun in the same
    append."""

    host: str
    volume_type_id: str
    old_volume_type_id: str
    migration_policy: MigrationPolicy
    move_id: str
    number: int
    reservation_id: str
    snapshots: dict[str, str]
    """By each of its snapshots, which follow it: the reservation of what that means for quota."""


@event("volume.retyped")
class Retyped(Event, frozen=True):
    """It is of the new type, with all that this means; quota was committed in the same append."""

    host: str
    volume_type_id: str
    old_volume_type_id: str
    multiattach: bool
    reservation_id: str


@event("volume.retype_refused")
class RetypeRefused(Event, frozen=True):
    """No pool can take it as one of the new type; it is as it was, and the quota was rolled back
    in the same append."""

    host: str
    reason: str


@event("volume.retype_failed")
class RetypeFailed(Event, frozen=True):
    """It is of the type it was; the quota was rolled back in the same append.

    `migration_failed` says that it was on its way to another pool. What may be of it there is the
    remnant of placement `left_number`, if that is given.
    """

    host: str
    reason: str
    migration_failed: bool
    left_number: int | None


def check(
    volume: Volume,
    new: VolumeType,
    old: VolumeType,
    *,
    new_qos: QosSpecs | None,
    old_qos: QosSpecs | None,
) -> None:
    """Whether it may be given that type. Raises InvalidRequest, NotAllowed."""
    if volume.attach_status not in ("detached", "attached"):
        raise volume.not_allowed("retype", ("available", "in-use"))
    if new.id == old.id:
        raise InvalidRequest(f"Volume {volume.id} is of type {new.name} already.")
    new.check_size(volume.size_gib)
    if new.encryption != volume.encryption:
        raise InvalidRequest(
            f"Volume {volume.id} cannot become one of type {new.name}, whose volumes are encrypted"
            " otherwise: what it holds would have to be written anew, which nobody here does."
        )
    if new.encryption is not None and multiattach(new.extra_specs):
        raise InvalidRequest(
            f"Volume type {new.name} is encrypted and multiattach: volumes cannot be both."
        )
    if volume.attach_status == "detached":
        return
    if multiattach(new.extra_specs) != multiattach(old.extra_specs):
        raise InvalidRequest(
            f"Volume {volume.id} is in use: whether several may attach it can only be changed while"
            " it is available."
        )
    front_end = [qos for qos in (old_qos, new_qos) if qos and qos.consumer != "back-end"]
    if front_end and _specs_of(old_qos) != _specs_of(new_qos):
        raise InvalidRequest(
            f"Volume {volume.id} is in use: its QoS specs can only be changed while it is"
            f" available, since {front_end[0].name} are enforced by the host that uses it."
        )


def request(
    volume: Volume,
    volume_type_id: str,
    policy: MigrationPolicy,
    *,
    move_id: str,
    reservation_id: str,
    snapshots: Mapping[str, str] = {},
    at: Moment,
) -> None:
    """Wants it to be of that type; see `check`. Raises NotAllowed if it is not well or something
    else is under way."""
    if volume.host is None:
        raise volume.not_allowed("retype", ("available", "in-use"))
    volume.record(
        RetypeRequested(
            host=volume.host,
            volume_type_id=volume_type_id,
            old_volume_type_id=volume.volume_type_id,
            migration_policy=policy,
            move_id=move_id,
            number=volume.placements + 1,
            reservation_id=reservation_id,
            snapshots=dict(snapshots),
        ),
        at,
    )


def succeed(volume: Volume, new: VolumeType, at: Moment) -> None:
    """It is of the new type."""
    retype = under_way(volume)
    volume.record(
        Retyped(
            host=volume.held_by(),
            volume_type_id=retype.volume_type_id,
            old_volume_type_id=volume.volume_type_id,
            multiattach=multiattach(new.extra_specs),
            reservation_id=retype.reservation_id,
        ),
        at,
    )


def refuse(volume: Volume, reason: str, at: Moment) -> None:
    """No pool can take it as one of the new type."""
    under_way(volume)
    volume.record(RetypeRefused(host=volume.held_by(), reason=reason), at)


def fail(volume: Volume, move: Move, reason: str, at: Moment) -> None:
    """It stays of the type it is, now that its move has ended."""
    under_way(volume)
    volume.record(
        RetypeFailed(
            host=volume.held_by(),
            reason=reason,
            migration_failed=move.elsewhere,
            left_number=move.number if move.left_something else None,
        ),
        at,
    )


def under_way(volume: Volume) -> Retype:
    """The retype. Raises NotAllowed if there is none."""
    if not isinstance(volume.under_way, Retype):
        raise volume.not_allowed("retype")
    return volume.under_way


def _specs_of(qos: QosSpecs | None) -> object:
    return None if qos is None else (qos.consumer, qos.specs)


@evolves(RetypeRequested)
def _requested(volume: Volume, event: RetypeRequested, at: Moment) -> None:
    volume.under_way = Retype(
        event.volume_type_id, event.move_id, event.reservation_id, event.snapshots
    )
    volume.placements = event.number


@evolves(Retyped)
def _retyped(volume: Volume, event: Retyped, at: Moment) -> None:
    volume.volume_type_id, volume.multiattach = event.volume_type_id, event.multiattach
    volume.reservations = [*volume.reservations, event.reservation_id]
    volume.under_way = None


@evolves(RetypeRefused, RetypeFailed)
def _over(volume: Volume, event: Event, at: Moment) -> None:
    volume.under_way = None
