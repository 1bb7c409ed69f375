"""What happened to one thing, why, and how it was at any time."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import msgspec

from domain.aggregate import Aggregate
from domain.aggregates import AGGREGATES
from domain.aggregates.backup import events as backup
from domain.aggregates.encryption_key import key_of
from domain.aggregates.remnant import remnant_id
from domain.aggregates.volume import (
    Described,
    Requested,
    Rescheduled,
    Volume,
    backing_up,
    uploading,
)
from domain.aggregates.volume.encryption import EncryptionFixed
from domain.errors import InvalidRequest, NotFound
from domain.event import Event, Recorded
from services.audit.replay import Replay
from services.audit.selection import Wanted, following
from services.audit.stored import Entry, StoredLog

KIND = "aggregate"
SHORTEST = 4
"""How many digits of an id have to be given at least."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a history."""

    number: int
    entry: Entry
    state: str | None
    """What its aggregate is from then on; None where that cannot be read."""
    after: timedelta | None
    """Since the line before; None for the first, and where one of the two cannot be read."""
    follows: int | None
    """The number of the line that this one follows from, if it is among these."""
    cause: str | None
    """The event that this one follows from, wherever it is; None: from the request itself."""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that happened to an aggregate, to the quota that pays for it, to its key, and to
    what it left on backends that failed."""

    aggregate: Aggregate
    lines: list[Line]


async def find(log: StoredLog, words: str) -> UUID:
    """The aggregate of an id, which may be shortened to its first digits.

    Raises InvalidRequest if it is no id or fits several, NotFound if it fits none.
    """
    digits = words.strip().lower().replace("-", "")
    if not SHORTEST <= len(digits) <= 32 or set(digits) - set("0123456789abcdef"):
        raise InvalidRequest(
            f"{words!r} is not an id: {SHORTEST} to 32 hexadecimal digits are needed."
        )
    if len(digits) == 32:
        return UUID(digits)
    found = await log.matching(UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f")), 4)
    if not found:
        raise NotFound(kind=KIND, id=words)
    if len(found) > 1:
        fitting = ", ".join(map(str, found[:3])) + (", …" if len(found) > 3 else "")
        raise InvalidRequest(f"{words} fits several ids: {fitting}.")
    return found[0]


async def find_volume(log: StoredLog, words: str) -> UUID:
    """The volume of an id, shortened or not, or else of a name that it has or once had.

    A name is looked for in the whole log. Raises as `find`.
    """
    try:
        return await find(log, words)
    except (InvalidRequest, NotFound) as no_id:
        named = await _named(log, words)
        if len(named) == 1:
            return named[0]
        if named:
            fitting = ", ".join(map(str, named[-3:]))
            raise InvalidRequest(
                f"{words!r} named {len(named)} volumes, last: {fitting}."
            ) from None
        raise NotFound(kind=Volume.kind, id=words) from no_id


async def _named(log: StoredLog, name: str) -> list[UUID]:
    found: dict[UUID, None] = {}
    wanted = Wanted(type="volume.*")
    async for entry in following(log, wanted, after=0):
        event = entry.recorded.event if entry.recorded else None
        if isinstance(event, Requested | Described) and event.name == name:
            found[entry.aggregate_id] = None
    return list(found)


async def history(log: StoredLog, id: UUID) -> History:
    """Raises NotFound if nothing ever happened to it."""
    own = await log.stream(id)
    if not own:
        raise NotFound(kind=KIND, id=str(id))
    entries = [*own]
    for other in _beside(own):
        entries += await log.stream(other)
    entries.sort(key=lambda entry: entry.position)
    replay = Replay()
    lines = list(_lines(entries, replay))
    if id not in replay.aggregates:
        raise InvalidRequest(f"Nothing of {id} can be read: {own[0].problem}.")
    return History(aggregate=replay.aggregates[id], lines=lines)


async def related(log: StoredLog, id: UUID) -> frozenset[UUID]:
    """The aggregate, the reservations that pay for it, its key, and what it left on backends."""
    return frozenset({id, *_beside(await log.stream(id))})


async def state_at(
    log: StoredLog, id: UUID, at: datetime | int | None = None
) -> tuple[Aggregate, Recorded[Event]]:
    """The aggregate as it was at a version or time (None: as it is), and what happened last then.

    Raises NotFound if there was nothing yet, InvalidRequest where the log cannot be read.
    """
    past: list[Recorded[Event]] = []
    for entry in await log.stream(id):
        if isinstance(at, int) and entry.version > at:
            break
        if entry.recorded is None:
            raise InvalidRequest(
                f"{id} cannot be replayed: version {entry.version} ({entry.topic}) cannot be read."
            )
        if isinstance(at, datetime) and entry.recorded.moment.at > at:
            break
        past.append(entry.recorded)
    if not past or (isinstance(at, int) and past[-1].version < at):
        when = (
            ""
            if at is None
            else f" at version {at}"
            if isinstance(at, int)
            else f" at {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        )
        raise NotFound(kind=KIND, id=f"{id}{when}")
    return AGGREGATES[past[0].event.kind].from_history(id, past), past[-1]


def _beside(own: Sequence[Entry]) -> list[UUID]:
    """Whose events belong to these: reservations, their releases, moves, remnants and the key, if
    any."""
    events = [entry.recorded.event for entry in own if entry.recorded]
    said = (getattr(event, "reservation_id", "") for event in events)
    taken = [UUID(id) for id in dict.fromkeys(said) if id]
    moves = [UUID(event.move_id) for event in events if hasattr(event, "move_id")]
    numbers = (
        event.number if isinstance(event, Rescheduled) else getattr(event, "left_number", None)
        for event in events
    )
    left = [remnant_id(own[0].aggregate_id, n) for n in numbers if n is not None]
    paid = (id for each in taken for id in (each, uuid5(each, "release")))
    keys = [key for event in events for key in _keys(own[0].aggregate_id, event)]
    return [*paid, *moves, *left, *keys]


def _keys(id: UUID, event: Event) -> list[UUID]:
    """Those that something of this id asked for, or got, with an event."""
    match event:
        case EncryptionFixed():
            return [key_of(id)]
        case backup.Requested() if event.encryption is not None:
            return [key_of(id)]
        case backup.ImportRequested() | backup.RestoreRequested() if event.key is not None:
            return [UUID(event.key)]
        case uploading.UploadRequested() if event.encrypted:
            return [key_of(UUID(event.image_id))]
        case backing_up.Restored() if event.key is not None:
            return [UUID(event.key.name)]
        case _:
            return []


def _lines(entries: Sequence[Entry], replay: Replay) -> Iterator[Line]:
    numbers = {f"{entry.aggregate_id}:{entry.version}": n for n, entry in enumerate(entries, 1)}
    before: datetime | None = None
    for number, entry in enumerate(entries, start=1):
        replay.take(entry)
        now = entry.recorded.moment.at if entry.recorded else None
        cause = entry.recorded.moment.cause if entry.recorded else None
        yield Line(
            number=number,
            entry=entry,
            state=replay.aggregates[entry.aggregate_id].state if entry.recorded else None,
            after=now - before if now is not None and before is not None else None,
            follows=numbers.get(cause) if cause else None,
            cause=cause,
        )
        before = now
