"""What commands do for volumes that are encrypted, and for what is made of them."""

from collections.abc import Sequence
from uuid import UUID

from domain.aggregate import Aggregate
from domain.aggregates.backup import Backup
from domain.aggregates.backup import encryption as of_backup
from domain.aggregates.encryption_key import EncryptionKey, key_of, restored_key
from domain.aggregates.volume import Volume, encryption, uploading
from domain.aggregates.volume_type import VolumeType
from domain.encryption import FRONT_END
from domain.errors import InvalidRequest
from domain.event import Moment
from domain.image import ChosenImage
from services.unit_of_work import UnitOfWork


def encrypted(
    volume: Volume, volume_type: VolumeType, cloned_from: str | None, at: Moment
) -> list[EncryptionKey]:
    """Fixes how a new volume is encrypted; the key that it needs, to be stored in the same append.

    None where its type is not encrypted. What it holds from the beginning is encrypted with the key
    `cloned_from`: its own key is equal to that, and never the same one. Raises InvalidRequest where
    several hosts may write (Cinder: 400), and where an image would have to be encrypted on its way.
    """
    wanted = volume_type.encryption
    if wanted is None:
        return []
    if volume_type.multiattach:
        raise InvalidRequest(
            f"Volume type {volume_type.name} is encrypted and multiattach: volumes cannot be both."
        )
    sealed = wanted.control_location == FRONT_END
    if volume.image is not None and sealed and volume.image.encryption_key_id is None:
        raise InvalidRequest(
            f"Volume type {volume_type.name} is encrypted by the hosts that volumes are attached"
            f" to, and image {volume.image.id} is not: it cannot be written to such a volume."
        )
    encryption.fix(volume, wanted, at)
    key = EncryptionKey.request(
        key_of(volume.id),
        volume_id=volume.id,
        owner=volume.id,
        owner_kind="volume",
        project_id=volume.project_id,
        encryption=wanted,
        cloned_from=cloned_from,
        at=at,
    )
    return [key]


async def key_of_image(
    image: ChosenImage, volume_type: VolumeType, work: UnitOfWork
) -> EncryptionKey | None:
    """The key of an image that is encrypted; None where it is not.

    Only an image that was made here, of a volume, and still names the key that it got then, is
    taken at its word: whoever may write an image's properties could name anybody's key. Raises
    InvalidRequest for others, and where volumes of the type are encrypted otherwise.
    """
    if image.encryption_key_id is None:
        return None
    key = await work.load(EncryptionKey, key_of(UUID(image.id)))
    if key.state != "available" or key.key_id != image.encryption_key_id:
        raise InvalidRequest(
            f"Image {image.id} is encrypted with a key that it did not get here: it cannot become a"
            " volume."
        )
    of = await work.load(Volume, UUID(key.volume_id))
    if volume_type.encryption != of.encryption:
        raise InvalidRequest(
            f"Volume type {volume_type.name} is not encrypted as image {image.id} is."
        )
    return key


def key_to_upload(volume: Volume, image_id: UUID, at: Moment) -> list[EncryptionKey]:
    """The key that an image of a volume needs; none where what is sent of it is not encrypted."""
    if volume.encryption is None or not uploading.is_sealed(volume):
        return []
    key = EncryptionKey.request(
        key_of(image_id),
        volume_id=volume.id,
        owner=image_id,
        owner_kind="image",
        project_id=volume.project_id,
        encryption=volume.encryption,
        cloned_from=volume.encryption_key_id,
        at=at,
    )
    return [key]


async def key_of_upload(volume: Volume, work: UnitOfWork, at: Moment) -> list[EncryptionKey]:
    """The key of an image that will not be, before its upload is given up: to be stored with that.
    None where it has none."""
    image_id = UUID(uploading.under_way(volume).image_id)
    key = await work.load(EncryptionKey, key_of(image_id))
    return [await _going(key.id, work, at)] if key.exists else []


def key_to_back_up(backup: Backup, cloned_from: str | None, at: Moment) -> list[EncryptionKey]:
    """The key that a new backup needs, equal to that by which what it holds is encrypted; none
    where that is not."""
    if backup.encryption is None:
        return []
    key = EncryptionKey.request(
        of_backup.key_of_backup(backup),
        volume_id=UUID(backup.volume_id),
        owner=backup.id,
        owner_kind="backup",
        project_id=backup.project_id,
        encryption=backup.encryption,
        cloned_from=cloned_from,
        at=at,
    )
    return [key]


def key_to_restore(backup: Backup, volume: Volume, at: Moment) -> list[EncryptionKey]:
    """The key that a volume needs into which the backup is put back; none where neither is
    encrypted. Raises InvalidRequest where the volume cannot be read then."""
    of_backup.check_fits(backup, volume.encryption)
    if backup.encryption is None:
        return []
    key = EncryptionKey.request(
        restored_key(volume.id, volume.version),
        volume_id=volume.id,
        owner=backup.id,
        owner_kind="restore",
        project_id=volume.project_id,
        encryption=backup.encryption,
        cloned_from=backup.encryption_key_id,
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


async def unneeded(gone: Volume | Backup, work: UnitOfWork, at: Moment) -> Sequence[EncryptionKey]:
    """The key of something that is gone, told so; none where it has none."""
    if gone.encryption is None:
        return []
    if isinstance(gone, Volume):
        return [await _going(encryption.key_of_volume(gone), work, at)]
    return [await _going(of_backup.key_of_backup(gone), work, at)]


async def not_waited_for(backup: Backup, work: UnitOfWork, at: Moment) -> list[Aggregate]:
    """The keys that are of no use once what is under way on a backup is given up: asked for before
    that, and to be stored with it."""
    names = [] if backup.restoring_key is None else [UUID(backup.restoring_key)]
    if of_backup.awaits_key(backup):
        names.append(of_backup.key_of_backup(backup))
    return [await _going(name, work, at) for name in names]


async def _going(id: UUID, work: UnitOfWork, at: Moment) -> EncryptionKey:
    key = await work.load(EncryptionKey, id)
    key.request_destruction(at)
    return key
