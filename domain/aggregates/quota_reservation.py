"""A quota reservation: what a thing takes from its project's quota, until that is settled."""

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID, uuid5

from domain.aggregate import Aggregate
from domain.errors import Over
from domain.event import Event, Moment, event
from domain.lifecycle import Lifecycle
from domain.machines.quota_reservation import QUOTA_RESERVATION


@event("quota_reservation.reserved")
class Reserved(Event, frozen=True):
    """Amounts by resource (GiB or numbers) are held for `subject` until that is settled."""

    project_id: str
    subject: str
    amounts: dict[str, int]
    largest_gib: int


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


class QuotaReservation(Aggregate):
    """See the module."""

    kind: ClassVar[str] = "quota_reservation"
    lifecycle: ClassVar[Lifecycle] = QUOTA_RESERVATION

    project_id: str = ""
    subject: str = ""
    amounts: dict[str, int] = {}

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

    def commit(self, at: Moment) -> None:
        """The thing exists: what was reserved is in use."""
        self.record(self._settled_as(Committed), at)

    def keep(self, at: Moment) -> None:
        """The thing stays, whatever became of it: commits what is still open."""
        if self.state == "reserved":
            self.commit(at)

    def roll_back(self, at: Moment) -> None:
        """The thing does not come to be: what was reserved is free again."""
        self.record(self._settled_as(RolledBack), at)

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

    def _settled_as(self, outcome: type[Committed] | type[RolledBack] | type[Released]) -> Event:
        return outcome(project_id=self.project_id, subject=self.subject, amounts=self.amounts)

    def apply(self, event: Event, at: Moment) -> None:
        match event:
            case Reserved() | Released() | Refused():
                self.project_id, self.subject = event.project_id, event.subject
                self.amounts = event.amounts
            case _:
                pass
