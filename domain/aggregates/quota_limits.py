"""Quota limits of their own: of a project, or of a quota class.

What a project has no limit for follows the quota class `default`, and what that has none for the
settings (lifecycles 2: the first hit wins). Other classes are kept, and limit nobody.
"""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID, uuid5

from domain.aggregate import Aggregate
from domain.codec import upcasts
from domain.event import Event, Moment, event
from domain.lifecycle import Lifecycle
from domain.machines.quota_limits import QUOTA_LIMITS

_NAMESPACE = UUID("8f5ba1c5-9d43-4b0a-8a3e-6c5f6a3f6f0b")


def quota_class(name: str) -> str:
    """A quota class as the subject of limits. No project's id has a slash in it."""
    return f"class/{name}"


DEFAULT_CLASS = quota_class("default")


def limits_id(subject: str) -> UUID:
    """Where a project's or a class's limits live: one aggregate each, found without an index."""
    return uuid5(_NAMESPACE, subject)


@event("quota_limits.changed", version=2)
class Changed(Event, frozen=True):
    """All own limits of the subject from now on (-1: unlimited), and which of them changed."""

    subject: str
    """Whose they are: a project's id, or `class/` and the name of a quota class."""
    limits: dict[str, int]
    changed: list[str]


@event("quota_limits.reset", version=2)
class Reset(Event, frozen=True):
    """The subject follows the defaults again."""

    subject: str
    """Whose they were, as in `quota_limits.changed`."""


@upcasts("quota_limits.changed", from_version=1)
@upcasts("quota_limits.reset", from_version=1)
def of_a_project(fields: dict[str, Any]) -> dict[str, Any]:
    """Only projects had limits."""
    others = {name: value for name, value in fields.items() if name != "project_id"}
    return {"subject": fields["project_id"], **others}


class QuotaLimits(Aggregate):
    """See the module."""

    kind: ClassVar[str] = "quota_limits"
    lifecycle: ClassVar[Lifecycle] = QUOTA_LIMITS
    snapshot_version: ClassVar[int] = 2

    subject: str = ""
    limits: dict[str, int] = {}

    def change(self, subject: str, limits: Mapping[str, int], at: Moment) -> None:
        """Sets some limits; the ledger refuses one that is below what is consumed already."""
        self.record(
            Changed(
                subject=subject,
                limits={**self.limits, **limits},
                changed=sorted(limits),
            ),
            at,
        )

    def reset(self, at: Moment) -> None:
        """Back to the defaults; nothing happens where the subject has no limits of its own."""
        if self.limits:
            self.record(Reset(subject=self.subject), at)

    def apply(self, event: Event, at: Moment) -> None:
        match event:
            case Changed():
                self.subject, self.limits = event.subject, event.limits
            case Reset():
                self.limits = {}
            case _:
                pass
