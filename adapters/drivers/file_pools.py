"""The pools of the file driver: directories, what is in them, and what that takes."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal
from uuid import UUID

import msgspec

from adapters.drivers import reflink, unfinished
from adapters.drivers.contract import Capability, DriverFailure, PoolStats
from adapters.drivers.durable import remove, sync_directory
from adapters.drivers.failures import FULL, failures
from adapters.drivers.locks import exclusive

GIB = 2**30
STAT_BLOCK_BYTES = 512  # the unit of st_blocks, whatever the filesystem's own block size; stat(2)

UUID_PATTERN = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
OBJECT = re.compile(f"(?:volume|snapshot)-{UUID_PATTERN}")
PARTIAL = re.compile(rf"\.((?:volume|snapshot)-({UUID_PATTERN}))\.partial")


class Held(msgspec.Struct, frozen=True):
    """An object in a pool: its size as promised, and the bytes it occupies."""

    size_bytes: int
    occupied_bytes: int


class FilePools:
    """By name, as directories; calls raise DriverFailure."""

    def __init__(self, directory: Path, names: Sequence[str]) -> None:
        for name in names:
            if not re.fullmatch(r"[\w-][\w.-]*", name):
                raise ValueError(f"{name!r} cannot name a directory for a pool")
        self._directory = directory
        self.directories = {name: directory / name for name in names}
        self._reflink: dict[str, bool] = {}

    def directory(self, pool: str) -> Path:
        if pool not in self.directories:
            raise DriverFailure(f"there is no pool {pool!r} in {self._directory}", True)
        return self.directories[pool]

    def make_ready(self) -> None:
        """Make missing directories, and remove partial files that nobody goes on with."""
        for pool, directory in self.directories.items():
            with failures(f"pool {pool!r} is not usable", directory):
                directory.mkdir(mode=0o700, exist_ok=True)
                _remove_leftovers(directory)
                self._can_reflink(pool)

    def share_blocks(self, one: str, other: str) -> bool:
        """Whether copies from one to the other take no time, as far as is known."""
        return one == other and self._reflink.get(one, False)

    def held(self, pool: str) -> dict[str, Held]:
        """What is there by name, unfinished volumes that can be gone on with among them."""
        directory = self.directory(pool)
        with failures(f"cannot list pool {pool!r}", directory):
            return dict(_held(directory))

    def stats(
        self,
        pool: str,
        *,
        max_over_subscription_ratio: float | Literal["auto"],
        reserved_percentage: int,
        capabilities: dict[str, Capability],
    ) -> PoolStats:
        """What it holds and can do, which is these capabilities and more."""
        held = self.held(pool)
        with failures(f"cannot measure pool {pool!r}", self.directories[pool]):
            space = os.statvfs(self.directories[pool])
            can_reflink = self._can_reflink(pool)
        in_use = (space.f_blocks - space.f_bfree) * space.f_frsize
        occupied = sum(each.occupied_bytes for each in held.values())
        return PoolStats(
            pool_name=pool,
            total_capacity_gib=space.f_blocks * space.f_frsize / GIB,
            free_capacity_gib=space.f_bavail * space.f_frsize / GIB,
            # Blocks that files share are counted with each of them, for telling them apart would
            # take a look at every extent; but all together are no more than the filesystem has.
            allocated_capacity_gib=min(occupied, in_use) / GIB,
            provisioned_capacity_gib=sum(each.size_bytes for each in held.values()) / GIB,
            total_volumes=sum(name.startswith("volume-") for name in held),
            thin_provisioning_support=True,
            thick_provisioning_support=False,
            max_over_subscription_ratio=max_over_subscription_ratio,
            reserved_percentage=reserved_percentage,
            capabilities={"reflink": can_reflink, "clone_across_pools": True, **capabilities},
        )

    def _can_reflink(self, pool: str) -> bool:
        if pool not in self._reflink:
            try:
                self._reflink[pool] = reflink.supported(self.directories[pool])
            except OSError as error:
                if error.errno in FULL:  # still good for deleting; found out when there is room
                    return False
                raise
        return self._reflink[pool]


def _held(directory: Path) -> Iterator[tuple[str, Held]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            partial = PARTIAL.fullmatch(entry.name)
            if not partial and not OBJECT.fullmatch(entry.name):
                continue
            try:
                found = entry.stat(follow_symlinks=False)
                name, size_bytes = entry.name, found.st_size
                if partial:
                    unfinished_bytes = _unfinished_bytes(Path(entry.path), partial[1])
                    if unfinished_bytes is None:
                        continue
                    name, size_bytes = partial[1], unfinished_bytes
            except FileNotFoundError:
                continue  # deleted since it was listed
            yield name, Held(size_bytes, found.st_blocks * STAT_BLOCK_BYTES)


def _unfinished_bytes(partial: Path, name: str) -> int | None:
    """The size of the volume if somebody may go on with it; None if nobody will."""
    return None if partial.with_name(name).exists() else unfinished.size_of(partial)


def _remove_leftovers(directory: Path) -> None:
    """Partial files that no live process holds; here no lock is held."""
    for path in directory.iterdir():
        if leftover := PARTIAL.fullmatch(path.name):
            try:
                with exclusive(directory, UUID(leftover[2]), wait=False):
                    if _unfinished_bytes(path, leftover[1]) is None:
                        remove(path)
            except BlockingIOError:
                continue  # a live process is at work on it
    sync_directory(directory)
