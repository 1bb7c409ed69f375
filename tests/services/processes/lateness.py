"""Volumes that wait in every way there is, and what becomes of them when nobody comes."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from adapters.drivers.contract import VolumeSpec
from adapters.drivers.memory import MemoryDriver
from domain.aggregates.move import Move
from domain.aggregates.volume import Volume
from domain.aggregates.volume.under_way import Migration, Retype
from domain.event import Moment
from domain.image import UploadedImage
from domain.lifecycle import IDLE
from domain.machines.attachment import OWED
from projections import PROJECTIONS
from projections.runner import Runner
from projections.views import Views
from services.audit import quota
from services.audit.objects import Backend, ObjectAudit
from services.audit.promises import PromiseAudit
from services.audit.replay import Replay
from services.audit.stored import Entry
from services.commands.attaching import CreateAttachment, DetachVolume
from services.commands.exporting import FinishConnection, StartConnection, StartDisconnection
from services.commands.extension import ExtendVolume, PlaceExtension, StartExtension
from services.commands.migration import MigrateVolume
from services.commands.move import PlaceMove, StartMove
from services.commands.retype import RetypeVolume
from services.commands.uploading import StartUpload, UploadVolume
from services.commands.volume import PlaceVolume
from services.commands.volume_type import CreateVolumeType
from services.processes.deadlines import give_up_overdue
from services.settings import Deadlines
from services.unit_of_work import Commands
from tests.services.commands import world
from tests.services.processes.several import Several
from tests.services.processes.test_attempts import three
from tests.support.builders import PROJECT, a_moment, an_id
from tests.support.read_models import read_models

HOUR_S = 3600.0
ALLOWED = Deadlines().allowed
ATTACHMENT = an_id(0xA7)
BIG_POOL, NEXT_POOL = "h@big#p", "h@middle#p"
"""Where volumes are placed first, and then."""


def workers_of(backend: str) -> Sequence[str]:
    """All that work for it, by the names of consumers."""
    work = "provisioning extending deletion remnant-removal moving attaching detaching uploading"
    return tuple(f"{name}-h@{backend}" for name in work.split())


BIG = workers_of("big")


class Late:
    """Three backends with read models, whose deadlines are looked after when told."""

    def __init__(self, ring: Several, directory: Path) -> None:
        self.ring = ring
        self._engine = read_models(directory)
        self.views = Views(self._engine)
        self._runner = Runner(self._engine, ring.store, PROJECTIONS, clock=ring.clock)

    async def close(self) -> None:
        await self.views.close()
        self._runner.close()
        self._engine.dispose()

    async def comes_to(self, waiting: str) -> "Late":
        """A volume that those who are dead now led there."""
        image: dict[str, Any] = {}
        if waiting == "downloading":
            image["image"] = await self.ring.an_image()
        await self.ring.create(at=self.now(), **image)
        for step in PATHS[waiting]:
            await step(self)
        return self

    def now(self) -> Moment:
        return a_moment(self.ring.clock.now_s)

    async def go_on(self, *, without: Sequence[str] = ()) -> None:
        """Everybody works but those, until nothing comes any more."""
        self.ring.absent = without
        await self.ring.go_on()
        self.ring.absent = ()

    async def project(self) -> None:
        await self._runner.catch_up()

    async def give_up_overdue(self, **allowed: float) -> int:
        """By a process that has seen nothing yet."""
        await self.project()
        commands = Commands(self.ring.store)
        return await give_up_overdue(
            commands, self.views, clock=self.ring.clock, allowed={**ALLOWED, **allowed}
        )

    async def until_rest(self, *, without: Sequence[str] = ()) -> list[str]:
        """Everybody but those works, time goes on; what was given up, by state."""
        given_up: list[str] = []
        for _ in range(60):
            await self.go_on(without=without)
            before = await self.ring.volume()
            if before.at_rest:
                return given_up
            self.ring.clock.now_s += HOUR_S
            if await self.give_up_overdue():
                given_up.append(_doing(before))
        raise AssertionError("it never comes to rest")

    async def assert_sound(self) -> None:
        """By the audits of `lapilli verify`, and nothing is parked."""
        ring, replay = self.ring, Replay()
        pools = PromiseAudit(*await ring.store.promises())
        ledger = quota.LedgerAudit(*await ring.store.ledger())
        for each in await ring.store.log(0, 10_000):
            replay.take(
                Entry(
                    position=each.position,
                    aggregate_id=each.aggregate_id,
                    version=each.version,
                    topic=each.event.topic,
                    recorded=each,
                )
            )
            ledger.take(each.position, each.event)
            pools.take(each)

        async def nothing_new() -> None:
            pass

        objects = ObjectAudit(replay, nothing_new)
        await objects.check(
            Backend(host=f"h@{name}", pools=["p"], driver=MemoryDriver(backend))
            for name, backend in ring.backends.items()
        )
        found = [*replay.findings, *quota.reservations(replay, ring.clock())]
        found += [*ledger.findings(), *pools.findings(), *objects.findings]
        assert [(each.kind, each.detail) for each in found] == []
        assert [each.error for each in await ring.bus.parked()] == []
        await ring.assert_sound()

    async def reasons(self) -> list[str]:
        """What the log says why, of all that happened to the volume and its remnants."""
        told = (getattr(r.event, "reason", None) for r in await self.ring.store.log(0, 10_000))
        return [reason for reason in told if reason]


def _doing(volume: Volume) -> str:
    """What is under way: an operation, an attachment, or its life."""
    if volume.operation != IDLE:
        return volume.operation
    owed = [each.state for each in volume.attachments.values() if each.state in OWED]
    return owed[0] if owed else volume.state


async def late(directory: Path, *, max_attempts: int = 3) -> Late:
    return Late(await three(max_attempts=max_attempts), directory)


Step = Callable[[Late], Awaitable[None]]


def _by(build: Callable[..., Awaitable[Any]]) -> Step:
    """What the world of commands does to the volume."""

    async def step(late: Late) -> None:
        command = await build(late.ring.world, an_id(1))
        await late.ring.world.run(msgspec.structs.replace(command, at=late.now()))

    return step


async def _place(late: Late) -> None:
    pools = await late.ring.reports.placeable()
    most = late.ring.max_attempts
    await late.ring.world.run(
        PlaceVolume(id=an_id(1), pools=pools, max_attempts=most, at=late.now())
    )


async def _make(late: Late) -> None:
    """The worker has the backend do it, and tells nobody."""
    spec = VolumeSpec(id=an_id(1), size_gib=2, pool="p", project_id=PROJECT)
    await MemoryDriver(late.ring.backends["big"]).create_volume(spec)


async def _extend(late: Late) -> None:
    await late.ring.world.run(
        ExtendVolume(id=an_id(1), project_id=PROJECT, new_size_gib=5, at=late.now())
    )


async def _place_extension(late: Late) -> None:
    pools = await late.ring.reports.placeable()
    await late.ring.world.run(PlaceExtension(id=an_id(1), pools=pools, at=late.now()))


async def _start_extension(late: Late) -> None:
    await late.ring.world.run(StartExtension(id=an_id(1), worker="dead", at=late.now()))


def _migrate(*, lock: bool) -> Step:
    async def step(late: Late) -> None:
        up = frozenset({"h@middle"})
        await late.ring.world.run(
            MigrateVolume(
                id=an_id(1), project_id=None, to=NEXT_POOL, up=up, lock=lock, at=late.now()
            )
        )

    return step


async def _retype(late: Late) -> None:
    run, other = late.ring.world.run, an_id(0x77)
    await run(
        CreateVolumeType(
            id=other, name="other", description=None, is_public=True, extra_specs={}, at=late.now()
        )
    )
    await run(RetypeVolume(id=an_id(1), project_id=None, volume_type_id=other, at=late.now()))


async def _move(late: Late) -> Move:
    under_way = (await late.ring.volume()).under_way
    assert isinstance(under_way, Retype | Migration)
    return await late.ring.world.commands.aggregates.read(Move, UUID(under_way.move_id))


async def _place_move(late: Late) -> None:
    pools = await late.ring.reports.placeable()
    id = (await _move(late)).id
    await late.ring.world.run(PlaceMove(id=id, pools=pools, at=late.now()))


async def _start_move(late: Late) -> None:
    move = await _move(late)
    await late.ring.world.run(StartMove(id=move.id, host=move.target, worker="dead", at=late.now()))


async def _attach(late: Late) -> None:
    await late.ring.world.run(
        CreateAttachment(
            id=an_id(1),
            project_id=None,
            attachment_id=ATTACHMENT,
            server_id=None,
            mode=None,
            connector={"host": "node1"},
            at=late.now(),
        )
    )


async def _start_connection(late: Late) -> None:
    await late.ring.world.run(
        StartConnection(id=an_id(1), attachment_id=ATTACHMENT, worker="dead", at=late.now())
    )


async def _connect(late: Late) -> None:
    """The worker has the backend do it, and tells nobody."""
    spec = VolumeSpec(id=an_id(1), size_gib=2, pool="p", project_id=PROJECT)
    driver = MemoryDriver(late.ring.backends["big"])
    await driver.connect_volume(spec, ATTACHMENT, {"host": "node1"}, "rw")


async def _connected(late: Late) -> None:
    await late.ring.world.run(
        FinishConnection(
            id=an_id(1),
            attachment_id=ATTACHMENT,
            attempt=1,
            driver_volume_type="memory",
            at=late.now(),
        )
    )


async def _detach(late: Late) -> None:
    await late.ring.world.run(
        DetachVolume(id=an_id(1), project_id=None, attachment_id=ATTACHMENT, at=late.now())
    )


async def _start_disconnection(late: Late) -> None:
    await late.ring.world.run(
        StartDisconnection(id=an_id(1), attachment_id=ATTACHMENT, worker="dead", at=late.now())
    )


_IMAGE_ID = an_id(0x1A6E)


async def _upload(late: Late) -> None:
    image = UploadedImage(name="golden")
    await late.ring.world.run(
        UploadVolume(id=an_id(1), project_id=None, image_id=_IMAGE_ID, image=image, at=late.now())
    )


async def _start_upload(late: Late) -> None:
    await late.ring.world.run(
        StartUpload(id=an_id(1), image_id=str(_IMAGE_ID), worker="dead", at=late.now())
    )


_PROVISIONING: Sequence[Step] = (_place, _by(world.start), _make)
_AVAILABLE: Sequence[Step] = (*_PROVISIONING, _by(world.made))
_PLACED_TO_GROW: Sequence[Step] = (*_AVAILABLE, _extend, _place_extension)
_MOVING: Sequence[Step] = (_place_move, _start_move)
_CONNECTING: Sequence[Step] = (*_AVAILABLE, _attach, _start_connection, _connect)

PATHS: dict[str, Sequence[Step]] = {
    "requested": (),
    "placed": (_place,),
    "provisioning": _PROVISIONING,
    "downloading": (*_PROVISIONING[:-1], _by(world.come)),
    "cancelling": (*_PROVISIONING, _by(world.force)),
    "available": _AVAILABLE,
    "deleting": (*_AVAILABLE, _by(world.delete)),
    "removing": (*_AVAILABLE, _by(world.delete), _by(world.remove)),
    "extending": (*_AVAILABLE, _extend),
    "extension_placed": _PLACED_TO_GROW,
    "growing": (*_PLACED_TO_GROW, _start_extension),
    "uploading": (*_AVAILABLE, _upload),
    "sending": (*_AVAILABLE, _upload, _start_upload),
    "connection_requested": (*_AVAILABLE, _attach),
    "connecting": _CONNECTING,
    "removal_requested": (*_CONNECTING, _connected, _detach),
    "disconnecting": (*_CONNECTING, _connected, _detach, _start_disconnection),
    "move requested": (*_AVAILABLE, _migrate(lock=False)),
    "move placed": (*_AVAILABLE, _migrate(lock=False), _place_move),
    "migrating": (*_AVAILABLE, _migrate(lock=False), *_MOVING),
    "maintenance": (*_AVAILABLE, _migrate(lock=True), *_MOVING),
    "retyping": (*_AVAILABLE, _retype, *_MOVING),
}
"""How a volume gets to where it waits for somebody, or, available, for nobody."""
