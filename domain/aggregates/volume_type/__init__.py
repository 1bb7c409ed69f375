"""A volume type: a named promise of the catalogue that volumes are made to."""

from domain.aggregates.volume_type.events import (
    AccessGranted,
    AccessRevoked,
    Created,
    DefaultEnded,
    Deleted,
    Described,
    EncryptionAdded,
    EncryptionChanged,
    EncryptionRemoved,
    ExtraSpecsChanged,
    MadeDefault,
    MadePrivate,
    Published,
    QosAssociated,
    QosDisassociated,
    Renamed,
)
from domain.aggregates.volume_type.volume_type import VolumeType

__all__ = [
    "AccessGranted",
    "AccessRevoked",
    "Created",
    "DefaultEnded",
    "Deleted",
    "Described",
    "EncryptionAdded",
    "EncryptionChanged",
    "EncryptionRemoved",
    "ExtraSpecsChanged",
    "MadeDefault",
    "MadePrivate",
    "Published",
    "QosAssociated",
    "QosDisassociated",
    "Renamed",
    "VolumeType",
]
