"""Commands by which volumes become images: from users, and from the processes that do it."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregates.volume import Volume, uploading
from domain.aggregates.volume.under_way import Upload
from domain.event import Moment
from domain.image import UploadedImage
from services.commands.encrypting import key_of_upload, key_to_upload
from services.unit_of_work import UnitOfWork


class UploadVolume(msgspec.Struct, frozen=True, kw_only=True):
    """Wants a volume to become the image of that id; `attached`, even while it is in use.

    `project_id` None sees every project's volumes.
    """

    id: UUID
    project_id: str | None
    image_id: UUID
    image: UploadedImage
    attached: bool = False
    at: Moment


class AbandonUpload(msgspec.Struct, frozen=True, kw_only=True):
    """The image could not even be made."""

    id: UUID
    image_id: UUID
    reason: str
    at: Moment


class StartUpload(msgspec.Struct, frozen=True, kw_only=True):
    """A worker claims the sending of a volume, if it still is `on` the pool it was told of and to
    become that image."""

    id: UUID
    image_id: str
    worker: str
    on: str | None = None
    at: Moment


class FinishUpload(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt: the image is complete if there is no `failure`."""

    id: UUID
    attempt: int
    failure: str | None = None
    at: Moment


async def upload_volume(cmd: UploadVolume, work: UnitOfWork) -> Upload:
    """What is to become of it, and the key that the image needs, in one append. Raises NotFound,
    NotAllowed, InvalidRequest."""
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    uploading.request(volume, str(cmd.image_id), cmd.image, cmd.at, attached=cmd.attached)
    await work.commit(volume, *key_to_upload(volume, cmd.image_id, cmd.at))
    return uploading.under_way(volume)


async def abandon_upload(cmd: AbandonUpload, work: UnitOfWork) -> None:
    """Raises NotAllowed if it is over."""
    volume = await work.load(Volume, cmd.id)
    _check_still(volume, str(cmd.image_id))
    keys = await key_of_upload(volume, work, cmd.at)
    uploading.give_up(volume, cmd.reason, cmd.at)
    await work.commit(volume, *keys)


async def start_upload(cmd: StartUpload, work: UnitOfWork) -> int:
    """The attempt's number. Raises NotAllowed if it is not to become that image (any more)."""
    volume = await work.load(Volume, cmd.id)
    volume.check_on(cmd.on, "upload")
    _check_still(volume, cmd.image_id)
    attempt = uploading.start(volume, cmd.worker, cmd.at)
    await work.commit(volume)
    return attempt


async def finish_upload(cmd: FinishUpload, work: UnitOfWork) -> None:
    """The outcome, and the end of a key that no image has, in one append. Raises Superseded."""
    volume = await work.load(Volume, cmd.id)
    if cmd.failure is None:
        uploading.succeed(volume, cmd.attempt, cmd.at)
        await work.commit(volume)
        return
    keys = await key_of_upload(volume, work, cmd.at)
    uploading.fail(volume, cmd.attempt, cmd.failure, cmd.at)
    await work.commit(volume, *keys)


def _check_still(volume: Volume, image_id: str) -> None:
    if uploading.under_way(volume).image_id != image_id:
        raise volume.not_allowed("upload")


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    UploadVolume: upload_volume,
    AbandonUpload: abandon_upload,
    StartUpload: start_upload,
    FinishUpload: finish_upload,
}
