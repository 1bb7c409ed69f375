"""A transfer: a volume offered to whoever knows the key, until that is accepted or withdrawn."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from domain.aggregate import Aggregate
from domain.codec import upcasts
from domain.errors import InvalidRequest, NotFound
from domain.event import Event, Moment, event
from domain.lifecycle import Lifecycle
from domain.machines.transfer import TRANSFER


@event("transfer.offered", version=2)
class Offered(Event, frozen=True):
    """Its owner offers a volume. The key itself is told to the owner alone, and only once."""

    volume_id: str
    project_id: str
    user_id: str
    name: str | None
    salt: str
    key_digest: str
    no_snapshots: bool
    snapshots: list[str]
    """All snapshots of the volume, if they go along."""


@event("transfer.accepted")
class Accepted(Event, frozen=True):
    """Somebody with the key took the volume over, in the same append."""

    volume_id: str
    project_id: str
    destination_project_id: str
    destination_user_id: str


@event("transfer.withdrawn")
class Withdrawn(Event, frozen=True):
    """It is not offered any more; the volume is its owner's as before."""

    volume_id: str
    project_id: str
    reason: str


@upcasts("transfer.offered", from_version=1)
def _offered_v1(fields: dict[str, Any]) -> dict[str, Any]:
    """No volume had snapshots."""
    return {**fields, "snapshots": []}


def digest(salt: str, key: str) -> str:
    """What is kept of a key: HMAC-SHA-256 (RFC 2104), in hexadecimal digits."""
    return hmac.new(salt.encode(), key.encode(), hashlib.sha256).hexdigest()


class Transfer(Aggregate):
    """See the module."""

    kind: ClassVar[str] = "transfer"
    lifecycle: ClassVar[Lifecycle] = TRANSFER

    volume_id: str = ""
    project_id: str = ""
    salt: str = ""
    key_digest: str = ""
    no_snapshots: bool = False
    """Whether those of the volume stay where they are."""

    @classmethod
    def offer(
        cls,
        id: UUID,
        *,
        volume_id: UUID,
        project_id: str,
        user_id: str,
        name: str | None,
        salt: str,
        key: str,
        no_snapshots: bool,
        snapshots: Sequence[UUID] = (),
        at: Moment,
    ) -> "Transfer":
        """An offer to whoever knows `key`; to be stored with the volume's being offered."""
        transfer = cls(id=id)
        transfer.record(
            Offered(
                volume_id=str(volume_id),
                project_id=project_id,
                user_id=user_id,
                name=name,
                salt=salt,
                key_digest=digest(salt, key),
                no_snapshots=no_snapshots,
                snapshots=[str(id) for id in snapshots],
            ),
            at,
        )
        return transfer

    def accept(self, key: str, *, project_id: str, user_id: str, at: Moment) -> None:
        """Takes the volume over. Raises NotFound unless it is offered, InvalidRequest for a wrong
        key (Cinder's InvalidAuthKey)."""
        self.check_offered()
        if not hmac.compare_digest(self.key_digest, digest(self.salt, key)):
            raise InvalidRequest(f"The auth key for transfer {self.id} is wrong.")
        self.record(
            Accepted(
                volume_id=self.volume_id,
                project_id=self.project_id,
                destination_project_id=project_id,
                destination_user_id=user_id,
            ),
            at,
        )

    def withdraw(self, reason: str, at: Moment) -> None:
        """Raises NotFound unless it is offered."""
        self.check_offered()
        self.record(
            Withdrawn(volume_id=self.volume_id, project_id=self.project_id, reason=reason), at
        )

    def check_offered(self) -> None:
        """Raises NotFound where nothing is offered (any more)."""
        if self.state != "offered":
            raise NotFound(kind=self.kind, id=str(self.id))

    def visible_to(self, project_id: str | None) -> "Transfer":
        """Itself. Raises NotFound if it is of another project (None: sees all)."""
        if project_id is not None and project_id != self.project_id:
            raise NotFound(kind=self.kind, id=str(self.id))
        return self

    @property
    def at_rest(self) -> bool:
        """Its owner or whoever has the key decides: nobody of ours owes anything to an offer."""
        return True

    def apply(self, event: Event, at: Moment) -> None:
        match event:
            case Offered():
                self.volume_id, self.project_id = event.volume_id, event.project_id
                self.salt, self.key_digest = event.salt, event.key_digest
                self.no_snapshots = event.no_snapshots
            case _:
                pass
