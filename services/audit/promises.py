"""Pools: what is promised on each, against the log; and that placement kept its own rules."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from uuid import UUID

from domain.aggregates import closures, volume
from domain.errors import OverCommitted
from domain.event import Event, Recorded
from domain.placement import Promise
from domain.promises import PoolLedger, changes
from services.audit.report import Finding


class PromiseAudit:
    """The pools' ledger as it is stored at one position, held against the log up to there."""

    def __init__(self, position: int, promised: Mapping[str, Promise]) -> None:
        self.position = position
        self._stored = promised
        self._log = PoolLedger()
        self._tried: dict[UUID, set[str]] = defaultdict(set)
        self._closed: Mapping[str, closures.Closure] = {}
        self._findings: list[Finding] = []

    def take(self, recorded: Recorded[Event]) -> None:
        """The next event of the log."""
        if recorded.position > self.position:
            return
        self._check_attempt(recorded)
        self._check_closed(recorded)
        changed = changes([recorded.event])
        try:
            self._log.check(changed)
        except OverCommitted as over:
            detail = (
                f"{recorded.event.type_name} at position {recorded.position} promises {over.asked}"
                f" GiB on top of {over.promised} GiB, where {over.ceiling:g} GiB may be promised"
            )
            self._findings.append(Finding(kind="pool.overcommitted", id=over.pool, detail=detail))
        self._log.take(changed)

    def compared(self) -> int:
        """How many pools there are in either."""
        return len(self._stored.keys() | self._log.promised.keys())

    def findings(self) -> Iterator[Finding]:
        """Where ledger and log differ, and what placement should not have done."""
        yield from self._findings
        for pool in sorted(self._stored.keys() | self._log.promised.keys()):
            stored, due = self._stored.get(pool, Promise()), self._log.of(pool)
            if stored != due:
                detail = f"the ledger says {_words(stored)}, the log {_words(due)}"
                yield Finding(kind="pool.promised", id=pool, detail=detail)

    def _check_attempt(self, recorded: Recorded[Event]) -> None:
        event, id, tried = recorded.event, recorded.aggregate_id, self._tried
        if isinstance(event, volume.Rescheduled):
            tried[id].add(event.backend or "")
        elif isinstance(event, volume.Placed) and event.backend in tried.get(id, ()):
            detail = f"was placed on {event.host}, whose backend had failed to make it"
            self._findings.append(Finding(kind="placement.repeated", id=str(id), detail=detail))

    def _check_closed(self, recorded: Recorded[Event]) -> None:
        event = recorded.event
        match event:
            case closures.Changed():
                self._closed = event.closed
            case closures.Lifted():
                self._closed = {}
            case volume.Placed() if closure := self._closed.get(event.backend or ""):
                detail = f"was placed on {event.host}, whose backend was {closure.why}"
                id = str(recorded.aggregate_id)
                self._findings.append(Finding(kind="placement.closed", id=id, detail=detail))


def _words(promise: Promise) -> str:
    return f"{promise.gib} GiB in {promise.volumes} volumes"
