"""Exporting again what is attached, after its backend was away (lifecycles 16: re-export)."""

from domain.aggregates.volume.attachment import Attachment
from domain.aggregates.volume.volume import Volume
from domain.event import Event, Moment, event
from domain.machines.attachment import CONNECTED


@event("volume.export_lost")
class ExportLost(Event, frozen=True):
    """The backend cannot let those who are attached reach it again."""

    host: str
    reason: str


@event("volume.export_restored")
class ExportRestored(Event, frozen=True):
    """Who is attached reaches it again."""

    host: str


def exported(attachment: Attachment) -> bool:
    """Whether the backend has to let its node reach the volume."""
    return attachment.state in CONNECTED and bool(attachment.connector)


def lost(volume: Volume, reason: str, at: Moment) -> None:
    """Known already, nothing is recorded."""
    if volume.state == "available":
        volume.record(ExportLost(host=volume.held_by(), reason=reason), at)


def restored(volume: Volume, at: Moment) -> None:
    """Nothing is recorded where nothing was lost."""
    if volume.state == "unreachable":
        volume.record(ExportRestored(host=volume.held_by()), at)
