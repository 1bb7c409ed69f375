"""How clients reach volumes."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec

from adapters.drivers.contract.failures import InvalidConnector

Scalar = bool | int | float | str

Connector = Mapping[str, Any]
"""What a client says of the node that is to reach a volume: host, ip, initiator, platform,
multipath, mountpoint, … as Cinder's clients send it. `host` names the node."""

AttachMode = Literal["rw", "ro"]


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


def node_of(connector: Connector) -> str:
    """The name of the node that is to be connected. Raises InvalidConnector if it has none."""
    host = connector.get("host")
    if not isinstance(host, str) or not host.strip():
        raise InvalidConnector("the connector does not say which host is to be connected")
    return host
