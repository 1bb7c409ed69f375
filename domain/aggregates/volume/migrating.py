"""Taking a volume elsewhere because an administrator says so (lifecycles 6)."""

from domain.aggregates.move import Move
from domain.aggregates.volume.moving import IS_REACHED, NEEDS_COMPUTE
from domain.aggregates.volume.under_way import Migration
from domain.aggregates.volume.volume import Volume, evolves
from domain.errors import InvalidRequest
from domain.event import Event, Moment, event


@event("volume.migration_requested")
class MigrationRequested(Event, frozen=True):
    """An administrator wants it on the pool or backend `to`; `move_id` was begun in the same
    append."""

    host: str
    to: str
    move_id: str
    number: int


@event("volume.locked")
class Locked(Event, frozen=True):
    """It shows that it is under maintenance as long as the migration goes on."""


@event("volume.migrated")
class Migrated(Event, frozen=True):
    """It is where the administrator wants it."""

    host: str


@event("volume.migration_refused")
class MigrationRefused(Event, frozen=True):
    """What the administrator named cannot take it; it is where it was."""

    host: str
    reason: str


@event("volume.migration_failed")
class MigrationFailed(Event, frozen=True):
    """It is where it was. What may be of it at the target is the remnant of placement
    `left_number`, if that is given."""

    host: str
    reason: str
    left_number: int | None


def request(volume: Volume, to: str, *, move_id: str, lock: bool, at: Moment) -> None:
    """Wants it on that pool, or backend if `to` names none of its pools.

    Raises InvalidRequest if it is there already, or a node may reach it where it is; NotAllowed if
    it is not well or something else is under way.
    """
    if volume.attach_status not in ("detached", "attached") or volume.host is None:
        raise volume.not_allowed("migrate", ("available",))
    if volume.host == to:
        raise InvalidRequest(f"Volume {volume.id} is on {to} already.")
    if volume.attach_status == "attached":
        raise InvalidRequest(f"Volume {volume.id} cannot be migrated: {NEEDS_COMPUTE}.")
    if volume.attachments:  # that do not show: a node's connection, or one that is in error
        raise InvalidRequest(f"Volume {volume.id} cannot be migrated: {IS_REACHED}.")
    volume.record(
        MigrationRequested(host=volume.host, to=to, move_id=move_id, number=volume.placements + 1),
        at,
    )
    if lock:
        volume.record(Locked(), at)


def succeed(volume: Volume, at: Moment) -> None:
    """It is there."""
    under_way(volume)
    volume.record(Migrated(host=volume.held_by()), at)


def refuse(volume: Volume, reason: str, at: Moment) -> None:
    """What was named cannot take it."""
    under_way(volume)
    volume.record(MigrationRefused(host=volume.held_by(), reason=reason), at)


def fail(volume: Volume, move: Move, reason: str, at: Moment) -> None:
    """It stays where it is, now that its move has ended."""
    under_way(volume)
    left_number = move.number if move.left_something else None
    volume.record(
        MigrationFailed(host=volume.held_by(), reason=reason, left_number=left_number), at
    )


def under_way(volume: Volume) -> Migration:
    """The migration. Raises NotAllowed if there is none."""
    if not isinstance(volume.under_way, Migration):
        raise volume.not_allowed("migration")
    return volume.under_way


@evolves(MigrationRequested)
def _requested(volume: Volume, event: MigrationRequested, at: Moment) -> None:
    volume.under_way = Migration(event.move_id)
    volume.placements = event.number


@evolves(Migrated, MigrationRefused, MigrationFailed)
def _over(volume: Volume, event: Event, at: Moment) -> None:
    volume.under_way = None
