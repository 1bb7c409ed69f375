"""A ring with a volume that holds something, of which backups are kept."""

import errno
from typing import Any
from uuid import UUID

from adapters.backup_store.memory import MemoryShelf
from adapters.backup_store.port import Location
from adapters.backup_store.store import ChunkedBackupStore
from adapters.drivers.content import BLOCK_BYTES
from domain.aggregates.backup import Backup
from domain.containers import DEFAULT_CONTAINER
from services.commands.backup import CreateBackup, DeleteBackup, RestoreBackup
from services.processes.backup_sweep import BEING_MADE
from tests.services.processes.ring import POOL, Ring, a_ring_with_a_volume
from tests.support.builders import PROJECT, USER, a_moment, an_id

BACKUP, INCREMENT = an_id(0xB1), an_id(0xB2)
MIB = 2**20
PAID = {"volumes": (1, 0), "gigabytes": (2, 0)}
ONE = {**PAID, "backups": (1, 0), "backup_gigabytes": (2, 0)}
GONE = {**PAID, "backups": (0, 0), "backup_gigabytes": (0, 0)}


def filled(*chunks: str) -> dict[int, bytes]:
    """Content of a volume: a MiB of each letter, a dot leaves one out."""
    return {
        number * MIB: letter.encode() * BLOCK_BYTES
        for number, letter in enumerate("".join(chunks))
        if letter != "."
    }


async def a_ring_with_content(content: str = "ab.c") -> Ring:
    """A volume of 2 GiB that holds that."""
    ring = await a_ring_with_a_volume()
    hold(ring, content)
    return ring


def hold(ring: Ring, content: str, number: int = 1) -> None:
    """Somebody has written that."""
    ring.backend.pools[POOL].volumes[f"volume-{an_id(number)}"].content = filled(content)


def held(ring: Ring, number: int = 1) -> dict[int, bytes]:
    """What the volume holds."""
    return ring.backend.pools[POOL].volumes[f"volume-{an_id(number)}"].content


async def back_up(ring: Ring, id: UUID = BACKUP, *, second: float = 0, **changes: Any) -> None:
    """By a user whose API process has seen nothing yet."""
    command = CreateBackup(
        **{
            "id": id,
            "volume_id": an_id(1),
            "project_id": PROJECT,
            "of_project": PROJECT,
            "user_id": USER,
            "name": "night",
            "description": None,
            "at": a_moment(second),
            **changes,
        }
    )
    await ring.world.another_process().run(command)


async def restore(ring: Ring, id: UUID = BACKUP, number: int = 1) -> None:
    """As `back_up`."""
    command = RestoreBackup(id=id, project_id=PROJECT, volume_id=an_id(number), at=a_moment())
    await ring.world.another_process().run(command)


async def delete(ring: Ring, id: UUID = BACKUP, *, force: bool = False) -> None:
    """As `back_up`."""
    command = DeleteBackup(id=id, project_id=PROJECT, force=force, at=a_moment())
    await ring.world.another_process().run(command)


async def a_ring_with_a_backup(content: str = "ab.c") -> Ring:
    """One that is available."""
    ring = await a_ring_with_content(content)
    await back_up(ring)
    await ring.go_on()
    await assert_kept(ring, content)
    return ring


async def the_backup(ring: Ring, id: UUID = BACKUP) -> Backup:
    """As the log has it."""
    return Backup.from_history(id, await ring.store.events(id))


async def stored(ring: Ring, id: UUID = BACKUP) -> dict[int, bytes]:
    """What the store would give back."""
    store = ChunkedBackupStore(ring.shelf, threads=0)
    return {b.offset: b.data async for b in store.read(Location(DEFAULT_CONTAINER, id))}


async def assert_kept(ring: Ring, content: str, id: UUID = BACKUP) -> None:
    """Whole, and nothing is left of how it was made."""
    assert (await the_backup(ring, id)).state == "available"
    assert await stored(ring, id) == filled(content)
    await assert_nothing_waits(ring)


async def assert_nothing_waits(ring: Ring) -> None:
    """The volume is as it was, nothing but it is on the backend, nothing is parked, quota is
    settled and nobody is held who need not be."""
    assert (await ring.volume()).status in ("available", "in-use", "error_restoring", "error")
    pool = ring.backend.pools[POOL]
    assert pool.snapshots == {} and pool.provisioned_gib == 2 * len(pool.volumes)
    assert await ring.bus.parked() == []
    await ring.world.assert_sound()
    _, needs = await ring.store.dependence()
    for _, dependent in needs:
        assert (await the_backup(ring, dependent)).state not in BEING_MADE
        assert needs.keys() and (await the_backup(ring, dependent)).parent is not None


class FullShelf(MemoryShelf):
    """Has room for so many files."""

    def __init__(self, files: int) -> None:
        super().__init__()
        self._room = files

    def save(self, location: Location, name: str, content: bytes) -> None:
        if sum(map(len, self.files.values())) >= self._room:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().save(location, name, content)


class LostShelf(MemoryShelf):
    """Is not there when it is looked for."""

    def check(self) -> None:
        raise OSError(errno.ENOENT, "No such file or directory")

    def save(self, location: Location, name: str, content: bytes) -> None:
        self.check()


GIVEN_UP = {
    "requested": ("error", "available"),
    "making": ("error", "available"),
    "cancelling": ("deleting", "available"),
    "importing": ("error", "available"),
    "restoring": ("available", "error_restoring"),
    "writing": ("available", "error_restoring"),
    "deleting": ("error_deleting", "available"),
    "removing": ("error_deleting", "available"),
}
"""What becomes of a backup, and of the volume, when nobody goes on with it."""
