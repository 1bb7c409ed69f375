"""Every lifecycle of the system, one declared table each."""

from domain.lifecycle import Lifecycle
from domain.machines.attachment import ATTACHMENT
from domain.machines.backup import BACKUP
from domain.machines.closures import CLOSURES
from domain.machines.default_type import DEFAULT_TYPE
from domain.machines.encryption_key import ENCRYPTION_KEY
from domain.machines.image_cache import IMAGE_CACHE
from domain.machines.message import MESSAGE
from domain.machines.move import MOVE
from domain.machines.qos_specs import QOS_SPECS
from domain.machines.quota_limits import QUOTA_LIMITS
from domain.machines.quota_reservation import QUOTA_RESERVATION
from domain.machines.remnant import REMNANT
from domain.machines.service import SERVICE
from domain.machines.snapshot import SNAPSHOT
from domain.machines.transfer import TRANSFER
from domain.machines.volume import VOLUME
from domain.machines.volume_operation import VOLUME_OPERATION
from domain.machines.volume_type import VOLUME_TYPE

LIFECYCLES: dict[str, Lifecycle] = {
    lifecycle.name: lifecycle
    for lifecycle in (
        VOLUME,
        VOLUME_OPERATION,
        ATTACHMENT,
        SNAPSHOT,
        BACKUP,
        REMNANT,
        TRANSFER,
        ENCRYPTION_KEY,
        MOVE,
        QUOTA_RESERVATION,
        QUOTA_LIMITS,
        VOLUME_TYPE,
        QOS_SPECS,
        DEFAULT_TYPE,
        SERVICE,
        CLOSURES,
        IMAGE_CACHE,
        MESSAGE,
    )
}
