"""An encryption key: wanted with its volume, destroyed after it, whatever happens in between.

Its life is its own, so that a volume can be deleted while the key manager is away. Only its id is
told here; the key itself is nowhere but in the key manager.
"""

from typing import Any, ClassVar
from uuid import UUID, uuid5

from domain.aggregate import Aggregate
from domain.codec import upcasts
from domain.encryption import Encryption
from domain.event import Event, Moment, event
from domain.lifecycle import Lifecycle
from domain.machines.encryption_key import ENCRYPTION_KEY


@event("encryption_key.requested", version=2)
class Requested(Event, frozen=True):
    """A volume needs a key, and was asked for in the same append."""

    volume_id: str
    project_id: str
    algorithm: str
    bits: int
    cloned_from: str | None
    """The id of the key that it has to be equal to; null: it is to be a new one."""


@upcasts("encryption_key.requested", from_version=1)
def _requested(fields: dict[str, Any]) -> dict[str, Any]:
    """There were no volumes that begin with what others hold."""
    return {**fields, "cloned_from": None}


@event("encryption_key.made")
class Made(Event, frozen=True):
    """The key manager holds it; its volume heard of it in the same append."""

    volume_id: str
    key_id: str


@event("encryption_key.making_failed")
class MakingFailed(Event, frozen=True):
    """The key manager does not make it, or not in time; what it made all the same has to go."""

    volume_id: str
    reason: str


@event("encryption_key.destruction_requested")
class DestructionRequested(Event, frozen=True):
    """Its volume is gone, by the same append. Key id is None where it was never made."""

    volume_id: str
    key_id: str | None


@event("encryption_key.destroyed")
class Destroyed(Event, frozen=True):
    """The key manager holds nothing of it any more."""

    volume_id: str
    key_id: str | None


def key_of(volume_id: UUID) -> UUID:
    """The key of a volume. The key manager knows it under this name, whatever id it gives it."""
    return uuid5(volume_id, "encryption-key")


class EncryptionKey(Aggregate):
    """See the module."""

    kind: ClassVar[str] = "encryption_key"
    lifecycle: ClassVar[Lifecycle] = ENCRYPTION_KEY
    snapshot_version: ClassVar[int] = 2

    volume_id: str = ""
    project_id: str = ""
    algorithm: str = ""
    bits: int = 0
    cloned_from: str | None = None
    key_id: str | None = None

    @classmethod
    def request(
        cls,
        volume_id: UUID,
        *,
        project_id: str,
        encryption: Encryption,
        cloned_from: str | None = None,
        at: Moment,
    ) -> "EncryptionKey":
        """The key of a volume that is to be encrypted; to be stored with the volume's request.

        `cloned_from` is the id of the key by which what it is made from is encrypted.
        """
        key = cls(id=key_of(volume_id))
        key.record(
            Requested(
                volume_id=str(volume_id),
                project_id=project_id,
                algorithm=encryption.algorithm,
                bits=encryption.key_bits,
                cloned_from=cloned_from,
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
        """Its volume is gone; where the key is going already, nothing happens."""
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
            case Made():
                self.key_id = event.key_id
            case _:
                pass
