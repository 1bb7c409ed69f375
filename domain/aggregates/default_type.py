"""A project's own default volume type: what its volumes are of when they name none."""

from typing import ClassVar
from uuid import UUID, uuid5

from domain.aggregate import Aggregate
from domain.event import Event, Moment, event
from domain.lifecycle import Lifecycle
from domain.machines.default_type import DEFAULT_TYPE

_NAMESPACE = UUID("6f1d3c9a-52b8-4a0e-9d47-0b6e8c2f7a35")


def default_id(project_id: str) -> UUID:
    """Where a project's default lives: one aggregate per project, found without an index."""
    return uuid5(_NAMESPACE, project_id)


@event("default_type.chosen")
class Chosen(Event, frozen=True):
    """The project's default from now on; the type says so in the same append."""

    project_id: str
    volume_type_id: str


@event("default_type.unset")
class Unset(Event, frozen=True):
    """The project follows the deployment's default again."""

    project_id: str
    volume_type_id: str


class DefaultType(Aggregate):
    """See the module."""

    kind: ClassVar[str] = "default_type"
    lifecycle: ClassVar[Lifecycle] = DEFAULT_TYPE

    project_id: str = ""
    volume_type_id: str | None = None

    def choose(self, project_id: str, volume_type_id: UUID, at: Moment) -> None:
        """The same again records nothing."""
        if str(volume_type_id) != self.volume_type_id:
            self.record(Chosen(project_id=project_id, volume_type_id=str(volume_type_id)), at)

    def unset(self, at: Moment) -> None:
        """Raises NotAllowed where the project has no default of its own."""
        self.record(Unset(project_id=self.project_id, volume_type_id=self.volume_type_id or ""), at)

    def apply(self, event: Event, at: Moment) -> None:
        match event:
            case Chosen():
                self.project_id, self.volume_type_id = event.project_id, event.volume_type_id
            case Unset():
                self.volume_type_id = None
            case _:
                pass
