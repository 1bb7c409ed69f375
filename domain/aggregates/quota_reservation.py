"""A quota reservation: what a thing takes from its project's quota, until that is settled.

Amounts below zero give back (a retype takes of the new type and gives back of the old; a transfer
gives back in the donor's project): nothing is reserved for them, they count once committed.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID, uuid5

from domain.aggregate import Aggregate
from domain.errors import Over
from domain.event import Event, Moment, event
from domain.lifecycle import Lifecycle
from domain.machines.quota_reservation import QUOTA_RESERVATION

LIFETIME = timedelta(hours=1)
"""How long what is held waits for its operation to be recorded. Cinder's reservations live a day,
since they expire under operations that are under way; these do not."""


@event("quota_reservation.reserved")
class Reserved(Event, frozen=True):
    """Amounts by resource (GiB or numbers) are held for `subject` until that is settled."""

    project_id: str
    subject: str
    amounts: dict[str, int]
    largest_gib: int


@event("quota_reservation.held")
class Held(Event, frozen=True):
    """Amounts by resource (GiB or numbers) are held for an operation on `subject`. If the log knows
    nothing of the operation by the deadline, they expire."""

    project_id: str
    subject: str
    subject_kind: str
    amounts: dict[str, int]
    largest_gib: int
    deadline: datetime


@event("quota_reservation.committed")
class Committed(Event, frozen=True):
    """What was reserved is now in use."""

    project_id: str
    subject: str
    amounts: dict[str, int]


@event("quota_reservation.rolled_back")
class RolledBack(Event, frozen=True):
    """What was reserved is free again: the thing did not come to be."""

    project_id: str
    subject: str
    amounts: dict[str, int]


@event("quota_reservation.expired")
class Expired(Event, frozen=True):
    """What was held is free again: by its deadline the log knew of no operation that it was for."""

    project_id: str
    subject: str
    amounts: dict[str, int]


@event("quota_reservation.released")
class Released(Event, frozen=True):
    """What was in use is free again: the thing is gone."""

    project_id: str
    subject: str
    amounts: dict[str, int]


@event("quota_reservation.refused")
class Refused(Event, frozen=True):
    """The ledger said no."""

    project_id: str
    subject: str
    amounts: dict[str, int]
    overs: list[Over]


def reservation_id(subject: UUID, purpose: str, at: Moment) -> UUID:
    """Of what is reserved for an operation on something; another one each time that it is asked
    for, since a refusal is recorded under the id of what it refused."""
    return uuid5(subject, f"{purpose}, {at.request_id} at {at.at.isoformat()}")


class QuotaReservation(Aggregate):
    """See the module."""

    kind: ClassVar[str] = "quota_reservation"
    lifecycle: ClassVar[Lifecycle] = QUOTA_RESERVATION
    snapshot_version: ClassVar[int] = 2

    project_id: str = ""
    subject: str = ""
    amounts: dict[str, int] = {}
    subject_kind: str = ""
    deadline: datetime | None = None
    """When it expires unless the log says what became of its operation; None: never."""

    @classmethod
    def reserve(
        cls,
        id: UUID,
        *,
        project_id: str,
        subject: UUID,
        amounts: dict[str, int],
        largest_gib: int,
        at: Moment,
    ) -> "QuotaReservation":
        """Asks for amounts on behalf of `subject`; the ledger may refuse it when it is stored."""
        reservation = cls(id=id)
        reservation.record(
            Reserved(
                project_id=project_id,
                subject=str(subject),
                amounts=amounts,
                largest_gib=largest_gib,
            ),
            at,
        )
        return reservation

    @classmethod
    def hold(
        cls,
        id: UUID,
        *,
        project_id: str,
        subject: UUID,
        subject_kind: str,
        amounts: dict[str, int],
        largest_gib: int,
        at: Moment,
        lifetime: timedelta = LIFETIME,
    ) -> "QuotaReservation":
        """As `reserve`, for an operation on a thing that is there and that a driver is asked for.

        Whatever ends the operation settles this in the same append; should that be forgotten, or
        the operation never be recorded, `settle` does it. Who begins it after this was stored must
        hold this to be unchanged in that append: it may have expired.
        """
        reservation = cls(id=id)
        reservation.record(
            Held(
                project_id=project_id,
                subject=str(subject),
                subject_kind=subject_kind,
                amounts=amounts,
                largest_gib=largest_gib,
                deadline=at.at + lifetime,
            ),
            at,
        )
        return reservation

    def refused(self, overs: Sequence[Over], at: Moment) -> "QuotaReservation":
        """What is recorded instead of this reservation when the ledger did not admit it."""
        refusal = QuotaReservation(id=self.id)
        refusal.record(
            Refused(
                project_id=self.project_id,
                subject=self.subject,
                amounts=self.amounts,
                overs=list(overs),
            ),
            at,
        )
        return refusal

    def commit(self, at: Moment, *, subject: UUID | None = None) -> None:
        """The thing exists: what was reserved is in use, by another `subject` if one is named."""
        committed = Committed(
            project_id=self.project_id,
            subject=self.subject if subject is None else str(subject),
            amounts=self.amounts,
        )
        self.record(committed, at)

    def keep(self, at: Moment) -> None:
        """The thing stays, whatever became of it: commits what is still open."""
        if self.state == "reserved":
            self.commit(at)

    def roll_back(self, at: Moment) -> None:
        """The thing does not come to be: what was reserved is free again."""
        self.record(self._settled_as(RolledBack), at)

    def settle(self, kept: bool, at: Moment) -> None:
        """Follows what the log says of its operation: `kept` if it pays for what is there.

        Otherwise it expires once its deadline has passed, and not before. Settling what is settled
        changes nothing.
        """
        if self.state != "reserved":
            return
        if kept:
            self.commit(at)
        elif self.deadline is not None and at.at >= self.deadline:
            self.record(self._settled_as(Expired), at)

    def give_back(self, at: Moment) -> "QuotaReservation":
        """Frees what it took, now that its subject is gone; returns what is to be stored.

        A reservation still open rolls back; a committed one stays as it is and is countered by a
        release, whose id follows from this one's, so that nothing is ever given back twice.
        Raises NotAllowed if it took nothing, or gave it back already.
        """
        if self.state != "committed":
            self.roll_back(at)
            return self
        release = QuotaReservation(id=uuid5(self.id, "release"))
        release.record(self._settled_as(Released), at)
        return release

    def _settled_as(self, outcome: type[RolledBack] | type[Expired] | type[Released]) -> Event:
        return outcome(project_id=self.project_id, subject=self.subject, amounts=self.amounts)

    def apply(self, event: Event, at: Moment) -> None:
        match event:
            case Held():
                self.project_id, self.subject = event.project_id, event.subject
                self.subject_kind, self.deadline = event.subject_kind, event.deadline
                self.amounts = event.amounts
            case Committed():
                self.subject = event.subject
            case Reserved() | Released() | Refused():
                self.project_id, self.subject = event.project_id, event.subject
                self.amounts = event.amounts
            case _:
                pass
