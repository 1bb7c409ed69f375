"""What every backend driver promises: create, copy, write, connect, delete, report, be audited."""

from adapters.drivers.contract.connections import (
    AttachMode,
    Connected,
    Connection,
    Connector,
    Scalar,
    node_of,
)
from adapters.drivers.contract.driver import Driver
from adapters.drivers.contract.failures import DriverFailure, InvalidConnector, VolumeBusy
from adapters.drivers.contract.objects import (
    Check,
    OpenFile,
    Provisioned,
    SnapshotSpec,
    Source,
    TypeChange,
    VolumeSpec,
)
from adapters.drivers.contract.reports import BackendStats, Capability, Capacity, PoolStats

__all__ = [
    "AttachMode",
    "BackendStats",
    "Capability",
    "Capacity",
    "Check",
    "Connected",
    "Connection",
    "Connector",
    "Driver",
    "DriverFailure",
    "InvalidConnector",
    "OpenFile",
    "PoolStats",
    "Provisioned",
    "Scalar",
    "SnapshotSpec",
    "Source",
    "TypeChange",
    "VolumeBusy",
    "VolumeSpec",
    "node_of",
]
