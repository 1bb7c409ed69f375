"""A volume, what happens to it in its life, and what can be done to it while it is there."""

from domain.aggregates.volume import extension, giving_up, offering, properties, resetting, upcasts
from domain.aggregates.volume.events import (
    CancellationRequested,
    CreationCancelled,
    Deleted,
    DeletionFailed,
    DeletionRequested,
    DeletionStarted,
    Described,
    FoundBusy,
    MetadataChanged,
    Placed,
    PlacementFailed,
    Provisioned,
    ProvisioningFailed,
    ProvisioningStarted,
    Requested,
    Rescheduled,
)
from domain.aggregates.volume.volume import Volume

__all__ = [
    "CancellationRequested",
    "CreationCancelled",
    "Deleted",
    "DeletionFailed",
    "DeletionRequested",
    "DeletionStarted",
    "Described",
    "FoundBusy",
    "MetadataChanged",
    "Placed",
    "PlacementFailed",
    "Provisioned",
    "ProvisioningFailed",
    "ProvisioningStarted",
    "Requested",
    "Rescheduled",
    "Volume",
    "extension",
    "giving_up",
    "offering",
    "properties",
    "resetting",
    "upcasts",
]
