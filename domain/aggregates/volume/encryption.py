"""A volume that is encrypted: how that is fixed when it is asked for, and its key."""

from uuid import UUID

from domain.aggregates.encryption_key import key_of
from domain.aggregates.volume.volume import Volume, evolves
from domain.encryption import Encryption
from domain.event import Event, Moment, event


@event("volume.encryption_fixed")
class EncryptionFixed(Event, frozen=True):
    """It is encrypted as its type said when it was asked for; it is placed once it has a key."""

    encryption: Encryption


@event("volume.key_made")
class KeyMade(Event, frozen=True):
    """Its key is in the key manager, under this id; now it can be placed."""

    encryption_key_id: str


@event("volume.key_failed")
class KeyFailed(Event, frozen=True):
    """No key could be made for it."""

    reason: str


def fix(volume: Volume, encryption: Encryption, at: Moment) -> None:
    """It is to be encrypted so. Its key must be asked for in the same append."""
    volume.record(EncryptionFixed(encryption=encryption), at)


def key_made(volume: Volume, key_id: str, at: Moment) -> None:
    """Its key is there: it can be placed. Raises NotAllowed where it waits for none."""
    volume.record(KeyMade(encryption_key_id=key_id), at)


def key_failed(volume: Volume, reason: str, at: Moment) -> None:
    """There will be no key, and so no volume. Raises NotAllowed as `key_made`."""
    volume.record(KeyFailed(reason=reason), at)


def key_of_volume(volume: Volume) -> UUID:
    """The key by which what is on it can be read."""
    return key_of(volume.id) if volume.key_name is None else UUID(volume.key_name)


@evolves(EncryptionFixed)
def _fixed(volume: Volume, event: EncryptionFixed, at: Moment) -> None:
    volume.encryption = event.encryption


@evolves(KeyMade)
def _made(volume: Volume, event: KeyMade, at: Moment) -> None:
    volume.encryption_key_id = event.encryption_key_id
