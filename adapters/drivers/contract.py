"""What every backend driver promises: create, delete, extend, connect, report, be audited.

Sources: Cinder's volume driver interface and its capability reports
(cinder/interface/volume_driver.py, cinder/scheduler/host_manager.py).
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol
from uuid import UUID

import msgspec

from adapters.drivers.content import Blocks

Scalar = bool | int | float | str
Capability = Scalar | list[Scalar] | dict[str, Scalar]

Connector = Mapping[str, Any]
"""What a client says of the node that is to reach a volume: host, ip, initiator, platform,
multipath, mountpoint, … as Cinder's clients send it. `host` names the node."""

AttachMode = Literal["rw", "ro"]

Capacity = float | Literal["infinite", "unknown"]
"""GiB, or what some backends say instead; placement then takes it to be enough."""


class DriverFailure(Exception):
    """The backend did not do what was asked.

    `reason` is for the person who has to put it right. `retryable_elsewhere` says whether another
    backend may well succeed with the same request: true for a full or broken backend, false for
    a request that is wrong wherever it goes.
    """

    def __init__(self, reason: str, retryable_elsewhere: bool) -> None:
        super().__init__(reason, retryable_elsewhere)
        self.reason = reason
        self.retryable_elsewhere = retryable_elsewhere

    def __str__(self) -> str:
        return self.reason


class VolumeBusy(DriverFailure):
    """The volume is in use on the backend and was left as it is (Cinder's VolumeIsBusy)."""

    def __init__(self, reason: str, retryable_elsewhere: bool = False) -> None:
        super().__init__(reason, retryable_elsewhere)


class InvalidConnector(DriverFailure):
    """What the client says of its node is not enough to connect it (Cinder: 400)."""

    def __init__(self, reason: str, retryable_elsewhere: bool = False) -> None:
        super().__init__(reason, retryable_elsewhere)


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


class Provisioned(msgspec.Struct, frozen=True, kw_only=True):
    """A volume that is complete on the backend.

    `provider_id` is the backend's own identifier; None where the object name is identifier enough.
    """

    provider_id: str | None = None


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """How a client reaches a volume that is connected for it: Cinder's connection_info.

    `data` depends on `driver_volume_type`:
    - nbd: `uri` for any NBD client (the NBD URI of its specification), and its parts: `export`,
      with `socket` (the path of a Unix socket on the backend's machine) or `host` and `port`;
      `volume_id`.
    - fake: `volume_id`, and nothing to reach: the volumes of the driver in memory have no content.
    """

    driver_volume_type: str
    data: dict[str, Scalar | list[Scalar]]


class Connected(NamedTuple):
    """An attachment that is connected, by the name of its volume on the backend."""

    object_name: str
    attachment_id: UUID


class TypeChange(msgspec.Struct, frozen=True, kw_only=True):
    """In what a volume's new type differs from its old one: by key, the old value and the new."""

    extra_specs: dict[str, tuple[str | None, str | None]] = {}
    qos_specs: dict[str, tuple[str | None, str | None]] = {}
    """Only of those that are for backends to enforce."""

    def __bool__(self) -> bool:
        return bool(self.extra_specs or self.qos_specs)


class PoolStats(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "total_capacity_gib": "total_capacity_gb",
        "free_capacity_gib": "free_capacity_gb",
        "allocated_capacity_gib": "allocated_capacity_gb",
        "provisioned_capacity_gib": "provisioned_capacity_gb",
    },
):
    """What one pool holds and can do, in GiB; encoded under Cinder's names, which say GB.

    - allocated: what the volumes occupy now. (Cinder's service overwrites its field of this name
      with the sum of the volumes' sizes; here that sum is `provisioned`.)
    - provisioned: the sum of the sizes promised to users, more than is free on a thin pool.
    - reserved_percentage: the share of the total that placement leaves alone.
    - max_over_subscription_ratio: "auto" follows what is provisioned; None is Cinder's default.
    - capabilities: further facts that volume types may ask for. `back_end_encryption` says whether
      the backend encrypts by itself volumes whose type leaves that to it.
    - filter_function, goodness_function: expressions by which the backend takes part in placement.
    """

    pool_name: str
    total_capacity_gib: Capacity
    free_capacity_gib: Capacity
    allocated_capacity_gib: float
    provisioned_capacity_gib: float
    total_volumes: int
    thin_provisioning_support: bool
    thick_provisioning_support: bool
    max_over_subscription_ratio: float | Literal["auto"] | None = 20.0
    reserved_percentage: int = 0
    capabilities: dict[str, Capability] = {}
    filter_function: str | None = None
    goodness_function: str | None = None


class BackendStats(msgspec.Struct, frozen=True, kw_only=True):
    """A backend's report to placement. Field names are Cinder's, but for the data path.

    `data_path` is the driver_volume_type of connections, "none" if there are none to be had, for
    the reason that `data_path_problem` gives the operator.
    """

    volume_backend_name: str
    vendor_name: str
    driver_version: str
    storage_protocol: str
    data_path: str = "none"
    data_path_problem: str = ""
    pools: tuple[PoolStats, ...]


class Driver(Protocol):
    """A storage backend.

    Every call converges: repeated with the same id after a crash at any point, it completes or
    cleanly restarts what was begun. Calls about one object are serialised by the driver; calls
    about different objects are not. Every call but `close` raises DriverFailure, and no other
    exception for anything that the backend does.
    """

    async def create_volume(self, spec: VolumeSpec) -> Provisioned:
        """Make the volume, reading as zeros; it appears on the backend whole or not at all.

        A complete volume of that size is success. One of another size is refused and untouched.
        """

    async def delete_volume(self, spec: VolumeSpec) -> None:
        """Remove the volume and everything a broken-off call left of it.

        Nothing to remove is success. Raises VolumeBusy while it is connected or otherwise in use.
        """

    async def extend_volume(self, spec: VolumeSpec, new_size_gib: int) -> None:
        """Grow the volume, new space reading as zeros; the size it has is success, less refused.

        Who is connected sees the new size, or the call is refused and changes nothing: pools on
        which that is so report `online_extend_support` as false.
        """

    async def connect_volume(
        self, spec: VolumeSpec, attachment_id: UUID, connector: Connector, mode: AttachMode
    ) -> Connection:
        """Let the connector's node reach the volume until `disconnect_volume`.

        The same attachment again has the same connection, and one that broke is mended; in
        another mode the former one ends, at the same address. Any number of attachments of one
        volume see one content. Connections outlive a driver that dies, but not one that is
        closed: they are disturbed then, not forgotten, and `check` brings them back.
        Raises InvalidConnector.
        """

    async def disconnect_volume(self, spec: VolumeSpec, attachment_id: UUID) -> None:
        """End the attachment's connection, whoever still uses it; nothing connected is success."""

    async def connections(self, pool: str | None = None) -> set[Connected]:
        """All that was connected and not disconnected, in one pool or in all; for audit."""

    async def retype_volume(self, spec: VolumeSpec, change: TypeChange) -> None:
        """Make the volume what its new type says, where it is and with what it holds.

        Raises DriverFailure, and changes nothing, if that cannot be done here.
        """

    def read_volume(self, spec: VolumeSpec) -> Blocks:
        """What the volume holds, provided that nobody writes to it meanwhile."""

    async def write_volume(self, spec: VolumeSpec, content: Blocks) -> Provisioned:
        """Make the volume with that content; it appears on the backend whole or not at all.

        A complete volume of that size is success and left as it is: who has to know whether it
        holds the same compares fingerprints. What `content` raises is raised.
        """

    async def adopt_volume(self, spec: VolumeSpec, pool: str) -> Provisioned | None:
        """Let the volume, which is in `pool` of this backend, be in the pool of `spec` as well,
        without copying what it holds; None where that cannot be done.

        Nobody writes to it until one of the two is deleted.
        """

    async def stats(self) -> BackendStats:
        """Capacities and capabilities now."""

    async def objects(self, pool: str | None = None) -> set[str]:
        """The names of all objects held, in one pool or in all; for audit to find orphans.

        One name may exist in two pools; audit asks pool by pool where that matters.
        """

    async def check(self) -> None:
        """Make ready: clear what dead processes left, bring back connections that were lost.

        Connections of volumes that are gone end. Raises DriverFailure if the backend is unusable.
        """

    async def close(self) -> None:
        """Finish running calls and let go of everything held. The volumes stay."""


def node_of(connector: Connector) -> str:
    """The name of the node that is to be connected. Raises InvalidConnector if it has none."""
    host = connector.get("host")
    if not isinstance(host, str) or not host.strip():
        raise InvalidConnector("the connector does not say which host is to be connected")
    return host
