"""What commands about volumes do for those that are encrypted."""

from domain.aggregates.encryption_key import EncryptionKey, key_of
from domain.aggregates.volume import Volume, encryption
from domain.aggregates.volume_type import VolumeType
from domain.encryption import FRONT_END
from domain.errors import InvalidRequest
from domain.event import Moment
from services.unit_of_work import UnitOfWork


def encrypted(
    volume: Volume, volume_type: VolumeType, at: Moment, *, original: Volume | None
) -> list[EncryptionKey]:
    """Fixes how a new volume is encrypted; the key that it needs, to be stored in the same append.

    None where its type is not encrypted. What it holds from the beginning is encrypted with the key
    of the `original`: its own key is equal to that, and never the same one. Raises InvalidRequest
    where several hosts may write (Cinder: 400), and where an image would have to be encrypted on
    its way.
    """
    wanted = volume_type.encryption
    if wanted is None:
        return []
    if volume_type.multiattach:
        raise InvalidRequest(
            f"Volume type {volume_type.name} is encrypted and multiattach: volumes cannot be both."
        )
    if volume.image is not None and wanted.control_location == FRONT_END:
        raise InvalidRequest(
            f"Volume type {volume_type.name} is encrypted by the hosts that volumes are attached"
            " to: an image cannot be written to such a volume."
        )
    encryption.fix(volume, wanted, at)
    key = EncryptionKey.request(
        volume.id,
        project_id=volume.project_id,
        encryption=wanted,
        cloned_from=None if original is None else original.encryption_key_id,
        at=at,
    )
    return [key]


async def without_key(
    volume: Volume, reason: str, work: UnitOfWork, at: Moment
) -> list[EncryptionKey]:
    """Gives up a volume that waits for its key, and the key; none where it waits for none."""
    if volume.state != "requested" or volume.encryption is None or volume.encryption_key_id:
        return []
    failure = f"its key was not made: {reason}"
    encryption.key_failed(volume, failure, at)
    key = await work.load(EncryptionKey, key_of(volume.id))
    if key.state == "requested":
        key.making_failed(failure, at)
    return [key]


async def unneeded(volume: Volume, work: UnitOfWork, at: Moment) -> list[EncryptionKey]:
    """The key of a volume that is gone, told so; none where it has none."""
    if volume.encryption is None:
        return []
    key = await work.load(EncryptionKey, key_of(volume.id))
    key.request_destruction(at)
    return [key]
