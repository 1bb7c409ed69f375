"""One attachment of a volume, as its volume knows it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from domain.lifecycle import NEW
from domain.machines.attachment import HOLDS, VISIBLE

DETACHED = "detached"


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A server or node that has, or is to have, the volume. Replaced, never changed.

    One that is not `shown` is the connection of a node by the action os-initialize_connection,
    which is no attachment to users.
    """

    id: str
    state: str = NEW
    shown: bool = False
    server_id: str | None = None
    mode: str | None = None
    """rw or ro, as its user asked; None: as the connector says."""
    connector: dict[str, Any] = {}
    connected_mode: str = "rw"
    passing: bool = False
    """Whether nothing of it is to stay should its connection fail."""
    released: bool = False
    """Whether it holds its volume no longer, though it may not be gone yet."""
    node: str | None = None
    device: str | None = None
    connection: dict[str, Any] = {}
    """Cinder's connection_info: driver_volume_type and data; empty where there is none."""
    attached_at: datetime | None = None
    attempt: int = 0
    since: datetime | None = None
    """When it came into its state."""

    @property
    def status(self) -> str:
        """Cinder's attach_status."""
        return VISIBLE[self.state]

    @property
    def holds(self) -> str | None:
        """What it makes of its volume."""
        return HOLDS.get(self.state) if self.shown and not self.released else None


def attach_status(attachments: Iterable[Attachment]) -> str:
    """What all attachments together make of their volume (lifecycles 7)."""
    return min((held for each in attachments if (held := each.holds)), default=DETACHED)
