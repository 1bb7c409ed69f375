"""The closed backends: those that administrators disabled or froze, all in one place.

Each service says so of itself, in the same append. This list is what others decide by, who must
know of all backends at once and hold them to be as they were read: one aggregate, not hundreds.
"""

from typing import ClassVar
from uuid import UUID

import msgspec

from domain.aggregate import Aggregate
from domain.errors import InvalidRequest
from domain.event import Event, Moment, event
from domain.lifecycle import Lifecycle
from domain.machines import closures

CLOSURES_ID = UUID("b7d05a1e-93c6-4f28-8e4d-2a6f0c1d7e95")
"""There is one list."""


class Closure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a backend is closed: `disabled` takes nothing new, `frozen` does not change at all."""

    disabled: bool = False
    reason: str | None = None
    """Why it was disabled, in the administrator's words."""
    frozen: bool = False

    @property
    def why(self) -> str:
        """For those whose volume cannot go there."""
        disabled = f"disabled: {self.reason}" if self.reason else "disabled"
        return " and ".join([disabled] * self.disabled + ["frozen"] * self.frozen)


@event("closures.changed")
class Changed(Event, frozen=True):
    """These backends are closed from now on, and no others."""

    closed: dict[str, Closure]


@event("closures.lifted")
class Lifted(Event, frozen=True):
    """No backend is closed any more."""


class Closures(Aggregate):
    """See the module."""

    kind: ClassVar[str] = "closures"
    lifecycle: ClassVar[Lifecycle] = closures.CLOSURES
    singular: ClassVar[bool] = True

    closed: dict[str, Closure] = {}
    """By host@backend."""

    def mark(self, backend: str, closure: Closure | None, at: Moment) -> None:
        """How a backend is closed from now on; None: it is open. The same again records nothing."""
        others = {name: how for name, how in self.closed.items() if name != backend}
        closed = others if closure is None else {**others, backend: closure}
        if closed == self.closed:
            return
        self.record(Changed(closed=closed) if closed else Lifted(), at)

    @property
    def reasons(self) -> dict[str, str]:
        """Why nothing new can go to a backend, by host@backend."""
        return {backend: closure.why for backend, closure in self.closed.items()}

    def is_frozen(self, host: str) -> bool:
        """Whether what is on `host` (host@backend#pool) must not change."""
        backend = host.partition("#")[0]
        return backend in self.closed and self.closed[backend].frozen

    def check_not_frozen(self, host: str) -> None:
        """Raises InvalidRequest if what is on `host` must not change."""
        if self.is_frozen(host):
            backend = host.partition("#")[0]
            raise InvalidRequest(f"Backend {backend} is frozen: nothing there may be changed.")

    def apply(self, event: Event, at: Moment) -> None:
        match event:
            case Changed():
                self.closed = event.closed
            case Lifted():
                self.closed = {}
            case _:
                pass
