"""Letting nodes reach volumes, and ending it."""

from typing import Any, ClassVar, Literal
from uuid import UUID

from adapters.drivers.contract import Driver, DriverFailure, InvalidConnector
from domain.aggregates.volume import Volume, connecting, detaching
from domain.aggregates.volume.attachment import Attachment
from domain.aggregates.volume.attachments import known
from domain.errors import NotAllowed, Superseded
from domain.event import Recorded
from domain.machines.attachment import CONNECTED, CONNECTING
from services.commands.exporting import (
    FinishConnection,
    FinishDisconnection,
    StartConnection,
    StartDisconnection,
)
from services.processes.backend_work import BackendWork, spec_of_volume
from services.processes.runtime import reacts_to
from services.unit_of_work import Commands


async def connect(driver: Driver, volume: Volume, attachment: Attachment) -> dict[str, Any]:
    """How the attachment's node reaches the volume. Raises DriverFailure."""
    mode: Literal["rw", "ro"] = "ro" if attachment.connected_mode == "ro" else "rw"
    made = await driver.connect_volume(
        spec_of_volume(volume), UUID(attachment.id), attachment.connector, mode
    )
    return {"driver_volume_type": made.driver_volume_type, "reached_by": made.data}


async def undo_if_gone(
    commands: Commands, driver: Driver, volume: Volume, attachment_id: UUID
) -> None:
    """What was connected after it was given up must not stay, where `volume` was then: it may have
    moved since. Raises DriverFailure."""
    attachment = known(await commands.aggregates.read(Volume, volume.id), attachment_id)
    if attachment is None or attachment.state not in (*CONNECTING, *CONNECTED):
        await driver.disconnect_volume(spec_of_volume(volume), attachment_id)


class Attaching(BackendWork):
    """Claims an attachment, connects its node, tells what came of it.

    A claim whose worker died is taken over when the message comes again: the driver converges.
    """

    name: ClassVar[str] = "attaching"

    @reacts_to(connecting.ConnectionRequested)
    async def connect(self, requested: Recorded[connecting.ConnectionRequested]) -> None:
        """Raises NotAllowed if it is connected already, or not wanted any more."""
        id, attachment_id = requested.aggregate_id, UUID(requested.event.attachment_id)
        claim = StartConnection(
            id=id, attachment_id=attachment_id, worker=self.worker, at=self.moment(requested)
        )
        attempt = await self.run(claim)
        now = await self.commands.aggregates.read(Volume, id)
        attachment = known(now, attachment_id)
        if attachment is None:  # gone since
            return
        try:
            outcome = await self.called(connect(self.driver, now, attachment))
        except DriverFailure as failed:
            outcome = {"failure": failed.reason, "refused": isinstance(failed, InvalidConnector)}
        try:
            await self.run(
                FinishConnection(
                    id=id,
                    attachment_id=attachment_id,
                    attempt=attempt,
                    at=self.moment(requested),
                    **outcome,
                )
            )
        except (NotAllowed, Superseded):
            await self.called(undo_if_gone(self.commands, self.driver, now, attachment_id))
            raise


class Detaching(BackendWork):
    """Claims an attachment that is to go, disconnects its node, tells what came of it."""

    name: ClassVar[str] = "detaching"

    @reacts_to(detaching.RemovalRequested)
    async def requested(self, recorded: Recorded[detaching.RemovalRequested]) -> None:
        """Raises NotAllowed if it is gone already."""
        await self._disconnect(recorded)

    @reacts_to(detaching.AttachmentAbandoned)
    async def abandoned(self, recorded: Recorded[detaching.AttachmentAbandoned]) -> None:
        """As `requested`."""
        await self._disconnect(recorded)

    async def _disconnect(self, cause: Recorded[Any]) -> None:
        id, attachment_id = cause.aggregate_id, UUID(cause.event.attachment_id)
        attempt = await self.run(
            StartDisconnection(
                id=id, attachment_id=attachment_id, worker=self.worker, at=self.moment(cause)
            )
        )
        now, failure = await self.commands.aggregates.read(Volume, id), None
        try:
            await self.called(self.driver.disconnect_volume(spec_of_volume(now), attachment_id))
        except DriverFailure as failed:
            failure = failed.reason
        await self.run(
            FinishDisconnection(
                id=id,
                attachment_id=attachment_id,
                attempt=attempt,
                failure=failure,
                at=self.moment(cause),
            )
        )
