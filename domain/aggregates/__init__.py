"""Every aggregate: its events, its decisions, its state; one file or folder each."""

from domain.aggregate import Aggregate
from domain.aggregates.backup import Backup
from domain.aggregates.closures import Closures
from domain.aggregates.default_type import DefaultType
from domain.aggregates.encryption_key import EncryptionKey
from domain.aggregates.image_cache import ImageCache
from domain.aggregates.message import Message
from domain.aggregates.move import Move
from domain.aggregates.qos_specs import QosSpecs
from domain.aggregates.quota_limits import QuotaLimits
from domain.aggregates.quota_reservation import QuotaReservation
from domain.aggregates.remnant import Remnant
from domain.aggregates.service import Service
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.transfer import Transfer
from domain.aggregates.volume import Volume
from domain.aggregates.volume_type import VolumeType

AGGREGATES: dict[str, type[Aggregate]] = {
    aggregate.kind: aggregate
    for aggregate in (
        Volume,
        Snapshot,
        Backup,
        Remnant,
        Transfer,
        EncryptionKey,
        Move,
        QuotaReservation,
        QuotaLimits,
        VolumeType,
        QosSpecs,
        DefaultType,
        Service,
        Closures,
        ImageCache,
        Message,
    )
}
"""By kind, the first word of their events' names."""
