"""A remnant: what a failed attempt may have left on its backend, until that is known to be gone.

Its life is its own, so that a volume can be made elsewhere, used and deleted while a backend that
is broken still has to be cleaned up. Its space stays promised as long.
"""

from typing import ClassVar
from uuid import UUID, uuid5

from domain.aggregate import Aggregate
from domain.event import Event, Moment, event
from domain.lifecycle import Lifecycle
from domain.machines.remnant import REMNANT


@event("remnant.left")
class Left(Event, frozen=True):
    """A backend failed to make a volume, which goes elsewhere; something of it may be there."""

    volume_id: str
    project_id: str
    host: str
    size_gib: int
    reason: str


@event("remnant.removed")
class Removed(Event, frozen=True):
    """Nothing of the volume is left there."""

    volume_id: str
    host: str
    size_gib: int


def remnant_id(volume_id: UUID, number: int) -> UUID:
    """Of the remnant that placement `number` of a volume left."""
    return uuid5(volume_id, f"remnant/{number}")


class Remnant(Aggregate):
    """See the module."""

    kind: ClassVar[str] = "remnant"
    lifecycle: ClassVar[Lifecycle] = REMNANT

    volume_id: str = ""
    project_id: str = ""
    host: str = ""
    size_gib: int = 0

    @classmethod
    def leave(
        cls,
        volume_id: UUID,
        *,
        number: int,
        project_id: str,
        host: str,
        size_gib: int,
        reason: str,
        at: Moment,
    ) -> "Remnant":
        """What placement `number` of a volume may have left on `host`."""
        remnant = cls(id=remnant_id(volume_id, number))
        remnant.record(
            Left(
                volume_id=str(volume_id),
                project_id=project_id,
                host=host,
                size_gib=size_gib,
                reason=reason,
            ),
            at,
        )
        return remnant

    def turn_up(self, reason: str, at: Moment) -> None:
        """Something of the volume is there after all. Raises NotAllowed unless it was removed."""
        left = Left(
            volume_id=self.volume_id,
            project_id=self.project_id,
            host=self.host,
            size_gib=self.size_gib,
            reason=reason,
        )
        self.record(left, at)

    def removed(self, at: Moment) -> None:
        """Nothing is left. Raises NotAllowed if that was known already."""
        self.record(Removed(volume_id=self.volume_id, host=self.host, size_gib=self.size_gib), at)

    def apply(self, event: Event, at: Moment) -> None:
        match event:
            case Left():
                self.volume_id, self.project_id = event.volume_id, event.project_id
                self.host, self.size_gib = event.host, event.size_gib
            case _:
                pass
