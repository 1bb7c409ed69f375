"""What a volume is good for, as its users say: booting, reading only, the image behind it."""

from collections.abc import Mapping

from domain.aggregates.volume.volume import Volume, evolves
from domain.event import Event, Moment, event


@event("volume.bootable_changed")
class BootableChanged(Event, frozen=True):
    """Whether a server can boot from it."""

    bootable: bool


@event("volume.readonly_changed")
class ReadonlyChanged(Event, frozen=True):
    """Whether it may only be attached for reading."""

    readonly: bool


@event("volume.image_metadata_changed")
class ImageMetadataChanged(Event, frozen=True):
    """All that is known of the image on it, from now on."""

    image_metadata: dict[str, str]


def set_bootable(volume: Volume, bootable: bool, at: Moment) -> None:
    """The same again records nothing."""
    if bootable != volume.bootable:
        volume.record(BootableChanged(bootable=bootable), at)


def set_readonly(volume: Volume, readonly: bool, at: Moment) -> None:
    """The same again records nothing. Raises NotAllowed unless it is available."""
    volume.check_available("update_readonly_flag")
    if readonly != volume.readonly:
        volume.record(ReadonlyChanged(readonly=readonly), at)


def change_image_metadata(volume: Volume, metadata: Mapping[str, str], at: Moment) -> None:
    """Replaces all that is known of the image; the same again records nothing."""
    if dict(metadata) != volume.image_metadata:
        volume.record(ImageMetadataChanged(image_metadata=dict(metadata)), at)


@evolves(BootableChanged)
def _bootable(volume: Volume, event: BootableChanged, at: Moment) -> None:
    volume.bootable = event.bootable


@evolves(ReadonlyChanged)
def _readonly(volume: Volume, event: ReadonlyChanged, at: Moment) -> None:
    volume.readonly = event.readonly


@evolves(ImageMetadataChanged)
def _image(volume: Volume, event: ImageMetadataChanged, at: Moment) -> None:
    volume.image_metadata = event.image_metadata
