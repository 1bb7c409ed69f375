"""Replaying the whole log, and whether it keeps its own rules."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from domain.aggregate import Aggregate
from domain.aggregates import AGGREGATES
from domain.event import Event, Recorded
from services.audit.report import Finding
from services.audit.stored import Entry


class Replay:
    """Every aggregate as the log tells it, fed with one entry after the other.

    It goes on after a finding, with what the event says, as replay does everywhere. An aggregate
    of which something could not be read is `damaged`: what is known of it may be wrong.
    """

    def __init__(self) -> None:
        self.position = 0
        self.events = 0
        self.aggregates: dict[UUID, Aggregate] = {}
        self.since: dict[UUID, datetime] = {}
        """Since when each has been in its state."""
        self.damaged: set[UUID] = set()
        self.findings: list[Finding] = []
        self._versions: dict[UUID, int] = {}

    def take(self, entry: Entry) -> None:
        """The next entry of the log."""
        if entry.position != self.position + 1:
            self._find("log.position", str(entry.position), f"follows {self.position} in the log")
        self.position = entry.position
        self.events += 1
        self._check_version(entry)
        if entry.recorded is None:
            self.damaged.add(entry.aggregate_id)
            self._find(
                "log.undecodable",
                f"{entry.aggregate_id}:{entry.version}",
                f"{entry.topic} at position {entry.position}: {entry.problem}",
            )
        else:
            self._check_cause(entry.recorded)
            self._evolve(entry.recorded)

    def counts(self) -> dict[str, int]:
        """How many aggregates there are of each kind."""
        return dict(sorted(Counter(each.kind for each in self.aggregates.values()).items()))

    def of_kind(self, kind: str) -> Iterator[Aggregate]:
        """The aggregates of a kind of which everything could be read."""
        return (
            each
            for each in self.aggregates.values()
            if each.kind == kind and each.id not in self.damaged
        )

    def restless(self) -> Iterator[Aggregate]:
        """What still has work under way or owed to it."""
        return (each for each in self.aggregates.values() if not at_rest(each))

    def _check_version(self, entry: Entry) -> None:
        before = self._versions.get(entry.aggregate_id, 0)
        if entry.version != before + 1:
            self.damaged.add(entry.aggregate_id)
            self._find(
                "log.version",
                f"{entry.aggregate_id}:{entry.version}",
                f"{entry.topic} at position {entry.position} follows version {before}",
            )
        self._versions[entry.aggregate_id] = entry.version

    def _check_cause(self, recorded: Recorded[Event]) -> None:
        cause = recorded.moment.cause
        if cause is None:
            return
        aggregate_id, _, version = cause.rpartition(":")
        try:
            known = int(version) <= self._versions.get(UUID(aggregate_id), 0)
        except ValueError:
            known = False
        if not known or cause == recorded.id:
            self._find(
                "log.cause",
                recorded.id,
                f"{recorded.event.type_name} at position {recorded.position} is said to follow"
                f" from {cause}, which does not come before it",
            )

    def _evolve(self, recorded: Recorded[Event]) -> None:
        event, id = recorded.event, recorded.aggregate_id
        aggregate = self.aggregates.get(id) or AGGREGATES[event.kind](id=id)
        before = aggregate.state
        # an undecodable event before this one may have led to another state
        legal = event.kind == aggregate.kind and aggregate.lifecycle.next(event.verb, before)
        if not legal and id not in self.damaged:
            self._find(
                "log.transition",
                recorded.id,
                f"{event.type_name} at position {recorded.position} is not allowed"
                f" for a {aggregate.kind} that is {before}",
            )
        aggregate.version = recorded.version - 1
        aggregate.replay(recorded)
        self.aggregates[id] = aggregate
        if aggregate.state != before:
            self.since[id] = recorded.moment.at

    def _find(self, kind: str, id: str, detail: str) -> None:
        self.findings.append(Finding(kind=kind, id=id, detail=detail))


def at_rest(aggregate: Aggregate) -> bool:
    """Whether no work is under way or owed: as the aggregate says, else by its lifecycle."""
    said: bool | None = getattr(aggregate, "at_rest", None)
    if said is not None:
        return said
    return not aggregate.lifecycle.final or aggregate.state in aggregate.lifecycle.final
