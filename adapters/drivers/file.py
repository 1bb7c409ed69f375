"""The embedded default backend: each volume is a sparse file in its pool's directory."""

import asyncio
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeVar
from uuid import UUID

from adapters.drivers import nbd, reflink, sparse_file
from adapters.drivers.content import Block, Blocks
from adapters.drivers.contract import (
    AttachMode,
    BackendStats,
    Connected,
    Connection,
    Connector,
    DriverFailure,
    PoolStats,
    Provisioned,
    TypeChange,
    VolumeBusy,
    VolumeSpec,
    node_of,
)
from adapters.drivers.exports import Export, Exports
from adapters.drivers.failures import FULL, failures
from adapters.drivers.feed import Feed
from adapters.drivers.file_content import blocks_of, link
from adapters.drivers.locks import ObjectLocks, exclusive

GIB = 2**30
BLOCK_BYTES = 512  # the unit of st_blocks, whatever the filesystem's own block size; stat(2)
CONCURRENT_CALLS = 8  # threads; they mostly wait for fsync
CONCURRENT_WRITES = 4  # volumes whose content comes from elsewhere


T = TypeVar("T")


class FileDriver:
    """Volumes as files `<directory>/<pool>/volume-<id>`, mode 0600, thin.

    Any number of processes of one machine may drive the same directory. Pools on one filesystem
    each report all of its free space.
    """

    def __init__(
        self,
        directory: Path,
        pools: Sequence[str],
        *,
        volume_backend_name: str = "file",
        max_over_subscription_ratio: float | Literal["auto"] = 20.0,
        reserved_percentage: int = 0,
        nbd_host: str = "",
        nbd_first_port: int = 10809,
    ) -> None:
        """Attached volumes are exported on Unix sockets, or on ports of `nbd_host`."""
        for pool in pools:
            if not re.fullmatch(r"[\w-][\w.-]*", pool):
                raise ValueError(f"{pool!r} cannot name a directory for a pool")
        self._directory = directory
        self._pools = {pool: directory / pool for pool in pools}
        self._name = volume_backend_name
        self._max_over_subscription_ratio = max_over_subscription_ratio
        self._reserved_percentage = reserved_percentage
        self._exports = Exports(directory, host=nbd_host, first_port=nbd_first_port)
        self._reflink: dict[str, bool] = {}
        self._locks = ObjectLocks()
        self._threads = ThreadPoolExecutor(CONCURRENT_CALLS, thread_name_prefix="file-driver")
        # Their own: they wait for blocks, which others read.
        self._writers = ThreadPoolExecutor(CONCURRENT_WRITES, thread_name_prefix="file-writer")

    async def create_volume(self, spec: VolumeSpec) -> Provisioned:
        size_bytes = spec.size_gib * GIB
        await self._on_object("create", spec, lambda path: sparse_file.create(path, size_bytes))
        return Provisioned()

    async def delete_volume(self, spec: VolumeSpec) -> None:
        def delete(path: Path) -> None:
            if self._exports.of(spec.pool, spec.object_name):
                raise VolumeBusy(f"{spec.object_name} is connected")
            sparse_file.delete(path)

        await self._on_object("delete", spec, delete)

    async def extend_volume(self, spec: VolumeSpec, new_size_gib: int) -> None:
        size_bytes = new_size_gib * GIB

        def extend(path: Path) -> None:
            if sparse_file.is_whole(path) and path.stat().st_size < size_bytes:
                self._exports.check_growth(spec.pool, spec.object_name)
            sparse_file.extend(path, size_bytes)

        await self._on_object("extend", spec, extend)

    async def connect_volume(
        self, spec: VolumeSpec, attachment_id: UUID, connector: Connector, mode: AttachMode
    ) -> Connection:
        node_of(connector)

        def connect(path: Path) -> Export:
            if not sparse_file.is_whole(path):
                raise DriverFailure(f"{path} is not there to connect", False)
            return self._exports.connect(
                path, pool=spec.pool, attachment_id=attachment_id, mode=mode
            )

        return (await self._on_object("connect", spec, connect)).connection

    async def disconnect_volume(self, spec: VolumeSpec, attachment_id: UUID) -> None:
        await self._on_object("disconnect", spec, lambda _: self._exports.disconnect(attachment_id))

    async def connections(self, pool: str | None = None) -> set[Connected]:
        if pool is not None:
            self._pool_directory(pool)

        def connected() -> set[Connected]:
            with failures("cannot list connections", self._directory):
                return {e.connected for e in self._exports.all() if pool in (None, e.pool)}

        return await self._in_thread(connected)

    async def retype_volume(self, spec: VolumeSpec, change: TypeChange) -> None:
        """Nothing of a type is kept with a volume: what its pool can do, it can do for any."""

        def look(path: Path) -> None:
            if not path.exists():
                raise DriverFailure(f"{path} is not there to be changed", False)

        await self._on_object("retype", spec, look)

    async def read_volume(self, spec: VolumeSpec) -> Blocks:
        directory = self._pool_directory(spec.pool)
        blocks = blocks_of(directory / spec.object_name)

        def read() -> Block | None:
            with failures(f"cannot read {spec.object_name}", directory):
                return next(blocks, None)

        while (block := await self._in_thread(read)) is not None:
            yield block

    async def write_volume(self, spec: VolumeSpec, content: Blocks) -> Provisioned:
        size_bytes, feed = spec.size_gib * GIB, Feed(content)
        try:
            await self._on_object(
                "write",
                spec,
                lambda path: sparse_file.create(path, size_bytes, feed),
                threads=self._writers,
            )
        finally:
            feed.end()
        return Provisioned()

    async def adopt_volume(self, spec: VolumeSpec, pool: str) -> Provisioned | None:
        """By a second name of the same file, where both pools are on one filesystem."""
        original = self._pool_directory(pool) / spec.object_name
        linked = await self._on_object("adopt", spec, lambda path: link(original, path))
        return Provisioned() if linked else None

    async def stats(self) -> BackendStats:
        program = nbd.installed()
        return BackendStats(
            volume_backend_name=self._name,
            vendor_name="Lapilli",
            driver_version="1.0",
            storage_protocol="file",
            data_path="nbd" if program else "none",
            data_path_problem="" if program else nbd.NO_PROGRAM,
            pools=await self._in_thread(
                lambda: tuple(self._pool_stats(pool, program) for pool in self._pools)
            ),
        )

    async def objects(self, pool: str | None = None) -> set[str]:
        pools = list(self._pools) if pool is None else [pool]

        def names() -> set[str]:
            return {name for each in pools for name in self._volumes(each)}

        return await self._in_thread(names)

    async def check(self) -> None:
        """Make missing pool directories, and remove partial files that no live process holds.

        The directory above must exist: where it is missing, a mount usually is, and volumes made
        in its place would vanish under it later.
        """
        await self._in_thread(self._make_ready)

    async def close(self) -> None:
        """Stop the exports as well, unless other processes drive this directory."""
        for threads in (self._threads, self._writers):
            await asyncio.to_thread(threads.shutdown)
        await asyncio.to_thread(self._exports.close)

    async def _on_object(
        self,
        verb: str,
        spec: VolumeSpec,
        work: Callable[[Path], T],
        *,
        threads: ThreadPoolExecutor | None = None,
    ) -> T:
        directory = self._pool_directory(spec.pool)

        def locked() -> T:
            trouble = failures(f"cannot {verb} {spec.object_name}", directory)
            with trouble, exclusive(directory, spec.id):
                return work(directory / spec.object_name)

        # The lock on disk alone would do; waiting here does not keep a thread. A cancelled call
        # goes on in its thread, still excluding others by the lock on disk.
        async with self._locks.of(f"{spec.pool}/{spec.object_name}"):
            return await self._in_thread(locked, threads)

    async def _in_thread(
        self, work: Callable[[], T], threads: ThreadPoolExecutor | None = None
    ) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads or self._threads, work)

    def _pool_directory(self, pool: str) -> Path:
        if pool not in self._pools:
            raise DriverFailure(f"there is no pool {pool!r} in {self._directory}", True)
        return self._pools[pool]

    def _make_ready(self) -> None:
        for pool, directory in self._pools.items():
            with failures(f"pool {pool!r} is not usable", directory):
                directory.mkdir(mode=0o700, exist_ok=True)
                sparse_file.remove_leftovers(directory)
                self._can_reflink(pool)
        with failures("connections are not usable", self._directory):
            for export in self._exports.all():
                if export.pool in self._pools:
                    self._bring_back(export)

    def _bring_back(self, export: Export) -> None:
        directory = self._pools[export.pool]
        path = directory / export.object_name
        with exclusive(directory, export.volume_id):
            if export not in self._exports.all():
                return  # disconnected since
            if not sparse_file.is_whole(path):
                self._exports.disconnect(export.attachment_id)
                return
            # The backend is usable without it, and whoever connects again is told what is wrong.
            with suppress(DriverFailure, OSError):
                self._exports.connect(
                    path, pool=export.pool, attachment_id=export.attachment_id, mode=export.mode
                )

    def _volumes(self, pool: str) -> dict[str, os.stat_result]:
        directory = self._pool_directory(pool)
        with failures(f"cannot list pool {pool!r}", directory):
            return sparse_file.volumes_in(directory)

    def _pool_stats(self, pool: str, program: nbd.Program | None) -> PoolStats:
        directory = self._pools[pool]
        volumes = self._volumes(pool).values()
        with failures(f"cannot measure pool {pool!r}", directory):
            space = os.statvfs(directory)
            can_reflink = self._can_reflink(pool)
        return PoolStats(
            pool_name=pool,
            total_capacity_gib=space.f_blocks * space.f_frsize / GIB,
            free_capacity_gib=space.f_bavail * space.f_frsize / GIB,
            allocated_capacity_gib=sum(each.st_blocks for each in volumes) * BLOCK_BYTES / GIB,
            provisioned_capacity_gib=sum(each.st_size for each in volumes) / GIB,
            total_volumes=len(volumes),
            thin_provisioning_support=True,
            thick_provisioning_support=False,
            max_over_subscription_ratio=self._max_over_subscription_ratio,
            reserved_percentage=self._reserved_percentage,
            capabilities={
                "reflink": can_reflink,
                "back_end_encryption": False,
                "multiattach": program is not None,
                "online_extend_support": program is not None and program.shows_growth,
            },
        )

    def _can_reflink(self, pool: str) -> bool:
        if pool not in self._reflink:
            try:
                self._reflink[pool] = reflink.supported(self._pools[pool])
            except OSError as error:
                if error.errno in FULL:  # still good for deleting; found out when there is room
                    return False
                raise
        return self._reflink[pool]
