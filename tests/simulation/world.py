"""The whole of one run: what all processes share, and what befalls them."""

import asyncio
import random
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from adapters.backup_store.memory import MemoryShelf
from adapters.bus.memory import MemoryBus
from adapters.drivers.memory_pool import MemoryPool
from adapters.event_store.memory import MemoryEventStore
from adapters.image_service.memory import MemoryImageService
from adapters.image_service.port import NewImage
from adapters.key_manager.memory import MemoryKeyManager
from projections.generations import create_tables
from services import composition
from services.settings import (
    Api,
    Backend,
    Deadlines,
    KeyManager,
    Placement,
    Processes,
    Quota,
    Relay,
    Settings,
)
from tests.simulation.backends import a_backend
from tests.simulation.chance import Case, Chances
from tests.simulation.history import History
from tests.simulation.loop import Machine, SimulatedLoop
from tests.simulation.processes import Process
from tests.simulation.watch import Watch, pool_of
from tests.support.builders import MORNING

SETTINGS = Settings(
    host="h",
    report_interval_s=10.0,
    service_down_s=60.0,
    api=Api(read_your_writes_s=2.0, backend_timeout_s=15.0, write_timeout_s=10.0),
    processes=Processes(
        ack_wait_s=4.0,
        concurrency=8,
        max_deliveries=4,
        driver_timeout_s=8.0,
        copy_timeout_s=12.0,
        backoff_s=(0.5, 2.0, 5.0),
    ),
    deadlines=Deadlines(
        placement_s=12.0,
        creation_s=15.0,
        deletion_s=15.0,
        extension_s=15.0,
        attachment_s=15.0,
        moving_s=20.0,
        download_s=20.0,
        backup_s=20.0,
        interval_s=4.0,
        grace_s=3.0,
    ),
    key_manager=KeyManager(patience_s=8.0, timeout_s=3.0),
    placement=Placement(patience_s=8.0, max_attempts=2),
    quota=Quota(volumes=8, gigabytes=24),
    relay=Relay(lease_s=6.0, batch=50),
    backends={
        "gold": Backend(
            driver="file", pools=("p1", "p2"), image_cache=True, image_cache_max_count=1
        ),
        "iron": Backend(driver="file", pools=("p",)),
    },
)
"""Patience is short, so that it runs out often."""

CAPACITY_GIB = {"gold": {"p1": 9, "p2": 6}, "iron": {"p": 10}}


class World:
    """Everything that processes share. It tells its story as it goes."""

    def __init__(self, case: Case, *, views: sqlite3.Connection, directory: str) -> None:
        self.case = case
        self.settings = msgspec.structs.replace(SETTINGS, data_dir=directory)
        self.chances = Chances(case, self.tell)
        self.loop = SimulatedLoop(self.chances.order)
        self.loop.thread_work = self._in_thread
        self.machines: list[Machine] = []
        self.story: list[str] = []
        self.violations: list[str] = []
        self.history = History()
        self.wished: list[int] = []
        """Numbers of wishes."""
        self.limits = composition.default_limits(SETTINGS)
        self.store = MemoryEventStore(default_limits=self.limits)
        self.watch = Watch(self)
        self.store.on_append(self.watch.appended)
        self.bus = MemoryBus(self.loop.time)
        self.keys = MemoryKeyManager()
        self.shelf = MemoryShelf()
        self.images = MemoryImageService(chunk_bytes=512, clock=self.clock)
        self.first_images: set[str] = set()
        self.backends = {
            name: a_backend(f"h@{name}", pools, self.watch.happened)
            for name, pools in CAPACITY_GIB.items()
        }
        self.engine = _views_engine(views, self)
        self.views_away = False
        self._ids = random.Random(f"{case.seed} ids")
        parts = ("store", "bus", "key manager", "image service")
        self._down_until = dict.fromkeys(parts, 0.0)
        self.apis = [Process(self, f"api{n}", "api") for n in (1, 2)]
        self.processes = [
            *self.apis,
            *(Process(self, f"processes{n}", "processes") for n in (1, 2)),
            *(Process(self, f"relay{n}", "relay") for n in (1, 2)),
            Process(self, "projector1", "projector"),
            *(
                Process(self, f"{name}{n}", f"backend:{name}")
                for name in SETTINGS.backends
                for n in (1, 2)
            ),
        ]

    @property
    def longest_s(self) -> float:
        """Longer than anything that a worker does, and than it is waited for."""
        return SETTINGS.processes.copy_timeout_s + SETTINGS.processes.ack_wait_s

    @property
    def pools(self) -> Iterator[str]:
        """Their names as `host@backend#pool`."""
        return (f"h@{b}#{pool}" for b, pools in CAPACITY_GIB.items() for pool in pools)

    def pool_of(self, host: str) -> MemoryPool:
        return pool_of(self.backends, host)

    def clock(self) -> datetime:
        return MORNING + timedelta(seconds=self.loop.now_s)

    def new_id(self) -> UUID:
        return UUID(int=self._ids.getrandbits(128))

    def tell(self, what: str) -> None:
        self.story.append(f"{self.loop.now_s:9.3f} {self.loop.machine.name:14} {what}")

    def violated(self, what: str) -> None:
        self.tell(f"VIOLATION {what}")
        self.violations.append(what)

    async def has_images(self) -> None:
        """Raw ones: others need programs."""
        for number in (1, 2):
            image = NewImage(
                name=f"image {number}", owner="", disk_format="raw", visibility="public"
            )
            content = random.Random(f"image {number}").randbytes(700 * number)
            self.images.put(await self.images.create(image), content)
        self.first_images = {*self.images.images}

    # what befalls it

    def down(self, part: str) -> bool:
        return self.loop.now_s < self._down_until[part]

    async def befall(self) -> None:
        """Every second something may happen to parts and processes. Runs until cancelled."""
        chances = self.chances
        while True:
            await asyncio.sleep(1.0)
            victim = self.processes[int(chances.times.random() * len(self.processes))]
            seconds = chances.between(0.5, 20.0)
            if chances.strikes("process dies", victim.name):
                victim.die()
            still_s = 2 * seconds  # longer than deadlines: it wakes up when all is over
            if chances.strikes("process stands still", f"{victim.name} for {still_s:.1f} s"):
                victim.stand_still(still_s)
            for part in self._down_until:
                if chances.strikes(f"{part} is down", f"for {seconds:.1f} s"):
                    self._down_until[part] = self.loop.now_s + seconds
            if chances.strikes("stream is lost", "log stream"):
                self.bus.lose_log()
            if chances.strikes("notifications are lost", "notifications"):
                self.bus.lose_told("notifications")
            if chances.strikes("clock jumps", f"{victim.name} by {seconds - 10:.1f} s"):
                victim.skew_s += seconds - 10

    def left(self) -> list[Process]:
        """The workers of a backend that does not come back for long, if there is one."""
        name = ("gold", "iron")[self.chances.times.random() < 0.5]
        if not self.chances.strikes("backend stays away", name):
            return []
        return [each for each in self.processes if each.role == f"backend:{name}"]

    def calm_down(self) -> None:
        """Nothing befalls anybody any more, and all clocks are right."""
        self.chances.calm = True
        self._down_until = dict.fromkeys(self._down_until, 0.0)
        for process in self.processes:
            process.skew_s = 0.0
            process.machine.stands_until = 0.0

    async def _in_thread(self, machine: Machine, work: Callable[[], Any]) -> Any:
        """What runs in threads takes its time, and is done at once."""
        chances = self.chances
        slow = chances.strikes("views are slow", machine.name)
        await asyncio.sleep(chances.between(0.2, 3.0) if slow else chances.latency_s())
        self.views_away = chances.strikes("views do not answer", machine.name)
        try:
            return work()
        finally:
            self.views_away = False


def template() -> sqlite3.Connection:
    """An empty database of views, to be copied: making it takes longer."""
    connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    engine = _views_engine(connection, None)
    create_tables(engine)
    return connection


def _views_engine(connection: sqlite3.Connection, world: World | None) -> Engine:
    """Transactions begin as in adapters/database.py, unless the world says no."""
    engine = create_engine("sqlite://", poolclass=StaticPool, creator=lambda: connection)

    @event.listens_for(engine, "begin")
    def begin(found: Connection) -> None:
        if world is not None and world.views_away:
            raise OperationalError("BEGIN", None, sqlite3.OperationalError("views are away"))
        found.exec_driver_sql(found.get_execution_options().get("sqlite_begin", "BEGIN"))

    return engine
