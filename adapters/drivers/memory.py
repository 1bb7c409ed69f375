"""A backend in memory, for tests, simulation and benchmarks; it fails when and as it is told."""

import copy
from collections.abc import Callable, Mapping
from contextlib import suppress
from uuid import UUID

from adapters.drivers.content import Block, Blocks
from adapters.drivers.contract import (
    AttachMode,
    BackendStats,
    Check,
    Connected,
    Connection,
    Connector,
    DriverFailure,
    OpenFile,
    Provisioned,
    SnapshotSpec,
    Source,
    TypeChange,
    VolumeSpec,
    node_of,
)
from adapters.drivers.locks import ObjectLocks
from adapters.drivers.memory_faults import Fault, Faults, Hold, Operation, Work
from adapters.drivers.memory_pool import MemoryPool

__all__ = [
    "Fault",
    "Faults",
    "Hold",
    "MemoryBackend",
    "MemoryDriver",
    "MemoryPool",
    "Operation",
    "Work",
]

DATA_PATH = "fake"

Step = Callable[[MemoryPool, bool], None]
"""What a call does to a pool, as a whole or half of it."""


class MemoryBackend:
    """What outlives its drivers, as an array outlives the process that drives it."""

    def __init__(
        self, capacities_gib: Mapping[str, float], *, clones_across_pools: bool = True
    ) -> None:
        self.clones_across_pools = clones_across_pools
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
        return _provisioned(spec)

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

    async def create_snapshot(self, spec: SnapshotSpec) -> Provisioned:
        def keep(pool: MemoryPool, whole: bool) -> None:
            if not pool.has(spec):
                pool.create(spec, whole=whole, content=pool.held(spec.volume, "copy"))

        await self._on_object("create_snapshot", spec, keep)
        return _provisioned(spec)

    async def delete_snapshot(self, spec: SnapshotSpec) -> None:
        await self._on_object(
            "delete_snapshot", spec, lambda pool, whole: pool.delete(spec, whole=whole)
        )

    async def clone_volume(self, spec: VolumeSpec, source: Source) -> Provisioned | None:
        if source.pool != spec.pool and not self._backend.clones_across_pools:
            return None

        def clone(pool: MemoryPool, whole: bool) -> None:
            if pool.has(spec):
                return
            if source.size_gib > spec.size_gib:
                raise DriverFailure(
                    f"{source.object_name} does not fit into {spec.size_gib} GiB", False
                )
            content = self._backend.pool(source.pool).held(source, "copy")
            pool.create(spec, whole=whole, content=content)

        await self._on_object("clone_volume", spec, clone)
        return _provisioned(spec)

    async def revert_volume(self, spec: VolumeSpec, to: SnapshotSpec) -> None:
        def revert(pool: MemoryPool, whole: bool) -> None:
            if to.size_gib != spec.size_gib:
                raise DriverFailure(
                    f"{to.object_name} has {to.size_gib} GiB, not {spec.size_gib}", False
                )
            content = pool.held(to, "revert to")
            if whole:  # there is no half of it
                pool.replace(spec, content)

        await self._on_object("revert_volume", spec, revert)

    async def read(self, source: Source) -> Blocks:
        await self._asked("read")
        found = self._backend.pool(source.pool).whole(source, "read")
        for offset, data in sorted(found.first(source.size_gib).items()):
            yield Block(offset, data)

    async def write_volume(
        self, spec: VolumeSpec, content: Blocks, *, resume_at: int = 0
    ) -> Provisioned:
        pool = self._backend.pool(spec.pool)
        held = {} if pool.has(spec) else await self._received(pool, spec, content, resume_at)
        await self._on_object(
            "write_volume", spec, lambda pool, whole: pool.create(spec, whole=whole, content=held)
        )
        return _provisioned(spec)

    async def _received(
        self, pool: MemoryPool, spec: VolumeSpec, content: Blocks, resume_at: int
    ) -> dict[int, bytes]:
        """What was written before it broke off, and what comes now."""
        before = pool.unfinished(spec)
        if resume_at > (before.written if before else 0):
            raise DriverFailure(f"{spec.object_name} has not been written that far", False)
        held = {o: data for o, data in before.content.items() if o < resume_at} if before else {}
        written = resume_at
        try:
            async for block in content:
                held[block.offset] = block.data
                written = block.offset + len(block.data)
        except BaseException:
            if written:
                with suppress(DriverFailure):
                    pool.break_off(spec, content=held, written=written)
            raise
        return held

    async def written(self, spec: VolumeSpec) -> int:
        await self._asked("written")
        found = self._backend.pool(spec.pool).unfinished(spec)
        return found.written if found else 0

    async def read_written(self, spec: VolumeSpec) -> Blocks:
        await self._asked("read_written")
        found = self._backend.pool(spec.pool).unfinished(spec)
        for offset, data in sorted(found.content.items()) if found else ():
            yield Block(offset, data)

    async def copy_file(
        self, spec: VolumeSpec, file: OpenFile, *, first_bytes: int, check: Check
    ) -> None:
        return None

    async def overwrite_volume(self, spec: VolumeSpec, content: Blocks) -> None:
        self._backend.pool(spec.pool).whole(spec, "overwrite")
        held = {block.offset: block.data async for block in content}

        def overwrite(pool: MemoryPool, whole: bool) -> None:
            if whole:  # there is no half of it
                pool.replace(spec, held)

        await self._on_object("overwrite_volume", spec, overwrite)

    async def adopt_volume(self, spec: VolumeSpec, pool: str) -> Provisioned | None:
        """As if the two shared what they hold."""
        held = self._backend.pool(pool).whole(spec, "adopt").content
        await self._on_object(
            "adopt_volume", spec, lambda pool, whole: pool.create(spec, whole=whole, content=held)
        )
        return _provisioned(spec)

    async def stats(self) -> BackendStats:
        await self._asked("stats")
        return BackendStats(
            volume_backend_name=self._name,
            vendor_name="Lapilli",
            driver_version="1.0",
            storage_protocol="memory",
            data_path=DATA_PATH,
            pools=tuple(
                pool.stats(clone_across_pools=self._backend.clones_across_pools)
                for pool in self._backend.pools.values()
            ),
        )

    async def objects(self, pool: str | None = None) -> set[str]:
        await self._asked("objects")
        return {name for each in self._pools(pool) for name in each.objects}

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

    async def _on_object(self, operation: Operation, spec: Source, step: Step) -> None:
        async with self._locks.of(f"{spec.pool}/{spec.object_name}"):
            fault = await self._faults.meet(operation)
            if fault is None or fault.failure is None:
                step(self._backend.pool(spec.pool), True)
                return
            if fault.work is not Work.NONE:
                step(self._backend.pool(spec.pool), fault.work is Work.ALL)
            raise copy.copy(fault.failure)


def _provisioned(spec: Source) -> Provisioned:
    return Provisioned(provider_id=f"memory-{spec.id}")
