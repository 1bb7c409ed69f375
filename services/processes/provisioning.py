"""Making placed volumes on their backend: empty, with an image, or with what a backup holds."""

from contextlib import suppress
from typing import Any, ClassVar
from uuid import UUID

from adapters.drivers.contract import DriverFailure, Provisioned, VolumeSpec
from domain.aggregates import volume
from domain.aggregates.volume import Volume
from domain.errors import Superseded
from domain.event import Moment, Recorded
from domain.machines.volume import MAKING
from services.commands.imaging import FailDownload, RecordDownload
from services.commands.volume import FinishProvisioning, StartProvisioning
from services.processes.backend_work import BackendWork, spec_of
from services.processes.downloading import Downloads, ImageFailed
from services.processes.restored import Restored
from services.processes.runtime import NotYet, reacts_to

Outcome = FinishProvisioning | FailDownload


class Provisioning(BackendWork):
    """Claims a placed volume, makes it, tells what came of it: that it failed, too, and whether
    another backend may well succeed.

    A claim whose worker died is taken over when the message comes again: the driver converges,
    and the dead worker's result, should it still arrive, is refused.
    """

    name: ClassVar[str] = "provisioning"

    def __init__(self, *, downloads: Downloads, restored: Restored, **shared: Any) -> None:
        super().__init__(**shared)
        self._restored = restored
        self._downloads = downloads

    @reacts_to(volume.Placed)
    async def provision(self, placed: Recorded[volume.Placed]) -> None:
        """Raises NotAllowed if it is made already, or not wanted any more; NotYet while a worker
        that was taken for dead still is at it."""
        id, event = placed.aggregate_id, placed.event
        attempt = await self.run(
            StartProvisioning(id=id, worker=self.worker, on=event.host, at=self.moment(placed))
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

    async def _attempt(
        self, spec: VolumeSpec, attempt: int, placed: Recorded[volume.Placed]
    ) -> Outcome:
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
        known = self.commands.aggregates.known(spec.id)  # as it was claimed, or later
        now = known if isinstance(known, Volume) else await self._read(spec.id)
        if now.source is not None and now.source.kind == "backup":
            bringing_back = self._restored.bring(
                now.source, spec, lambda: self._check_wanted(spec.id, attempt)
            )
            return await self.called(bringing_back, timeout_s=self._restored.timeout_s)
        if now.image is None:
            return await self.called(self.driver.create_volume(spec))

        async def tell(done_bytes: int | None) -> None:
            await self._check_wanted(spec.id, attempt)
            if done_bytes is not None:
                moment = Moment(self.clock(), at.request_id, at.actor, at.cause)
                await self.run(
                    RecordDownload(id=spec.id, attempt=attempt, done_bytes=done_bytes, at=moment)
                )

        bringing = self._downloads.bring(now.image, spec, tell)
        return await self.called(bringing, timeout_s=self._downloads.timeout_s)

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

    async def _read(self, id: UUID) -> Volume:
        return await self.commands.aggregates.read(Volume, id)
