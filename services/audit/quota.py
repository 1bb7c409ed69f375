"""Quota: reservations against what exists, and the ledger against the log."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.aggregates.backup import Backup
from domain.aggregates.quota_reservation import QuotaReservation
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import Volume
from domain.event import Event
from domain.quota import GIGABYTES, VOLUMES, Ledger, Usage, of_backup, of_snapshot, of_type, settle
from services.audit.replay import Replay, at_rest
from services.audit.report import Finding

Held = dict[tuple[str, str], int]
"""Amounts by project and resource."""


def _volume_pays(volume: Volume) -> Held:
    if not volume.exists or volume.state == "deleted":
        return {}
    amounts = of_type({VOLUMES: 1, GIGABYTES: volume.size_gib}, volume.volume_type_id)
    return {(volume.project_id, resource): amount for resource, amount in amounts.items()}


def _backup_pays(backup: Backup) -> Held:
    if not backup.exists or backup.state == "deleted":
        return {}
    amounts = of_backup(backup.size_gib)
    return {(backup.project_id, resource): amount for resource, amount in amounts.items()}


def _snapshot_pays(snapshot: Snapshot) -> Held:
    if not snapshot.exists or snapshot.state == "deleted":
        return {}
    takes = of_snapshot(snapshot.size_gib, counts_gigabytes=snapshot.counts_gigabytes)
    amounts = of_type(takes, snapshot.volume_type_id)
    return {(snapshot.project_id, resource): amount for resource, amount in amounts.items()}


PAYS: Mapping[str, Callable[[Any], Held]] = {
    Volume.kind: _volume_pays,
    Backup.kind: _backup_pays,
    Snapshot.kind: _snapshot_pays,
}
"""What an aggregate that is paid for by its `reservations` has to hold of its project's quota."""


def reservations(replay: Replay, at: datetime) -> Iterator[Finding]:
    """Every reservation holds what its subject needs, and none stays open behind it."""
    held: dict[UUID, list[QuotaReservation]] = defaultdict(list)
    for aggregate in replay.of_kind(QuotaReservation.kind):
        assert isinstance(aggregate, QuotaReservation)
        held[UUID(aggregate.subject)].append(aggregate)
    payers = {id: each for id, each in replay.aggregates.items() if each.kind in PAYS}
    for id in sorted(held.keys() | payers.keys()):
        if id not in replay.damaged:
            yield from _amounts(id, payers.get(id), held.get(id, []))
            yield from _left_open(id, payers.get(id), held.get(id, []), at)


def _amounts(id: UUID, subject: Any, taken: list[QuotaReservation]) -> Iterator[Finding]:
    due = PAYS[subject.kind](subject) if subject else {}
    holds = _sum(taken, subject)
    for project_id, resource in sorted(due.keys() | holds.keys()):
        held, needed = (each.get((project_id, resource), 0) for each in (holds, due))
        if held != needed:
            yield Finding(
                kind="quota.held",
                id=str(id),
                detail=f"{_name(id, subject)}: reservations hold {held} {resource},"
                f" not {needed}, of project {project_id}",
            )


def _left_open(
    id: UUID, subject: Any, taken: list[QuotaReservation], at: datetime
) -> Iterator[Finding]:
    for reservation in taken:
        overdue = reservation.deadline is None or reservation.deadline <= at
        if reservation.state == "reserved" and overdue and (subject is None or at_rest(subject)):
            yield Finding(
                kind="quota.open",
                id=str(reservation.id),
                detail=f"still reserved for {_name(id, subject)}",
            )


def _sum(taken: list[QuotaReservation], subject: Any) -> Held:
    """What reservations and releases together hold, in use or reserved for what is there.

    What is reserved for an operation is no part of that before the operation has succeeded.
    """
    signs = {"committed": 1, "released": -1}
    total: Held = defaultdict(int)
    for reservation in taken:
        sign = signs.get(reservation.state, 0)
        if reservation.state == "reserved":
            id, alone = str(reservation.id), reservation.deadline is None
            sign = int(id in subject.reservations if subject else alone)
        for resource, amount in reservation.amounts.items():
            total[reservation.project_id, resource] += sign * amount
    return total


def _name(id: UUID, subject: Any) -> str:
    return (
        f"{subject.kind} {id}, {subject.state}" if subject else f"{id}, of which nothing is known"
    )


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
