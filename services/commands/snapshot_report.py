"""What becomes of a snapshot as somebody else tells it: with Cinder, the compute service."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregates.snapshot import Snapshot
from domain.errors import InvalidRequest
from domain.event import Moment
from services.commands import settling
from services.unit_of_work import UnitOfWork

REPORTABLE: Mapping[str, tuple[str, ...]] = {
    "creating": ("creating", "available", "error"),
    "deleting": ("deleting", "error_deleting"),
}
"""What can be said of a snapshot in a status (lifecycles 8)."""

FAILED = ("error", "error_deleting")


class ReportSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Says, in Cinder's words, what has become of the making or deletion of a snapshot."""

    id: UUID
    project_id: str | None
    status: str
    at: Moment


async def report_snapshot(cmd: ReportSnapshot, work: UnitOfWork) -> None:
    """What is said to have failed is given up, as if its deadline had come. That it is going on or
    has been made changes nothing: that is so once its backend says it, and nobody else knows.

    Raises NotFound, InvalidRequest for what cannot be so.
    """
    snapshot = (await work.load(Snapshot, cmd.id)).visible_to(cmd.project_id)
    if cmd.status not in REPORTABLE.get(snapshot.status, ()):
        raise InvalidRequest(
            f"Snapshot {snapshot.id} is {snapshot.status} and cannot be said to be"
            f" {cmd.status[:64]!r}."
        )
    if cmd.status not in FAILED:
        return
    reason = f"it was reported to be in {cmd.status}"
    while not snapshot.at_rest:  # of one whose making was cancelled, that and its deletion
        snapshot.end_waiting(reason, cmd.at)
    await work.commit(snapshot, *await settling.keep(snapshot, work, cmd.at))


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    ReportSnapshot: report_snapshot
}
