"""What must hold at the end, when nothing has gone wrong for long enough."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from adapters.drivers.memory import MemoryDriver
from domain.aggregates.volume import Volume
from domain.aggregates.volume.uploading import Uploaded
from domain.deadlines import overdue as overdue_now
from projections import generations
from projections.views import Views
from services import composition
from services.audit.objects import Backend
from services.audit.report import Finding, Note
from services.audit.stored import LogOfStore
from services.audit.verification import Parts, verify
from services.notifications.envelope import STREAM
from services.notifications.telling import Notifications
from tests.simulation import history
from tests.simulation.watch import bytes_in
from tests.support import invariants

if TYPE_CHECKING:
    from tests.simulation.world import World


def behind(world: "World") -> list[str]:
    """Read models that do not know all of the log yet."""
    end = len(world.store._log)
    with world.engine.connect() as connection:
        return [
            f"{each.name} is at {each.position}"
            for each in generations.active(connection)
            if each.position < end
        ]


def overdue(world: "World") -> Iterator[str]:
    """What still waits for who is away, though its deadline has passed and was to be looked at."""
    deadlines = world.settings.deadlines
    seen_s = deadlines.grace_s + 2 * deadlines.interval_s
    at = world.clock() - timedelta(seconds=seen_s)
    for aggregate in world.watch.replay.aggregates.values():
        missed = overdue_now(aggregate, deadlines.allowed, at)
        if missed is not None:
            yield f"not given up: {aggregate.kind} {aggregate.id}, {missed}"


async def wrongs(world: "World") -> list[str]:
    """Everything that is not as it should be."""
    found = [f"{each.kind}: {each.id} {each.detail}" for each in await _verified(world)]
    found += invariants.over_quota(world.store._log, limits=world.limits)
    found += _objects(world)
    found += _images(world)
    found += _memories(world)
    positions = [each.position for each in world.bus._broker.log.messages]
    found += invariants.not_copied(positions, end=len(world.store._log))
    found += await _notifications(world)
    found += history.wrongs(world.history, world.store._log, default_limits=world.limits)
    return found


async def _verified(world: "World") -> list[Finding | Note]:
    """What `lapilli verify --at-rest` finds."""
    parts = Parts(
        log=LogOfStore(world.store),
        store=world.store,
        views=Views(world.engine),
        backends=[
            Backend(
                host=f"h@{name}",
                pools=tuple(backend.pools),
                driver=MemoryDriver(backend),
                keeps=composition.kept_images(world.settings, name),
            )
            for name, backend in world.backends.items()
        ],
        keys=world.keys,
        parked=world.bus.parked,
    )
    report = await verify(parts, at=world.clock(), at_rest=True)
    noted = [note for note in report.notes if note.kind in ("parked", "image_cache")]
    return [*report.findings, *report.unchecked, *noted]


def _images(world: "World") -> Iterator[str]:
    """Every image that is there was complete from the beginning, or a volume became it."""
    became = {each.event.image_id for each in world.store._log if isinstance(each.event, Uploaded)}
    for id in world.images.images.keys() - became - world.first_images:
        yield f"image {id} is left of an upload that failed"


def _objects(world: "World") -> Iterator[str]:
    """Whatever is available is there, whole, and holds what it held when it was made."""
    for volume in world.watch.replay.of_kind(Volume.kind):
        if isinstance(volume, Volume) and volume.state == "available" and volume.host:
            found = world.pool_of(volume.host).volumes.get(f"volume-{volume.id}")
            fine = found and found.whole and found.size_gib >= volume.size_gib
            if not fine or (found and bytes_in(found) != world.watch.contents.get(volume.id)):
                yield f"volume {volume.id} on {volume.host} is too small, or lost what it held"


def _memories(world: "World") -> Iterator[str]:
    """What processes know is what the log tells, as far as they know it."""
    for process in world.processes:
        known = process.node.commands.aggregates._known if process.node else {}
        for id, aggregate in known.items():
            history = world.store._streams[id][: aggregate.version]
            if type(aggregate).from_history(id, history) != aggregate:
                yield f"{process.name} knows {aggregate}, which is not what its events lead to"


async def _notifications(world: "World") -> list[str]:
    telling = Notifications(
        store=world.store, bus=world.bus.another(), clock=world.clock, keep_s=1e9
    )
    told = [each.id for each in world.bus.told(STREAM)]
    return await invariants.not_told(telling, world.store._log, told)
