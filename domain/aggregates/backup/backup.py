"""A backup: asked for, made from a volume or a snapshot, put back into volumes, deleted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from domain.aggregate import Aggregate
from domain.aggregates.backup import events
from domain.aggregates.backup.events import Parent
from domain.encryption import Encryption
from domain.errors import InvalidRequest, NotAllowed, NotFound, Superseded
from domain.event import Event, Moment
from domain.lifecycle import Lifecycle
from domain.machines.backup import BACKUP, BEING_RESTORED, SETTLED, VISIBLE_STATUS
from domain.metadata import MAX_LENGTH

OUTCOMES = {"available": events.ResetToAvailable, "error": events.ResetToError}
"""The statuses that an administrator can say (Cinder's reset_status of backups)."""

BEING_MADE = ("requested", "making", "importing", "cancelling")
"""Where it is not known yet whether it comes to be."""


class Backup(Aggregate):
    """See the module."""

    kind: ClassVar[str] = "backup"
    lifecycle: ClassVar[Lifecycle] = BACKUP
    snapshot_version: ClassVar[int] = 2

    project_id: str = ""
    volume_id: str = ""
    snapshot_id: str | None = None
    host: str | None = None
    """Where its volume was; None: it was made by another installation."""
    availability_zone: str = ""
    size_gib: int = 0
    name: str | None = None
    description: str | None = None
    metadata: dict[str, str] = {}
    container: str = ""
    parent: Parent | None = None
    content_at: datetime | None = None
    reservations: list[str] = []
    """What pays for it."""
    attempt: int = 0
    captured: bool = False
    """Whether what it is to hold is kept apart on the backend of its volume."""
    whole: bool = False
    """Whether the store has had all of it."""
    percent: int = 0
    object_count: int = 0
    stored_bytes: int = 0
    fail_reason: str | None = None
    """Why it is not well, as far as Cinder's API shows it: 255 characters."""
    restoring_to: str | None = None
    """The volume that it is being put back into."""
    restoring_host: str | None = None
    encryption: Encryption | None = None
    """How what it holds is encrypted; None: it is not."""
    encryption_key_id: str | None = None
    key_name: str | None = None
    """What its key is called, if another installation has one under the name that it would have."""
    restoring_key: str | None = None
    """The name of the key that the volume has once it is restored; None: it has none."""
    restoring_key_id: str | None = None
    """The same as the key manager calls it, once it is made."""

    @classmethod
    def request(
        cls,
        id: UUID,
        *,
        project_id: str,
        user_id: str,
        volume_id: UUID,
        host: str,
        availability_zone: str,
        size_gib: int,
        name: str | None,
        description: str | None,
        metadata: dict[str, str],
        container: str,
        reservation_id: UUID,
        parent: "Backup | None" = None,
        snapshot_id: UUID | None = None,
        snapshot_at: datetime | None = None,
        encryption: Encryption | None = None,
        at: Moment,
    ) -> "Backup":
        """A backup of a volume, or of its snapshot as of `snapshot_at`, that is paid for in the
        same append. With a `parent`, unchanged in the same append, it holds what differs from that.

        Raises NotAllowed if the parent is not available, InvalidRequest if it is of another volume
        or project, or not older than the snapshot.
        """
        content_at = snapshot_at or at.at
        if parent is not None:
            parent.check_parent(project_id=project_id, volume_id=volume_id, than=snapshot_at)
        backup = cls(id=id)
        backup.record(
            events.Requested(
                project_id=project_id,
                user_id=user_id,
                volume_id=str(volume_id),
                snapshot_id=str(snapshot_id) if snapshot_id else None,
                host=host,
                availability_zone=availability_zone,
                size_gib=size_gib,
                name=name,
                description=description,
                metadata=metadata,
                container=container,
                parent=Parent(str(parent.id), parent.container) if parent else None,
                content_at=content_at,
                reservation_id=str(reservation_id),
                encryption=encryption,
            ),
            at,
        )
        return backup

    # deletion, by any worker that reaches the store

    def request_deletion(self, at: Moment, *, force: bool = False) -> None:
        """Wants it gone; the store of events refuses that while others go on from it.

        Raises NotAllowed unless it is available or in error; `force` permits every state but those
        in which it is restored, and changes nothing where it is being deleted already.
        """
        if force and self.state in ("cancelling", "deleting", "removing"):
            return
        if not force and self.state not in ("available", "error"):
            raise self.not_allowed("delete", ("available", "error"))
        if self.state in ("requested", "making"):
            nobody_at_it = self.state == "requested"
            self.record(events.CancellationRequested(), at)
            if nobody_at_it:
                self.creation_cancelled(at)
        else:
            self.record(events.DeletionRequested(forced=force), at)

    def creation_cancelled(self, at: Moment, *, reason: str | None = None) -> None:
        """It is not wanted any more, and whoever was making it is done, or no longer waited for
        for this reason."""
        self.record(
            events.CreationCancelled(
                volume_id=self.volume_id,
                snapshot_id=self.snapshot_id,
                host=self.made_on(),
                attempt=self.attempt,
                reason=reason,
            ),
            at,
        )

    def start_deletion(self, worker: str, at: Moment) -> int:
        """Claims the deletion and returns the attempt's number."""
        attempt = self.attempt + 1
        self.record(events.DeletionStarted(worker=worker, attempt=attempt), at)
        return attempt

    def deleted(self, at: Moment) -> None:
        """Nothing of it is left; which attempt found that out does not matter."""
        self.record(
            events.Deleted(
                project_id=self.project_id,
                volume_id=self.volume_id,
                size_gib=self.size_gib,
                parent=self.parent,
            ),
            at,
        )

    def deletion_failed(self, attempt: int, reason: str, at: Moment) -> None:
        """The store could not. Raises Superseded if the claim is no longer this attempt's."""
        self.check_claim(attempt, "removing")
        self.record(events.DeletionFailed(attempt=attempt, reason=reason), at)

    def give_up_deletion(self, reason: str, at: Moment) -> None:
        """Nobody is to go on with it, whoever may be at it; it may be there or not."""
        self.record(events.DeletionGivenUp(attempt=self.attempt, reason=reason), at)

    # words about it

    def describe(self, name: str | None, description: str | None, at: Moment) -> None:
        """Changes name and description; the same again records nothing."""
        if (name, description) != (self.name, self.description):
            self.record(events.Described(name=name, description=description), at)

    def change_metadata(self, metadata: Mapping[str, str], at: Moment) -> None:
        """Replaces all metadata; the same again records nothing."""
        if dict(metadata) != self.metadata:
            self.record(events.MetadataChanged(metadata=dict(metadata)), at)

    def check_reset(self, status: str) -> None:
        """Raises InvalidRequest for a status that cannot be said, NotAllowed for available where
        the store is not known to have all of it."""
        if status not in OUTCOMES:
            raise InvalidRequest(
                f"The status of a backup cannot be reset to {status[:64]!r}: only to"
                f" {', '.join(OUTCOMES)}."
            )
        if status == "available" and not (self.whole and self.state in (*SETTLED, *BEING_RESTORED)):
            raise self.not_allowed("reset to available")

    def reset(self, status: str, at: Moment) -> None:
        """What an administrator says it is, nothing being under way any more. Raises as
        `check_reset`."""
        self.check_reset(status)
        self.record(OUTCOMES[status](), at)

    def visible_to(self, project_id: str | None) -> "Backup":
        """Itself. Raises NotFound if it is gone, or of another project (None: sees all)."""
        gone = not self.exists or self.state == "deleted"
        if gone or (project_id is not None and project_id != self.project_id):
            raise NotFound(kind=self.kind, id=str(self.id))
        return self

    @property
    def is_incremental(self) -> bool:
        """Whether it needs another one to be read."""
        return self.parent is not None

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

    def made_on(self) -> str:
        """`host@backend#pool` of what it is made from. Raises NotAllowed for one that others have
        made."""
        if self.host is None:
            raise self.not_allowed("make")
        return self.host

    def check_claim(self, attempt: int, *claimed: str) -> None:
        """Raises Superseded unless this attempt is at work, in one of these states."""
        if attempt != self.attempt or self.state not in claimed:
            raise Superseded(kind=self.kind, id=str(self.id), attempt=attempt)

    def check_available(self, wanted: str) -> None:
        """Raises NotAllowed unless it is."""
        if self.status != "available":
            raise self.not_allowed(wanted, ("available",))

    def check_parent(self, *, project_id: str, volume_id: UUID, than: datetime | None) -> None:
        """Whether a backup of this volume may go on from it: what that holds now is newer, and
        what a snapshot of then holds may not be. Raises NotAllowed, InvalidRequest."""
        self.check_available("incremental backup")
        if (project_id, str(volume_id)) != (self.project_id, self.volume_id):
            raise InvalidRequest(f"Backup {self.id} is not one of volume {volume_id}.")
        if than is not None and self.content_at is not None and self.content_at >= than:
            raise InvalidRequest(f"Backup {self.id} is not older than what is to be backed up.")

    def not_allowed(self, event: str, allowed: Sequence[str] = ()) -> NotAllowed:
        """The refusal of something, in its status; `allowed` are those in which it is not."""
        return NotAllowed(
            kind=self.kind, id=str(self.id), state=self.status, event=event, allowed=allowed
        )

    def apply(self, event: Event, at: Moment) -> None:
        match event:
            case events.Requested():
                self.snapshot_id, self.host = event.snapshot_id, event.host
                self._begun(event)
            case events.ImportRequested():
                self.key_name = event.key
                self._begun(event)
            case events.CreationStarted():
                self.attempt = event.attempt
            case events.DeletionStarted():
                self.attempt, self.whole = event.attempt, False
            case events.Progressed():
                self.percent = event.percent
                self.object_count, self.stored_bytes = event.object_count, event.stored_bytes
            case events.Captured():
                self.captured, self.content_at = True, event.content_at
            case events.Created() | events.Imported():
                self.percent, self.whole = 100, True
                self.object_count, self.stored_bytes = event.object_count, event.stored_bytes
            case events.KeyMade():
                self.encryption_key_id = event.encryption_key_id
            case events.RestoreRequested():
                self.restoring_to, self.restoring_host = event.volume_id, event.host
                self.restoring_key = event.key
            case events.RestoreKeyMade():
                self.restoring_key_id = event.encryption_key_id
            case events.RestoreStarted():
                self.attempt = event.attempt
            case events.Described():
                self.name, self.description = event.name, event.description
            case events.MetadataChanged():
                self.metadata = event.metadata
            case _:
                self._ended(event)

    def _begun(self, event: events.Requested | events.ImportRequested) -> None:
        self.project_id, self.volume_id = event.project_id, event.volume_id
        self.availability_zone, self.size_gib = event.availability_zone, event.size_gib
        self.name, self.description = event.name, event.description
        self.metadata, self.reservations = event.metadata, [event.reservation_id]
        self.container, self.parent = event.container, event.parent
        self.content_at, self.encryption = event.content_at, event.encryption

    def _ended(self, event: Event) -> None:
        match event:
            case (
                events.CreationFailed()
                | events.ImportFailed()
                | events.DeletionFailed()
                | events.DeletionGivenUp()
            ):
                self.fail_reason = shown(event.reason)
            case events.ResetToAvailable():
                self.fail_reason = None
            case events.Restored() | events.RestoreFailed():
                self.restoring_to = self.restoring_host = None
                self.restoring_key = self.restoring_key_id = None
            case _:
                pass


def shown(reason: str) -> str:
    """As much of a reason as Cinder's API has room for; the log has all of it."""
    return reason if len(reason) <= MAX_LENGTH else reason[: MAX_LENGTH - 1] + "…"
