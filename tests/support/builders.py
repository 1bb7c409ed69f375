"""Small examples of everything: a test says only what matters to it."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid5

from domain.aggregate import Aggregate
from domain.aggregates.move import Move
from domain.aggregates.quota_limits import QuotaLimits, limits_id
from domain.aggregates.quota_reservation import QuotaReservation
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import (
    Source,
    Volume,
    attaching,
    backing_up,
    caching,
    exporting,
    extension,
    imaging,
)
from domain.aggregates.volume_type import VolumeType
from domain.event import Actor, Event, Moment, Recorded
from domain.image import ChosenImage
from domain.placement import Origin, Pool, Request, place
from domain.quota import of_snapshot, of_type

PROJECT = "a-project"
USER = "ann"
ZONE = "nova"
A_TYPE = UUID(int=0xA)
HOST = "host1@gold#pool1"
THERE = "host1@gold#pool2"
"""Where a volume that is at HOST may move."""
MORNING = datetime(2030, 1, 2, 8, 0, 0, tzinfo=UTC)


def an_id(number: int) -> UUID:
    """An id that can be told from others at a glance."""
    return UUID(int=number)


def a_moment(second: float = 0, *, request: str = "req-1", cause: str | None = None) -> Moment:
    """Some second of one morning."""
    return Moment(
        at=MORNING + timedelta(seconds=second),
        request_id=request,
        actor=Actor(USER, PROJECT),
        cause=cause,
    )


def a_pool(
    name: str = HOST,
    *,
    zone: str = ZONE,
    total_gib: float = 100.0,
    free_gib: float | None = None,
    provisioned_gib: float = 0.0,
    reserved_percentage: float = 0.0,
    over_subscription_ratio: float | Literal["auto"] | None = 20.0,
    thin: bool = False,
    **more: Any,
) -> Pool:
    """A pool as its backend reports it; empty unless said otherwise."""
    return Pool(
        name=name,
        zone=zone,
        total_gib=total_gib,
        free_gib=total_gib - provisioned_gib if free_gib is None else free_gib,
        provisioned_gib=provisioned_gib,
        allocated_gib=provisioned_gib,
        reserved_percentage=reserved_percentage,
        over_subscription_ratio=over_subscription_ratio,
        thin=thin,
        **more,
    )


AN_IMAGE = ChosenImage(
    id="1a6e0001-0000-4000-8000-000000000001",
    name="cirros",
    disk_format="raw",
    container_format="bare",
    size=3 * 2**20,
    updated_at=MORNING,
    properties={"hw_disk_bus": "virtio", "os_glance_importing_to_stores": "a"},
)

A_PLACE = place([a_pool()], Request(size_gib=1))
NO_PLACE = place([], Request(size_gib=1))


def a_request(
    number: int = 1,
    *,
    size_gib: int = 2,
    project_id: str = PROJECT,
    metadata: dict[str, str] | None = None,
    reservation_id: UUID | None = None,
) -> Volume:
    """A volume that is being asked for: its first event is pending."""
    return Volume.request(
        an_id(number),
        project_id=project_id,
        user_id=USER,
        size_gib=size_gib,
        name=f"volume {number}",
        description=None,
        metadata=metadata or {},
        volume_type_id=A_TYPE,
        availability_zone=None,
        reservation_id=reservation_id or an_id(number + 0xFFFF),
        at=a_moment(),
    )


Step = Callable[[Volume], Any]


def _made(volume: Volume) -> None:
    volume.provisioned(volume.attempt, "provider-1", a_moment())


def _failed(volume: Volume) -> None:
    volume.provisioning_failed(volume.attempt, "no space", a_moment())


def _undeletable(volume: Volume) -> None:
    volume.deletion_failed(volume.attempt, "backend says no", a_moment())


def _extend(volume: Volume) -> None:
    extension.request(volume, volume.size_gib + 3, reservation_id=str(an_id(0xE)), at=a_moment())


def _grow(volume: Volume) -> None:
    extension.place(volume, ceiling_gib=None, at=a_moment())
    extension.start(volume, "worker-1", a_moment())


def _not_extended(volume: Volume) -> None:
    extension.give_up(volume, "backend says no", a_moment())


def _restore(volume: Volume) -> None:
    backing_up.begin_restore(volume, str(an_id(0xBA)), a_moment())


def _not_restored(volume: Volume) -> None:
    backing_up.restore_failed(volume, str(an_id(0xBA)), "chunk 7 is damaged", a_moment())


def _attach(volume: Volume) -> None:
    attaching.attach(
        volume,
        an_id(0xA77),
        server_id="server-1",
        node=None,
        device="/dev/vdb",
        mode="rw",
        at=a_moment(),
    )


def _cut_off(volume: Volume) -> None:
    exporting.lost(volume, "the array is offline", a_moment())


def _image(volume: Volume) -> None:
    imaging.choose(volume, AN_IMAGE, a_moment())


def _wait(volume: Volume) -> None:
    caching.wait(volume, an_id(0xCA), a_moment())


def _come(volume: Volume) -> None:
    imaging.progress(volume, volume.attempt, 0, a_moment())


_place: Step = lambda v: v.place(A_PLACE, a_moment(), most=3)  # noqa: E731
_start: Step = lambda v: v.start_provisioning("worker-1", a_moment())  # noqa: E731
_cascade: Step = lambda v: v.request_deletion(a_moment(), along=[an_id(0x51)])  # noqa: E731
_delete: Step = lambda v: v.request_deletion(a_moment(), force=True)  # noqa: E731
_remove: Step = lambda v: v.start_deletion("worker-1", a_moment())  # noqa: E731
_gone: Step = lambda v: v.deleted(a_moment())  # noqa: E731

PATHS: dict[str, Sequence[Step]] = {
    "requested": [],
    "placed": [_place],
    "awaiting": [_image, _place, _wait],
    "provisioning": [_place, _start],
    "downloading": [_image, _place, _start, _come],
    "available": [_place, _start, _made],
    "error": [_place, _start, _failed],
    "cancelling": [_place, _start, _delete],
    "emptying": [_place, _start, _made, _cascade],
    "deleting": [_place, _start, _made, _delete],
    "removing": [_place, _start, _made, _delete, _remove],
    "error_deleting": [_place, _start, _made, _delete, _remove, _undeletable],
    "error_extending": [_place, _start, _made, _extend, _grow, _not_extended],
    "error_restoring": [_place, _start, _made, _restore, _not_restored],
    "unreachable": [_place, _start, _made, _attach, _cut_off],
    "deleted": [_place, _start, _made, _delete, _remove, _gone],
}
"""How a volume gets into each of its states."""


def a_volume(
    number: int = 1,
    *,
    in_state: str = "available",
    size_gib: int = 2,
    project_id: str = PROJECT,
    metadata: dict[str, str] | None = None,
    reservation_id: UUID | None = None,
) -> Volume:
    """A volume with a past that ends in this state; "new" has none. Nothing is pending."""
    if in_state == "new":
        return Volume(id=an_id(number))
    volume = a_request(
        number,
        size_gib=size_gib,
        project_id=project_id,
        metadata=metadata,
        reservation_id=reservation_id,
    )
    for step in PATHS[in_state]:
        step(volume)
    assert volume.state == in_state
    return volume.settled()


def an_unplaceable_volume(number: int = 1) -> Volume:
    """One in error that no backend ever held."""
    volume = a_request(number)
    volume.place(NO_PLACE, a_moment())
    return volume.settled()


Turn = Callable[[Snapshot], Any]

_room: Turn = lambda s: s.place(ceiling_gib=None, at=a_moment())  # noqa: E731
_no_room: Turn = lambda s: s.placement_failed("the pool is full", a_moment())  # noqa: E731
_begin: Turn = lambda s: s.start_creation("worker-1", a_moment())  # noqa: E731
_done: Turn = lambda s: s.created(s.attempt, None, a_moment())  # noqa: E731
_restoring: Turn = lambda s: s.begin_restoring(a_moment())  # noqa: E731
_drop: Turn = lambda s: s.request_deletion(a_moment(), force=True)  # noqa: E731
_clear: Turn = lambda s: s.start_deletion("worker-1", a_moment())  # noqa: E731
_stuck: Turn = lambda s: s.deletion_failed(s.attempt, "backend says no", a_moment())  # noqa: E731
_removed: Turn = lambda s: s.deleted(a_moment())  # noqa: E731

TURNS: dict[str, Sequence[Turn]] = {
    "requested": [],
    "placed": [_room],
    "making": [_room, _begin],
    "available": [_room, _begin, _done],
    "restoring": [_room, _begin, _done, _restoring],
    "error": [_no_room],
    "cancelling": [_room, _begin, _drop],
    "deleting": [_room, _begin, _done, _drop],
    "removing": [_room, _begin, _done, _drop, _clear],
    "error_deleting": [_room, _begin, _done, _drop, _clear, _stuck],
    "deleted": [_room, _begin, _done, _drop, _clear, _removed],
}
"""How a snapshot gets into each of its states."""


def a_snapshot_request(number: int = 0x51, *, of: Volume | None = None) -> Snapshot:
    """A snapshot that is being asked for: its event is pending."""
    volume = of or a_volume()
    return Snapshot.request(
        an_id(number),
        project_id=volume.project_id,
        user_id=USER,
        volume_id=volume.id,
        volume_type_id=volume.volume_type_id,
        host=volume.held_by(),
        size_gib=volume.size_gib,
        name=f"snapshot {number}",
        description=None,
        metadata={},
        reservation_id=uuid5(an_id(number), "reservation"),
        availability_zone=volume.availability_zone,
        counts_gigabytes=True,
        bootable=volume.bootable,
        image_metadata=volume.image_metadata,
        at=a_moment(),
    )


def with_quota(snapshot: Snapshot) -> list[Recorded[Event]]:
    """All that is pending of a snapshot, and what pays for it."""
    takes = of_snapshot(snapshot.size_gib, counts_gigabytes=snapshot.counts_gigabytes)
    reservation = QuotaReservation.reserve(
        UUID(snapshot.reservations[0]),
        project_id=snapshot.project_id,
        subject=snapshot.id,
        amounts=of_type(takes, snapshot.volume_type_id),
        largest_gib=snapshot.size_gib,
        at=a_moment(),
    )
    if snapshot.at_rest:
        reservation.commit(a_moment())
    ended = [reservation.settled().give_back(a_moment())] if snapshot.state == "deleted" else []
    return pending(reservation, snapshot, *ended)


def a_snapshot(
    number: int = 0x51, *, of: Volume | None = None, in_state: str = "available"
) -> Snapshot:
    """A snapshot with a past that ends in this state; "new" has none. Nothing is pending."""
    if in_state == "new":
        return Snapshot(id=an_id(number))
    snapshot = a_snapshot_request(number, of=of)
    for turn in TURNS[in_state]:
        turn(snapshot)
    assert snapshot.state == in_state
    return snapshot.settled()


def a_copy(number: int, of: Volume | Snapshot) -> Volume:
    """A volume that is being asked for, made from another or from a snapshot: its events are
    pending."""
    volume = a_request(number, size_gib=of.size_gib)
    volume.claim_source(
        Source(
            kind="snapshot" if isinstance(of, Snapshot) else "volume",
            id=str(of.id),
            size_gib=of.size_gib,
            volume_id=of.volume_id if isinstance(of, Snapshot) else str(of.id),
            host=of.host,
        ),
        a_moment(),
    )
    return volume


def a_move(volume: Volume, *, to: str = THERE) -> Move:
    """The move of a volume that is on its way to `to`; its events are pending."""
    move = Move.request(
        an_id(0x30),
        volume_id=volume.id,
        project_id=volume.project_id,
        size_gib=volume.size_gib,
        from_host=volume.held_by(),
        volume_type_id=volume.volume_type_id,
        number=volume.placements,
        zones=[],
        only=None,
        may_stay=True,
        at=a_moment(),
    )
    origin = Origin(pool=volume.held_by(), may_stay=True)
    move.place(place([a_pool(to, zone="attic")], Request(size_gib=2, origin=origin)), a_moment())
    move.start("worker-1", a_moment(), host=to)
    return move


def a_reservation(
    number: int = 1,
    *,
    amounts: dict[str, int] | None = None,
    largest_gib: int = 1,
    project_id: str = PROJECT,
    subject: UUID | None = None,
) -> QuotaReservation:
    """A reservation that is being made: its event is pending."""
    return QuotaReservation.reserve(
        an_id(number + 0xFFFF),
        project_id=project_id,
        subject=subject or an_id(number),
        amounts={"volumes": 1} if amounts is None else amounts,
        largest_gib=largest_gib,
        at=a_moment(),
    )


def a_volume_type(number: int = 0xA, *, name: str = "gold") -> VolumeType:
    """A type that is being created: its event is pending."""
    return VolumeType.create(
        an_id(number), name=name, description=None, is_public=True, extra_specs={}, at=a_moment()
    )


def limits_of(subject: str = PROJECT, **limits: int) -> QuotaLimits:
    """Own limits of a project or quota class, being set: the event is pending."""
    aggregate = QuotaLimits(id=limits_id(subject))
    aggregate.change(subject, limits, a_moment())
    return aggregate


def pending(*aggregates: Aggregate) -> list[Recorded[Event]]:
    """All that these aggregates decided and did not store."""
    return [recorded for aggregate in aggregates for recorded in aggregate.pending]


def bare(events: Iterable[Recorded[Event]]) -> list[Event]:
    """The events without what surrounds them."""
    return [recorded.event for recorded in events]
