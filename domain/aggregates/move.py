"""A move: taking a volume to another pool, or making it another type's where it is.

Its life is its own, so that hours of copying neither hold the volume's version against those who
change its name or metadata, nor depend on what happened to it before. What its end means for the
volume is recorded there, in the same append.
"""

from typing import ClassVar
from uuid import UUID

from domain.aggregate import Aggregate
from domain.errors import NotAllowed, Superseded
from domain.event import Event, Moment, event
from domain.lifecycle import Lifecycle
from domain.machines.move import MOVE
from domain.placement import Decision


@event("move.requested")
class Requested(Event, frozen=True):
    """A volume is to suit `volume_type_id`, or to be elsewhere. GiB.

    `only` is the one pool or backend that it may go to, if there is such a limit.
    """

    volume_id: str
    project_id: str
    size_gib: int
    from_host: str
    volume_type_id: str
    zones: list[str]
    only: str | None
    may_stay: bool
    host_copy: bool
    number: int


@event("move.placed")
class Placed(Event, frozen=True):
    """The pool for it was chosen; `decision` tells which were considered. GiB."""

    volume_id: str
    host: str
    from_host: str
    availability_zone: str
    size_gib: int
    decision: Decision
    number: int


@event("move.refused")
class Refused(Event, frozen=True):
    """No pool can take it; it stays as it is, where it is."""

    volume_id: str
    reason: str
    decision: Decision
    number: int


@event("move.started")
class Started(Event, frozen=True):
    """A worker of the target's backend claimed the work; a later attempt supersedes an earlier."""

    volume_id: str
    host: str
    from_host: str
    worker: str
    attempt: int


@event("move.declined")
class Declined(Event, frozen=True):
    """The backend cannot make it the new type's where it is; another pool is looked for."""

    volume_id: str
    host: str
    attempt: int
    reason: str


@event("move.copied")
class Copied(Event, frozen=True):
    """The target has all of it, and is being compared with the source."""

    volume_id: str
    host: str
    attempt: int


@event("move.finished")
class Finished(Event, frozen=True):
    """It is as it was wanted; the volume says so in the same append."""

    volume_id: str
    host: str
    attempt: int


@event("move.failed")
class Failed(Event, frozen=True):
    """It stays where it was. `promised_gib` is what the target had promised for it. GiB."""

    volume_id: str
    host: str | None
    reason: str
    promised_gib: int


class Move(Aggregate):
    """See the module."""

    kind: ClassVar[str] = "move"
    lifecycle: ClassVar[Lifecycle] = MOVE

    volume_id: str = ""
    project_id: str = ""
    size_gib: int = 0
    from_host: str = ""
    volume_type_id: str = ""
    zones: list[str] = []
    only: str | None = None
    may_stay: bool = False
    host_copy: bool = False
    number: int = 0
    host: str | None = None
    availability_zone: str = ""
    attempt: int = 0
    claimed: bool = False
    """Whether a worker of the chosen pool's backend was ever at it."""
    declined: str | None = None
    """Why it cannot become what it should where it is; None: nobody says so."""

    @classmethod
    def request(
        cls,
        id: UUID,
        *,
        volume_id: UUID,
        project_id: str,
        size_gib: int,
        from_host: str,
        volume_type_id: str,
        number: int,
        zones: list[str],
        only: str | None,
        may_stay: bool,
        host_copy: bool = False,
        at: Moment,
    ) -> "Move":
        """A move that a volume asks for in the same append. GiB.

        `number` counts the placements of the volume, of which this is the next. `host_copy` keeps
        the backend from doing better than to copy every block.
        """
        move = cls(id=id)
        move.record(
            Requested(
                volume_id=str(volume_id),
                project_id=project_id,
                size_gib=size_gib,
                from_host=from_host,
                volume_type_id=volume_type_id,
                zones=zones,
                only=only,
                may_stay=may_stay,
                host_copy=host_copy,
                number=number,
            ),
            at,
        )
        return move

    def place(self, decision: Decision, at: Moment) -> None:
        """Follows a placement decision: to the chosen pool, or to its end. Raises NotAllowed."""
        if decision.chosen is None:
            self.record(
                Refused(
                    volume_id=self.volume_id,
                    reason=decision.reason,
                    decision=decision,
                    number=self.number,
                ),
                at,
            )
            return
        self.record(
            Placed(
                volume_id=self.volume_id,
                host=decision.chosen.pool,
                from_host=self.from_host,
                availability_zone=decision.chosen.zone,
                size_gib=self.size_gib,
                decision=decision,
                number=self.number,
            ),
            at,
        )

    def start(self, worker: str, at: Moment, *, host: str) -> int:
        """Claims the work at `host`; the attempt's number, by which the outcome is told.

        Raises NotAllowed, also if it leads elsewhere by now.
        """
        if host != self.host:
            raise NotAllowed(kind=self.kind, id=str(self.id), state=self.state, event="started")
        attempt = self.attempt + 1
        self.record(
            Started(
                volume_id=self.volume_id,
                host=self.target,
                from_host=self.from_host,
                worker=worker,
                attempt=attempt,
            ),
            at,
        )
        return attempt

    def copied(self, attempt: int, at: Moment) -> None:
        """The target has all of it. Raises Superseded if the claim is no longer this attempt's."""
        self.check_claim(attempt)
        self.record(Copied(volume_id=self.volume_id, host=self.target, attempt=attempt), at)

    def finish(self, attempt: int, at: Moment) -> None:
        """It is there, and as it should be. Raises Superseded as `copied`."""
        self.check_claim(attempt)
        self.record(Finished(volume_id=self.volume_id, host=self.target, attempt=attempt), at)

    def fail(self, attempt: int, reason: str, at: Moment) -> None:
        """The backend could not; another pool is looked for if that may help. Raises Superseded."""
        self.check_claim(attempt)
        if self.elsewhere or self.only is not None:
            self.give_up(reason, at)
            return
        self.record(
            Declined(volume_id=self.volume_id, host=self.target, attempt=attempt, reason=reason), at
        )

    def give_up(self, reason: str, at: Moment) -> None:
        """Nobody is to go on with it, whoever may be at it. Raises NotAllowed if it has ended."""
        promised_gib = self.size_gib if self.elsewhere else 0
        self.record(
            Failed(
                volume_id=self.volume_id, host=self.host, reason=reason, promised_gib=promised_gib
            ),
            at,
        )

    @property
    def target(self) -> str:
        """The pool that was chosen. There must be one."""
        assert self.host is not None
        return self.host

    @property
    def elsewhere(self) -> bool:
        """Whether it was given another pool than its own."""
        return self.host is not None and self.host != self.from_host

    @property
    def left_something(self) -> bool:
        """Whether the target may hold something of it, should it end now."""
        return self.elsewhere and self.claimed

    def check_claim(self, attempt: int) -> None:
        """Raises Superseded unless this attempt is at work."""
        if attempt != self.attempt or self.state not in ("moving", "completing"):
            raise Superseded(kind=self.kind, id=str(self.id), attempt=attempt)

    def apply(self, event: Event, at: Moment) -> None:
        match event:
            case Requested():
                self.volume_id, self.project_id = event.volume_id, event.project_id
                self.size_gib, self.from_host = event.size_gib, event.from_host
                self.volume_type_id, self.zones = event.volume_type_id, event.zones
                self.only, self.may_stay = event.only, event.may_stay
                self.host_copy, self.number = event.host_copy, event.number
            case Placed():
                self.host, self.availability_zone = event.host, event.availability_zone
                self.claimed = False
            case Started():
                self.attempt, self.claimed = event.attempt, True
            case Declined():
                self.host, self.declined = None, event.reason
            case _:
                pass
