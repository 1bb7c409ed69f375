"""What can be asked: read models, each a table and the folds that fill it from the log."""

from projections.attachments import ATTACHMENTS
from projections.backups import BACKUPS
from projections.default_types import DEFAULT_TYPES
from projections.messages import MESSAGES
from projections.projection import Projection
from projections.qos_specs import QOS_SPECS
from projections.services import SERVICES
from projections.snapshots import SNAPSHOTS
from projections.transfers import TRANSFERS
from projections.type_encryptions import TYPE_ENCRYPTIONS
from projections.under_way import UNDER_WAY
from projections.volume_types import VOLUME_TYPES
from projections.volumes import VOLUMES

__all__ = [
    "ATTACHMENTS",
    "BACKUPS",
    "DEFAULT_TYPES",
    "MESSAGES",
    "PROJECTIONS",
    "QOS_SPECS",
    "SERVICES",
    "SNAPSHOTS",
    "TRANSFERS",
    "TYPE_ENCRYPTIONS",
    "UNDER_WAY",
    "VOLUMES",
    "VOLUME_TYPES",
]

PROJECTIONS: tuple[Projection, ...] = (
    VOLUMES,
    SNAPSHOTS,
    ATTACHMENTS,
    BACKUPS,
    VOLUME_TYPES,
    TYPE_ENCRYPTIONS,
    QOS_SPECS,
    DEFAULT_TYPES,
    SERVICES,
    MESSAGES,
    TRANSFERS,
    UNDER_WAY,
)
