"""QoS specs: named promises about speed, which volume types may be associated with."""

from collections.abc import Mapping, Set
from typing import ClassVar
from uuid import UUID

from domain.aggregate import Aggregate
from domain.errors import InUse, NotFound
from domain.event import Event, Moment, event
from domain.lifecycle import Lifecycle
from domain.machines.qos_specs import QOS_SPECS
from domain.specs import checked_specs


@event("qos_specs.created")
class Created(Event, frozen=True):
    """An administrator added them; the consumer enforces them (front-end, back-end, both)."""

    name: str
    consumer: str
    specs: dict[str, str]


@event("qos_specs.changed")
class Changed(Event, frozen=True):
    """Consumer and all keys from now on."""

    consumer: str
    specs: dict[str, str]


@event("qos_specs.associated")
class Associated(Event, frozen=True):
    """A volume type has them from now on, and says so in the same append."""

    volume_type_id: str


@event("qos_specs.disassociated")
class Disassociated(Event, frozen=True):
    """A volume type does not have them any more."""

    volume_type_id: str


@event("qos_specs.deleted")
class Deleted(Event, frozen=True):
    """They are gone, and their name is free."""

    name: str


class QosSpecs(Aggregate):
    """See the module. Names are unique; the store sees to that when events are stored."""

    kind: ClassVar[str] = "qos_specs"
    lifecycle: ClassVar[Lifecycle] = QOS_SPECS

    name: str = ""
    consumer: str = ""
    specs: dict[str, str] = {}
    volume_types: tuple[str, ...] = ()
    """The ids of the types that have them."""

    @classmethod
    def create(
        cls, id: UUID, *, name: str, consumer: str, specs: Mapping[str, str], at: Moment
    ) -> "QosSpecs":
        """New ones. Raises InvalidRequest for keys or values that break the rules."""
        qos = cls(id=id)
        qos.record(Created(name=name, consumer=consumer, specs=checked_specs(specs)), at)
        return qos

    def change(self, specs: Mapping[str, str], at: Moment, *, consumer: str | None = None) -> None:
        """Merges keys into those there are; None leaves the consumer. The same records nothing."""
        merged = checked_specs({**self.specs, **specs})
        enforced_by = self.consumer if consumer is None else consumer
        if (enforced_by, merged) != (self.consumer, self.specs):
            self.record(Changed(consumer=enforced_by, specs=merged), at)

    def remove_keys(self, keys: Set[str], at: Moment) -> None:
        """Raises NotFound if one of them is not there."""
        for key in sorted(keys):
            if key not in self.specs:
                raise NotFound(kind="qos_specs_key", id=f"{key} of {self.id}")
        if keys:
            left = {key: value for key, value in self.specs.items() if key not in keys}
            self.record(Changed(consumer=self.consumer, specs=left), at)

    def associate(self, volume_type_id: UUID, at: Moment) -> None:
        """The type must record it in the same append."""
        self.record(Associated(volume_type_id=str(volume_type_id)), at)

    def disassociate(self, volume_type_id: UUID, at: Moment) -> None:
        """See `associate`."""
        self.record(Disassociated(volume_type_id=str(volume_type_id)), at)

    def delete(self, at: Moment) -> None:
        """Raises InUse while a type has them."""
        if self.volume_types:
            raise InUse(kind=self.kind, id=str(self.id), by=f"volume type {self.volume_types[0]}")
        self.record(Deleted(name=self.name), at)

    def existing(self) -> "QosSpecs":
        """Itself. Raises NotFound if they are gone, or never were."""
        if self.state != "available":
            raise NotFound(kind=self.kind, id=str(self.id))
        return self

    @property
    def at_rest(self) -> bool:
        """Nothing is ever owed to them."""
        return True

    def apply(self, event: Event, at: Moment) -> None:
        match event:
            case Created():
                self.name, self.consumer, self.specs = event.name, event.consumer, event.specs
            case Changed():
                self.consumer, self.specs = event.consumer, event.specs
            case Associated():
                self.volume_types = (*self.volume_types, event.volume_type_id)
            case Disassociated():
                gone = event.volume_type_id
                self.volume_types = tuple(id for id in self.volume_types if id != gone)
            case _:
                pass
