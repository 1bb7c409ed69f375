"""What depends on what: a ledger that refuses to let go of what others still need.

A snapshot needs its volume, a volume that is being made from something needs that. Who begins to
depend holds the other to be unchanged in that append, and who wants it gone is refused by this
ledger in theirs: of the two exactly one happens, whichever is stored first (lifecycles 15, 1 and
23). A count on the thing itself would make everybody who copies it conflict with everybody else.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol
from uuid import UUID

import msgspec

from domain.aggregates import encryption_key, move, snapshot, transfer, volume
from domain.aggregates.backup import events as backup
from domain.errors import Conflict, InUse
from domain.event import Event, Recorded

Need = Literal["snapshot", "copy", "backup", "increment"]
"""As what something needs another: as its snapshot, to be copied from it, as a backup that is being
made of it, or as a backup that goes on from it."""


class Begins(msgspec.Struct, frozen=True):
    """`dependent` needs `on` from now on."""

    on: UUID
    dependent: UUID
    need: Need


class Ends(msgspec.Struct, frozen=True):
    """`dependent` does not need `on` any more."""

    on: UUID
    dependent: UUID


class Alone(msgspec.Struct, frozen=True):
    """Nothing may need `id`, or nothing may as that `need`, except for those that who asks knows
    of. `decides_again` tells whether who asks can do otherwise."""

    kind: str
    id: UUID
    decides_again: bool = False
    need: Need | None = None
    but: frozenset[UUID] = frozenset()


Change = Begins | Ends | Alone


def change(recorded: Recorded[Event]) -> Sequence[Change]:
    """What an event says of dependence, if it says anything."""
    if recorded.event.kind == "backup":
        return _of_backup(recorded)
    said = _of_one(recorded)
    return () if said is None else (said,)


def _of_backup(recorded: Recorded[Event]) -> list[Change]:
    id, event = recorded.aggregate_id, recorded.event
    match event:
        case backup.Requested():
            return [Begins(_made_from(event), id, "backup"), *_goes_on_from(event.parent, id)]
        case backup.ImportRequested():
            return _goes_on_from(event.parent, id)
        case backup.Created() | backup.CreationCancelled():
            return [Ends(_made_from(event), id)]
        case backup.CreationFailed():
            return [Ends(_made_from(event), id), *_alone_again(event.parent, id)]
        case backup.ImportFailed() | backup.Deleted():
            return _alone_again(event.parent, id)
        case backup.DeletionRequested():
            return [Alone(event.kind, id)]
        case _:
            return []


class _Made(Protocol):
    @property
    def volume_id(self) -> str: ...
    @property
    def snapshot_id(self) -> str | None: ...


def _made_from(event: _Made) -> UUID:
    return UUID(event.snapshot_id or event.volume_id)


def _goes_on_from(parent: backup.Parent | None, id: UUID) -> list[Change]:
    return [] if parent is None else [Begins(UUID(parent.id), id, "increment")]


def _alone_again(parent: backup.Parent | None, id: UUID) -> list[Change]:
    return [] if parent is None else [Ends(UUID(parent.id), id)]


def _of_one(recorded: Recorded[Event]) -> Change | None:
    id, event = recorded.aggregate_id, recorded.event
    match event:
        case snapshot.Requested():
            return Begins(UUID(event.volume_id), id, "snapshot")
        case snapshot.Deleted():
            return Ends(UUID(event.volume_id), id)
        case volume.SourceClaimed() | volume.CachedImageClaimed():
            return Begins(UUID(event.source.id), id, "copy")
        case volume.CachedImageAwaited():
            return Begins(UUID(event.source_id), id, "copy")
        case volume.SourceReleased() | volume.CachedImageReleased():
            return Ends(UUID(event.source_id), id)
        case volume.CascadeRequested():
            return Alone("volume", id, decides_again=True, but=_ids(event.snapshots))
        case volume.retyping.RetypeRequested():
            known = _ids(event.snapshots)
            return Alone("volume", id, decides_again=True, need="snapshot", but=known)
        case transfer.Offered() if not event.no_snapshots:
            known, offered = _ids(event.snapshots), UUID(event.volume_id)
            return Alone("volume", offered, decides_again=True, need="snapshot", but=known)
        case volume.reverting.ReversionRequested():
            return Alone("volume", id, decides_again=True, but=_ids(event.snapshots))
        case volume.ImageLetGo() if event.may_change:
            return Alone("volume", id, need="copy")
        case volume.backing_up.RestoreBegun():
            return Alone("volume", id, need="copy")
        case encryption_key.Requested() if event.owner_kind == "restore":
            # the volume's key is to be replaced, by which its snapshots can be read
            return Alone("volume", UUID(event.volume_id), need="snapshot")
        case volume.DeletionRequested() | volume.migrating.MigrationRequested():
            return Alone(event.kind, id)
        case snapshot.DeletionRequested():
            return Alone(event.kind, id)
        case move.Placed() if event.host != event.from_host:
            return Alone("volume", UUID(event.volume_id), decides_again=True)
        case _:
            return None


def changes(events: Iterable[Recorded[Event]]) -> list[Change]:
    """What these events say, in order."""
    return [said for recorded in events for said in change(recorded)]


class Dependents:
    """Who depends on what, complete for the things that somebody wants to be alone."""

    def __init__(self, known: Mapping[UUID, Mapping[UUID, Need]] = {}) -> None:
        self.on = {id: dict(dependents) for id, dependents in known.items()}
        self.touched: dict[tuple[UUID, UUID], Need | None] = {}
        """What changed: as what something needs another from now on; None: not any more."""

    def check(self, wanted: Sequence[Change]) -> None:
        """Changes nothing. Raises InUse if something is needed that is not to be, Conflict if who
        asks can decide otherwise."""
        gone = {(each.on, each.dependent) for each in wanted if isinstance(each, Ends)}
        for each in wanted:
            if not isinstance(each, Alone):
                continue
            needed_by = [
                (dependent, need)
                for dependent, need in self.on.get(each.id, {}).items()
                if (each.id, dependent) not in gone
                and dependent not in each.but
                and each.need in (None, need)
            ]
            if needed_by and each.decides_again:
                raise Conflict(kind=each.kind, id=str(each.id))
            if needed_by:
                raise InUse(kind=each.kind, id=str(each.id), by=words(needed_by))

    def take(self, happened: Iterable[Change]) -> None:
        """Takes in what happened: nothing is refused any more."""
        for each in happened:
            match each:
                case Begins():
                    self.on.setdefault(each.on, {})[each.dependent] = each.need
                    self.touched[each.on, each.dependent] = each.need
                case Ends():
                    self.on.get(each.on, {}).pop(each.dependent, None)
                    self.touched[each.on, each.dependent] = None
                case Alone():
                    pass


def _ids(words: Iterable[str]) -> frozenset[UUID]:
    return frozenset(map(UUID, words))


def words(needed_by: Sequence[tuple[UUID, Need]]) -> str:
    """Who needs something: the first of them, and how many more there are."""
    phrases = {
        "snapshot": "its snapshot {}",
        "copy": "volume {}, which is being made from it",
        "backup": "backup {}, which is being made of it",
        "increment": "backup {}, which goes on from it",
    }
    id, need = min(needed_by, key=lambda each: each[0].int)
    more = len(needed_by) - 1
    return phrases[need].format(id) + (f" and {more} more" if more else "")
