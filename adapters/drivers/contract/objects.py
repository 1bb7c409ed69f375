"""What calls to a driver are about: volumes and snapshots, and what is to become of them."""

import os
from collections.abc import Iterator
from typing import Protocol
from uuid import UUID

import msgspec

from adapters.drivers.content import Block


class VolumeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The volume a call is about. `size_gib` is its size as recorded before the call."""

    id: UUID
    size_gib: int
    pool: str
    project_id: str

    def __post_init__(self) -> None:
        if self.size_gib < 1:
            raise ValueError(f"a volume has at least 1 GiB, not {self.size_gib}")

    @property
    def object_name(self) -> str:
        """The name on the backend; unique within a pool."""
        return f"volume-{self.id}"


class SnapshotSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The snapshot a call is about, in the pool of its volume, and as large as that was when the
    snapshot was asked for."""

    id: UUID
    volume_id: UUID
    size_gib: int
    pool: str
    project_id: str

    def __post_init__(self) -> None:
        if self.size_gib < 1:
            raise ValueError(f"a snapshot has at least 1 GiB, not {self.size_gib}")

    @property
    def object_name(self) -> str:
        """The name on the backend; unique within a pool."""
        return f"snapshot-{self.id}"

    @property
    def volume(self) -> VolumeSpec:
        """The volume it is of, as it was."""
        return VolumeSpec(
            id=self.volume_id, size_gib=self.size_gib, pool=self.pool, project_id=self.project_id
        )


Source = VolumeSpec | SnapshotSpec
"""What volumes are made from: the first `size_gib` of it."""


class Provisioned(msgspec.Struct, frozen=True, kw_only=True):
    """A volume that is complete on the backend.

    `provider_id` is the backend's own identifier; None where the object name is identifier enough.
    """

    provider_id: str | None = None


class TypeChange(msgspec.Struct, frozen=True, kw_only=True):
    """In what a volume's new type differs from its old one: by key, the old value and the new."""

    extra_specs: dict[str, tuple[str | None, str | None]] = {}
    qos_specs: dict[str, tuple[str | None, str | None]] = {}
    """Only of those that are for backends to enforce."""

    def __bool__(self) -> bool:
        return bool(self.extra_specs or self.qos_specs)


class OpenFile:
    """A descriptor that is closed once nobody holds this any more, in whatever thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        """The descriptor, for as long as this is held."""
        return self._descriptor

    def __del__(self) -> None:
        os.close(self._descriptor)


class Check(Protocol):
    """Looks at what a volume is going to hold, in a thread, and raises what speaks against it."""

    def copied(self, content: Iterator[Block]) -> None:
        """It holds these blocks; told while they are written, and to be taken to the end."""

    def shared(self) -> None:
        """Without anything having been written, it holds what the file held a moment ago."""
