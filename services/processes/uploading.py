"""Sending volumes to the image service, and taking away what came to nothing there."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import structlog

from adapters.drivers.contract import DriverFailure, VolumeSpec
from adapters.image_service.port import PART, Image, ImageRefused, ImageService, Stream
from adapters.images import conversion
from adapters.images.verified import ImageDiffers, verified
from domain.aggregates.volume import Volume, uploading
from domain.aggregates.volume.under_way import Upload
from domain.errors import NotAllowed, NotFound, Superseded, Unavailable
from domain.event import Recorded
from domain.image import GIB
from services.commands.uploading import FinishUpload, StartUpload
from services.images import as_asked
from services.processes.backend_work import BackendWork, spec_of_volume
from services.processes.downloading import LOOK_S
from services.processes.image_bytes import dense
from services.processes.outgoing import NoImage, Outgoing, Still
from services.processes.runtime import reacts_to

DIGESTS = ("sha256", "sha512")
"""What image services tell of what they have: computed of what is sent."""

log = structlog.get_logger()


class Uploading(BackendWork):
    """Claims a volume that is to become an image, sends it, tells what came of it.

    A claim whose worker died is taken over when the message comes again: an image that is complete
    is compared, one of which nothing has come yet is sent, and one that broke off fails, since no
    image service goes on with such.
    """

    name: ClassVar[str] = "uploading"

    def __init__(
        self,
        *,
        images: ImageService,
        outgoing: Outgoing,
        send_timeout_s: float,
        look_s: float = LOOK_S,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self._images = images
        self._outgoing = outgoing
        self._send_timeout_s = send_timeout_s
        self._look = timedelta(seconds=look_s)

    @reacts_to(uploading.UploadRequested)
    async def send(self, requested: Recorded[uploading.UploadRequested]) -> None:
        """Raises NotAllowed if it is sent already, waits for its key, or is given up."""
        await self._make(requested)

    @reacts_to(uploading.UploadKeyMade)
    async def send_with_key(self, made: Recorded[uploading.UploadKeyMade]) -> None:
        """Raises as `send`: when it was requested nothing could be sent yet."""
        await self._make(made)

    async def _make(
        self, requested: Recorded[uploading.UploadRequested] | Recorded[uploading.UploadKeyMade]
    ) -> None:
        id, wanted = requested.aggregate_id, requested.event
        attempt = await self.run(
            StartUpload(
                id=id,
                image_id=wanted.image_id,
                worker=self.worker,
                on=wanted.host,
                at=self.moment(requested),
            )
        )
        try:
            failure = await self._sent(id, attempt)
            await self.run(
                FinishUpload(id=id, attempt=attempt, failure=failure, at=self.moment(requested))
            )
        except (Superseded, NotAllowed):
            now = await self._read(id)
            mine = now.under_way
            if not isinstance(mine, Upload) or mine.image_id != wanted.image_id:
                await self._remove(wanted.image_id)
            raise

    @reacts_to(uploading.UploadFailed)
    async def clear(self, failed: Recorded[uploading.UploadFailed]) -> None:
        """Raises Unavailable: until the image service is back, the image stays."""
        await self._remove(failed.event.image_id)

    async def _sent(self, id: UUID, attempt: int) -> str | None:
        """Why it failed, if it did. Raises Superseded."""
        try:
            await self.called(
                self._send(await self._read(id), attempt), timeout_s=self._send_timeout_s
            )
        except (DriverFailure, NoImage) as failed:
            return failed.reason
        except (ImageRefused, ImageDiffers) as failed:
            return str(failed)
        except NotFound as failed:
            if failed.kind != "image":
                raise
            return str(failed)
        except Unavailable as failed:
            if failed.part not in (PART, conversion.PART):
                raise
            return str(failed)
        return None

    async def _send(self, volume: Volume, attempt: int) -> None:
        volume.check_claim(attempt, "sending")
        wanted = uploading.under_way(volume)
        about, image_id = as_asked(wanted.image, volume.project_id), wanted.image_id
        await self._images.create(about, image_id=UUID(image_id))
        image = await self._images.show(image_id, project_id=None)
        if image.status == "active":
            await self._check_complete(volume, image)
            return
        if image.status != "queued":
            raise ImageRefused(f"image {image_id} is {image.status}: sending it broke off")
        sums = {name: hashlib.new(name) for name in DIGESTS}
        async with self._image_of(volume, attempt, about.disk_format) as content:
            await self._images.upload(image_id, _summed(content, sums))
        digests = (await self._images.show(image_id, project_id=None)).digests
        for name in sums.keys() & digests.keys():
            if sums[name].hexdigest() != digests[name]:
                found = sums[name].hexdigest()
                raise ImageDiffers(what=name, expected=found, found=digests[name])

    async def _check_complete(self, volume: Volume, image: Image) -> None:
        """Whether what a former attempt sent is what it was to send. Raises ImageDiffers,
        ImageRefused where that cannot be told: no two images of other formats are alike."""
        if image.disk_format != "raw":
            raise ImageRefused(f"image {image.id} was sent, and could not be compared any more")
        if not uploading.is_attached(volume):
            await self._compare(spec_of_volume(volume), image)

    @asynccontextmanager
    async def _image_of(
        self, volume: Volume, attempt: int, disk_format: str
    ) -> AsyncIterator[Stream]:
        """All its bytes, as long as they are wanted. Raises Superseded."""
        spec, size = spec_of_volume(volume), volume.size_gib * GIB
        still = self._wanted_still(volume.id, attempt)
        if disk_format == "raw":
            yield _watched(dense(self.driver.read(spec), size), still)
            return
        async with self._outgoing.image(
            self.driver.read(spec), size=size, disk_format=disk_format, still=still
        ) as image:
            yield _watched(image, still)

    def _wanted_still(self, id: UUID, attempt: int) -> Still:
        """Raises Superseded, where anybody looks."""
        looked: datetime | None = None

        async def look() -> None:
            nonlocal looked
            if looked is None or self.clock() - looked >= self._look:
                looked = self.clock()
                (await self._read(id)).check_claim(attempt, "sending")

        return look

    async def _compare(self, spec: VolumeSpec, image: Image) -> None:
        """Raises ImageDiffers unless the volume holds what the image does."""
        content = dense(self.driver.read(spec), spec.size_gib * GIB)
        compared = verified(content, size=image.size, digests=image.digests)
        async with aclosing(compared):
            async for _ in compared:
                pass

    async def _remove(self, image_id: str) -> None:
        try:
            await self._images.delete(image_id)
        except ImageRefused as refused:  # it became complete, and is protected
            log.warning("image stays", image=image_id, reason=refused.reason)

    async def _read(self, id: UUID) -> Volume:
        return await self.commands.aggregates.read(Volume, id)


async def _watched(content: Stream, still: Still) -> Stream:
    async for chunk in content:
        await still()
        yield chunk


async def _summed(content: Stream, sums: dict[str, Any]) -> Stream:
    async for chunk in content:
        await asyncio.gather(*(asyncio.to_thread(s.update, chunk) for s in sums.values()))
        yield chunk
