"""What depends on what: the ledger against the log."""

from collections.abc import Iterator, Mapping
from uuid import UUID

from domain.dependence import Dependents, Need, changes
from domain.event import Event, Recorded
from services.audit.report import Finding

Pair = tuple[UUID, UUID]
"""Two things, of which the second needs the first."""


class DependenceAudit:
    """The ledger as it is stored at one position, held against the log up to there."""

    def __init__(self, position: int, stored: Mapping[Pair, Need]) -> None:
        self.position = position
        self._stored = stored
        self._log = Dependents()

    def take(self, recorded: Recorded[Event]) -> None:
        """The next event of the log."""
        if recorded.position <= self.position:
            self._log.take(changes([recorded]))

    def compared(self) -> int:
        """How many pairs there are in either."""
        return len(self._stored.keys() | self._due().keys())

    def findings(self) -> Iterator[Finding]:
        """Where ledger and log differ."""
        due = self._due()
        for pair in sorted(self._stored.keys() | due.keys()):
            stored, wanted = self._stored.get(pair), due.get(pair)
            if stored != wanted:
                on, dependent = pair
                detail = (
                    f"{dependent} needs it {_words(stored)} by the ledger, {_words(wanted)} by"
                    " the log"
                )
                yield Finding(kind="dependence.differs", id=str(on), detail=detail)

    def _due(self) -> dict[Pair, Need]:
        return {
            (on, dependent): need
            for on, dependents in self._log.on.items()
            for dependent, need in dependents.items()
        }


def _words(need: Need | None) -> str:
    return f"as its {need}" if need else "for nothing"
