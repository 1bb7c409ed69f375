"""A small ring in memory: users, processes that may die, a bus, a backend, and time by hand."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from adapters.backup_store.memory import MemoryShelf
from adapters.backup_store.port import BackupStore
from adapters.backup_store.store import ChunkedBackupStore
from adapters.bus.memory import MemoryBus, MemoryInbox
from adapters.bus.port import Delivery, Message
from adapters.drivers.content import BLOCK_BYTES, Blocks
from adapters.drivers.contract import (
    AttachMode,
    Connected,
    Connection,
    Connector,
    Driver,
    DriverFailure,
    Provisioned,
    SnapshotSpec,
    Source,
    VolumeSpec,
)
from adapters.drivers.memory import Fault, Faults, MemoryBackend, MemoryDriver, Operation, Work
from adapters.event_store.memory import MemoryEventStore
from adapters.event_store.port import EventStore
from adapters.image_service.memory import MemoryImageService
from adapters.image_service.port import ImageService
from adapters.key_manager.memory import MemoryKeyManager
from adapters.key_manager.port import KeyManager
from domain import codec
from domain.aggregates.image_cache import Limits
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import Volume
from services.commands.attaching import ConnectAttachment, CreateAttachment, DetachVolume
from services.commands.extension import ExtendVolume
from services.commands.snapshot import DeleteSnapshot
from services.commands.volume import DeleteVolume
from services.errands import Errand, Outcomes
from services.processes.attaching import Attaching, Detaching
from services.processes.backend_work import BackendWork
from services.processes.backing_up import BackingUp, Restoring
from services.processes.backup_keeping import BackupDeletion, BackupImport
from services.processes.copying import Copier
from services.processes.deletion import Deletion
from services.processes.downloading import Downloads
from services.processes.encryption_keys import EncryptionKeys
from services.processes.extension import Extending, ExtensionPlacement
from services.processes.image_cache import CachedImages, ImageKeeping
from services.processes.outgoing import Outgoing
from services.processes.placement import Placement
from services.processes.provisioning import Provisioning
from services.processes.restored import Restored
from services.processes.runtime import ProcessManager, Worker, Workload
from services.processes.settlement import Settlement
from services.processes.snapshot import (
    CascadingDeletion,
    SnapshotCreation,
    SnapshotDeletion,
    SnapshotPlacement,
)
from services.processes.uploading import Uploading
from services.reports import Report, Reports
from services.subjects import subject_of
from services.unit_of_work import Commands
from services.wakeup import Wakeup
from tests.services.commands.world import LIMITS, World, snapshot_id
from tests.support.around import Life, around
from tests.support.builders import MORNING, PROJECT, ZONE, a_moment, an_id

BACKEND, POOL = "host1@gold", "pool1"
CAPACITY_GIB = 100
ATTACHMENT = an_id(0xA1)
CACHE_PROJECT = "00000000000000000000000000000003"
ACK_WAIT_S = 30.0
PATIENCE_S = 60.0
WORKLOAD = Workload(
    concurrency=4, ack_wait_s=ACK_WAIT_S, max_deliveries=3, backoff_s=(1.0, 2.0, 5.0)
)


WORK: Sequence[type[BackendWork]] = (
    Extending,
    Attaching,
    Detaching,
    Deletion,
    ImageKeeping,
    SnapshotCreation,
    SnapshotDeletion,
)
"""What is done for a backend, besides making its volumes."""


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> datetime:
        return MORNING + timedelta(seconds=self.now_s)

    def monotonic(self) -> float:
        return self.now_s


NOWHERE = Path("/nowhere")


async def at_once(failed: int) -> None:
    """What is away is asked again at once."""


async def nowhere(backend: str) -> Driver | None:
    """No other backend can be read from."""
    return None


class Process:
    """A process with its own caches and its own name: all process managers of one backend.

    Its `life` may end before and after each call of store, driver and delivery.
    """

    def __init__(
        self,
        ring: "Ring",
        name: str,
        *,
        store: EventStore | None = None,
        driver: Driver | None = None,
        keys: KeyManager | None = None,
        images: ImageService | None = None,
        life: Life | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        self.life = life or Life()
        hooks = {"before": self.life.before, "after": self.life.after}
        commands = Commands(around(store or ring.store, **hooks))
        driver = driver or MortalDriver(ring, self.life)
        managers: list[ProcessManager] = [
            Placement(
                commands=commands, clock=ring.clock, reports=ring.reports, patience_s=PATIENCE_S
            ),
            *(
                kind(commands=commands, clock=ring.clock, reports=ring.reports)
                for kind in (ExtensionPlacement, SnapshotPlacement)
            ),
            *(
                kind(commands=commands, clock=ring.clock)
                for kind in (Settlement, CascadingDeletion)
            ),
            EncryptionKeys(
                commands=commands,
                clock=ring.clock,
                keys=around(keys or ring.keys, **hooks),
                patience_s=PATIENCE_S,
                timeout_s=timeout_s,
            ),
        ]
        shared: dict[str, Any] = {
            "commands": commands,
            "clock": ring.clock,
            "backend": BACKEND,
            "driver": driver,
            "worker": name,
            "timeout_s": timeout_s,
        }
        self.downloads = downloads = Downloads(
            images=around(images or ring.images, **hooks),
            driver=driver,
            directory=ring.directory,
            clock=ring.clock,
            timeout_s=timeout_s,
            look_s=0.0,
            pause=ring.pause,
        )
        copier = Copier(
            backend=BACKEND,
            driver=driver,
            reach=nowhere,
            clock=ring.clock,
            timeout_s=timeout_s,
            look_s=0.0,
        )
        managers += [
            Provisioning(
                **shared,
                copier=copier,
                downloads=downloads,
                cache=ring.cached_images(commands),
                restored=Restored(
                    commands=commands,
                    store=self._backup_store(ring),
                    driver=driver,
                    clock=ring.clock,
                    timeout_s=timeout_s,
                    look_s=0.0,
                ),
            ),
            Uploading(
                **shared,
                images=around(images or ring.images, **hooks),
                outgoing=Outgoing(ring.directory),
                send_timeout_s=timeout_s,
                look_s=0.0,
            ),
            *(kind(**shared) for kind in WORK),
            *self._of_backups(ring, name, commands, timeout_s),
        ]
        self.workers = {m.name: Worker(m, bus=ring.bus, workload=WORKLOAD) for m in managers}
        self.managers = {m.name: m for m in managers}

    def _backup_store(self, ring: "Ring") -> BackupStore:
        store = ChunkedBackupStore(ring.shelf, chunk_bytes=BLOCK_BYTES, threads=0)
        return around(store, before=self.life.before, after=self.life.after)

    def _of_backups(
        self, ring: "Ring", name: str, commands: Commands, timeout_s: float
    ) -> list[ProcessManager]:
        """Those that know the store of backups."""
        hooks = {"before": self.life.before, "after": self.life.after}
        store = self._backup_store(ring)
        shared: dict[str, Any] = {"commands": commands, "clock": ring.clock, "store": store}
        work: dict[str, Any] = {
            "backend": BACKEND,
            "driver": around(MemoryDriver(ring.backend, faults=ring.faults), **hooks),
            "worker": name,
            "timeout_s": timeout_s,
            "copy_timeout_s": timeout_s,
        }
        return [
            BackingUp(**shared, **work),
            Restoring(**shared, **work),
            BackupDeletion(**shared, worker=name),
            BackupImport(**shared),
        ]

    async def handle(self, kind: str, delivery: Delivery) -> None:
        """Raises Crash where its life ends."""
        mortal = around(delivery, before=self.life.before, after=self.life.after)
        await self.workers[kind].handle(mortal)


class MortalDriver(MemoryDriver):
    """Also dies in the middle of a call, half of whose work is done then."""

    def __init__(self, ring: "Ring", life: Life) -> None:
        super().__init__(ring.backend, faults=ring.faults)
        self._ring, self._life = ring, life

    async def create_volume(self, spec: VolumeSpec) -> Provisioned:
        self._life.point("before create_volume")
        if self._life.ends_here:
            with suppress(DriverFailure):
                await self._half("create_volume").create_volume(spec)
        self._life.point("during create_volume")
        made = await super().create_volume(spec)
        self._life.point("after create_volume")
        return made

    async def write_volume(
        self, spec: VolumeSpec, content: Blocks, *, resume_at: int = 0
    ) -> Provisioned:
        async def mortal() -> Blocks:
            async for block in content:
                self._life.point("before a block")
                yield block
            self._life.point("after the blocks")

        self._life.point("before write_volume")
        made = await super().write_volume(spec, mortal(), resume_at=resume_at)
        self._life.point("after write_volume")
        return made

    async def clone_volume(self, spec: VolumeSpec, source: Source) -> Provisioned | None:
        self._life.point("before clone_volume")
        made = await super().clone_volume(spec, source)
        self._life.point("after clone_volume")
        return made

    async def delete_volume(self, spec: VolumeSpec) -> None:
        self._life.point("before delete_volume")
        if self._life.ends_here:
            with suppress(DriverFailure):
                await self._half("delete_volume").delete_volume(spec)
        self._life.point("during delete_volume")
        await super().delete_volume(spec)
        self._life.point("after delete_volume")

    async def extend_volume(self, spec: VolumeSpec, new_size_gib: int) -> None:
        self._life.point("before extend_volume")
        await super().extend_volume(spec, new_size_gib)
        self._life.point("after extend_volume")

    async def create_snapshot(self, spec: SnapshotSpec) -> Provisioned:
        self._life.point("before create_snapshot")
        if self._life.ends_here:
            with suppress(DriverFailure):
                await self._half("create_snapshot").create_snapshot(spec)
        self._life.point("during create_snapshot")
        made = await super().create_snapshot(spec)
        self._life.point("after create_snapshot")
        return made

    async def delete_snapshot(self, spec: SnapshotSpec) -> None:
        self._life.point("before delete_snapshot")
        if self._life.ends_here:
            with suppress(DriverFailure):
                await self._half("delete_snapshot").delete_snapshot(spec)
        self._life.point("during delete_snapshot")
        await super().delete_snapshot(spec)
        self._life.point("after delete_snapshot")

    async def connect_volume(
        self, spec: VolumeSpec, attachment_id: UUID, connector: Connector, mode: AttachMode
    ) -> Connection:
        self._life.point("before connect_volume")
        made = await super().connect_volume(spec, attachment_id, connector, mode)
        self._life.point("after connect_volume")
        return made

    async def disconnect_volume(self, spec: VolumeSpec, attachment_id: UUID) -> None:
        self._life.point("before disconnect_volume")
        await super().disconnect_volume(spec, attachment_id)
        self._life.point("after disconnect_volume")

    def _half(self, operation: Operation) -> MemoryDriver:
        """A driver of the same backend whose next call is cut off half-way."""
        faults = Faults()
        faults.plan(operation, Fault(failure=DriverFailure("cut off", True), work=Work.HALF))
        return MemoryDriver(self._ring.backend, faults=faults)


class Ring:
    """What processes share."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.store = MemoryEventStore(default_limits=LIMITS)
        self.world = World(self.store)
        self.bus = MemoryBus(self.clock.monotonic)
        self.backend = MemoryBackend({POOL: CAPACITY_GIB})
        self.faults = Faults()
        self.keys = MemoryKeyManager()
        self.images = MemoryImageService(chunk_bytes=2**20, clock=self.clock)
        self.directory = NOWHERE
        """Where images lie that have to be converted."""
        self.cache_limits: Limits | None = None
        """How many images the backend keeps; None: it keeps none."""
        self.pause = at_once
        """What happens before the image service is asked again."""
        self.shelf = MemoryShelf()
        self.reports = Reports(self.bus, clock=self.clock, down_after_s=1e9)
        self._inboxes: dict[str, MemoryInbox] = {}

    async def open(self) -> "Ring":
        await self.world.has_a_type()
        await self.relay()
        for manager in self.process("nobody").managers.values():
            self._inboxes[manager.name] = await self.bus.inbox(
                manager.consumer, manager.subjects, ACK_WAIT_S, 100
            )
        return self

    def process(self, name: str = "worker-1", *, life: Life | None = None) -> Process:
        return Process(self, name, life=life)

    def cached_images(self, commands: Commands) -> CachedImages | None:
        """As a process of the backend sees them."""
        if self.cache_limits is None:
            return None
        return CachedImages(
            commands=commands,
            backend=BACKEND,
            clock=self.clock,
            limits=self.cache_limits,
            project_id=CACHE_PROJECT,
        )

    # what happens

    async def backend_reports(self, *, zone: str = ZONE) -> None:
        stats = await MemoryDriver(self.backend).stats()
        await self.reports.put(
            Report(binary="cinder-volume", host=BACKEND, zone=zone, at=self.clock(), stats=stats)
        )

    async def create(self, number: int = 1, **changes: object) -> None:
        await self.world.run(self.world.creation(number, **changes))

    async def delete(self, number: int = 1, *, force: bool = False, cascade: bool = False) -> None:
        """By a user whose API process has seen nothing yet."""
        command = DeleteVolume(
            id=an_id(number), project_id=PROJECT, force=force, cascade=cascade, at=a_moment()
        )
        await self.world.another_process().run(command)

    async def snapshot(self, number: int = 1, **changes: Any) -> None:
        """As `delete`, of volume 1."""
        await self.world.another_process().run(self.world.snapshotting(number, **changes))

    async def delete_snapshot(self, number: int = 1, *, force: bool = False) -> None:
        """As `delete`."""
        command = DeleteSnapshot(
            id=snapshot_id(number), project_id=PROJECT, force=force, at=a_moment()
        )
        await self.world.another_process().run(command)

    async def extend(self, new_size_gib: int, number: int = 1) -> None:
        """As `delete`."""
        command = ExtendVolume(
            id=an_id(number), project_id=PROJECT, new_size_gib=new_size_gib, at=a_moment()
        )
        await self.world.another_process().run(command)

    async def attach(self, *, connector: Connector | None = None) -> Errand | None:
        """Reserves the volume for a server; given a connector, wants its node connected."""
        return await self._as_another(
            CreateAttachment(
                id=an_id(1),
                project_id=PROJECT,
                attachment_id=ATTACHMENT,
                server_id="server-1",
                mode=None,
                connector=connector,
                at=a_moment(),
            )
        )

    async def connect(self, connector: Connector) -> Errand | None:
        """Of the attachment that is there."""
        return await self._as_another(
            ConnectAttachment(
                id=an_id(1),
                project_id=PROJECT,
                attachment_id=ATTACHMENT,
                connector=connector,
                at=a_moment(),
            )
        )

    async def detach(self) -> Errand | None:
        """The only attachment."""
        return await self._as_another(
            DetachVolume(id=an_id(1), project_id=PROJECT, attachment_id=None, at=a_moment())
        )

    async def _as_another(self, command: object) -> Errand | None:
        """By an API process that has seen nothing yet."""
        errand: Errand | None = await self.world.another_process().run(command)
        return errand

    async def outcome(self, errand: Errand | None) -> str:
        """What became of it until now, in a word."""
        assert errand is not None
        told = await Outcomes(self.store, Wakeup()).so_far(errand)
        return "nothing" if told is None else told.event.verb

    async def relay(self) -> None:
        """What is in the log is on the bus."""
        place = await self.bus.last_position()
        await self.bus.publish(
            [
                Message(r.position, subject_of(r), codec.to_cloud_event(r))
                for r in await self.store.log(place, 1_000)
            ],
            after=place,
        )

    async def deliveries(self) -> list[tuple[str, Delivery]]:
        """All that the bus would deliver now, by process manager."""
        await self.relay()
        return [
            (kind, delivery)
            for kind, inbox in self._inboxes.items()
            for delivery in inbox.here(100)
        ]

    async def the_delivery(self, kind: str) -> Delivery:
        """The only one there is, but for what settlement waits for."""
        there = await self.deliveries()
        [(found, delivery)] = [each for each in there if each[0] != Settlement.name]
        assert found == kind
        return delivery

    async def work(self, process: Process) -> int:
        """The process handles all that is there; how much that was."""
        deliveries = await self.deliveries()
        for kind, delivery in deliveries:
            await process.handle(kind, delivery)
        return len(deliveries)

    async def go_on(self, process: Process | None = None, *, most: int = 50) -> None:
        """Work and time go on until nothing comes any more, however long one waits."""
        process = process or self.process()
        quiet = 0
        for _ in range(most):
            quiet = 0 if await self.work(process) else quiet + 1
            if quiet > 2:
                return
            if quiet:
                self.clock.now_s += ACK_WAIT_S
        raise AssertionError("it never comes to rest")

    # what is true then

    async def volume(self, number: int = 1) -> Volume:
        return await self.world.volume(number)

    async def the_snapshot(self, number: int = 1) -> Snapshot:
        return await self.world.snapshot(number)

    async def promised_gib(self) -> int:
        """What the log promises on the pool."""
        _, promises = await self.store.promises()
        return promises[f"{BACKEND}#{POOL}"].gib

    @property
    def connections(self) -> set[Connected]:
        """What the backend lets nodes reach."""
        return set(self.backend.pools[POOL].connected)

    @property
    def objects(self) -> dict[str, bool]:
        """What the backend holds, and whether it is whole."""
        return {name: v.whole for name, v in self.backend.pools[POOL].objects.items()}

    async def assert_one_available(self, number: int = 1) -> None:
        """One volume of 2 GiB, whole, paid for once, and nothing else."""
        assert (await self.volume(number)).state == "available"
        assert self.objects == {f"volume-{an_id(number)}": True}
        assert self.backend.pools[POOL].provisioned_gib == 2
        assert await self.world.usage() == {"volumes": (1, 0), "gigabytes": (2, 0)}
        await self.world.assert_sound()
        assert await self.bus.parked() == []

    async def assert_nothing_left(self, number: int = 1) -> None:
        """The volume is deleted, nothing is on the backend, nothing is paid for."""
        assert (await self.volume(number)).state == "deleted"
        assert self.objects == {}
        assert self.backend.pools[POOL].provisioned_gib == 0
        assert await self.world.usage() == {"volumes": (0, 0), "gigabytes": (0, 0)}
        await self.world.assert_sound()
        assert await self.bus.parked() == []

    async def assert_in_error(self, number: int = 1) -> None:
        """In error, and paid for until its user deletes it."""
        assert (await self.volume(number)).state == "error"
        assert await self.world.usage() == {"volumes": (1, 0), "gigabytes": (2, 0)}
        await self.world.assert_sound()
        assert await self.bus.parked() == []


async def a_ring(*, with_backend: bool = True) -> Ring:
    """A ring with nothing in it but the default type and, unless told, a backend that reports."""
    ring = await Ring().open()
    if with_backend:
        await ring.backend_reports()
    return ring


async def a_ring_with_a_volume() -> Ring:
    """One that is available."""
    ring = await a_ring()
    await ring.create()
    await ring.go_on()
    await ring.assert_one_available()
    return ring


async def a_placed_volume() -> Ring:
    """Its `volume.placed` waits for a worker."""
    ring = await a_ring()
    await ring.create()
    await ring.process().handle("placement", await ring.the_delivery("placement"))
    return ring
