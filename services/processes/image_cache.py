"""Finding the volume that keeps an image already, and seeing to it that there is one."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from adapters.images import formats
from domain.aggregates.image_cache import Entry, ImageCache, Limits, Reason, cache_id
from domain.aggregates.volume import Volume, caching
from domain.aggregates.volume.volume import BEING_MADE
from domain.errors import InUse, InvalidRequest, NotAllowed, NotFound, OverQuota
from domain.event import Moment
from domain.image import GIB, ChosenImage
from services.commands.image_cache import EvictCachedImage, WantCachedImage
from services.processes.runtime import NotYet
from services.unit_of_work import Commands

log = structlog.get_logger()

LOOK_S = 1.0
"""How often a volume looks whether its image is kept by now."""

FAILED_FOR = timedelta(minutes=10)
"""How long an image that could not be kept is not tried again."""

Run = Callable[[Any], Awaitable[Any]]


class CachedImages:
    """The image cache of one backend, as the workers see it that make volumes there.

    `project_id` owns what is kept, and its quota limits that, too. Volumes wait for an entry that
    is being made `patience_s` at most. Whatever stands in the way, the volume is made without.
    """

    def __init__(
        self,
        *,
        commands: Commands,
        backend: str,
        clock: Callable[[], datetime],
        limits: Limits,
        project_id: str,
        patience_s: float,
    ) -> None:
        self._commands = commands
        self._backend = backend
        self._clock = clock
        self._limits = limits
        self._project_id = project_id
        self._patience = timedelta(seconds=patience_s)

    async def find(self, volume: Volume, run: Run, *, since: datetime, at: Moment) -> UUID | None:
        """The volume that keeps the image of one which is to be made since then; None: it is to be
        brought from the image service. Raises NotYet while it is being made."""
        image = volume.image
        keeps, encrypted = volume.keeps_image_near, volume.encryption
        if image is None or keeps is not None or encrypted is not None or volume.state != "placed":
            return None
        entry = await self._entry(image)
        if entry is not None and not _same(entry.image, image):
            if image.updated_at < entry.image.updated_at:
                return None  # the volume was asked for before the image changed
            if not await self._evict(entry, "superseded", run, at):
                return None
            entry = None
        if entry is None:
            await self._want(volume, image, run, since=since, at=at)
            return None
        kept = await self._commands.aggregates.read(Volume, entry.volume_id)
        if kept.state in BEING_MADE:
            self._wait(image, since)
            return None
        if caching.can_be_copied(kept, volume.held_by(), volume.size_gib):
            return kept.id
        await self._useless(kept, entry, run, at)
        return None

    async def _want(
        self, volume: Volume, image: ChosenImage, run: Run, *, since: datetime, at: Moment
    ) -> None:
        """Raises NotYet if there is one."""
        size_gib = _size_of(image, volume.size_gib)
        if not await self._makes_room(size_gib, run, at):
            log.warning("image not kept", image=image.id, reason="there is no room for it")
            return
        wanted = WantCachedImage(
            id=volume.id,
            project_id=self._project_id,
            size_gib=size_gib,
            limits=self._limits,
            at=at,
        )
        try:
            if await run(wanted):
                self._wait(image, since)
        except (OverQuota, InvalidRequest, NotFound, NotAllowed) as refused:
            log.warning("image not kept", image=image.id, reason=str(refused))

    def _wait(self, image: ChosenImage, since: datetime) -> None:
        if self._clock() - since < self._patience:
            raise NotYet(f"image {image.id} is being brought to {self._backend}", delay_s=LOOK_S)
        log.warning("image not kept", image=image.id, reason="it takes too long")

    async def _useless(self, kept: Volume, entry: Entry, run: Run, at: Moment) -> None:
        """What cannot be copied now goes if it never will be."""
        failed = kept.state == "error"
        elsewhere = kept.host is None or kept.host.partition("#")[0] != self._backend
        log.warning("image not kept", image=entry.image.id, reason=f"{kept.id} is {kept.status}")
        if failed and kept.since is not None and self._clock() - kept.since < FAILED_FOR:
            return
        if failed or elsewhere or kept.keeps_image_near is None:
            await self._evict(entry, "failed" if failed else "lost", run, at)

    async def _makes_room(self, size_gib: int, run: Run, at: Moment) -> bool:
        """Whether there is room for one more, now that others may have gone."""
        if self._limits.max_gib and size_gib > self._limits.max_gib:
            return False
        cache = await self._cache()
        for entry in cache.least_recently_used():
            if cache.has_room(size_gib, self._limits):
                break
            await self._evict(entry, "room", run, at)
            cache = await self._cache()
        return cache.has_room(size_gib, self._limits)

    async def _evict(self, entry: Entry, reason: Reason, run: Run, at: Moment) -> bool:
        """Whether it is gone."""
        evicting = EvictCachedImage(id=entry.volume_id, backend=self._backend, reason=reason, at=at)
        try:
            await run(evicting)
        except (InUse, NotAllowed, InvalidRequest, NotFound) as refused:
            log.info("image stays", image=entry.image.id, reason=str(refused))
            return False
        return True

    async def _entry(self, image: ChosenImage) -> Entry | None:
        return (await self._cache()).entries.get(image.id)

    async def _cache(self) -> ImageCache:
        return await self._commands.aggregates.read(ImageCache, cache_id(self._backend))


def _same(kept: ChosenImage, image: ChosenImage) -> bool:
    """Of images of which no digest is known, nobody knows more than when they changed."""
    if not image.digests and kept.updated_at != image.updated_at:
        return False
    return kept.same_content(image)


def _size_of(image: ChosenImage, otherwise_gib: int) -> int:
    """GiB of the smallest volume that can hold it; if nobody knows, of the one it is wanted for."""
    raw = image.disk_format in formats.RAW_LIKE
    disk = image.virtual_size or (image.size if raw else None)
    return otherwise_gib if disk is None else max(1, -(-disk // GIB), image.min_disk)
