"""Unique names: which names of the catalogue are held, and by whom.

Like the quota ledger this is a projection that can say no: whoever stores events asks it in the
same transaction, so of two that want the same name at once exactly one gets it.
"""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec

from domain.aggregates import qos_specs, volume_type
from domain.errors import AlreadyExists, InvalidRequest
from domain.event import Event, Recorded

SCOPES = ("volume_type", "qos_specs")
"""The kinds of aggregates whose names are unique among themselves."""

NEVER_EMPTY = ("volume_type",)
"""Scopes whose last name cannot be freed (Cinder: the last volume type cannot be deleted)."""


class Name(msgspec.Struct, frozen=True, order=True):
    """A name among those of one kind of aggregate; upper and lower case differ."""

    scope: str
    name: str


def freed(event: Event) -> Name | None:
    """The name that an event gives up."""
    match event:
        case volume_type.Renamed():
            return Name(event.kind, event.formerly)
        case volume_type.Deleted() | qos_specs.Deleted():
            return Name(event.kind, event.name)
        case _:
            return None


def taken(event: Event) -> Name | None:
    """The name that an event wants."""
    match event:
        case volume_type.Created() | volume_type.Renamed() | qos_specs.Created():
            return Name(event.kind, event.name)
        case _:
            return None


class Names:
    """Who holds which name, complete for the scopes that are asked about."""

    def __init__(self, holders: Mapping[Name, UUID] = {}) -> None:
        self.holders = dict(holders)
        self.touched: set[Name] = set()

    def check(self, events: Sequence[Recorded[Event]]) -> None:
        """Changes nothing. Raises AlreadyExists for a name that is held, InvalidRequest for the
        last name of a scope that is never empty."""
        if not events:
            return
        trial = Names(self.holders)
        for recorded in events:
            wanted = taken(recorded.event)
            if wanted is not None and wanted in trial.holders:
                raise AlreadyExists(kind=wanted.scope, id=wanted.name)
            trial.settle([recorded])
        for scope in NEVER_EMPTY:
            if self._any(scope) and not trial._any(scope):
                raise InvalidRequest(
                    f"The only {scope.replace('_', ' ')} there is cannot be deleted."
                )

    def settle(self, events: Iterable[Recorded[Event]]) -> "Names":
        """Takes in events that happen: nothing is refused any more."""
        for recorded in events:
            old, new = freed(recorded.event), taken(recorded.event)
            if old is not None:
                self.holders.pop(old, None)
                self.touched.add(old)
            if new is not None:
                self.holders[new] = recorded.aggregate_id
                self.touched.add(new)
        return self

    def _any(self, scope: str) -> bool:
        return any(name.scope == scope for name in self.holders)
