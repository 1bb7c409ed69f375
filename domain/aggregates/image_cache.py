"""The image cache of a backend: which images volumes there keep, so that others copy those.

One aggregate for each backend, since its limits hold for all its entries together: who wants one
decides about all of them at once. What becomes of an entry is the life of its volume.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Literal
from uuid import UUID, uuid5

import msgspec

from domain.aggregate import Aggregate
from domain.event import Event, Moment, event
from domain.image import ChosenImage
from domain.lifecycle import Lifecycle
from domain.machines.image_cache import IMAGE_CACHE

_NAMESPACE = UUID("5f0d3c71-8a26-4be9-b7d4-e19c6a2f8053")

NOTED_EVERY = timedelta(minutes=1)
"""How exactly it is known when an entry was last used."""

FAILED_FOR = timedelta(minutes=10)
"""How long an image that could not be kept is not tried again."""

Reason = Literal["superseded", "room", "failed", "lost", "deleted"]
"""Why an entry goes: the image is another one by now, others need the room, its volume could not be
made, is not what it was any more, or was deleted by an operator."""


@event("image_cache.entry_wanted")
class EntryWanted(Event, frozen=True):
    """A volume was asked for in the same append that is to keep an image on that backend."""

    host: str
    volume_id: str
    image: ChosenImage
    size_gib: int


@event("image_cache.entry_used")
class EntryUsed(Event, frozen=True):
    """A volume is made from an entry; recorded once a minute at most."""

    host: str
    image_id: str
    volume_id: str


@event("image_cache.entry_evicted")
class EntryEvicted(Event, frozen=True):
    """The volume does not keep the image for others any more."""

    host: str
    image_id: str
    volume_id: str
    reason: Reason


@event("image_cache.emptied")
class Emptied(Event, frozen=True):
    """That was the last one."""

    host: str


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a backend keeps. 0: as much as it likes."""

    max_count: int = 0
    max_gib: int = 0


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An image, and the volume that keeps it or is to."""

    image: ChosenImage
    volume_id: UUID
    size_gib: int
    used_at: datetime

    def holds(self, image: ChosenImage) -> bool:
        """Whether it is that image as it is now. Of images of which no digest is known, nobody
        knows more than when they changed."""
        if not image.digests and self.image.updated_at != image.updated_at:
            return False
        return self.image.same_content(image)


def cache_id(backend: str) -> UUID:
    """Of the cache of a `host@backend`."""
    return uuid5(_NAMESPACE, backend)


def entry_volume_id(volume_id: UUID) -> UUID:
    """Of the volume that keeps the image of that one. Each wants one at most, so that two images
    that have no room beside each other do not take it from each other for ever."""
    return uuid5(volume_id, "cached image")


class ImageCache(Aggregate):
    """See the module."""

    kind: ClassVar[str] = "image_cache"
    lifecycle: ClassVar[Lifecycle] = IMAGE_CACHE
    snapshot_version: ClassVar[int] = 2

    host: str = ""
    entries: dict[str, Entry] = {}
    """By image id."""
    failed: dict[str, datetime] = {}
    """When images could not be kept lately, by their ids."""

    def want(
        self, host: str, image: ChosenImage, *, volume_id: UUID, size_gib: int, at: Moment
    ) -> None:
        """That volume, to be requested in the same append, keeps the image on `host@backend`."""
        self.record(
            EntryWanted(host=host, volume_id=str(volume_id), image=image, size_gib=size_gib), at
        )

    def use(self, volume_id: UUID, at: Moment) -> None:
        """Something is made from an entry. Records nothing if that is known well enough."""
        entry = self.entry_of(volume_id)
        if entry is not None and at.at - entry.used_at >= NOTED_EVERY:
            self.record(
                EntryUsed(host=self.host, image_id=entry.image.id, volume_id=str(volume_id)), at
            )

    def evict(self, volume_id: UUID, reason: Reason, at: Moment) -> None:
        """What is no entry any more records nothing."""
        entry = self.entry_of(volume_id)
        if entry is not None:
            self.record(
                EntryEvicted(
                    host=self.host,
                    image_id=entry.image.id,
                    volume_id=str(volume_id),
                    reason=reason,
                ),
                at,
            )
            if not self.entries:
                self.record(Emptied(host=self.host), at)

    def has_failed(self, image_id: str, now: datetime) -> bool:
        """Whether that image could not be kept, and it is too early to try again."""
        return image_id in self.failed and now - self.failed[image_id] < FAILED_FOR

    def entry_of(self, volume_id: UUID) -> Entry | None:
        """The entry that this volume keeps, or is to."""
        return next((e for e in self.entries.values() if e.volume_id == volume_id), None)

    def has_room(self, size_gib: int, limits: Limits) -> bool:
        """Whether another entry of that size may be there."""
        return self.is_within(limits, more=(size_gib,))

    def is_within(self, limits: Limits, *, more: Sequence[int] = ()) -> bool:
        """Whether what is there, and more entries of these sizes, may be there."""
        sizes_gib = [*more, *(each.size_gib for each in self.entries.values())]
        few = not limits.max_count or len(sizes_gib) <= limits.max_count
        return few and (not limits.max_gib or sum(sizes_gib) <= limits.max_gib)

    def least_recently_used(self) -> Sequence[Entry]:
        """All entries, the first to go first."""
        return sorted(self.entries.values(), key=lambda each: (each.used_at, each.volume_id.int))

    def apply(self, event: Event, at: Moment) -> None:
        match event:
            case EntryWanted():
                self.host = event.host
                entry = Entry(
                    image=event.image,
                    volume_id=UUID(event.volume_id),
                    size_gib=event.size_gib,
                    used_at=at.at,
                )
                self.entries = {**self.entries, event.image.id: entry}
                self.failed = {id: when for id, when in self.failed.items() if id != entry.image.id}
            case EntryUsed():
                used = msgspec.structs.replace(self.entries[event.image_id], used_at=at.at)
                self.entries = {**self.entries, event.image_id: used}
            case EntryEvicted():
                others = {id: e for id, e in self.entries.items() if id != event.image_id}
                self.entries = others
                if event.reason == "failed":
                    late = {id: t for id, t in self.failed.items() if at.at - t < FAILED_FOR}
                    self.failed = {**late, event.image_id: at.at}
            case _:
                pass
