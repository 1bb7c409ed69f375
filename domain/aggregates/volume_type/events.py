"""What happens to volume types: named, shown, promised, encrypted, deleted."""

from domain.encryption import Encryption
from domain.event import Event, event


@event("volume_type.created")
class Created(Event, frozen=True):
    """An administrator, or the first start, added a type."""

    name: str
    description: str | None
    is_public: bool
    extra_specs: dict[str, str]


@event("volume_type.renamed")
class Renamed(Event, frozen=True):
    """It has another name from now on; what it was called is free for others."""

    name: str
    formerly: str


@event("volume_type.described")
class Described(Event, frozen=True):
    """Its description from now on."""

    description: str | None


@event("volume_type.published")
class Published(Event, frozen=True):
    """Every project sees and uses it from now on."""


@event("volume_type.made_private")
class MadePrivate(Event, frozen=True):
    """Only projects that were given access see and use it from now on."""


@event("volume_type.extra_specs_changed")
class ExtraSpecsChanged(Event, frozen=True):
    """All extra specs from now on. No volume is of this type when that happens."""

    extra_specs: dict[str, str]


@event("volume_type.access_granted")
class AccessGranted(Event, frozen=True):
    """A project may use it although it is private; `projects` are all that may."""

    project_id: str
    projects: list[str]


@event("volume_type.access_revoked")
class AccessRevoked(Event, frozen=True):
    """A project may no longer use it; `projects` are all that still may."""

    project_id: str
    projects: list[str]


@event("volume_type.qos_associated")
class QosAssociated(Event, frozen=True):
    """Its volumes get these QoS specs, which say so in the same append."""

    qos_specs_id: str


@event("volume_type.qos_disassociated")
class QosDisassociated(Event, frozen=True):
    """Its volumes get no QoS specs any more."""

    qos_specs_id: str


@event("volume_type.encryption_added")
class EncryptionAdded(Event, frozen=True):
    """Its volumes are encrypted from now on. No volume is of this type when that happens."""

    encryption_id: str
    encryption: Encryption


@event("volume_type.encryption_changed")
class EncryptionChanged(Event, frozen=True):
    """Its volumes are encrypted so from now on. No volume is of this type when that happens."""

    encryption: Encryption


@event("volume_type.encryption_removed")
class EncryptionRemoved(Event, frozen=True):
    """Its volumes are not encrypted any more. No volume is of this type when that happens."""

    encryption_id: str


@event("volume_type.made_default")
class MadeDefault(Event, frozen=True):
    """A project's volumes that name no type are of this one."""

    project_id: str


@event("volume_type.default_ended")
class DefaultEnded(Event, frozen=True):
    """It is no longer that project's default."""

    project_id: str


@event("volume_type.deleted")
class Deleted(Event, frozen=True):
    """It is gone, and its name is free. No volume was of this type."""

    name: str
