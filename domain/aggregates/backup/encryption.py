"""A backup of an encrypted volume: its own key, and that of a volume into which it is put back."""

from uuid import UUID

from domain.aggregates.backup.backup import Backup
from domain.aggregates.backup.events import KeyMade, RestoreKeyMade
from domain.aggregates.encryption_key import key_of
from domain.aggregates.volume.backing_up import RestoredKey
from domain.encryption import Encryption
from domain.errors import InvalidRequest
from domain.event import Moment


def key_of_backup(backup: Backup) -> UUID:
    """The key by which what it holds can be read."""
    return key_of(backup.id) if backup.key_name is None else UUID(backup.key_name)


def awaits_key(backup: Backup) -> bool:
    """Whether it cannot be read until it has a key of its own."""
    return backup.encryption is not None and backup.encryption_key_id is None


def check_key(backup: Backup) -> None:
    """Raises NotAllowed while it waits for its key."""
    if awaits_key(backup):
        raise backup.not_allowed("go on without a key")


def check_fits(backup: Backup, encryption: Encryption | None) -> None:
    """Raises InvalidRequest unless a volume that is encrypted so can be read with what it holds."""
    if encryption != backup.encryption:
        raise InvalidRequest(
            f"The volume is not encrypted as what backup {backup.id} holds: that could not be read"
            " there."
        )


def key_made(backup: Backup, key_id: str, at: Moment) -> None:
    """Its key is there. Raises NotAllowed where it waits for none."""
    if not awaits_key(backup):
        raise backup.not_allowed("take a key")
    backup.record(KeyMade(host=backup.host, encryption_key_id=key_id), at)


def check_restores(backup: Backup, name: str) -> None:
    """Raises NotAllowed unless it is this key that restoring it waits for."""
    if backup.restoring_key != name or backup.restoring_key_id is not None:
        raise backup.not_allowed("restore with that key")


def restore_key_made(backup: Backup, name: str, key_id: str, at: Moment) -> None:
    """The key of the volume is there. Raises NotAllowed as `check_restores`."""
    check_restores(backup, name)
    assert backup.restoring_to is not None and backup.restoring_host is not None
    backup.record(
        RestoreKeyMade(
            volume_id=backup.restoring_to, host=backup.restoring_host, encryption_key_id=key_id
        ),
        at,
    )


def restored_key(backup: Backup) -> RestoredKey | None:
    """The key of the volume into which it is put back; None where it is not encrypted."""
    if backup.restoring_key is None or backup.restoring_key_id is None:
        return None
    return RestoredKey(backup.restoring_key, backup.restoring_key_id)
