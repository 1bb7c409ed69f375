"""How events of snapshots that older versions wrote are read today."""

from typing import Any

from domain.codec import upcasts

Fields = dict[str, Any]


@upcasts("snapshot.requested", from_version=1)
def requested(fields: Fields) -> Fields:
    """Its volume's zone was not kept, and its size always counted."""
    return {**fields, "availability_zone": None, "counts_gigabytes": True}


@upcasts("snapshot.requested", from_version=2)
def requested_2(fields: Fields) -> Fields:
    """What its volume was booted from was not kept: that is what the volume has now."""
    return {**fields, "bootable": None, "image_metadata": None}
