"""The catalogue: unique names against the log, and what belongs together on both sides."""

from collections.abc import Iterator, Mapping
from uuid import UUID

from domain.aggregates.closures import Closure, Closures
from domain.aggregates.default_type import DefaultType
from domain.aggregates.qos_specs import QosSpecs
from domain.aggregates.service import VOLUME_SERVICE, Service
from domain.aggregates.volume import Volume
from domain.aggregates.volume_type import VolumeType
from domain.event import Event, Recorded
from domain.names import Name, Names
from services.audit.replay import Replay
from services.audit.report import Finding


class NameAudit:
    """The names as they are stored at one position, held against the log up to there."""

    def __init__(self, position: int, holders: Mapping[Name, UUID]) -> None:
        self.position = position
        self._stored = holders
        self._log = Names()

    def take(self, recorded: Recorded[Event]) -> None:
        """The next event of the log."""
        if recorded.position <= self.position:
            self._log.settle([recorded])

    def compared(self) -> int:
        """How many names there are in either."""
        return len(self._stored.keys() | self._log.holders.keys())

    def findings(self) -> Iterator[Finding]:
        """Where the two differ."""
        for name in sorted(self._stored.keys() | self._log.holders.keys()):
            stored, due = self._stored.get(name), self._log.holders.get(name)
            if stored != due:
                yield Finding(
                    kind="names.held",
                    id=f"{name.scope}/{name.name}",
                    detail=f"held by {stored or 'nobody'}, by the log {due or 'nobody'}",
                )


def ties(replay: Replay) -> Iterator[Finding]:
    """Whatever belongs to a volume type belongs to one that exists and says the same."""
    alive = {str(each.id): each for each in _types(replay)}
    said = {
        (type_id, "qos_specs", str(qos.id)) for qos in _qos(replay) for type_id in qos.volume_types
    }
    said |= {
        (each.volume_type_id, "default", each.project_id)
        for each in _defaults(replay)
        if each.volume_type_id is not None
    }
    known = {
        (id, "qos_specs", each.qos_specs_id)
        for id, each in alive.items()
        if each.qos_specs_id is not None
    }
    known |= {(id, "default", p) for id, each in alive.items() for p in each.default_of}
    for type_id, what, other in sorted(said ^ known, key=str):
        only = "the type does not say so" if (type_id, what, other) in said else "only it says so"
        detail = f"tied as {what} to {other}, but {only}"
        yield Finding(kind="catalogue.tie", id=type_id, detail=detail)
    damaged = {str(id) for id in replay.damaged}
    for volume in replay.of_kind(Volume.kind):
        assert isinstance(volume, Volume)
        gone = volume.volume_type_id not in alive and volume.volume_type_id not in damaged
        if volume.state != "deleted" and gone:
            detail = f"is of volume type {volume.volume_type_id}, which does not exist"
            yield Finding(kind="catalogue.tie", id=str(volume.id), detail=detail)


def closures(replay: Replay) -> Iterator[Finding]:
    """What volume services say of themselves is what the list of closed backends says of them."""
    said, listed = {}, {}
    for each in replay.aggregates.values():
        if each.id in replay.damaged:
            continue
        if isinstance(each, Service) and each.binary == VOLUME_SERVICE and each.closure:
            said[each.host] = each.closure
        elif isinstance(each, Closures):
            listed = each.closed
    for host in sorted(said.keys() | listed.keys()):
        own, other = said.get(host), listed.get(host)
        if own != other:
            detail = f"is {_closed(own)}, by the list of closed backends {_closed(other)}"
            yield Finding(kind="closures.differ", id=host, detail=detail)


def _closed(closure: Closure | None) -> str:
    return closure.why if closure else "open"


def _types(replay: Replay) -> Iterator[VolumeType]:
    for each in replay.of_kind(VolumeType.kind):
        if isinstance(each, VolumeType) and each.state == "available":
            yield each


def _qos(replay: Replay) -> Iterator[QosSpecs]:
    for each in replay.of_kind(QosSpecs.kind):
        if isinstance(each, QosSpecs) and each.state == "available":
            yield each


def _defaults(replay: Replay) -> Iterator[DefaultType]:
    for each in replay.of_kind(DefaultType.kind):
        if isinstance(each, DefaultType):
            yield each
