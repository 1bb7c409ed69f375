"""What the API needs of the rest of Lapilli: commands to run, views to read, and how things are."""

from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec

from adapters.image_service.port import ImageService
from domain.event import Event
from domain.quota import Usage
from projections.views import Views
from services.settings import Settings


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One service as it reports itself; `binary` in Cinder's words (`cinder-volume`)."""

    binary: str
    host: str
    zone: str
    up: bool
    updated_at: datetime | None


class PoolStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One pool as its backend last reported it; `name` is host@backend#pool."""

    name: str
    zone: str
    capabilities: dict[str, Any]
    timestamp: datetime


class Part(msgspec.Struct, frozen=True):
    """Whether one thing that we depend on works, and what is known about it."""

    ok: bool
    detail: str = ""


class Health(msgspec.Struct, frozen=True):
    """Whether requests can be served, and the parts that this was concluded from."""

    ready: bool
    parts: dict[str, Part] = {}


class Application(Protocol):
    """The port through which the API reaches everything else.

    Resources of quota are named as inside: `volumes`, `gigabytes_<type id>`.
    """

    settings: Settings
    views: Views
    images: ImageService
    """Where images are that volumes are made from."""

    def clock(self) -> datetime:
        """The time, in UTC."""

    def new_id(self) -> UUID:
        """An id that nothing has yet."""

    async def execute(self, command: Any) -> Any:
        """Runs a command. Returns when views show it, or when a bounded wait for that is over.

        Raises the errors of domain/errors.py.
        """

    async def carry_out(self, command: Any) -> Event | None:
        """Runs a command and waits until what it leaves to others is done, and views show it: the
        event that says so, None if nothing was left to do.

        Raises what it came to if it failed, BackendFailed for one; Unavailable when the time is up
        that settings allow, and then as much is given up as can be.
        """

    async def usage(self, project_id: str) -> dict[str, Usage]:
        """What the project consumes, by resource; resources never used may be missing."""

    async def limits(self, subject: str) -> dict[str, int]:
        """The limits in force of a project or quota class: its own over the defaults. -1 is no
        limit."""

    async def default_limits(self) -> dict[str, int]:
        """The limits of a project that has none of its own: those of the default quota class over
        those of the settings."""

    async def services(self) -> list[ServiceStatus]:
        """Every service that has ever reported itself."""

    async def pools(self) -> list[PoolStatus]:
        """Every pool that a live backend reports."""

    def zones(self) -> frozenset[str]:
        """The availability zones that a volume may be asked for in."""

    async def health(self) -> Health:
        """How things are, asked now."""
