"""A backend in memory, for tests, simulation and benchmarks; it fails when and as it is told."""

import asyncio
import copy
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Literal
from uuid import UUID

import msgspec

from adapters.drivers.content import Block, Blocks
from adapters.drivers.contract import (
    AttachMode,
    BackendStats,
    Connected,
    Connection,
    Connector,
    DriverFailure,
    Provisioned,
    TypeChange,
    VolumeSpec,
    node_of,
)
from adapters.drivers.locks import ObjectLocks
from adapters.drivers.memory_pool import MemoryPool

OnVolume = Literal["create_volume", "delete_volume", "extend_volume", "retype_volume"]
OnConnection = Literal["connect_volume", "disconnect_volume", "connections"]
OnContent = Literal["read_volume", "write_volume", "adopt_volume"]
Operation = Literal[OnVolume, OnConnection, OnContent, "stats", "objects", "check"]

DATA_PATH = "fake"

Step = Callable[[MemoryPool, bool], None]
"""What a call does to a pool, as a whole or half of it."""


class Work(Enum):
    """How much of its work a failing call has done."""

    NONE = "none"
    HALF = "half"
    ALL = "all"


class Hold:
    """Stops a call until `release`; `reached` is set once a call stands still here."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._released = asyncio.Event()

    def release(self) -> None:
        self._released.set()

    async def passed(self) -> None:
        self.reached.set()
        await self._released.wait()


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One call's misfortune, in this order: late, held, `work` done, then `failure` raised.

    Without a failure the call does all its work and succeeds.
    """

    failure: Exception | None = None
    work: Work = Work.NONE
    latency_s: float = 0.0
    hold: Hold | None = None


class Faults:
    """What goes wrong, and when: a queue of faults per operation, one used up by each call.

    `latency_s` is how long every call of an operation takes. `sleep` is what waits for it.
    """

    def __init__(
        self,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        latency_s: Mapping[Operation, float] | None = None,
    ) -> None:
        self._sleep = sleep
        self.latency_s: dict[Operation, float] = dict(latency_s or {})
        self._planned: dict[Operation, deque[Fault]] = {}

    def plan(self, operation: Operation, fault: Fault, *, times: int = 1) -> None:
        """After the faults already planned, let the next `times` calls meet this one."""
        self._planned.setdefault(operation, deque()).extend([fault] * times)

    def fail(self, operation: Operation, failure: Exception, *, times: int = 1) -> None:
        """Let the next `times` calls fail before they do anything."""
        self.plan(operation, Fault(failure=failure), times=times)

    async def meet(self, operation: Operation) -> Fault | None:
        """Take the fault this call meets, and wait as long as it says."""
        planned = self._planned.get(operation)
        fault = planned.popleft() if planned else None
        latency_s = self.latency_s.get(operation, 0.0) + (fault.latency_s if fault else 0.0)
        if latency_s:
            await self._sleep(latency_s)
        if fault and fault.hold:
            await fault.hold.passed()
        return fault


class MemoryBackend:
    """What outlives its drivers, as an array outlives the process that drives it."""

    def __init__(self, capacities_gib: Mapping[str, float]) -> None:
        self.pools = {name: MemoryPool(name, gib) for name, gib in capacities_gib.items()}

    def pool(self, name: str) -> MemoryPool:
        if name not in self.pools:
            raise DriverFailure(f"there is no pool {name!r} here", True)
        return self.pools[name]


class MemoryDriver:
    """Drives a MemoryBackend. Without faults no call yields to the event loop."""

    def __init__(
        self,
        backend: MemoryBackend,
        *,
        faults: Faults | None = None,
        volume_backend_name: str = "memory",
    ) -> None:
        self._backend = backend
        self._faults = faults or Faults()
        self._name = volume_backend_name
        self._locks = ObjectLocks()

    async def create_volume(self, spec: VolumeSpec) -> Provisioned:
        await self._on_object(
            "create_volume", spec, lambda pool, whole: pool.create(spec, whole=whole)
        )
        return Provisioned(provider_id=f"memory-{spec.id}")

    async def delete_volume(self, spec: VolumeSpec) -> None:
        await self._on_object(
            "delete_volume", spec, lambda pool, whole: pool.delete(spec, whole=whole)
        )

    async def extend_volume(self, spec: VolumeSpec, new_size_gib: int) -> None:
        await self._on_object(
            "extend_volume", spec, lambda pool, whole: pool.extend(spec, new_size_gib, whole=whole)
        )

    async def connect_volume(
        self, spec: VolumeSpec, attachment_id: UUID, connector: Connector, mode: AttachMode
    ) -> Connection:
        node_of(connector)
        await self._on_object(
            "connect_volume", spec, lambda pool, _: pool.connect(spec, attachment_id, mode)
        )
        return Connection(driver_volume_type=DATA_PATH, data={"volume_id": str(spec.id)})

    async def disconnect_volume(self, spec: VolumeSpec, attachment_id: UUID) -> None:
        await self._on_object(
            "disconnect_volume", spec, lambda pool, _: pool.disconnect(spec, attachment_id)
        )

    async def connections(self, pool: str | None = None) -> set[Connected]:
        await self._asked("connections")
        return {each for pool in self._pools(pool) for each in pool.connected}

    async def retype_volume(self, spec: VolumeSpec, change: TypeChange) -> None:
        def look(pool: MemoryPool, whole: bool) -> None:
            pool.whole(spec, "be changed")

        await self._on_object("retype_volume", spec, look)

    async def read_volume(self, spec: VolumeSpec) -> Blocks:
        await self._asked("read_volume")
        for offset, data in sorted(
            self._backend.pool(spec.pool).whole(spec, "read").content.items()
        ):
            yield Block(offset, data)

    async def write_volume(self, spec: VolumeSpec, content: Blocks) -> Provisioned:
        found = self._backend.pool(spec.pool).volumes.get(spec.object_name)
        held = {} if found and found.whole else {b.offset: b.data async for b in content}
        await self._on_object(
            "write_volume", spec, lambda pool, whole: pool.create(spec, whole=whole, content=held)
        )
        return Provisioned(provider_id=f"memory-{spec.id}")

    async def adopt_volume(self, spec: VolumeSpec, pool: str) -> Provisioned | None:
        """As if the two shared what they hold."""
        held = self._backend.pool(pool).whole(spec, "adopt").content
        await self._on_object(
            "adopt_volume", spec, lambda pool, whole: pool.create(spec, whole=whole, content=held)
        )
        return Provisioned(provider_id=f"memory-{spec.id}")

    async def stats(self) -> BackendStats:
        await self._asked("stats")
        return BackendStats(
            volume_backend_name=self._name,
            vendor_name="Lapilli",
            driver_version="1.0",
            storage_protocol="memory",
            data_path=DATA_PATH,
            pools=tuple(pool.stats() for pool in self._backend.pools.values()),
        )

    async def objects(self, pool: str | None = None) -> set[str]:
        await self._asked("objects")
        return {name for each in self._pools(pool) for name in each.volumes}

    async def check(self) -> None:
        await self._asked("check")
        for pool in self._pools():
            for gone in [each for each in pool.connected if each.object_name not in pool.volumes]:
                del pool.connected[gone]

    async def close(self) -> None:
        pass

    def _pools(self, name: str | None = None) -> list[MemoryPool]:
        return list(self._backend.pools.values()) if name is None else [self._backend.pool(name)]

    async def _asked(self, operation: Operation) -> None:
        fault = await self._faults.meet(operation)
        if fault and fault.failure:
            raise copy.copy(fault.failure)  # a fresh one: tracebacks pile up on a shared one

    async def _on_object(self, operation: Operation, spec: VolumeSpec, step: Step) -> None:
        async with self._locks.of(f"{spec.pool}/{spec.object_name}"):
            fault = await self._faults.meet(operation)
            if fault is None or fault.failure is None:
                step(self._backend.pool(spec.pool), True)
                return
            if fault.work is not Work.NONE:
                step(self._backend.pool(spec.pool), fault.work is Work.ALL)
            raise copy.copy(fault.failure)
