"""What must hold at every instant of a run: each event, and each thing that a backend does."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from adapters.drivers.contract import Source
from adapters.drivers.memory import MemoryBackend
from adapters.drivers.memory_pool import MemoryPool, Stored
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import Volume
from domain.event import Event, Recorded
from services.audit.objects import MUST
from services.audit.replay import Replay
from services.audit.stored import Entry

if TYPE_CHECKING:
    from tests.simulation.world import World


class Watch:
    """Follows the log as it grows, and what happens on backends meanwhile."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.replay = Replay()
        self.contents: dict[UUID, bytes] = {}
        """What each volume held when it was made, or restored last."""
        self.held: set[bytes] = set()
        """What any of them ever held: its snapshots and backups may hold it still."""
        self.images: dict[str, bytes] = {}
        """What images hold that somebody chose: they may be gone when it comes."""

    def appended(self, position: int) -> None:
        """The log ends here now."""
        world = self._world
        world.history.ends.append(position)
        for recorded in world.store._log[self.replay.position : position]:
            event = recorded.event
            world.tell(f"{recorded.position} {event.type_name} {_short(recorded)}")
            found = len(self.replay.findings)
            self.replay.take(
                Entry(
                    position=recorded.position,
                    aggregate_id=recorded.aggregate_id,
                    version=recorded.version,
                    topic=event.topic,
                    recorded=recorded,
                )
            )
            for finding in self.replay.findings[found:]:
                world.violated(f"{finding.kind}: {finding.id} {finding.detail}")
            if event.type_name in _MUST_HOLD:
                _MUST_HOLD[event.type_name](self, recorded)

    def happened(self, what: str, where: str, spec: Source) -> None:
        """On a backend."""
        self._world.tell(f"  {spec.object_name} is {what} on {where}")
        id = UUID(spec.object_name.partition("-")[2])
        volume = self.replay.aggregates.get(id)
        if (
            what in ("gone", "half gone")
            and isinstance(volume, Volume)
            and volume.state in MUST
            and volume.host == where
        ):
            self._world.violated(f"{spec.object_name} is deleted on {where}, and {volume.state}")

    def _provisioned(self, recorded: Recorded[Event]) -> None:
        """It has an image, or gets content of its own; of either it must never lose anything."""
        volume, pool = self._object_of(recorded)
        found = pool.volumes.get(f"volume-{volume.id}")
        if found is None or not found.whole or found.size_gib != volume.size_gib:
            self._world.violated(f"volume {volume.id} is available, and its backend has {found}")
            return
        if volume.image is not None:
            due = self.images[volume.image.id]
            if bytes_in(found) != due.rstrip(b"\0"):
                self._world.violated(f"volume {volume.id} does not hold image {volume.image.id}")
        elif not found.content:
            found.content = {0: volume.id.bytes}
        elif bytes_in(found) not in self.held:
            self._world.violated(f"volume {volume.id} was made, and holds {bytes_in(found)[:32]!r}")
        self._holds(volume, bytes_in(found))

    def _uploaded(self, recorded: Recorded[Event]) -> None:
        """The image holds what the volume does."""
        image_id = recorded.event.image_id  # type: ignore[attr-defined]
        due = self.contents.get(recorded.aggregate_id)
        if self._world.images.contents[image_id].rstrip(b"\0") != due:
            self._world.violated(f"image {image_id} is not volume {recorded.aggregate_id}")

    def _restored(self, recorded: Recorded[Event]) -> None:
        """It holds what one of the volumes ever held, and must not lose that."""
        volume, pool = self._object_of(recorded)
        found = pool.volumes.get(f"volume-{volume.id}")
        held = bytes_in(found) if found else b""
        if held not in self.held:
            self._world.violated(f"volume {volume.id} was restored, and holds {held[:32]!r}…")
        self._holds(volume, held)

    def _holds(self, volume: Volume, content: bytes) -> None:
        self.contents[volume.id] = content
        self.held.add(content)

    def _whole(self, recorded: Recorded[Event]) -> None:
        volume, pool = self._object_of(recorded)
        found = pool.volumes.get(f"volume-{volume.id}")
        fine = found and found.whole and found.size_gib >= volume.size_gib
        if not fine or (found and bytes_in(found) != self.contents.get(volume.id)):
            self._world.violated(
                f"{recorded.event.type_name} of volume {volume.id}, {volume.size_gib} GiB on"
                f" {volume.host}, which holds {bytes_in(found)[:32] if found else None!r}…"
            )

    def _going(self, recorded: Recorded[Event]) -> None:
        """Of what is to go no snapshot is there, and nothing is being made from it."""
        id = str(recorded.aggregate_id)
        for each in self.replay.aggregates.values():
            taken = isinstance(each, Snapshot) and each.volume_id == id and each.state != "deleted"
            copied = isinstance(each, Volume) and each.holds_source and _made_from(each) == id
            if taken or copied:
                self._world.violated(f"{recorded.event.type_name} of {id}, which {each.id} needs")

    def _object_of(self, recorded: Recorded[Event]) -> tuple[Volume, MemoryPool]:
        volume = self.replay.aggregates[recorded.aggregate_id]
        assert isinstance(volume, Volume) and volume.host is not None
        return volume, pool_of(self._world.backends, volume.host)


def bytes_in(stored: Stored) -> bytes:
    """What it holds, however that came to it in pieces, up to the last that is not zero."""
    held = bytearray()
    for offset, data in sorted(stored.content.items()):
        if content := data.rstrip(b"\0"):
            held += bytes(offset - len(held)) + content
    return bytes(held)


def pool_of(backends: Mapping[str, MemoryBackend], host: str) -> MemoryPool:
    """The pool that is called `host@backend#pool`."""
    backend, _, pool = host.partition("#")
    return backends[backend.partition("@")[2]].pools[pool]


def _made_from(volume: Volume) -> str | None:
    return None if volume.source is None else volume.source.id


_MUST_HOLD: Mapping[str, Callable[[Watch, Recorded[Event]], None]] = {
    "volume.provisioned": Watch._provisioned,
    "volume.restored": Watch._restored,
    "volume.reverted": Watch._restored,
    "volume.extended": Watch._whole,
    "volume.moved": Watch._whole,
    "volume.uploaded": Watch._uploaded,
    "volume.retyped": Watch._whole,
    "volume.deletion_requested": Watch._going,
    "snapshot.deletion_requested": Watch._going,
}
"""What must be so when an event happens, on its backend or in the log."""


def _short(recorded: Recorded[Event]) -> str:
    moment = recorded.moment
    return f"{str(recorded.aggregate_id)[:8]}:{recorded.version} by {moment.actor.user_id}"
