"""A volume: asked for, placed, provisioned, used, deleted."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from domain.aggregate import Aggregate
from domain.aggregates.volume.attachment import DETACHED, Attachment
from domain.aggregates.volume.events import (
    CachedImageAwaited,
    CachedImageClaimed,
    CachedImageReleased,
    CancellationRequested,
    CascadeRequested,
    CreationCancelled,
    Deleted,
    DeletionFailed,
    DeletionRequested,
    DeletionStarted,
    Described,
    FoundBusy,
    ImageFetchEnded,
    ImageLetGo,
    MetadataChanged,
    MultiattachChanged,
    Placed,
    PlacementFailed,
    Provisioned,
    ProvisioningFailed,
    ProvisioningStarted,
    Requested,
    Rescheduled,
    Source,
    SourceClaimed,
    SourceReleased,
)
from domain.aggregates.volume.under_way import UnderWay
from domain.encryption import Encryption
from domain.errors import InvalidRequest, NotAllowed, NotFound, Superseded
from domain.event import Event, Moment
from domain.image import ChosenImage
from domain.lifecycle import IDLE, Lifecycle
from domain.machines.attachment import ATTACHMENT, OWED
from domain.machines.volume import LEAVES, SETTLED, SPOILS, VOLUME, visible_status
from domain.machines.volume_operation import HELD, MOVING, VOLUME_OPERATION
from domain.placement import Decision, Tried

_DELETABLE = (
    "requested",
    "available",
    "error",
    "error_extending",
    "error_restoring",
    "unreachable",
)
"""Where a deletion need not be forced (Cinder's rule; without host: any)."""

GOING = ("cancelling", "emptying", "deleting", "removing")
"""Where it is being deleted already."""

RESTING = (*SETTLED, "deleted")
"""States in which nobody owes anything."""

BEING_MADE = ("requested", "placed", "awaiting", "provisioning", "downloading", "cancelling")
"""Where it is not known yet whether it comes to be."""

CLAIMED = ("provisioning", "downloading", "cancelling", "removing")
"""Where a worker is at it, making or deleting."""

Evolution = Callable[["Volume", Any, Moment], None]
V = TypeVar("V", bound=Evolution)

_EVOLUTIONS: dict[type[Event], Evolution] = {}


def evolves(*types: type[Event]) -> Callable[[V], V]:
    """Registers how these events change a volume, beside the decisions that record them."""

    def register(evolution: V) -> V:
        _EVOLUTIONS.update(dict.fromkeys(types, evolution))
        return evolution

    return register


class Volume(Aggregate):
    """See the module."""

    kind: ClassVar[str] = "volume"
    lifecycle: ClassVar[Lifecycle] = VOLUME
    beside: ClassVar[Lifecycle] = VOLUME_OPERATION
    inside: ClassVar[Lifecycle] = ATTACHMENT
    snapshot_version: ClassVar[int] = 15

    project_id: str = ""
    size_gib: int = 0
    name: str | None = None
    description: str | None = None
    metadata: dict[str, str] = {}
    volume_type_id: str = ""
    availability_zone: str | None = None
    reservations: list[str] = []
    """What pays for it, the first being that of its creation."""
    asked_zone: str | None = None
    zones: list[str] = []
    hints: dict[str, Any] = {}
    host: str | None = None
    placements: int = 0
    placed_as: int = 0
    """The number of the placement by which it is where it is."""
    most_placements: int = 1
    tried: list[Tried] = []
    attempt: int = 0
    requested_at: datetime | None = None
    bootable: bool = False
    readonly: bool | None = None
    """None: nobody ever said."""
    image_metadata: dict[str, str] = {}
    multiattach: bool = False
    """Whether several may have it at a time; as its type says."""
    attach_status: str = DETACHED
    attachments: dict[str, Attachment] = {}
    under_way: UnderWay | None = None
    encryption: Encryption | None = None
    """None: it is not encrypted."""
    encryption_key_id: str | None = None
    key_name: str | None = None
    """What its key is called, if that is not the one that was asked for with it."""
    image: ChosenImage | None = None
    """What it holds from the beginning, or is to."""
    source: Source | None = None
    """What it is made from; None: it begins with zeros, or with what comes from elsewhere."""
    holds_source: bool = False
    """Whether that has to stay for it."""
    cached_source: Source | None = None
    """The volume that its image is copied from, and that has to stay until then."""
    awaited: str | None = None
    """The volume that is to keep its image, from when it waits for that until it is being made."""
    awaited_as: int = 0
    """The number of the placement in which it waited last."""
    keeps_image_near: str | None = None
    """The pool near which it keeps its image for others; None: nobody is to copy that."""

    @classmethod
    def request(
        cls,
        id: UUID,
        *,
        project_id: str,
        user_id: str,
        size_gib: int,
        name: str | None,
        description: str | None,
        metadata: dict[str, str],
        volume_type_id: UUID,
        availability_zone: str | None,
        reservation_id: UUID,
        zones: Sequence[str] = (),
        hints: Mapping[str, Any] = {},
        at: Moment,
    ) -> "Volume":
        """A new volume, paid for by a reservation that must be stored in the same append."""
        volume = cls(id=id)
        volume.record(
            Requested(
                project_id=project_id,
                user_id=user_id,
                size_gib=size_gib,
                name=name,
                description=description,
                metadata=metadata,
                volume_type_id=str(volume_type_id),
                availability_zone=availability_zone,
                reservation_id=str(reservation_id),
                zones=list(zones) or ([availability_zone] if availability_zone else []),
                hints=dict(hints),
            ),
            at,
        )
        return volume

    def claim_source(self, source: Source, at: Moment) -> None:
        """It is made from that, which must be unchanged in this append, and stay until it is."""
        self.record(SourceClaimed(source=source), at)

    # placement

    def place(self, decision: Decision, at: Moment, *, most: int = 1) -> None:
        """Follows a placement decision: to the chosen pool, or into error with the reason.

        `most` is how many backends may try, this one included, should they fail. Raises NotAllowed
        while it waits for its key.
        """
        if self.encryption is not None and self.encryption_key_id is None:
            raise self.not_allowed("placed without a key")
        number = self.placements + 1
        if decision.chosen is None:
            self.record(
                PlacementFailed(
                    reason=decision.reason, decision=decision, number=number, most=most
                ),
                at,
            )
            return
        self.record(
            Placed(
                host=decision.chosen.pool,
                availability_zone=decision.chosen.zone,
                project_id=self.project_id,
                size_gib=self.size_gib,
                decision=decision,
                number=number,
                most=most,
            ),
            at,
        )

    # provisioning, by a worker of the backend

    def start_provisioning(self, worker: str, at: Moment) -> int:
        """Claims the work and returns the attempt's number, by which the outcome is told."""
        attempt = self.attempt + 1
        self.record(ProvisioningStarted(host=self.held_by(), worker=worker, attempt=attempt), at)
        return attempt

    def provisioned(self, attempt: int, provider_id: str | None, at: Moment) -> None:
        """The worker made it. Raises Superseded if the claim is no longer this attempt's."""
        self.check_claim(attempt, *CLAIMED)
        if self.state == "cancelling":
            self.abandon_creation(at)
        else:
            self.record(
                Provisioned(host=self.held_by(), attempt=attempt, provider_id=provider_id), at
            )

    def provisioning_failed(
        self, attempt: int, reason: str, at: Moment, *, elsewhere: bool = False
    ) -> None:
        """The worker could not make it. Raises Superseded as `provisioned`.

        `elsewhere` says that another backend may well succeed; then one shall try, unless as many
        have tried as may.
        """
        self.check_claim(attempt, *CLAIMED)
        if self.state == "cancelling":
            self.abandon_creation(at)
        else:
            self.creation_failed(reason, at, elsewhere=elsewhere)

    def creation_failed(self, reason: str, at: Moment, *, elsewhere: bool) -> None:
        """Its backend does not make it, whoever may be at it; as `provisioning_failed`."""
        host = self.held_by()
        if elsewhere and self.placements < self.most_placements:
            self.record(
                Rescheduled(
                    host=host,
                    attempt=self.attempt,
                    reason=reason,
                    number=self.placements,
                    most=self.most_placements,
                    size_gib=self.size_gib,
                    availability_zone=self.asked_zone,
                ),
                at,
            )
        else:
            tried = [*self.tried, Tried(pool=host, reason=reason)]
            self.record(
                ProvisioningFailed(host=host, attempt=self.attempt, reason=reason, tried=tried), at
            )

    def abandon_creation(self, at: Moment, *, reason: str | None = None) -> None:
        """It is not wanted any more, and whoever was making it is done, or no longer waited for
        for this reason."""
        self.record(CreationCancelled(host=self.held_by(), attempt=self.attempt, reason=reason), at)

    # deletion

    def request_deletion(
        self, at: Moment, *, force: bool = False, along: Sequence[UUID] = ()
    ) -> None:
        """Wants it gone. Raises NotAllowed unless the state permits it; `force` permits more, but
        nothing that is attached.

        `along` are its snapshots, all of which must be on their way to be deleted in the same
        append, and which it waits for. Forcing what is being deleted already changes nothing.
        """
        if force and self.state in GOING:
            return
        if self.attach_status == "attached":
            raise self.not_allowed("delete", ("detached",))
        held = self.operation != IDLE or self.attach_status != DETACHED
        if not force and (self.state not in _DELETABLE or held):
            raise self.not_allowed("delete", ("available", "error"))
        if self.state in ("provisioning", "downloading"):
            self.record(CancellationRequested(host=self.held_by(), forced=force), at)
        elif along:
            snapshots = [str(id) for id in along]
            self.record(
                CascadeRequested(host=self.held_by(), forced=force, snapshots=snapshots), at
            )
        else:
            self.record(DeletionRequested(host=self.host, forced=force), at)

    def emptied(self, at: Moment) -> None:
        """Of its snapshots none is left: now it may go itself."""
        if self.state != "emptying":
            raise self.not_allowed("delete")
        self.record(DeletionRequested(host=self.host, forced=False), at)

    def start_deletion(self, worker: str, at: Moment) -> int:
        """Claims the deletion and returns the attempt's number."""
        attempt = self.attempt + 1
        self.record(DeletionStarted(host=self.held_by(), worker=worker, attempt=attempt), at)
        return attempt

    def deleted(self, at: Moment) -> None:
        """Nothing of it is left anywhere; which attempt found that out does not matter."""
        self.record(Deleted(host=self.host, project_id=self.project_id, size_gib=self.size_gib), at)

    def deletion_failed(self, attempt: int, reason: str, at: Moment) -> None:
        """The backend refused. Raises Superseded if the claim is no longer this attempt's."""
        self.check_claim(attempt, *CLAIMED)
        self.give_up_deletion(reason, at)

    def give_up_deletion(self, reason: str, at: Moment) -> None:
        """Nobody is to go on with it, whoever may be at it; it may be there or not."""
        self.record(DeletionFailed(host=self.held_by(), attempt=self.attempt, reason=reason), at)

    def found_busy(self, attempt: int, reason: str, at: Moment) -> None:
        """The backend says it is in use. Raises Superseded as `deletion_failed`."""
        self.check_claim(attempt, *CLAIMED)
        self.record(FoundBusy(host=self.held_by(), attempt=attempt, reason=reason), at)

    # words about it

    def describe(self, name: str | None, description: str | None, at: Moment) -> None:
        """Changes name and description; the same again records nothing."""
        if (name, description) != (self.name, self.description):
            self.record(Described(name=name, description=description), at)

    def change_metadata(self, metadata: Mapping[str, str], at: Moment) -> None:
        """Replaces all metadata; the same again records nothing."""
        if dict(metadata) != self.metadata:
            self.record(MetadataChanged(metadata=dict(metadata)), at)

    def change_multiattach(self, multiattach: bool, at: Moment) -> None:
        """Follows its type; the same again records nothing."""
        if multiattach != self.multiattach:
            self.record(MultiattachChanged(multiattach=multiattach), at)

    def visible_to(self, project_id: str | None) -> "Volume":
        """Itself. Raises NotFound if it is gone, or of another project (None: sees all)."""
        gone = not self.exists or self.state == "deleted"
        if gone or (project_id is not None and project_id != self.project_id):
            raise NotFound(kind=self.kind, id=str(self.id))
        return self

    def keeps(self, reservation_id: str) -> bool | None:
        """Whether a quota reservation pays for what is there; None while nobody knows yet."""
        for_operation = self.under_way is not None and reservation_id in self.under_way.paid_by
        if for_operation or (self.state in BEING_MADE and reservation_id in self.reservations):
            return None
        return self.state != "deleted" and reservation_id in self.reservations

    @property
    def holds_image_of(self) -> str | None:
        """The volume that keeps its image, or is to, and that has to stay for it."""
        return self.awaited if self.cached_source is None else self.cached_source.id

    @property
    def is_coming(self) -> bool:
        """Whether it is being made, and still wanted."""
        return self.state in BEING_MADE and self.state != "cancelling"

    @property
    def at_rest(self) -> bool:
        """No work is under way or owed."""
        idle = self.operation == IDLE or self.operation in HELD
        owed = any(each.state in OWED for each in self.attachments.values())
        return idle and self.state in RESTING and not owed

    @property
    def status(self) -> str:
        return visible_status(self.state, self.operation, self.attach_status)

    def record(self, event: Event, at: Moment) -> None:
        """As every aggregate; what it is made from is let go in the append in which it is no
        longer being made, however that comes about. One that keeps an image says so, too, when it
        is there, and when it may be another one."""
        keeps_near, was_coming = self.keeps_image_near, self.is_coming
        super().record(event, at)
        if keeps_near is not None:
            self._tell_of_image(event, keeps_near, at, was_coming=was_coming)
        if self.holds_source and self.source is not None and self.state not in BEING_MADE:
            super().record(SourceReleased(source_id=self.source.id), at)
        held = self.holds_image_of
        if held is not None and self.state not in ("placed", "awaiting", *CLAIMED):
            super().record(CachedImageReleased(source_id=held), at)

    def _tell_of_image(
        self, event: Event, keeps_near: str, at: Moment, *, was_coming: bool
    ) -> None:
        """Of one that kept its image near that pool before the event."""
        image_id = "" if self.image is None else self.image.id
        if was_coming and not self.is_coming:
            kept = self.state == "available"
            super().record(ImageFetchEnded(host=keeps_near, image_id=image_id, kept=kept), at)
        elif event.verb in SPOILS | LEAVES:
            may_change = event.verb in SPOILS
            gone = ImageLetGo(host=keeps_near, image_id=image_id, may_change=may_change)
            super().record(gone, at)

    def apply(self, event: Event, at: Moment) -> None:
        match event:
            case Requested():
                self.project_id, self.size_gib = event.project_id, event.size_gib
                self.name, self.description = event.name, event.description
                self.metadata, self.volume_type_id = event.metadata, event.volume_type_id
                self.availability_zone = self.asked_zone = event.availability_zone
                self.zones, self.hints = event.zones, event.hints
                self.reservations, self.requested_at = [event.reservation_id], at.at
            case Placed():
                self.host, self.availability_zone = event.host, event.availability_zone
                self.placements, self.most_placements = event.number, event.most
                self.placed_as = event.number
            case Rescheduled():
                self.host, self.availability_zone = None, self.asked_zone
                self.tried = [*self.tried, Tried(pool=event.host, reason=event.reason)]
            case ProvisioningStarted() | DeletionStarted():
                self.attempt = event.attempt
            case Described():
                self.name, self.description = event.name, event.description
            case MetadataChanged():
                self.metadata = event.metadata
            case MultiattachChanged():
                self.multiattach = event.multiattach
            case SourceClaimed():
                self.source, self.holds_source = event.source, True
            case SourceReleased():
                self.holds_source = False
            case CachedImageAwaited():
                self.awaited, self.awaited_as = event.source_id, self.placed_as
            case CachedImageClaimed():
                self.cached_source, self.awaited = event.source, None
            case CachedImageReleased():
                self.cached_source = self.awaited = None
            case ImageFetchEnded(kept=False) | ImageLetGo():
                self.keeps_image_near = None
            case _:
                evolution = _EVOLUTIONS.get(type(event))
                if evolution is not None:
                    evolution(self, event, at)

    def held_by(self) -> str:
        if self.host is None:
            raise InvalidRequest(f"volume {self.id} is on no backend")
        return self.host

    def check_on(self, host: str | None, wanted: str) -> None:
        """Raises NotAllowed if it is elsewhere than somebody was told; None is told nothing."""
        if host is not None and host != self.host:
            raise self.not_allowed(f"{wanted} on {host}")

    def check_claim(self, attempt: int, *claimed: str) -> None:
        """Raises Superseded unless this attempt is at work, in a state or operation of these."""
        if attempt != self.attempt or not {self.state, self.operation} & {*claimed}:
            raise Superseded(kind=self.kind, id=str(self.id), attempt=attempt)

    def check_free(self, wanted: str) -> None:
        """Raises NotAllowed unless it is well, and nothing else is under way or about to be."""
        if self.operation != IDLE or self.status not in ("available", "in-use"):
            raise self.not_allowed(wanted, ("available", "in-use"))

    def check_available(self, wanted: str) -> None:
        """As `check_free`, and nothing may be attached to it."""
        if self.status != "available":
            raise self.not_allowed(wanted, ("available",))

    def check_stays(self, wanted: str) -> None:
        """Raises NotAllowed while it may be on its way to another pool, which need not show."""
        if self.operation in MOVING:
            raise NotAllowed(kind=self.kind, id=str(self.id), state=self.operation, event=wanted)

    def not_allowed(self, event: str, allowed: Sequence[str] = ()) -> NotAllowed:
        """The refusal of something, in its status; `allowed` are those in which it is not."""
        return NotAllowed(
            kind=self.kind, id=str(self.id), state=self.status, event=event, allowed=allowed
        )
