"""Volumes that are made from others: which can be copied now, and what a copy has of them."""

from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import properties
from domain.aggregates.volume.events import Source
from domain.aggregates.volume.volume import Volume
from domain.event import Moment

COPYABLE = ("available", "in-use")


def check(volume: Volume) -> None:
    """Raises NotAllowed unless what it holds is whole, and stays where it is."""
    volume.check_stays("copy")
    if volume.status not in COPYABLE:
        raise volume.not_allowed("copy", COPYABLE)


def source_of(original: Volume | Snapshot) -> Source:
    """It, as something to make a volume from."""
    of = original.volume_id if isinstance(original, Snapshot) else str(original.id)
    return Source(
        kind="snapshot" if isinstance(original, Snapshot) else "volume",
        id=str(original.id),
        size_gib=original.size_gib,
        volume_id=of,
        host=original.host,
    )


def begin(copy: Volume, original: Volume | Snapshot, of: Volume, at: Moment) -> None:
    """A volume that was just requested is to hold what the original does, which is `of` or a
    snapshot of it, and so is as good for booting as that was then. All three must be unchanged in
    this append."""
    copy.claim_source(source_of(original), at)
    bootable, image = original.bootable, original.image_metadata
    properties.set_bootable(copy, of.bootable if bootable is None else bootable, at)
    properties.change_image_metadata(copy, of.image_metadata if image is None else image, at)
