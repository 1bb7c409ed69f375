"""Finding the volume that keeps an image already, and seeing to it that there is one."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import structlog

from adapters.images import formats
from domain.aggregates import volume as volumes
from domain.aggregates.image_cache import Entry, ImageCache, Limits, Reason, cache_id
from domain.aggregates.volume import Volume, caching
from domain.errors import InUse, InvalidRequest, NotAllowed, NotFound, OverQuota
from domain.event import Moment, Recorded
from domain.image import GIB, ChosenImage
from services.commands.image_cache import EndWait, EvictCachedImage, Waits, WantCachedImage
from services.processes.backend_work import BackendWork
from services.processes.runtime import NotYet, reacts_to
from services.unit_of_work import Commands

log = structlog.get_logger()

AGAIN_S = 60.0
"""How long what is to go and may not, as while its backend is frozen, is left alone."""

Run = Callable[[Any], Awaitable[Any]]


class CachedImages:
    """The image cache of one backend, as the workers see it that make volumes there.

    `project_id` owns what is kept, and its quota limits that, too. Whatever stands in the way, the
    volume is made without.
    """

    def __init__(
        self,
        *,
        commands: Commands,
        backend: str,
        clock: Callable[[], datetime],
        limits: Limits,
        project_id: str,
    ) -> None:
        self._commands = commands
        self._backend = backend
        self._clock = clock
        self._limits = limits
        self._project_id = project_id

    async def find(self, volume: Volume, run: Run, *, at: Moment) -> UUID | Waits | None:
        """The volume that keeps the image of one which is to be made; or that it waits for one now
        and is not to be made yet. None: it is to be brought from the image service."""
        image = volume.image
        keeps, encrypted = volume.keeps_image_near, volume.encryption
        if image is None or keeps is not None or encrypted is not None or volume.state != "placed":
            return None
        ready = self._ready(volume, image)
        if ready is not None:
            return ready
        cache = await self._cache()
        entry = cache.entries.get(image.id)
        if entry is not None and not entry.holds(image):
            if image.updated_at < entry.image.updated_at:
                return None  # the volume was asked for before the image changed
            if not await self._evict(entry, "superseded", run, at):
                return None
            entry = None
        size_gib = _size_of(image, volume.size_gib)
        if entry is None and not await self._may_come(image, size_gib, run, at):
            return None
        return await self._wanted(volume, image, size_gib, run, at)

    def _ready(self, volume: Volume, image: ChosenImage) -> UUID | None:
        """What is known here to keep its image. Should that be no longer so, the append says it in
        which the volume claims that."""
        cache = self._commands.aggregates.known(cache_id(self._backend))
        entry = cache.entries.get(image.id) if isinstance(cache, ImageCache) else None
        if entry is None or not entry.holds(image):
            return None
        kept = self._commands.aggregates.known(entry.volume_id)
        if not isinstance(kept, Volume):
            return None
        here = caching.can_be_copied(kept, volume.held_by(), volume.size_gib)
        return kept.id if here else None

    async def _wanted(
        self, volume: Volume, image: ChosenImage, size_gib: int, run: Run, at: Moment
    ) -> UUID | Waits | None:
        wanted = WantCachedImage(
            id=volume.id,
            project_id=self._project_id,
            size_gib=size_gib,
            limits=self._limits,
            at=at,
        )
        try:
            found: UUID | Waits | None = await run(wanted)
        except (OverQuota, InvalidRequest, NotFound) as refused:
            log.warning("image not kept", image=image.id, reason=str(refused))
            return None
        return found

    async def _may_come(self, image: ChosenImage, size_gib: int, run: Run, at: Moment) -> bool:
        """Whether an image that is not kept is to be, now that others may have gone for it."""
        if (await self._cache()).has_failed(image.id, self._clock()):
            return False
        has_room = await self._makes_room(size_gib, run, at)
        if not has_room:
            log.warning("image not kept", image=image.id, reason="there is no room for it")
        return has_room

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
        return await evicted(entry.volume_id, self._backend, reason, run, at)

    async def _cache(self) -> ImageCache:
        return await self._commands.aggregates.read(ImageCache, cache_id(self._backend))


class ImageKeeping(BackendWork):
    """Sees to it that those who wait for an image go on once that is kept, or never will be; and
    that what keeps an image no longer is no entry any more."""

    name: ClassVar[str] = "image-keeping"

    @reacts_to(volumes.ImageFetchEnded)
    async def wake(self, ended: Recorded[volumes.ImageFetchEnded]) -> None:
        """All that wait for it. Nobody waits for what failed any more, so that goes itself."""
        kept_by, at = ended.aggregate_id, self.moment(ended)
        waiting = await self.commands.aggregates.store.dependents(kept_by)
        ends = (EndWait(id=id, kept_by=kept_by, at=at) for id in waiting)
        await asyncio.gather(*map(self.run, ends))
        if not ended.event.kept:
            await self._evict(ended, "failed")

    @reacts_to(volumes.ImageLetGo)
    async def forget(self, gone: Recorded[volumes.ImageLetGo]) -> None:
        """The volume stays what it is: somebody took it for something else."""
        await self._evict(gone, "lost")

    async def _evict(self, because: Recorded[Any], reason: Reason) -> None:
        backend, at = str(because.event.backend), self.moment(because)
        if not await evicted(because.aggregate_id, backend, reason, self.run, at):
            raise NotYet("its volume cannot be deleted now", delay_s=AGAIN_S)


async def evicted(id: UUID, backend: str, reason: Reason, run: Run, at: Moment) -> bool:
    """Whether the volume keeps its image for the backend no longer; one that is needed stays."""
    try:
        await run(EvictCachedImage(id=id, backend=backend, reason=reason, at=at))
    except (InUse, NotAllowed, InvalidRequest, NotFound) as refused:
        log.info("image stays", volume=str(id), reason=str(refused))
        return False
    return True


def _size_of(image: ChosenImage, otherwise_gib: int) -> int:
    """GiB of the smallest volume that can hold it; if nobody knows, of the one it is wanted for."""
    raw = image.disk_format in formats.RAW_LIKE
    disk = image.virtual_size or (image.size if raw else None)
    return otherwise_gib if disk is None else max(1, -(-disk // GIB), image.min_disk)
