"""A pool of the backend in memory: its volumes, what they hold, and the space that they share."""

from collections.abc import Mapping
from uuid import UUID

import msgspec

from adapters.drivers.contract import (
    AttachMode,
    Connected,
    DriverFailure,
    PoolStats,
    VolumeBusy,
    VolumeSpec,
)

NOTHING: Mapping[int, bytes] = {}


class StoredVolume(msgspec.Struct):
    """A volume in the backend. One that is not `whole` was half made or half deleted."""

    size_gib: int
    provisioned_gib: int
    whole: bool
    content: dict[int, bytes] = {}
    """By offset, what is not zero: what a move brought along, or a test put there."""


class MemoryPool:
    """Volumes by object name, and the thickly provisioned space they share.

    Calls that are not `whole` break off half-way.
    """

    def __init__(self, name: str, capacity_gib: float) -> None:
        self.name = name
        self.capacity_gib = capacity_gib
        self.provisioned_gib = 0
        self.volumes: dict[str, StoredVolume] = {}
        self.connected: dict[Connected, AttachMode] = {}

    def provision(self, size_gib: int) -> None:
        """Take space, or give it back if negative. Raises DriverFailure if there is too little."""
        if self.provisioned_gib + size_gib > self.capacity_gib:
            free = self.capacity_gib - self.provisioned_gib
            raise DriverFailure(f"the pool has {free} GiB free, not {size_gib}", True)
        self.provisioned_gib += size_gib

    def whole(self, spec: VolumeSpec, to: str) -> StoredVolume:
        """The volume, if it is there to do something with it. Raises DriverFailure."""
        found = self.volumes.get(spec.object_name)
        if found is None or not found.whole:
            raise DriverFailure(f"{spec.object_name} is not there to {to}", False)
        return found

    def create(
        self, spec: VolumeSpec, *, whole: bool, content: Mapping[int, bytes] = NOTHING
    ) -> None:
        """Raises DriverFailure if it is there with another size."""
        found = self.volumes.get(spec.object_name)
        if found and found.whole:
            if found.size_gib != spec.size_gib:
                raise DriverFailure(
                    f"{spec.object_name} exists with {found.size_gib} GiB, not {spec.size_gib}",
                    False,
                )
            return
        self.provision(spec.size_gib - (found.provisioned_gib if found else 0))
        self.volumes[spec.object_name] = StoredVolume(
            spec.size_gib, spec.size_gib, whole=whole, content=dict(content)
        )

    def delete(self, spec: VolumeSpec, *, whole: bool) -> None:
        """Raises VolumeBusy while it is connected."""
        found = self.volumes.get(spec.object_name)
        if found is None:
            return
        if any(each.object_name == spec.object_name for each in self.connected):
            raise VolumeBusy(f"{spec.object_name} is connected")
        found.whole = False
        if whole:
            del self.volumes[spec.object_name]
            self.provision(-found.provisioned_gib)

    def extend(self, spec: VolumeSpec, new_size_gib: int, *, whole: bool) -> None:
        """Raises DriverFailure if it is larger, or not there."""
        found = self.whole(spec, "extend")
        if new_size_gib < found.size_gib:
            raise DriverFailure(
                f"{spec.object_name} has {found.size_gib} GiB and cannot shrink to {new_size_gib}",
                False,
            )
        self.provision(new_size_gib - found.provisioned_gib)
        found.provisioned_gib = new_size_gib
        if whole:
            found.size_gib = new_size_gib

    def connect(self, spec: VolumeSpec, attachment_id: UUID, mode: AttachMode) -> None:
        """Raises DriverFailure if it is not there."""
        self.whole(spec, "connect")
        self.connected[Connected(spec.object_name, attachment_id)] = mode

    def disconnect(self, spec: VolumeSpec, attachment_id: UUID) -> None:
        """Nothing connected is fine."""
        self.connected.pop(Connected(spec.object_name, attachment_id), None)

    def stats(self) -> PoolStats:
        """What it has and can do."""
        return PoolStats(
            pool_name=self.name,
            total_capacity_gib=float(self.capacity_gib),
            free_capacity_gib=float(self.capacity_gib - self.provisioned_gib),
            allocated_capacity_gib=float(self.provisioned_gib),
            provisioned_capacity_gib=float(self.provisioned_gib),
            total_volumes=len(self.volumes),
            thin_provisioning_support=False,
            thick_provisioning_support=True,
            capabilities={
                "multiattach": True,
                "online_extend_support": True,
                "back_end_encryption": False,
            },
        )
