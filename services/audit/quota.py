"""Quota: reservations against what exists, and the ledger against the log."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from uuid import UUID

from domain.aggregate import Aggregate
from domain.aggregates.quota_reservation import QuotaReservation
from domain.aggregates.volume import Volume
from domain.event import Event
from domain.quota import GIGABYTES, VOLUMES, Ledger, Usage, of_type, settle
from services.audit.replay import Replay, at_rest
from services.audit.report import Finding

Amounts = dict[str, int]


def _volume_pays(volume: Aggregate) -> Amounts:
    assert isinstance(volume, Volume)
    if not volume.exists or volume.state == "deleted":
        return {}
    return of_type({VOLUMES: 1, GIGABYTES: volume.size_gib}, volume.volume_type_id)


PAYS: Mapping[str, Callable[[Aggregate], Amounts]] = {"volume": _volume_pays}
"""What an aggregate that is paid for by reservations has to hold of its project's quota."""


def reservations(replay: Replay) -> Iterator[Finding]:
    """Every reservation holds what its subject needs, and none stays open behind it."""
    held: dict[UUID, list[QuotaReservation]] = defaultdict(list)
    for aggregate in replay.of_kind(QuotaReservation.kind):
        assert isinstance(aggregate, QuotaReservation)
        held[UUID(aggregate.subject)].append(aggregate)
    payers = {id: each for id, each in replay.aggregates.items() if each.kind in PAYS}
    for id in sorted(held.keys() | payers.keys()):
        if id not in replay.damaged:
            yield from _of_subject(id, payers.get(id), held.get(id, []))


def _of_subject(
    id: UUID, subject: Aggregate | None, taken: list[QuotaReservation]
) -> Iterator[Finding]:
    name = (
        f"{subject.kind} {id}, {subject.state}" if subject else f"{id}, of which nothing is known"
    )
    due = PAYS[subject.kind](subject) if subject else {}
    holds = _sum(taken)
    for resource in sorted(due.keys() | holds.keys()):
        if due.get(resource, 0) != holds.get(resource, 0):
            yield Finding(
                kind="quota.held",
                id=str(id),
                detail=f"{name}: reservations hold {holds.get(resource, 0)} {resource},"
                f" not {due.get(resource, 0)}",
            )
    if subject is None or at_rest(subject):
        for reservation in taken:
            if reservation.state == "reserved":
                yield Finding(
                    kind="quota.open",
                    id=str(reservation.id),
                    detail=f"still reserved for {name}",
                )


def _sum(taken: list[QuotaReservation]) -> Amounts:
    """What reservations and releases together hold, reserved or in use."""
    signs = {"reserved": 1, "committed": 1, "released": -1}
    total: dict[str, int] = defaultdict(int)
    for reservation in taken:
        for resource, amount in reservation.amounts.items():
            total[resource] += signs.get(reservation.state, 0) * amount
    return total


class LedgerAudit:
    """The ledger as it is stored at one position, held against the log up to there."""

    def __init__(
        self,
        position: int,
        usage: Mapping[tuple[str, str], Usage],
        limits: Mapping[str, Mapping[str, int]],
    ) -> None:
        self.position = position
        self._usage, self._limits = usage, limits
        self._log = Ledger(defaults={})

    def take(self, position: int, event: Event) -> None:
        """The next event of the log."""
        if position <= self.position:
            settle(self._log, [event])

    def compared(self) -> int:
        """How many rows there are in either."""
        return len(self._usage.keys() | self._log.usage.keys())

    def findings(self) -> Iterator[Finding]:
        """Where the two differ."""
        nothing = Usage()
        for key in sorted(self._usage.keys() | self._log.usage.keys()):
            stored, due = self._usage.get(key, nothing), self._log.usage.get(key, nothing)
            if stored != due:
                project, resource = key
                yield Finding(
                    kind="quota.usage",
                    id=f"{project}/{resource}",
                    detail=f"the ledger says {_words(stored)}, the log {_words(due)}",
                )
        for project in sorted(self._limits.keys() | self._log.limits.keys()):
            stored_limits = dict(self._limits.get(project, {}))
            due_limits = dict(self._log.limits.get(project, {}))
            if stored_limits != due_limits:
                yield Finding(
                    kind="quota.limits",
                    id=project,
                    detail=f"stored are {stored_limits}, the log says {due_limits}",
                )


def _words(usage: Usage) -> str:
    return f"{usage.in_use} in use and {usage.reserved} reserved"
