"""A pool of the backend in memory: its volumes, what they hold, and the space that they share."""

from collections.abc import Mapping
from uuid import UUID

import msgspec

from adapters.drivers.contract import (
    AttachMode,
    Connected,
    DriverFailure,
    PoolStats,
    SnapshotSpec,
    Source,
    VolumeBusy,
    VolumeSpec,
)

GIB = 2**30
NOTHING: Mapping[int, bytes] = {}


class Stored(msgspec.Struct):
    """A volume or snapshot in the backend. One that is not `whole` was half made or deleted."""

    size_gib: int
    provisioned_gib: int
    whole: bool
    content: dict[int, bytes] = {}
    """By offset, what is not zero: what calls brought along, or a test put there."""
    written: int = 0
    """How far a write that broke off has come, in bytes."""

    def first(self, size_gib: int) -> dict[int, bytes]:
        """What is in the first so many GiB."""
        return {offset: data for offset, data in self.content.items() if offset < size_gib * GIB}


class MemoryPool:
    """Volumes and snapshots by object name, and the thickly provisioned space they share.

    Calls that are not `whole` break off half-way.
    """

    def __init__(self, name: str, capacity_gib: float) -> None:
        self.name = name
        self.capacity_gib = capacity_gib
        self.provisioned_gib = 0
        self.volumes: dict[str, Stored] = {}
        self.snapshots: dict[str, Stored] = {}
        self.connected: dict[Connected, AttachMode] = {}

    def provision(self, size_gib: int) -> None:
        """Take space, or give it back if negative. Raises DriverFailure if there is too little."""
        if self.provisioned_gib + size_gib > self.capacity_gib:
            free = self.capacity_gib - self.provisioned_gib
            raise DriverFailure(f"the pool has {free} GiB free, not {size_gib}", True)
        self.provisioned_gib += size_gib

    @property
    def objects(self) -> Mapping[str, Stored]:
        """All that is there."""
        return {**self.volumes, **self.snapshots}

    def found(self, source: Source) -> Stored | None:
        """What is there of it, whole or not."""
        return self._shelf(source).get(source.object_name)

    def whole(self, source: Source, to: str) -> Stored:
        """The volume or snapshot, if it is there to do something with it. Raises DriverFailure."""
        found = self.found(source)
        if found is None or not found.whole:
            raise DriverFailure(f"{source.object_name} is not there to {to}", False)
        return found

    def held(self, source: Source, to: str) -> dict[int, bytes]:
        """What the first `source.size_gib` of it hold. Raises DriverFailure if it has less."""
        found = self.whole(source, to)
        if found.size_gib < source.size_gib:
            raise DriverFailure(
                f"{source.object_name} has {found.size_gib} GiB, not {source.size_gib}", False
            )
        return found.first(source.size_gib)

    def create(self, spec: Source, *, whole: bool, content: Mapping[int, bytes] = NOTHING) -> None:
        """Raises DriverFailure if it is there with another size."""
        if not self.has(spec):
            self._put(spec, Stored(spec.size_gib, spec.size_gib, whole=whole, content={**content}))

    def has(self, spec: Source) -> bool:
        """Whether it is there, whole. Raises DriverFailure if it is, with another size."""
        found = self.found(spec)
        if found is None or not found.whole:
            return False
        if found.size_gib != spec.size_gib:
            raise DriverFailure(
                f"{spec.object_name} exists with {found.size_gib} GiB, not {spec.size_gib}", False
            )
        return True

    def unfinished(self, spec: VolumeSpec) -> Stored | None:
        """What a write that broke off has left of it to go on with."""
        found = self.found(spec)
        goes_on = found and not found.whole and found.written and found.size_gib == spec.size_gib
        return found if goes_on else None

    def break_off(self, spec: VolumeSpec, *, content: Mapping[int, bytes], written: int) -> None:
        """Keep what was written of a volume until somebody goes on with it. Raises DriverFailure
        if there is no space for it."""
        if not self.has(spec):
            unfinished = Stored(
                spec.size_gib, spec.size_gib, whole=False, content={**content}, written=written
            )
            self._put(spec, unfinished)

    def replace(self, spec: VolumeSpec, content: Mapping[int, bytes]) -> None:
        """Raises DriverFailure if it is not there with that size, VolumeBusy while connected."""
        self.whole(spec, "overwrite")
        self.has(spec)
        self._check_free(spec)
        self.volumes[spec.object_name].content = {**content}

    def delete(self, spec: Source, *, whole: bool) -> None:
        """Raises VolumeBusy while it is connected."""
        found = self.found(spec)
        if found is None:
            return
        self._check_free(spec)
        found.whole = False
        if whole:
            del self._shelf(spec)[spec.object_name]
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

    def stats(self, *, clone_across_pools: bool) -> PoolStats:
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
                "clone_across_pools": clone_across_pools,
            },
        )

    def _shelf(self, source: Source) -> dict[str, Stored]:
        return self.snapshots if isinstance(source, SnapshotSpec) else self.volumes

    def _put(self, spec: Source, stored: Stored) -> None:
        found = self.found(spec)
        self.provision(stored.provisioned_gib - (found.provisioned_gib if found else 0))
        self._shelf(spec)[spec.object_name] = stored

    def _check_free(self, spec: Source) -> None:
        if any(each.object_name == spec.object_name for each in self.connected):
            raise VolumeBusy(f"{spec.object_name} is connected")
