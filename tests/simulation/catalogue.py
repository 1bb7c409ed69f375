"""Of what administrators make their wishes about the catalogue, limits and services."""

from collections.abc import Callable
from uuid import UUID

from domain.aggregates.default_type import DefaultType
from domain.aggregates.qos_specs import QosSpecs
from domain.aggregates.quota_limits import QuotaLimits
from domain.aggregates.service import VOLUME_SERVICE, ServiceName
from domain.aggregates.volume_type import VolumeType
from domain.encryption import Encryption
from tests.simulation.made import Field, Fields, Maker, of
from tests.simulation.sight import PROJECTS, Sight

DEFAULT = "__DEFAULT__"


def is_available(see: Sight, kind: VolumeType) -> bool:
    return kind.state == "available"


def of_type(fits: Callable[[Sight, VolumeType], bool] = is_available, **fields: Field) -> Maker:
    return of(lambda see: see.any_of(VolumeType, lambda each: fits(see, each)), **fields)


def of_qos(**fields: Field) -> Maker:
    return of(lambda see: see.any_of(QosSpecs, lambda each: each.state == "available"), **fields)


def type_id(see: Sight) -> UUID | None:
    found = see.any_of(VolumeType, lambda each: each.state == "available")
    return found.id if found else None


def service(see: Sight) -> ServiceName:
    return ServiceName(VOLUME_SERVICE, see.backend())


def encryption(see: Sight) -> Encryption:
    return Encryption(provider="luks", key_size=see.one((128, 256)))


def is_encrypted(see: Sight, kind: VolumeType) -> bool:
    return kind.state == "available" and kind.encryption is not None and see.is_unused(kind)


def is_plain(see: Sight, kind: VolumeType) -> bool:
    return kind.state == "available" and kind.encryption is None and see.is_unused(kind)


def is_extra(see: Sight, kind: VolumeType) -> bool:
    """Not what is used where no type is named."""
    return kind.state == "available" and kind.name != DEFAULT


def is_private(see: Sight, kind: VolumeType) -> bool:
    return kind.state == "available" and not kind.is_public


def revoked(see: Sight) -> Fields:
    found = see.any_of(VolumeType, lambda each: bool(each.projects) and is_private(see, each))
    if found is None:
        return None
    return {"id": found.id, "project_id": see.one(found.projects or PROJECTS)}


def disassociation(see: Sight) -> Fields:
    kind = see.any_of(VolumeType, lambda each: each.qos_specs_id is not None)
    if kind is None or kind.qos_specs_id is None:
        return None
    return {
        "id": UUID(kind.qos_specs_id),
        "volume_type_id": kind.id if see.often(0.7) else None,
    }


def unset_default(see: Sight) -> Fields:
    found = see.any_of(DefaultType, lambda each: each.volume_type_id is not None)
    return None if found is None else {"project_id": found.project_id}


def reset_limits(see: Sight) -> Fields:
    found = see.any_of(QuotaLimits, lambda each: bool(each.limits))
    return None if found is None else {"subject": found.subject}


def enabled(see: Sight) -> Fields:
    found = see.closed(lambda closure: closure.disabled)
    return None if found is None else {"name": ServiceName(VOLUME_SERVICE, found)}


def thawed(see: Sight) -> Fields:
    found = see.closed(lambda closure: closure.frozen)
    return None if found is None else {"host": found}
