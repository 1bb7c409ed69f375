"""A user message: it follows from an event that tells a failure, until its user dismisses it.

That it exists is recorded nowhere else than in that event (domain/messages.py says which); only
its end is an event of its own.
"""

from typing import ClassVar
from uuid import UUID, uuid5

from domain.aggregate import Aggregate
from domain.errors import NotFound
from domain.event import Event, Moment, event
from domain.lifecycle import Lifecycle
from domain.machines.message import MESSAGE

_NAMESPACE = UUID("5e8b3c61-7f0d-4a92-b1c4-9d2f6e3a8075")


def message_id(failure: str) -> UUID:
    """Of the message about an event, `<aggregate id>:<version>`."""
    return uuid5(_NAMESPACE, failure)


@event("message.dismissed")
class Dismissed(Event, frozen=True):
    """Its user does not want to see it any more; `failure` is the event that it was about."""

    failure: str


class Message(Aggregate):
    """See the module."""

    kind: ClassVar[str] = "message"
    lifecycle: ClassVar[Lifecycle] = MESSAGE

    def dismiss(self, failure: str, at: Moment) -> None:
        """Raises NotFound if it was dismissed before."""
        if self.exists:
            raise NotFound(kind=self.kind, id=str(self.id))
        self.record(Dismissed(failure=failure), at)

    def apply(self, event: Event, at: Moment) -> None:
        """Nothing else is known of it."""
