"""A ring in memory with several backends, their workers, one placement, and time by hand."""

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from adapters.backup_store.memory import MemoryShelf
from adapters.backup_store.store import ChunkedBackupStore
from adapters.bus.memory import MemoryBus, MemoryInbox
from adapters.bus.port import Delivery, Message
from adapters.drivers.content import BLOCK_BYTES
from adapters.drivers.contract import Driver, DriverFailure, TypeChange, VolumeSpec
from adapters.drivers.memory import Fault, Faults, MemoryBackend, MemoryDriver, Work
from adapters.drivers.memory_pool import MemoryPool
from adapters.event_store.memory import MemoryEventStore
from adapters.image_service.memory import MemoryImageService
from adapters.image_service.port import NewImage
from adapters.key_manager.memory import MemoryKeyManager
from domain import codec
from domain.aggregates.volume import Volume
from domain.image import ChosenImage
from domain.placement import Rules
from domain.promises import PoolLedger, changes
from services.images import chosen
from services.processes.attaching import Attaching, Detaching
from services.processes.copying import Copier
from services.processes.deletion import Deletion
from services.processes.downloading import Downloads
from services.processes.encryption_keys import EncryptionKeys
from services.processes.extension import Extending, ExtensionPlacement
from services.processes.moving import Moving
from services.processes.outgoing import Outgoing
from services.processes.placement import Placement
from services.processes.provisioning import Provisioning
from services.processes.remnant_removal import RemnantRemoval
from services.processes.restored import Restored
from services.processes.reverting import Reverting
from services.processes.runtime import ProcessManager, Worker
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
from tests.services.commands.world import LIMITS, World
from tests.services.processes.ring import ACK_WAIT_S, NOWHERE, WORKLOAD, Clock, at_once
from tests.support.around import Life, around
from tests.support.builders import PROJECT, ZONE, an_id, bare

BROKEN = DriverFailure("the shelf is full", True)


class _Listening(MemoryDriver):
    """Tells what it is to change."""

    def __init__(
        self,
        backend: MemoryBackend,
        *,
        faults: Faults,
        retyped: list[tuple[VolumeSpec, TypeChange]],
    ) -> None:
        super().__init__(backend, faults=faults)
        self._retyped = retyped

    async def retype_volume(self, spec: VolumeSpec, change: TypeChange) -> None:
        self._retyped.append((spec, change))
        await super().retype_volume(spec, change)


class Several:
    """Backends `h@<name>` by their size in GiB, each with these pools of that size."""

    def __init__(
        self,
        sizes: Mapping[str, int],
        *,
        pools: Sequence[str] = ("p",),
        max_attempts: int = 3,
    ) -> None:
        self.max_attempts = max_attempts
        self.timeout_s = 10.0
        """After which a call to a driver is given up, but for a copy."""
        self.rules = Rules()
        """By which volumes are placed."""
        self.driver: Callable[[MemoryBackend, Faults], MemoryDriver] = self._listening
        """What drives a backend."""
        self.absent: Collection[str] = ()
        """Consumers of which there is no worker."""
        self.keys = MemoryKeyManager(random_bytes=random.Random(0).randbytes)
        self.clock = Clock()
        self.images = MemoryImageService(chunk_bytes=2**20, clock=self.clock)
        self.backup_store = ChunkedBackupStore(MemoryShelf(), chunk_bytes=BLOCK_BYTES, threads=0)
        self.store = MemoryEventStore(default_limits=LIMITS)
        self.world = World(self.store)
        self.bus = MemoryBus(self.clock.monotonic)
        self.reports = Reports(self.bus, clock=self.clock, down_after_s=1e9)
        self.backends = {
            name: MemoryBackend(dict.fromkeys(pools, size)) for name, size in sizes.items()
        }
        self.faults = {name: Faults() for name in sizes}
        self.inboxes: dict[str, MemoryInbox] = {}
        self.retyped: list[tuple[VolumeSpec, TypeChange]] = []
        """What backends were told to change."""

    def _listening(self, backend: MemoryBackend, faults: Faults) -> MemoryDriver:
        return _Listening(backend, faults=faults, retyped=self.retyped)

    async def open(self) -> "Several":
        await self.world.has_a_type()
        await self.report()
        for manager in self.managers(Life()):
            self.inboxes[manager.consumer] = await self.bus.inbox(
                manager.consumer, manager.subjects, ACK_WAIT_S, 100
            )
        return self

    async def report(self) -> None:
        """Every backend tells what it has, and that it can read what the others have."""
        for name, backend in self.backends.items():
            await self.reports.put(
                Report(
                    binary="cinder-volume",
                    host=f"h@{name}",
                    zone=ZONE,
                    at=self.clock(),
                    stats=await MemoryDriver(backend, volume_backend_name=name).stats(),
                    foreign_gib=dict.fromkeys(backend.pools, 0.0),
                    reads_from=[f"h@{other}" for other in self.backends if other != name],
                )
            )

    def managers(self, life: Life, *, copy_timeout_s: float = 10.0) -> list[ProcessManager]:
        """Those of one process that does everything."""
        commands = Commands(around(self.store, before=life.before, after=life.after))
        managers: list[ProcessManager] = [
            Placement(
                commands=commands,
                clock=self.clock,
                reports=self.reports,
                patience_s=60.0,
                rules=self.rules,
                max_attempts=self.max_attempts,
            ),
            ExtensionPlacement(commands=commands, clock=self.clock, reports=self.reports),
            SnapshotPlacement(commands=commands, clock=self.clock, reports=self.reports),
            CascadingDeletion(commands=commands, clock=self.clock),
            Settlement(commands=commands, clock=self.clock),
            EncryptionKeys(
                commands=commands,
                clock=self.clock,
                keys=around(self.keys, before=life.before, after=life.after),
                patience_s=60.0,
                timeout_s=10.0,
            ),
        ]
        drivers: dict[str, Driver] = {
            f"h@{name}": around(
                self.driver(backend, self.faults[name]),
                before=life.before,
                after=life.after,
            )
            for name, backend in self.backends.items()
        }

        async def reach(host: str) -> Driver | None:
            return drivers.get(host)

        for host, driver in drivers.items():
            shared: dict[str, Any] = {
                "commands": commands,
                "clock": self.clock,
                "backend": host,
                "driver": driver,
                "worker": "w",
                "timeout_s": self.timeout_s,
            }
            downloads = Downloads(
                images=self.images,
                driver=driver,
                directory=NOWHERE,
                clock=self.clock,
                timeout_s=copy_timeout_s,
                look_s=0.0,
                pause=at_once,
            )
            copier = Copier(
                backend=host,
                driver=driver,
                reach=reach,
                clock=self.clock,
                timeout_s=copy_timeout_s,
                look_s=0.0,
            )
            restored = Restored(
                commands=commands,
                store=self.backup_store,
                driver=driver,
                clock=self.clock,
                timeout_s=copy_timeout_s,
                look_s=0.0,
            )
            managers.append(
                Provisioning(**shared, copier=copier, downloads=downloads, restored=restored)
            )
            managers.append(
                Uploading(
                    **shared,
                    images=self.images,
                    outgoing=Outgoing(NOWHERE),
                    send_timeout_s=copy_timeout_s,
                    look_s=0.0,
                )
            )
            managers += [kind(**shared, copier=copier) for kind in (Moving, Reverting)]
            work = (
                Extending,
                Deletion,
                RemnantRemoval,
                Attaching,
                Detaching,
                SnapshotCreation,
                SnapshotDeletion,
            )
            managers += [kind(**shared) for kind in work]
        return managers

    async def go_on(self, *, life: Life | None = None, copy_timeout_s: float = 10.0) -> None:
        """Until nothing comes any more, however long one waits. Raises Crash."""
        await self.steps(10_000, life=life, copy_timeout_s=copy_timeout_s)

    async def steps(
        self, most: int, *, life: Life | None = None, copy_timeout_s: float = 10.0
    ) -> int:
        """So many reactions, or until nothing comes any more; how many that were."""
        life = life or Life()
        managers = self.managers(life, copy_timeout_s=copy_timeout_s)
        workers = {m.consumer: Worker(m, bus=self.bus, workload=WORKLOAD) for m in managers}
        handled = quiet = 0
        while quiet < 3 and handled < most:
            before = handled
            for name in [name for name in self.inboxes if name not in self.absent]:
                for delivery in await self.inbox(name, most - handled):
                    mortal = around(delivery, before=life.before, after=life.after)
                    await workers[name].handle(mortal)
                    # settlement waits for what it settles as long as it takes
                    handled += name != Settlement.name
            quiet = 0 if handled > before else quiet + 1
            if quiet:
                self.clock.now_s += ACK_WAIT_S
        return handled

    async def step(self, consumer: str) -> None:
        """The one reaction that this one has to do."""
        [manager] = [m for m in self.managers(Life()) if m.consumer == consumer]
        [delivery] = await self.inbox(consumer)
        await Worker(manager, bus=self.bus, workload=WORKLOAD).handle(delivery)

    async def inbox(self, consumer: str, most: int = 100) -> Sequence[Delivery]:
        """What there is for it, once all that is in the log is on the bus."""
        place = await self.bus.last_position()
        log = await self.store.log(place, 1_000)
        messages = [Message(r.position, subject_of(r), codec.to_cloud_event(r)) for r in log]
        await self.bus.publish(messages, after=place)
        return self.inboxes[consumer].here(most) if most else ()

    def fails(self, *names: str, failure: DriverFailure = BROKEN, work: Work = Work.HALF) -> None:
        for name in names:
            self.faults[name].plan("create_volume", Fault(failure=failure, work=work))

    async def create(self, number: int = 1, **changes: object) -> None:
        await self.world.run(self.world.creation(number, **changes))

    async def an_image(self) -> ChosenImage:
        """Of a MiB, which can be had."""
        about = NewImage(name="cirros", owner=PROJECT, disk_format="raw")
        id = await self.images.create(about)
        self.images.put(id, b"\1" * 2**20)
        return chosen(self.images.images[id])

    async def volume(self, number: int = 1) -> Volume:
        return await self.world.volume(number)

    async def verbs(self, number: int = 1) -> list[str]:
        return [r.event.verb for r in await self.store.events(an_id(number))]

    def pool(self, host: str) -> MemoryPool:
        """By `host@backend#pool`."""
        backend, _, name = host.removeprefix("h@").partition("#")
        return self.backends[backend].pools[name]

    @property
    def held(self) -> list[str]:
        """The backends that have any object."""
        return [
            name
            for name, backend in self.backends.items()
            if any(pool.volumes for pool in backend.pools.values())
        ]

    async def assert_sound(self) -> None:
        await self.world.assert_sound()
        ledger = PoolLedger()
        ledger.take(changes(bare(await self.store.log(0, 10_000))))
        assert (await self.store.promises())[1] == ledger.promised
