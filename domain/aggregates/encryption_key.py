"""An encryption key: wanted with what it is for, destroyed after it, whatever happens in between.

Its life is its own, so that a volume can be deleted while the key manager is away. Only its id is
told here; the key itself is nowhere but in the key manager.
"""

from typing import Any, ClassVar, Literal
from uuid import UUID, uuid5

from domain.aggregate import Aggregate
from domain.codec import upcasts
from domain.encryption import Encryption
from domain.event import Event, Moment, event
from domain.lifecycle import Lifecycle
from domain.machines.encryption_key import ENCRYPTION_KEY

OwnerKind = Literal["volume", "backup", "restore", "image"]
"""What a key is for: a volume, a backup of one, a volume that holds the content of a backup from
then on, or an image of a volume."""


@event("encryption_key.requested", version=3)
class Requested(Event, frozen=True):
    """A volume, or what is made of it, needs a key, and was asked for in the same append."""

    volume_id: str
    project_id: str
    algorithm: str
    bits: int
    cloned_from: str | None
    """The id of the key that it has to be equal to; null: it is to be a new one."""
    owner_kind: OwnerKind
    owner: str
    """The id of the volume, of the backup that is made or restored, or of the image."""


@upcasts("encryption_key.requested", from_version=1)
def _requested(fields: dict[str, Any]) -> dict[str, Any]:
    """There were no volumes that begin with what others hold."""
    return {**fields, "cloned_from": None}


@upcasts("encryption_key.requested", from_version=2)
def _requested_2(fields: dict[str, Any]) -> dict[str, Any]:
    """Only volumes had keys."""
    return {**fields, "owner_kind": "volume", "owner": fields["volume_id"]}


@event("encryption_key.made")
class Made(Event, frozen=True):
    """The key manager holds it; what it is for heard of it in the same append."""

    volume_id: str
    key_id: str


@event("encryption_key.making_failed")
class MakingFailed(Event, frozen=True):
    """The key manager does not make it, or not in time; what it made all the same has to go."""

    volume_id: str
    reason: str


@event("encryption_key.destruction_requested")
class DestructionRequested(Event, frozen=True):
    """What it was for is gone, or has another one, by the same append. Key id is None where it was
    never made."""

    volume_id: str
    key_id: str | None


@event("encryption_key.destroyed")
class Destroyed(Event, frozen=True):
    """The key manager holds nothing of it any more."""

    volume_id: str
    key_id: str | None


def key_of(owner: UUID) -> UUID:
    """The key of a volume, a backup or an image. The key manager knows it under this name, whatever
    id it gives it."""
    return uuid5(owner, "encryption-key")


def restored_key(volume_id: UUID, version: int) -> UUID:
    """The key that a volume has once a backup is restored into it, which is asked for when the
    volume has come to that version."""
    return uuid5(volume_id, f"encryption-key-{version}")


class EncryptionKey(Aggregate):
    """See the module."""

    kind: ClassVar[str] = "encryption_key"
    lifecycle: ClassVar[Lifecycle] = ENCRYPTION_KEY
    snapshot_version: ClassVar[int] = 3

    volume_id: str = ""
    project_id: str = ""
    algorithm: str = ""
    bits: int = 0
    cloned_from: str | None = None
    owner_kind: OwnerKind = "volume"
    owner: str = ""
    key_id: str | None = None

    @classmethod
    def request(
        cls,
        id: UUID,
        *,
        volume_id: UUID,
        owner: UUID,
        owner_kind: OwnerKind,
        project_id: str,
        encryption: Encryption,
        cloned_from: str | None = None,
        at: Moment,
    ) -> "EncryptionKey":
        """The key of something that is to be encrypted; to be stored with the request for that.

        `cloned_from` is the id of the key by which what it is made from is encrypted.
        """
        key = cls(id=id)
        key.record(
            Requested(
                volume_id=str(volume_id),
                project_id=project_id,
                algorithm=encryption.algorithm,
                bits=encryption.key_bits,
                cloned_from=cloned_from,
                owner_kind=owner_kind,
                owner=str(owner),
            ),
            at,
        )
        return key

    @property
    def name(self) -> str:
        """What the key manager is told to call it."""
        return str(self.id)

    def made(self, key_id: str, at: Moment) -> None:
        """Raises NotAllowed if that is known already, or it is not wanted any more."""
        self.record(Made(volume_id=self.volume_id, key_id=key_id), at)

    def making_failed(self, reason: str, at: Moment) -> None:
        """Raises NotAllowed as `made`."""
        self.record(MakingFailed(volume_id=self.volume_id, reason=reason), at)

    def request_destruction(self, at: Moment) -> None:
        """What it was for is gone; where the key is going already, nothing happens."""
        if self.state in ("requested", "available"):
            self.record(DestructionRequested(volume_id=self.volume_id, key_id=self.key_id), at)

    def destroyed(self, at: Moment) -> None:
        """Nothing is left. Raises NotAllowed if that was known already."""
        self.record(Destroyed(volume_id=self.volume_id, key_id=self.key_id), at)

    def wants(self, key_id: str) -> bool:
        """Whether a key made for it may be needed: the one that is recorded, or as long as none is
        any of them. While it is being destroyed that is somebody's work already."""
        if self.state == "available":
            return key_id == self.key_id
        return self.state != "destroyed"

    @property
    def at_rest(self) -> bool:
        """No work is under way or owed."""
        return self.state in ("available", "destroyed")

    def apply(self, event: Event, at: Moment) -> None:
        match event:
            case Requested():
                self.volume_id, self.project_id = event.volume_id, event.project_id
                self.algorithm, self.bits = event.algorithm, event.bits
                self.cloned_from = event.cloned_from
                self.owner_kind, self.owner = event.owner_kind, event.owner
            case Made():
                self.key_id = event.key_id
            case _:
                pass
