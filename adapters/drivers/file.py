"""The embedded default backend: each volume is a sparse file in its pool's directory."""

import asyncio
import errno
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar
from uuid import UUID

from adapters.drivers import reflink
from adapters.drivers.contract import (
    AttachMode,
    BackendStats,
    Connected,
    Connection,
    Connector,
    DriverFailure,
    PoolStats,
    Provisioned,
    VolumeSpec,
    node_of,
)
from adapters.drivers.durable import appearing, partial_of, remove, sync_directory
from adapters.drivers.locks import ObjectLocks, exclusive

GIB = 2**30
BLOCK_BYTES = 512  # the unit of st_blocks, whatever the filesystem's own block size; stat(2)
NO_DATA_PATH = "this driver keeps volumes, and exports none yet"
CONCURRENT_CALLS = 8  # threads; they mostly wait for fsync

UUID_PATTERN = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
VOLUME = re.compile(f"volume-{UUID_PATTERN}")
PARTIAL = re.compile(rf"\.volume-({UUID_PATTERN})\.partial")

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
REMEDIES = {
    errno.ENOSPC: "free some space (or inodes) there",
    errno.EDQUOT: "raise the disk quota of the user that runs this service",
    errno.EFBIG: "this filesystem does not take files that large",
    errno.EACCES: "give the user that runs this service read and write permission",
    errno.EPERM: "give the user that runs this service read and write permission",
    errno.EROFS: "mount the filesystem read-write",
    errno.EIO: "the disk is failing: see the kernel log",
    errno.ENOENT: "create the directory, or mount the filesystem that should be there",
    errno.ENOTDIR: "a directory is needed there, and something else is in its place",
    errno.ELOOP: "a symbolic link is in the place of a volume: remove it",
}

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
    ) -> None:
        for pool in pools:
            if not re.fullmatch(r"[\w-][\w.-]*", pool):
                raise ValueError(f"{pool!r} cannot name a directory for a pool")
        self._directory = directory
        self._pools = {pool: directory / pool for pool in pools}
        self._name = volume_backend_name
        self._max_over_subscription_ratio = max_over_subscription_ratio
        self._reserved_percentage = reserved_percentage
        self._reflink: dict[str, bool] = {}
        self._locks = ObjectLocks()
        self._threads = ThreadPoolExecutor(CONCURRENT_CALLS, thread_name_prefix="file-driver")

    async def create_volume(self, spec: VolumeSpec) -> Provisioned:
        size_bytes = spec.size_gib * GIB
        await self._on_object("create", spec, lambda path: _create(path, size_bytes))
        return Provisioned()

    async def delete_volume(self, spec: VolumeSpec) -> None:
        await self._on_object("delete", spec, _delete)

    async def extend_volume(self, spec: VolumeSpec, new_size_gib: int) -> None:
        size_bytes = new_size_gib * GIB
        await self._on_object("extend", spec, lambda path: _extend(path, size_bytes))

    async def connect_volume(
        self, spec: VolumeSpec, attachment_id: UUID, connector: Connector, mode: AttachMode
    ) -> Connection:
        node_of(connector)
        raise DriverFailure(NO_DATA_PATH, False)

    async def disconnect_volume(self, spec: VolumeSpec, attachment_id: UUID) -> None:
        self._pool_directory(spec.pool)

    async def connections(self, pool: str | None = None) -> set[Connected]:
        return set()

    async def stats(self) -> BackendStats:
        return BackendStats(
            volume_backend_name=self._name,
            vendor_name="Lapilli",
            driver_version="1.0",
            storage_protocol="file",
            data_path_problem=NO_DATA_PATH,
            pools=await self._in_thread(
                lambda: tuple(self._pool_stats(pool) for pool in self._pools)
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
        await asyncio.to_thread(self._threads.shutdown)

    async def _on_object(self, verb: str, spec: VolumeSpec, work: Callable[[Path], None]) -> None:
        directory = self._pool_directory(spec.pool)

        def locked() -> None:
            failures = _failures(f"cannot {verb} {spec.object_name}", directory)
            with failures, exclusive(directory, spec.id):
                work(directory / spec.object_name)

        # The lock on disk alone would do; waiting here does not keep a thread. A cancelled call
        # goes on in its thread, still excluding others by the lock on disk.
        async with self._locks.of(f"{spec.pool}/{spec.object_name}"):
            await self._in_thread(locked)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _pool_directory(self, pool: str) -> Path:
        if pool not in self._pools:
            raise DriverFailure(f"there is no pool {pool!r} in {self._directory}", True)
        return self._pools[pool]

    def _make_ready(self) -> None:
        for pool, directory in self._pools.items():
            with _failures(f"pool {pool!r} is not usable", directory):
                directory.mkdir(mode=0o700, exist_ok=True)
                _remove_leftovers(directory)
                self._can_reflink(pool)

    def _volumes(self, pool: str) -> dict[str, os.stat_result]:
        directory = self._pool_directory(pool)
        found: dict[str, os.stat_result] = {}
        with _failures(f"cannot list pool {pool!r}", directory), os.scandir(directory) as entries:
            for entry in entries:
                if VOLUME.fullmatch(entry.name):
                    try:
                        found[entry.name] = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue  # deleted since it was listed
        return found

    def _pool_stats(self, pool: str) -> PoolStats:
        directory = self._pools[pool]
        volumes = self._volumes(pool).values()
        with _failures(f"cannot measure pool {pool!r}", directory):
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
            capabilities={"reflink": can_reflink},
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


def _create(path: Path, size_bytes: int) -> None:
    remove(partial_of(path))  # of a crash: who comes here holds the object's lock
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        with appearing(path) as file:
            os.ftruncate(file, size_bytes)
        return
    if not stat.S_ISREG(found.st_mode) or found.st_size != size_bytes:
        raise DriverFailure(
            f"{path} exists and is not a volume of {size_bytes} bytes: left as it is", False
        )
    sync_directory(path.parent)  # the call that made it may have died before it did this


def _delete(path: Path) -> None:
    remove(partial_of(path))
    remove(path)
    sync_directory(path.parent)


def _extend(path: Path, size_bytes: int) -> None:
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise DriverFailure(f"{path} is not there to extend", False) from None
    try:
        found_bytes = os.fstat(file).st_size
        if size_bytes < found_bytes:
            raise DriverFailure(
                f"{path} has {found_bytes} bytes and cannot shrink to {size_bytes}", False
            )
        if size_bytes > found_bytes:
            os.ftruncate(file, size_bytes)
        os.fsync(file)
    finally:
        os.close(file)


def _remove_leftovers(directory: Path) -> None:
    for path in directory.iterdir():
        if leftover := PARTIAL.fullmatch(path.name):
            try:
                with exclusive(directory, UUID(leftover[1]), wait=False):
                    remove(path)
            except BlockingIOError:
                continue  # a live process is at work on it
    sync_directory(directory)


@contextmanager
def _failures(what: str, directory: Path) -> Iterator[None]:
    """Say what the operating system's error means to the person who runs this backend."""
    try:
        yield
    except OSError as error:
        said = os.strerror(error.errno) if error.errno else str(error)
        remedy = REMEDIES.get(error.errno or 0, "see the system log")
        raise DriverFailure(f"{what} in {directory}: {said}: {remedy}", True) from error
