"""What users are told of failures: which events tell one, and Cinder's numbers for each (17)."""

from collections.abc import Mapping
from enum import Enum

import msgspec

from domain.aggregates import snapshot, volume
from domain.aggregates.backup import events as backup
from domain.aggregates.volume import (
    connecting,
    detaching,
    encryption,
    extension,
    imaging,
    retyping,
    reverting,
    uploading,
)
from domain.event import Event
from domain.image import ImageProblem

LEVEL = "ERROR"
"""Of every message there is."""

VOLUME, SNAPSHOT, BACKUP = "VOLUME", "VOLUME_SNAPSHOT", "VOLUME_BACKUP"
"""What messages are about, in Cinder's words."""


class _Numbered(Enum):
    """Something with Cinder's number, and words for it."""

    @property
    def number(self) -> str:
        number: str = self.value[0]
        return number

    @property
    def text(self) -> str:
        text: str = self.value[1]
        return text


class Action(_Numbered):
    """What was being done."""

    PLACE_VOLUME = "001", "finding a backend for the volume"
    ATTACH_VOLUME = "002", "attaching the volume"
    UPLOAD_VOLUME = "003", "copying the volume to an image"
    UPDATE_ATTACHMENT = "004", "updating the attachment"
    DOWNLOAD_IMAGE = "005", "copying the image to the volume"
    UNMANAGE_VOLUME = "006", "unmanaging the volume"
    EXTEND_VOLUME = "007", "extending the volume"
    CREATE_VOLUME = "008", "making the volume on its backend"
    CREATE_SNAPSHOT = "009", "taking the snapshot"
    DELETE_SNAPSHOT = "010", "deleting the snapshot"
    UPDATE_SNAPSHOT = "011", "updating the snapshot"
    UPDATE_SNAPSHOT_METADATA = "012", "updating the snapshot's metadata"
    CREATE_BACKUP = "013", "making the backup"
    DELETE_BACKUP = "014", "deleting the backup"
    RESTORE_BACKUP = "015", "restoring the backup"
    REIMAGE_VOLUME = "016", "writing another image to the volume"


class Detail(_Numbered):
    """What went wrong."""

    UNKNOWN = "001", "nobody knows why it failed"
    DRIVER_NOT_READY = "002", "the backend's driver is not ready"
    NO_BACKEND = "003", "no backend can take it"
    UPLOAD_FAILED = "004", "the image service did not take it"
    MODE_INVALID = "005", "the attach mode is not possible"
    OVER_QUOTA = "006", "quota does not allow it"
    NO_ROOM_FOR_IMAGE = "007", "there is no room for the image"
    ENCRYPTED = "008", "encrypted volumes cannot be unmanaged"
    SERVER_DID_NOT_EXTEND = "009", "the server did not take the new size"
    DRIVER_DID_NOT_EXTEND = "010", "the backend could not extend it"
    SIGNATURE_WRONG = "011", "the image's signature does not match"
    DRIVER_DID_NOT_CREATE = "012", "the backend could not make it"
    SNAPSHOT_NOT_CREATED = "013", "the backend could not take it"
    SNAPSHOT_METADATA = "014", "the snapshot's metadata could not be updated"
    SNAPSHOT_BUSY = "015", "the snapshot is in use"
    SNAPSHOT_NOT_DELETED = "016", "the backend could not delete it"
    BACKUP_STATUS = "017", "the backup's status does not allow it"
    BACKUP_SERVICE_DOWN = "018", "the backup service is down"
    BACKUP_DEVICE = "019", "the backup device could not be had from the volume service"
    DRIVER_DID_NOT_BACK_UP = "020", "the backup driver could not make it"
    NOT_ATTACHED = "021", "the volume could not be attached"
    NOT_DETACHED = "022", "the volume could not be detached"
    BACKUP_NOT_CLEANED_UP = "023", "what was made for it could not be cleaned up"
    BACKUP_NOT_PLACED = "024", "no backup service can take it"
    BACKUP_NOT_DELETED = "025", "the backup driver could not delete it"
    BACKUP_NOT_RESTORED = "026", "the backup driver could not restore it"
    VOLUME_STATUS = "027", "the volume's status does not allow it"
    SERVER_DID_NOT_REIMAGE = "028", "the server did not take the new image"
    IMAGE_FORMAT = "029", "the image's format is not acceptable"
    FORCED_FULL = "030", "it was made in full, an increment not being possible"


class Failure(msgspec.Struct, frozen=True):
    """What an event tells its user; `resource` is of what kind its aggregate is, in Cinder's words:
    VOLUME, VOLUME_SNAPSHOT, VOLUME_BACKUP."""

    action: Action
    detail: Detail
    resource: str = VOLUME

    @property
    def event_id(self) -> str:
        """Cinder's name for this kind of message."""
        return f"VOLUME_{self.resource}_{self.action.number}_{self.detail.number}"


TELLS: Mapping[type[Event], Failure] = {
    volume.PlacementFailed: Failure(Action.PLACE_VOLUME, Detail.NO_BACKEND),
    volume.ProvisioningFailed: Failure(Action.CREATE_VOLUME, Detail.DRIVER_DID_NOT_CREATE),
    # of a problem that has a number of its own: see `failure_of`
    imaging.DownloadFailed: Failure(Action.DOWNLOAD_IMAGE, Detail.UNKNOWN),
    # Cinder, which makes the key while it is asked, has no message of it
    encryption.KeyFailed: Failure(Action.CREATE_VOLUME, Detail.UNKNOWN),
    uploading.UploadFailed: Failure(Action.UPLOAD_VOLUME, Detail.UPLOAD_FAILED),
    connecting.ConnectionFailed: Failure(Action.UPDATE_ATTACHMENT, Detail.NOT_ATTACHED),
    connecting.ConnectorRefused: Failure(Action.UPDATE_ATTACHMENT, Detail.NOT_ATTACHED),
    detaching.DisconnectionFailed: Failure(Action.UPDATE_ATTACHMENT, Detail.NOT_DETACHED),
    extension.ExtensionRefused: Failure(Action.EXTEND_VOLUME, Detail.NO_BACKEND),
    # Cinder, which has no number for retypes, tells nothing of them
    retyping.RetypeRefused: Failure(Action.PLACE_VOLUME, Detail.NO_BACKEND),
    retyping.RetypeFailed: Failure(Action.PLACE_VOLUME, Detail.UNKNOWN),
    backup.CreationFailed: Failure(Action.CREATE_BACKUP, Detail.DRIVER_DID_NOT_BACK_UP, BACKUP),
    # Cinder, which looks while it is asked, has no message of it
    backup.ImportFailed: Failure(Action.CREATE_BACKUP, Detail.UNKNOWN, BACKUP),
    backup.RestoreFailed: Failure(Action.RESTORE_BACKUP, Detail.BACKUP_NOT_RESTORED, BACKUP),
    backup.DeletionFailed: Failure(Action.DELETE_BACKUP, Detail.BACKUP_NOT_DELETED, BACKUP),
    backup.DeletionGivenUp: Failure(Action.DELETE_BACKUP, Detail.BACKUP_SERVICE_DOWN, BACKUP),
    # nor of reverts
    reverting.ReversionRefused: Failure(Action.CREATE_VOLUME, Detail.UNKNOWN),
    reverting.ReversionFailed: Failure(Action.CREATE_VOLUME, Detail.UNKNOWN),
    extension.ExtensionFailed: Failure(Action.EXTEND_VOLUME, Detail.DRIVER_DID_NOT_EXTEND),
    snapshot.PlacementFailed: Failure(Action.CREATE_SNAPSHOT, Detail.NO_BACKEND, SNAPSHOT),
    snapshot.CreationFailed: Failure(Action.CREATE_SNAPSHOT, Detail.SNAPSHOT_NOT_CREATED, SNAPSHOT),
    snapshot.FoundBusy: Failure(Action.DELETE_SNAPSHOT, Detail.SNAPSHOT_BUSY, SNAPSHOT),
    snapshot.DeletionFailed: Failure(Action.DELETE_SNAPSHOT, Detail.SNAPSHOT_NOT_DELETED, SNAPSHOT),
}
"""The events that whoever asked is told of: what failed, and how. When this table changes, the
version of the projection goes up (projections/messages.py)."""

OF_IMAGES: Mapping[ImageProblem, Detail] = {
    "unacceptable": Detail.IMAGE_FORMAT,
    "no_room": Detail.NO_ROOM_FOR_IMAGE,
    "not_copied": Detail.UNKNOWN,
}


def failure_of(event: Event) -> Failure:
    """What one of the events in TELLS tells."""
    failure = TELLS[type(event)]
    if isinstance(event, imaging.DownloadFailed):
        return msgspec.structs.replace(failure, detail=OF_IMAGES[event.problem])
    return failure


_ACTIONS = {action.number: action.text for action in Action}
_DETAILS = {detail.number: detail.text for detail in Detail}


def text_of(event_id: str) -> str:
    """What a message says, by its `event_id`: what was being done, and what went wrong."""
    _, action, detail = event_id.rsplit("_", 2)
    return f"{_ACTIONS[action]}:{_DETAILS[detail]}"
