"""A snapshot: asked for, made where its volume is, copied from, deleted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from domain.aggregate import Aggregate
from domain.aggregates.snapshot.events import (
    BackupBegun,
    CancellationRequested,
    Created,
    CreationCancelled,
    CreationFailed,
    CreationStarted,
    Deleted,
    DeletionFailed,
    DeletionRequested,
    DeletionStarted,
    Described,
    FoundBusy,
    MetadataChanged,
    Placed,
    PlacementFailed,
    Requested,
    ResetToAvailable,
    ResetToError,
    ResetToErrorDeleting,
    RestoringBegun,
    RestoringEnded,
    RestoringFailed,
    Retyped,
    Transferred,
)
from domain.errors import InvalidRequest, NotAllowed, NotFound, Superseded
from domain.event import Event, Moment
from domain.lifecycle import Lifecycle
from domain.machines.snapshot import SETTLED, SNAPSHOT, VISIBLE_STATUS

OUTCOMES: dict[str, type[Event]] = {
    "available": ResetToAvailable,
    "error": ResetToError,
    "error_deleting": ResetToErrorDeleting,
}
"""The statuses that an administrator can say. The others tell of work under way, which nobody
would do: a snapshot set to one of them would be stuck."""

GOING = ("cancelling", "deleting", "removing")
"""Where it is being deleted already."""

BEING_MADE = ("requested", "placed", "making", "cancelling")
"""Where it is not known yet whether it comes to be."""


class Snapshot(Aggregate):
    """See the module."""

    kind: ClassVar[str] = "snapshot"
    lifecycle: ClassVar[Lifecycle] = SNAPSHOT
    snapshot_version: ClassVar[int] = 4

    project_id: str = ""
    volume_id: str = ""
    volume_type_id: str = ""
    host: str = ""
    size_gib: int = 0
    counts_gigabytes: bool = True
    name: str | None = None
    description: str | None = None
    metadata: dict[str, str] = {}
    bootable: bool | None = None
    """Whether its volume could be booted from when it was asked for; None: nobody knows any more.
    The same of what the volume remembered of its image."""
    image_metadata: dict[str, str] | None = None
    reservations: list[str] = []
    """What pays for it, the first being that of its creation."""
    promised_gib: int = 0
    attempt: int = 0
    requested_at: datetime | None = None
    """What it holds is not older."""
    backup_id: str | None = None
    """The backup that was made of it last."""

    @classmethod
    def request(
        cls,
        id: UUID,
        *,
        project_id: str,
        user_id: str,
        volume_id: UUID,
        volume_type_id: str,
        host: str,
        size_gib: int,
        name: str | None,
        description: str | None,
        metadata: dict[str, str],
        reservation_id: UUID,
        availability_zone: str | None,
        counts_gigabytes: bool,
        bootable: bool,
        image_metadata: dict[str, str],
        at: Moment,
    ) -> "Snapshot":
        """A snapshot of a volume that must be unchanged, and paid for, in the same append. What is
        made from it boots as the volume does now."""
        snapshot = cls(id=id)
        snapshot.record(
            Requested(
                project_id=project_id,
                user_id=user_id,
                volume_id=str(volume_id),
                volume_type_id=volume_type_id,
                host=host,
                size_gib=size_gib,
                name=name,
                description=description,
                metadata=metadata,
                reservation_id=str(reservation_id),
                availability_zone=availability_zone,
                counts_gigabytes=counts_gigabytes,
                bootable=bootable,
                image_metadata=image_metadata,
            ),
            at,
        )
        return snapshot

    # room in its pool

    def place(self, *, ceiling_gib: float | None, at: Moment) -> None:
        """Its pool has the room; the store refuses it if others were promised that first."""
        self.record(
            Placed(
                host=self.host,
                volume_id=self.volume_id,
                project_id=self.project_id,
                size_gib=self.size_gib,
                ceiling_gib=ceiling_gib,
            ),
            at,
        )

    def placement_failed(self, reason: str, at: Moment) -> None:
        """Its pool has no room. Raises NotAllowed if that is decided."""
        self.record(PlacementFailed(host=self.host, reason=reason), at)

    # making it, by a worker of the backend

    def start_creation(self, worker: str, at: Moment) -> int:
        """Claims the work and returns the attempt's number, by which the outcome is told."""
        attempt = self.attempt + 1
        self.record(CreationStarted(host=self.host, worker=worker, attempt=attempt), at)
        return attempt

    def created(self, attempt: int, provider_id: str | None, at: Moment) -> None:
        """The worker made it. Raises Superseded if the claim is no longer this attempt's."""
        self.check_claim(attempt, "making", "cancelling")
        if self.state == "cancelling":
            self.abandon_creation(at)
        else:
            self.record(Created(host=self.host, attempt=attempt, provider_id=provider_id), at)

    def creation_failed(self, attempt: int, reason: str, at: Moment) -> None:
        """The worker could not make it. Raises Superseded as `created`."""
        self.check_claim(attempt, "making", "cancelling")
        if self.state == "cancelling":
            self.abandon_creation(at)
        else:
            self.give_up_creation(reason, at)

    def give_up_creation(self, reason: str, at: Moment) -> None:
        """Nobody is to go on with it, whoever may be at it."""
        self.record(CreationFailed(host=self.host, attempt=self.attempt, reason=reason), at)

    def abandon_creation(self, at: Moment, *, reason: str | None = None) -> None:
        """It is not wanted any more, and whoever was making it is done, or no longer waited for
        for this reason."""
        self.record(CreationCancelled(host=self.host, attempt=self.attempt, reason=reason), at)

    # deletion

    def request_deletion(self, at: Moment, *, force: bool = False) -> None:
        """Wants it gone; the store refuses that while something is copied from it.

        Raises NotAllowed unless it is available or in error; `force` permits every state, and
        changes nothing where it is being deleted already.
        """
        if force and self.state in GOING:
            return
        if not force and self.state not in ("available", "error"):
            raise self.not_allowed("delete", ("available", "error"))
        if self.state == "making":
            self.record(CancellationRequested(host=self.host), at)
        else:
            self.record(DeletionRequested(host=self.host, forced=force), at)

    def start_deletion(self, worker: str, at: Moment) -> int:
        """Claims the deletion and returns the attempt's number."""
        attempt = self.attempt + 1
        self.record(DeletionStarted(host=self.host, worker=worker, attempt=attempt), at)
        return attempt

    def deleted(self, at: Moment) -> None:
        """Nothing of it is left; which attempt found that out does not matter."""
        self.record(
            Deleted(
                host=self.host,
                volume_id=self.volume_id,
                project_id=self.project_id,
                size_gib=self.size_gib,
                promised_gib=self.promised_gib,
            ),
            at,
        )

    def deletion_failed(self, attempt: int, reason: str, at: Moment) -> None:
        """The backend refused. Raises Superseded if the claim is no longer this attempt's."""
        self.check_claim(attempt, "removing")
        self.give_up_deletion(reason, at)

    def give_up_deletion(self, reason: str, at: Moment) -> None:
        """Nobody is to go on with it, whoever may be at it; it may be there or not."""
        self.record(DeletionFailed(host=self.host, attempt=self.attempt, reason=reason), at)

    def found_busy(self, attempt: int, reason: str, at: Moment) -> None:
        """The backend says it is in use. Raises Superseded as `deletion_failed`."""
        self.check_claim(attempt, "removing")
        self.record(FoundBusy(host=self.host, attempt=attempt, reason=reason), at)

    def end_waiting(self, reason: str, at: Moment) -> None:
        """Ends a creation or deletion that nobody goes on with. At rest nothing changes."""
        match self.state:
            case "requested":
                self.placement_failed(reason, at)
            case "placed" | "making":
                self.give_up_creation(reason, at)
            case "cancelling":
                self.abandon_creation(at, reason=reason)
            case "deleting" | "removing":
                self.give_up_deletion(reason, at)

    # whatever becomes of its volume

    def transfer(self, *, project_id: str, user_id: str, reservation_id: str, at: Moment) -> None:
        """Goes along with its volume to another project. Raises NotAllowed unless available."""
        self.check_available("transfer")
        self.record(
            Transferred(
                old_project_id=self.project_id,
                project_id=project_id,
                user_id=user_id,
                reservation_id=reservation_id,
            ),
            at,
        )

    def retype(self, volume_type_id: str, reservation_id: str, at: Moment) -> None:
        """Is of the type that its volume is of from now on."""
        self.record(
            Retyped(
                volume_type_id=volume_type_id,
                old_volume_type_id=self.volume_type_id,
                reservation_id=reservation_id,
            ),
            at,
        )

    def begin_restoring(self, at: Moment) -> None:
        """Its volume begins to be taken back to it by the same append. Raises NotAllowed unless it
        is available."""
        self.record(RestoringBegun(volume_id=self.volume_id), at)

    def restored(self, at: Moment) -> None:
        """Its volume holds what it does, by the same append."""
        self.record(RestoringEnded(volume_id=self.volume_id), at)

    def restoring_failed(self, reason: str, at: Moment) -> None:
        """Its volume could not be taken back, by the same append."""
        self.record(RestoringFailed(volume_id=self.volume_id, reason=reason), at)

    # words about it

    def describe(self, name: str | None, description: str | None, at: Moment) -> None:
        """Changes name and description; the same again records nothing."""
        if (name, description) != (self.name, self.description):
            self.record(Described(name=name, description=description), at)

    def change_metadata(self, metadata: Mapping[str, str], at: Moment) -> None:
        """Replaces all metadata; the same again records nothing."""
        if dict(metadata) != self.metadata:
            self.record(MetadataChanged(metadata=dict(metadata)), at)

    def reset(self, status: str, at: Moment) -> None:
        """What an administrator says it is. Raises InvalidRequest for a status that cannot be said,
        NotAllowed where the backend is not known to hold it."""
        if status not in OUTCOMES:
            raise InvalidRequest(
                f"The status of a snapshot cannot be reset to {status[:64]!r}: only to"
                f" {', '.join(OUTCOMES)}."
            )
        self.record(OUTCOMES[status](), at)

    def visible_to(self, project_id: str | None) -> "Snapshot":
        """Itself. Raises NotFound if it is gone, or of another project (None: sees all)."""
        gone = not self.exists or self.state == "deleted"
        if gone or (project_id is not None and project_id != self.project_id):
            raise NotFound(kind=self.kind, id=str(self.id))
        return self

    @property
    def at_rest(self) -> bool:
        """Whether nobody owes anything to it."""
        return self.state in (*SETTLED, "deleted")

    def keeps(self, reservation_id: str) -> bool | None:
        """Whether a quota reservation pays for what is there; None while nobody knows yet."""
        if self.state in BEING_MADE:
            return None
        return self.state != "deleted" and reservation_id in self.reservations

    @property
    def status(self) -> str:
        return VISIBLE_STATUS[self.state]

    @property
    def going(self) -> bool:
        """Whether it is gone, or on its way to be."""
        return self.state in (*GOING, "deleted")

    def check_claim(self, attempt: int, *claimed: str) -> None:
        """Raises Superseded unless this attempt is at work, in one of these states."""
        if attempt != self.attempt or self.state not in claimed:
            raise Superseded(kind=self.kind, id=str(self.id), attempt=attempt)

    def check_available(self, wanted: str) -> None:
        """Raises NotAllowed unless it is."""
        if self.status != "available":
            raise self.not_allowed(wanted, ("available",))

    def not_allowed(self, event: str, allowed: Sequence[str] = ()) -> NotAllowed:
        """The refusal of something, in its status; `allowed` are those in which it is not."""
        return NotAllowed(
            kind=self.kind, id=str(self.id), state=self.status, event=event, allowed=allowed
        )

    def apply(self, event: Event, at: Moment) -> None:
        match event:
            case Requested():
                self.project_id, self.volume_id = event.project_id, event.volume_id
                self.volume_type_id, self.host = event.volume_type_id, event.host
                self.size_gib, self.reservations = event.size_gib, [event.reservation_id]
                self.name, self.description = event.name, event.description
                self.metadata, self.requested_at = event.metadata, at.at
                self.counts_gigabytes = event.counts_gigabytes
                self.bootable, self.image_metadata = event.bootable, event.image_metadata
            case Placed():
                self.promised_gib = event.size_gib
            case CreationStarted() | DeletionStarted():
                self.attempt = event.attempt
            case BackupBegun():
                self.backup_id = event.backup_id
            case Transferred():
                self.project_id, self.reservations = event.project_id, [event.reservation_id]
            case Retyped():
                self.volume_type_id = event.volume_type_id
                self.reservations = [*self.reservations, event.reservation_id]
            case Described():
                self.name, self.description = event.name, event.description
            case MetadataChanged():
                self.metadata = event.metadata
            case _:
                pass
