"""A volume type: a named promise of the catalogue that volumes are made to."""

from typing import ClassVar
from uuid import UUID

from domain.aggregate import Aggregate
from domain.event import Event, Moment, event
from domain.lifecycle import Lifecycle
from domain.machines.volume_type import VOLUME_TYPE


@event("volume_type.created")
class Created(Event, frozen=True):
    """An administrator, or the first start, added a type."""

    name: str
    description: str | None
    is_public: bool
    extra_specs: dict[str, str]


class VolumeType(Aggregate):
    """See the module."""

    kind: ClassVar[str] = "volume_type"
    lifecycle: ClassVar[Lifecycle] = VOLUME_TYPE

    name: str = ""
    is_public: bool = True
    extra_specs: dict[str, str] = {}

    @classmethod
    def create(
        cls,
        id: UUID,
        *,
        name: str,
        description: str | None,
        is_public: bool,
        extra_specs: dict[str, str],
        at: Moment,
    ) -> "VolumeType":
        """A new type."""
        volume_type = cls(id=id)
        volume_type.record(
            Created(
                name=name, description=description, is_public=is_public, extra_specs=extra_specs
            ),
            at,
        )
        return volume_type

    def apply(self, event: Event, at: Moment) -> None:
        match event:
            case Created():
                self.name, self.is_public = event.name, event.is_public
                self.extra_specs = event.extra_specs
            case _:
                pass
