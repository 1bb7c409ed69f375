"""The embedded default backend: each volume is a sparse file in its pool's directory."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Literal
from uuid import UUID

from adapters.drivers import checked_copy, nbd, sparse_file, unfinished
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
    PoolStats,
    Provisioned,
    SnapshotSpec,
    Source,
    TypeChange,
    VolumeBusy,
    VolumeSpec,
    node_of,
)
from adapters.drivers.durable import partial_of, remove
from adapters.drivers.exports import Export, Exports
from adapters.drivers.failures import failures
from adapters.drivers.file_content import link
from adapters.drivers.file_pools import GIB, FilePools
from adapters.drivers.file_work import FileWork
from adapters.drivers.locks import exclusive

__all__ = ["GIB", "FileDriver"]


class FileDriver:
    """Volumes as files `<directory>/<pool>/volume-<id>`, mode 0600, thin; so are snapshots.

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
        self._directory = directory
        self._pools = FilePools(directory, pools)
        self._name = volume_backend_name
        self._max_over_subscription_ratio = max_over_subscription_ratio
        self._reserved_percentage = reserved_percentage
        self._exports = Exports(directory, host=nbd_host, first_port=nbd_first_port)
        self._work = FileWork(self._pools)

    async def create_volume(self, spec: VolumeSpec) -> Provisioned:
        def create(path: Path) -> None:
            if not sparse_file.is_there(path, spec.size_gib * GIB):
                sparse_file.create(path, spec.size_gib * GIB)

        await self._work.on_object("create", spec, create)
        return Provisioned()

    async def delete_volume(self, spec: VolumeSpec) -> None:
        def delete(path: Path) -> None:
            self._check_unconnected(spec)
            sparse_file.delete(path)

        await self._work.on_object("delete", spec, delete)

    async def extend_volume(self, spec: VolumeSpec, new_size_gib: int) -> None:
        size_bytes = new_size_gib * GIB

        def extend(path: Path) -> None:
            if sparse_file.is_whole(path) and path.stat().st_size < size_bytes:
                self._exports.check_growth(spec.pool, spec.object_name)
            sparse_file.extend(path, size_bytes)

        await self._work.on_object("extend", spec, extend)

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

        return (await self._work.on_object("connect", spec, connect)).connection

    async def disconnect_volume(self, spec: VolumeSpec, attachment_id: UUID) -> None:
        await self._work.on_object(
            "disconnect", spec, lambda _: self._exports.disconnect(attachment_id)
        )

    async def connections(self, pool: str | None = None) -> set[Connected]:
        if pool is not None:
            self._pools.directory(pool)

        def connected() -> set[Connected]:
            with failures("cannot list connections", self._directory):
                return {e.connected for e in self._exports.all() if pool in (None, e.pool)}

        return await self._work.in_thread(connected)

    async def retype_volume(self, spec: VolumeSpec, change: TypeChange) -> None:
        """Nothing of a type is kept with a volume: what its pool can do, it can do for any."""

        def look(path: Path) -> None:
            if not path.exists():
                raise DriverFailure(f"{path} is not there to be changed", False)

        await self._work.on_object("retype", spec, look)

    async def create_snapshot(self, spec: SnapshotSpec) -> Provisioned:
        await self._copied("create", spec, spec.volume)
        return Provisioned()

    async def delete_snapshot(self, spec: SnapshotSpec) -> None:
        await self._work.on_object("delete", spec, sparse_file.delete)

    async def clone_volume(self, spec: VolumeSpec, source: Source) -> Provisioned:
        await self._copied("clone", spec, source)
        return Provisioned()

    async def revert_volume(self, spec: VolumeSpec, to: SnapshotSpec) -> None:
        size_bytes = spec.size_gib * GIB
        original = self._pools.directory(to.pool) / to.object_name

        def revert(path: Path) -> None:
            self._check_replaceable(spec, path)
            if to.size_gib != spec.size_gib:
                raise DriverFailure(f"{original} is not of {spec.size_gib} GiB", False)
            sparse_file.copy(
                original, path, first_bytes=size_bytes, size_bytes=size_bytes, still=nullcontext()
            )

        await self._work.on_object("revert", spec, revert, source=to)

    def read(self, source: Source) -> Blocks:
        return self._work.blocks(
            lambda: self._pools.directory(source.pool) / source.object_name, source.size_gib * GIB
        )

    async def write_volume(
        self, spec: VolumeSpec, content: Blocks, *, resume_at: int = 0
    ) -> Provisioned:
        size_bytes = spec.size_gib * GIB

        def write(path: Path, content: Iterator[Block]) -> None:
            if not sparse_file.is_there(path, size_bytes):
                unfinished.write(path, size_bytes, content, resume_at=resume_at)

        await self._work.fed("write", spec, content, write)
        return Provisioned()

    async def written(self, spec: VolumeSpec) -> int:
        directory = self._pools.directory(spec.pool)

        def look() -> int:
            with failures(f"cannot look at {spec.object_name}", directory):
                return unfinished.written(directory / spec.object_name, spec.size_gib * GIB)

        return await self._work.in_thread(look)

    async def read_written(self, spec: VolumeSpec) -> Blocks:
        directory = self._pools.directory(spec.pool)
        partial = partial_of(directory / spec.object_name)
        if first_bytes := await self.written(spec):
            async for block in self._work.blocks(lambda: partial, first_bytes):
                yield block

    async def copy_file(
        self, spec: VolumeSpec, file: OpenFile, *, first_bytes: int, check: Check
    ) -> Provisioned:
        await self._work.on_object(
            "copy a file to",
            spec,
            lambda path: checked_copy.make(file, path, first_bytes, spec.size_gib * GIB, check),
            threads=self._work.writers,
        )
        return Provisioned()

    async def overwrite_volume(self, spec: VolumeSpec, content: Blocks) -> None:
        def overwrite(path: Path, content: Iterator[Block]) -> None:
            self._check_replaceable(spec, path)
            sparse_file.overwrite(path, spec.size_gib * GIB, content)

        await self._work.fed("overwrite", spec, content, overwrite)

    async def adopt_volume(self, spec: VolumeSpec, pool: str) -> Provisioned | None:
        """By a second name of the same file, where both pools are on one filesystem."""
        original = self._pools.directory(pool) / spec.object_name

        def adopt(path: Path) -> bool:
            remove(partial_of(path))
            return link(original, path)

        linked = await self._work.on_object("adopt", spec, adopt)
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
            pools=await self._work.in_thread(
                lambda: tuple(self._pool_stats(each, program) for each in self._pools.directories)
            ),
        )

    async def objects(self, pool: str | None = None) -> set[str]:
        pools = list(self._pools.directories) if pool is None else [pool]
        return await self._work.in_thread(
            lambda: {name for p in pools for name in self._pools.held(p)}
        )

    async def check(self) -> None:
        """Make missing pool directories, and remove partial files that nobody goes on with.

        The directory above must exist: where it is missing, a mount usually is, and volumes made
        in its place would vanish under it later.
        """
        await self._work.in_thread(self._make_ready)

    async def close(self) -> None:
        """Stop the exports as well, unless other processes drive this directory."""
        await self._work.close()
        await asyncio.to_thread(self._exports.close)

    async def _copied(self, verb: str, spec: Source, source: Source) -> None:
        original = self._pools.directory(source.pool) / source.object_name

        def copy(path: Path) -> None:
            if not sparse_file.is_there(path, spec.size_gib * GIB):
                sparse_file.copy(
                    original,
                    path,
                    first_bytes=source.size_gib * GIB,
                    size_bytes=spec.size_gib * GIB,
                    still=self._exports.still(source.pool, source.object_name),
                )

        await self._work.on_object(verb, spec, copy, source=source)

    def _check_unconnected(self, spec: VolumeSpec) -> None:
        if self._exports.of(spec.pool, spec.object_name):
            raise VolumeBusy(f"{spec.object_name} is connected")

    def _check_replaceable(self, spec: VolumeSpec, path: Path) -> None:
        if not sparse_file.is_there(path, spec.size_gib * GIB):
            raise DriverFailure(f"{path} is not there to overwrite", False)
        self._check_unconnected(spec)

    def _make_ready(self) -> None:
        self._pools.make_ready()
        with failures("connections are not usable", self._directory):
            for export in self._exports.all():
                if directory := self._pools.directories.get(export.pool):
                    with exclusive(directory, export.volume_id):
                        self._exports.bring_back(export, directory / export.object_name)

    def _pool_stats(self, pool: str, program: nbd.Program | None) -> PoolStats:
        return self._pools.stats(
            pool,
            max_over_subscription_ratio=self._max_over_subscription_ratio,
            reserved_percentage=self._reserved_percentage,
            capabilities={
                "back_end_encryption": False,
                "multiattach": program is not None,
                "online_extend_support": program is not None and program.shows_growth,
            },
        )
