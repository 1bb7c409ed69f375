"""Making placed volumes on their backend: empty, or with what they are made from."""

from contextlib import suppress
from typing import Any, ClassVar
from uuid import UUID

import structlog

from adapters.drivers.contract import DriverFailure, Provisioned, Source, VolumeSpec
from domain.aggregates import volume
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import Volume, connecting
from domain.errors import Superseded
from domain.event import Moment, Recorded
from domain.machines.volume import MAKING
from services.commands.image_cache import ReleaseCachedImage, Waits
from services.commands.imaging import FailDownload, RecordDownload
from services.commands.volume import FinishProvisioning, StartProvisioning
from services.processes.backend_work import BackendWork, spec_of, spec_of_snapshot
from services.processes.copying import Copier
from services.processes.downloading import Downloads, ImageFailed
from services.processes.image_cache import CachedImages
from services.processes.restored import Restored
from services.processes.runtime import NotYet, reacts_to

log = structlog.get_logger()

Outcome = FinishProvisioning | FailDownload


class Provisioning(BackendWork):
    """Claims a placed volume, makes it, tells what came of it: that it failed, too, and whether
    another backend may well succeed.

    A claim whose worker died is taken over when the message comes again: the driver converges,
    and the dead worker's result, should it still arrive, is refused.
    """

    name: ClassVar[str] = "provisioning"

    def __init__(
        self,
        *,
        copier: Copier,
        downloads: Downloads,
        restored: Restored,
        cache: CachedImages | None = None,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self._cache = cache
        self._copier, self._restored = copier, restored
        self._downloads = downloads

    @reacts_to(volume.Placed)
    async def provision(self, placed: Recorded[volume.Placed]) -> None:
        """Raises NotAllowed if it is made already, or not wanted any more; NotYet while a worker
        that was taken for dead still is at it. One that waits for its image goes on by itself."""
        known = await self._now(placed.aggregate_id)
        if known.awaited_as != placed.event.number:
            await self._provision(placed)

    @reacts_to(volume.ImageWaitEnded)
    async def go_on(self, ended: Recorded[volume.ImageWaitEnded]) -> None:
        """Its image is kept now, or never will be. Raises as `provision`."""
        await self._provision(ended)

    async def _provision(self, placed: Recorded[Any]) -> None:
        id, event = placed.aggregate_id, placed.event
        kept_by = await self._kept_by(placed)
        if kept_by == "waits":
            return
        attempt = await self.run(
            StartProvisioning(
                id=id,
                worker=self.worker,
                on=event.host,
                kept_by=kept_by,
                at=self.moment(placed),
            )
        )
        if attempt is None:
            return
        spec = spec_of(id, host=event.host, size_gib=event.size_gib, project_id=event.project_id)
        try:
            outcome = await self._attempt(spec, attempt, placed)
            await self.run(outcome)
        except Superseded:
            await self._undo_if_gone(spec, event.host)
            raise
        if isinstance(outcome, FailDownload) or outcome.failure is not None:
            await self._clear(spec, event.host)

    async def _kept_by(self, placed: Recorded[Any]) -> UUID | Waits | None:
        """The volume that keeps its image on this backend, if one does or is to."""
        if self._cache is None:
            return None
        known = await self._now(placed.aggregate_id)
        return await self._cache.find(known, self.run, at=self.moment(placed))

    async def _attempt(self, spec: VolumeSpec, attempt: int, placed: Recorded[Any]) -> Outcome:
        """What came of it. Raises Superseded, NotYet."""
        provider_id, failure, elsewhere = None, None, False
        try:
            provider_id = (await self._make(spec, attempt, self.moment(placed))).provider_id
        except DriverFailure as failed:
            failure, elsewhere = failed.reason, failed.retryable_elsewhere
        except ImageFailed as failed:
            return FailDownload(
                id=spec.id,
                attempt=attempt,
                problem=failed.problem,
                reason=failed.reason,
                at=self.moment(placed),
            )
        return FinishProvisioning(
            id=spec.id,
            attempt=attempt,
            provider_id=provider_id,
            failure=failure,
            elsewhere=elsewhere,
            at=self.moment(placed),
        )

    async def _make(self, spec: VolumeSpec, attempt: int, at: Moment) -> Provisioned:
        """Raises DriverFailure, ImageFailed, Superseded, NotYet."""
        now = await self._now(spec.id)  # as it was claimed, or later
        if now.source is not None and now.source.kind == "backup":
            bringing_back = self._restored.bring(
                now.source, spec, lambda: self._check_wanted(spec.id, attempt)
            )
            return await self.called(bringing_back, timeout_s=self._restored.timeout_s)
        if now.source is not None:
            return await self._copy(spec, now.source, attempt)
        if now.image is None:
            return await self.called(self.driver.create_volume(spec))
        kept = now.cached_source
        if kept is not None and (copy := await self._cached(spec, kept, attempt, at)) is not None:
            return copy

        async def tell(done_bytes: int | None) -> None:
            await self._check_wanted(spec.id, attempt)
            if done_bytes is not None:
                moment = Moment(self.clock(), at.request_id, at.actor, at.cause)
                await self.run(
                    RecordDownload(id=spec.id, attempt=attempt, done_bytes=done_bytes, at=moment)
                )

        bringing = self._downloads.bring(now.image, spec, tell)
        return await self.called(bringing, timeout_s=self._downloads.timeout_s)

    async def _cached(
        self, spec: VolumeSpec, kept: volume.Source, attempt: int, at: Moment
    ) -> Provisioned | None:
        """A copy of what keeps its image; None, and nothing left of it, if that does not work.
        Raises Superseded, DriverFailure, NotYet."""
        try:
            return await self._copy(spec, kept, attempt)
        except DriverFailure as failed:
            await self._check_wanted(spec.id, attempt)
            log.warning("image not copied", volume=str(spec.id), reason=failed.reason)
        await self.called(self.driver.delete_volume(spec))
        await self.run(ReleaseCachedImage(id=spec.id, attempt=attempt, at=at))
        return None

    async def _copy(self, spec: VolumeSpec, source: volume.Source, attempt: int) -> Provisioned:
        host = str(source.host)
        known = self.commands.aggregates.known(UUID(source.id))
        if isinstance(known, Volume | Snapshot) and known.host == host:
            original = known
        else:
            original = await self._original(source)
        there = _spec_of(original, source.size_gib)
        if host.partition("#")[0] == self.backend:
            cloning = self.driver.clone_volume(spec, there)
            cloned = await self.called(cloning, timeout_s=self._copier.timeout_s)
            if cloned is not None:
                return cloned
        original = await self._original(source)  # as it is when its first block is read
        if isinstance(original, Volume) and original.attachments:
            raise _written_to(original)
        copying = self._copier.copy(
            there,
            reader=await self._copier.reader(host),
            into=spec,
            still_wanted=lambda: self._check_wanted(spec.id, attempt),
        )
        made = await self.called(copying, timeout_s=self._copier.timeout_s)
        await self._check_still(original)
        return made

    async def _original(self, source: volume.Source) -> Volume | Snapshot:
        kind = Snapshot if source.kind == "snapshot" else Volume
        return await self.commands.aggregates.read(kind, UUID(source.id))

    async def _check_still(self, original: Volume | Snapshot) -> None:
        """What was read block by block is as of no moment if somebody wrote to it meanwhile.
        Raises DriverFailure if anybody could."""
        if isinstance(original, Volume):
            since = await self.commands.aggregates.store.events(original.id, after=original.version)
            if any(isinstance(each.event, connecting.ConnectionStarted) for each in since):
                raise _written_to(original)

    async def _check_wanted(self, id: UUID, attempt: int) -> None:
        now = await self._read(id)
        if now.state == "cancelling":
            raise DriverFailure("it is not wanted any more", False)
        now.check_claim(attempt, *MAKING)

    async def _undo_if_gone(self, spec: VolumeSpec, host: str) -> None:
        """What was made after the volume was deleted, or went elsewhere, must not stay behind."""
        now = await self._read(spec.id)
        if now.state in ("deleting", "removing", "deleted") or now.host != host:
            await self.called(self.driver.delete_volume(spec))

    async def _clear(self, spec: VolumeSpec, host: str) -> None:
        """What an attempt that failed left of a volume that nobody tries to make any more need not
        take up space until that is deleted; should this fail, it will go then."""
        with suppress(NotYet):
            self._downloads.forget(spec.id)
        now = await self._read(spec.id)
        if now.state == "error" and now.host == host:
            with suppress(DriverFailure):
                await self.called(self.driver.delete_volume(spec))

    async def _now(self, id: UUID) -> Volume:
        """As it is known here."""
        known = self.commands.aggregates.known(id)
        return known if isinstance(known, Volume) else await self._read(id)

    async def _read(self, id: UUID) -> Volume:
        return await self.commands.aggregates.read(Volume, id)


def _spec_of(original: Volume | Snapshot, size_gib: int) -> Source:
    """As drivers know it; `size_gib` is how much of it there is to copy."""
    if isinstance(original, Volume):
        return spec_of(
            original.id,
            host=original.held_by(),
            size_gib=size_gib,
            project_id=original.project_id,
        )
    return spec_of_snapshot(original)


def _written_to(original: Volume) -> DriverFailure:
    return DriverFailure(
        f"volume {original.id} was attached while it was copied: only its own backend can copy"
        " what is written to",
        True,
    )
