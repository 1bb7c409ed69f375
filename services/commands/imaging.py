"""Commands of the workers that bring images to volumes."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregates.volume import Volume, imaging
from domain.event import Moment
from domain.image import ImageProblem
from services.commands import settling
from services.unit_of_work import UnitOfWork


class RecordDownload(msgspec.Struct, frozen=True, kw_only=True):
    """So many bytes of the image have come to the volume."""

    id: UUID
    attempt: int
    done_bytes: int
    at: Moment


class FailDownload(msgspec.Struct, frozen=True, kw_only=True):
    """The image does not become the volume, wherever that is tried."""

    id: UUID
    attempt: int
    problem: ImageProblem
    reason: str
    at: Moment


async def record_download(cmd: RecordDownload, work: UnitOfWork) -> None:
    """Raises Superseded if another attempt is at work, or the volume is not wanted any more."""
    volume = await work.load(Volume, cmd.id)
    imaging.progress(volume, cmd.attempt, cmd.done_bytes, cmd.at)
    await work.commit(volume)


async def fail_download(cmd: FailDownload, work: UnitOfWork) -> None:
    """Outcome and quota in one append: a volume in error is paid for. Raises Superseded."""
    volume = await work.load(Volume, cmd.id)
    host = volume.host
    imaging.download_failed(volume, cmd.attempt, cmd.problem, cmd.reason, cmd.at)
    settled = await settling.after_attempt(volume, host, cmd.reason, work, cmd.at)
    await work.commit(volume, *settled)


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    RecordDownload: record_download,
    FailDownload: fail_download,
}
