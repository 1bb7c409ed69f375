"""A service as its administrators want it: enabled or disabled, and whether it is frozen.

That a service lives is telemetry; this is what was said about it. One that nobody ever spoke of
is enabled and not frozen.
"""

from typing import ClassVar
from uuid import UUID, uuid5

import msgspec

from domain.aggregate import Aggregate
from domain.aggregates.closures import Closure
from domain.errors import InvalidRequest
from domain.event import Event, Moment, event
from domain.lifecycle import Lifecycle
from domain.machines.service import SERVICE

VOLUME_SERVICE = "cinder-volume"
"""The binary of the services that keep volumes; their hosts are backends."""

_NAMESPACE = UUID("0c9a7f52-4be1-4f7d-8a3c-5d1e6b2f9074")


class ServiceName(msgspec.Struct, frozen=True):
    """Which service: a program on a host; host@backend where it keeps volumes."""

    binary: str
    host: str

    @property
    def id(self) -> UUID:
        """Of its aggregate, found without an index."""
        return uuid5(_NAMESPACE, f"{self.binary}/{self.host}")


@event("service.disabled")
class Disabled(Event, frozen=True):
    """An administrator took it out of use; a backend gets nothing new from now on."""

    binary: str
    host: str
    reason: str | None


@event("service.enabled")
class Enabled(Event, frozen=True):
    """It may be used again."""

    binary: str
    host: str


@event("service.frozen")
class Frozen(Event, frozen=True):
    """Nothing is made on this backend, and nothing there is deleted, until it is thawed."""

    binary: str
    host: str


@event("service.thawed")
class Thawed(Event, frozen=True):
    """The backend may change again."""

    binary: str
    host: str


class Service(Aggregate):
    """See the module."""

    kind: ClassVar[str] = "service"
    lifecycle: ClassVar[Lifecycle] = SERVICE

    binary: str = ""
    host: str = ""
    reason: str | None = None
    is_frozen: bool = False

    def disable(self, name: ServiceName, reason: str | None, at: Moment) -> None:
        """The same again records nothing; nor does no reason where one was given before."""
        if self.state != "disabled" or reason not in (None, self.reason):
            self.record(Disabled(binary=name.binary, host=name.host, reason=reason), at)

    def enable(self, name: ServiceName, at: Moment) -> None:
        """What is enabled already records nothing."""
        if self.state == "disabled":
            self.record(Enabled(binary=name.binary, host=name.host), at)

    def freeze(self, name: ServiceName, at: Moment) -> None:
        """Raises InvalidRequest where it is frozen already (Cinder: 400)."""
        if self.is_frozen:
            raise InvalidRequest(f"{name.host} is frozen already.")
        self.record(Frozen(binary=name.binary, host=name.host), at)

    def thaw(self, name: ServiceName, at: Moment) -> None:
        """Raises InvalidRequest where it is not frozen (Cinder: 400)."""
        if not self.is_frozen:
            raise InvalidRequest(f"{name.host} is not frozen.")
        self.record(Thawed(binary=name.binary, host=name.host), at)

    @property
    def closure(self) -> Closure | None:
        """How it is closed; None for one that is open."""
        disabled = self.state == "disabled"
        if not disabled and not self.is_frozen:
            return None
        return Closure(disabled=disabled, reason=self.reason, frozen=self.is_frozen)

    def apply(self, event: Event, at: Moment) -> None:
        match event:
            case Disabled():
                self.binary, self.host, self.reason = event.binary, event.host, event.reason
            case Enabled():
                self.reason = None
            case Frozen():
                self.binary, self.host, self.is_frozen = event.binary, event.host, True
            case Thawed():
                self.is_frozen = False
            case _:
                pass
