"""A project's own quota limits, where they differ from the defaults."""

from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID, uuid5

from domain.aggregate import Aggregate
from domain.event import Event, Moment, event
from domain.lifecycle import Lifecycle
from domain.machines.quota_limits import QUOTA_LIMITS

_NAMESPACE = UUID("8f5ba1c5-9d43-4b0a-8a3e-6c5f6a3f6f0b")


def limits_id(project_id: str) -> UUID:
    """Where a project's limits live: one aggregate per project, found without an index."""
    return uuid5(_NAMESPACE, project_id)


@event("quota_limits.changed")
class Changed(Event, frozen=True):
    """All own limits of the project from now on (-1: unlimited), and which of them changed."""

    project_id: str
    limits: dict[str, int]
    changed: list[str]


@event("quota_limits.reset")
class Reset(Event, frozen=True):
    """The project follows the defaults again."""

    project_id: str


class QuotaLimits(Aggregate):
    """See the module."""

    kind: ClassVar[str] = "quota_limits"
    lifecycle: ClassVar[Lifecycle] = QUOTA_LIMITS

    project_id: str = ""
    limits: dict[str, int] = {}

    def change(self, project_id: str, limits: Mapping[str, int], at: Moment) -> None:
        """Sets some limits; the ledger refuses one that is below what is consumed already."""
        self.record(
            Changed(
                project_id=project_id,
                limits={**self.limits, **limits},
                changed=sorted(limits),
            ),
            at,
        )

    def reset(self, at: Moment) -> None:
        """Back to the defaults; nothing happens where the project has no limits of its own."""
        if self.limits:
            self.record(Reset(project_id=self.project_id), at)

    def apply(self, event: Event, at: Moment) -> None:
        match event:
            case Changed():
                self.project_id, self.limits = event.project_id, event.limits
            case Reset():
                self.limits = {}
            case _:
                pass
