"""What backends report of themselves to placement.

Source: Cinder's capability reports (cinder/scheduler/host_manager.py).
"""

from typing import Literal

import msgspec

from adapters.drivers.contract.connections import Scalar

Capability = Scalar | list[Scalar] | dict[str, Scalar]

Capacity = float | Literal["infinite", "unknown"]
"""GiB, or what some backends say instead; placement then takes it to be enough."""


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
