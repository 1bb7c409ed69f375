"""What a store of backups promises: keep what a volume held, give it back, say what is damaged."""

from collections.abc import Callable
from typing import Protocol
from uuid import UUID

import msgspec

from adapters.drivers.content import Blocks
from domain.containers import CONTAINER

GIB = 2**30


class Location(msgspec.Struct, frozen=True, order=True):
    """Where a backup is. Raises ValueError for a container that no store has."""

    container: str
    id: UUID

    def __post_init__(self) -> None:
        if not CONTAINER.match(self.container):
            raise ValueError(f"{self.container!r} cannot name a container")

    def __str__(self) -> str:
        return f"backup {self.id} in {self.container}"


class BackupSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A backup, and what it is of. `about` is kept with it for whoever imports it elsewhere."""

    location: Location
    volume_id: UUID
    size_gib: int
    parent: Location | None = None
    """The backup that an incremental one goes on from."""
    about: dict[str, str] = {}

    def __post_init__(self) -> None:
        if self.size_gib < 1:
            raise ValueError(f"a volume has at least 1 GiB, not {self.size_gib}")
        if self.parent == self.location:
            raise ValueError("a backup cannot be its own parent")

    @property
    def size_bytes(self) -> int:
        return self.size_gib * GIB


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that is complete: how many objects it has of its own, and how large they are."""

    backup: BackupSpec
    chunk_bytes: int
    object_count: int
    stored_bytes: int


class Progress(msgspec.Struct, frozen=True):
    """How far a backup has come: up to where in the volume, with how many objects of its own."""

    done_bytes: int
    object_count: int
    stored_bytes: int


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a backup that is not what it was. `offset` is where in the volume its content
    belongs; None for the manifest."""

    location: Location
    file: str
    offset: int | None
    what: str

    def __str__(self) -> str:
        where = "" if self.offset is None else f" (of the volume from byte {self.offset} on)"
        return f"{self.location}: file {self.file}{where} {self.what}"


class BackupStoreFailure(Exception):
    """The store did not do what was asked; `reason` is for the person who has to put it right."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BackupBusy(BackupStoreFailure):
    """Somebody else is writing or deleting this backup."""

    def __init__(self, location: Location) -> None:
        super().__init__(f"{location} is being written or deleted by somebody else")


class BackupDamaged(BackupStoreFailure):
    """What is stored is not what was written; `damage` names the file."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(str(damage))
        self.damage = damage


class BackupStore(Protocol):
    """Keeps backups. Every call raises BackupStoreFailure for what goes wrong in the store.

    That others depend on a backup is for the caller to know: the store deletes what it is told to.
    """

    async def write(
        self,
        backup: BackupSpec,
        content: Blocks,
        *,
        progress: Callable[[Progress], None] | None = None,
    ) -> Stored:
        """Keep all of this content; the backup is there when this returns, and not before.

        Called again after a crash or a failure it goes on: what is stored already and still the
        same is not stored again. A backup that is there is left as it is, and `content` not read.
        Of an incremental one only what differs from its parent is stored. `progress` is called as
        the work goes on, in the caller's event loop. Raises BackupBusy; NotFound if the parent is
        not there or not complete, BackupDamaged if its manifest is damaged, and what `content`
        raises.
        """

    def read(self, location: Location) -> Blocks:
        """What was written, parents followed, each chunk verified before it is told.

        Raises NotFound if the backup is not there or not complete, BackupDamaged.
        """

    async def describe(self, location: Location) -> Stored:
        """What a complete backup is of. Raises NotFound, BackupDamaged."""

    async def verify(self, location: Location) -> list[Damage]:
        """Everything that is damaged of a backup or of what it needs of its parents, in the order
        of the volume. Raises NotFound if it is not there or not complete."""

    async def delete(self, location: Location) -> None:
        """Nothing of it remains. Nothing there is success. Raises BackupBusy."""

    async def held(self) -> dict[Location, bool]:
        """Every backup that there is anything of, and whether it is complete."""

    async def check(self) -> None:
        """Whether the store can be used."""

    async def close(self) -> None:
        """Lets go of everything held. The backups stay."""
