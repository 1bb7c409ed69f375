"""Events: immutable facts with a stable type name, and what surrounds each of them."""

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

import msgspec


class Actor(msgspec.Struct, frozen=True):
    """Who is behind a change: a user of a project, or a part of the system (`system:placement`)."""

    user_id: str
    project_id: str


class Moment(msgspec.Struct, frozen=True, omit_defaults=True):
    """When and why something happens: time (UTC), request, actor, and the event that caused it."""

    at: datetime
    request_id: str
    actor: Actor
    cause: str | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A fact. Subclasses are declared with `@event("volume.placed", version=1)`."""

    type_name: ClassVar[str]
    schema_version: ClassVar[int]
    topic: ClassVar[str]
    kind: ClassVar[str]
    verb: ClassVar[str]

    @property
    def backend(self) -> str | None:
        """The `host@backend` whose workers this event concerns, if any."""
        host: str | None = getattr(self, "host", None)
        return host.partition("#")[0] if host else None


E = TypeVar("E", bound=Event)


class Recorded(msgspec.Struct, Generic[E], frozen=True, kw_only=True):
    """An event of one aggregate at one version; `position` is its place in the log, 0: none."""

    aggregate_id: UUID
    version: int
    event: E
    moment: Moment
    position: int = 0

    @property
    def id(self) -> str:
        """Names this event for ever; the causation of what follows from it."""
        return f"{self.aggregate_id}:{self.version}"


_TYPES: dict[str, type[Event]] = {}


def event(type_name: str, *, version: int = 1) -> Callable[[type[E]], type[E]]:
    """Registers an event class under a name and version that do not depend on where it lives."""

    def register(cls: type[E]) -> type[E]:
        cls.type_name, cls.schema_version = type_name, version
        cls.topic = f"{type_name}.v{version}"
        cls.kind, _, cls.verb = type_name.partition(".")
        if type_name in _TYPES:
            raise ValueError(f"event {type_name} is declared twice")
        _TYPES[type_name] = cls
        return cls

    return register


def event_types() -> dict[str, type[Event]]:
    """Every declared event by its type name."""
    return dict(_TYPES)


def event_type(type_name: str) -> type[Event]:
    """The current class of a type name. Raises KeyError."""
    return _TYPES[type_name]
