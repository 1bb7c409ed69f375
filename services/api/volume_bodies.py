"""What requests about volumes carry, and its constraints."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from services.api.bodies import Flag, Metadata, Words

MAX_SIZE_GIB = 2**31 - 1

Size = Annotated[int, Meta(ge=1, le=MAX_SIZE_GIB, description="GiB")]


class NewVolume(msgspec.Struct, kw_only=True):
    """A volume to be made. Null means absent."""

    size: Size | None = None
    name: Words | UnsetType | None = UNSET
    description: Words | UnsetType | None = UNSET
    display_name: Words | None = None
    display_description: Words | None = None
    volume_type: Words | None = None
    availability_zone: Words | None = None
    metadata: Metadata | None = None
    multiattach: Flag | None = None
    snapshot_id: UUID | None = None
    source_volid: UUID | None = None
    backup_id: UUID | None = None
    group_id: UUID | None = None
    consistencygroup_id: UUID | None = None
    image_ref: Words | None = msgspec.field(name="imageRef", default=None)
    image_id: Words | None = None
    hints: dict[str, Any] | None = msgspec.field(name="OS-SCH-HNT:scheduler_hints", default=None)


class CreateBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """POST /volumes. Scheduler hints may stand here or inside; those here win."""

    volume: NewVolume
    hints: dict[str, Any] | None = msgspec.field(name="OS-SCH-HNT:scheduler_hints", default=None)


class VolumeChanges(msgspec.Struct, kw_only=True):
    """What to change; metadata replaces all."""

    name: Words | UnsetType | None = UNSET
    description: Words | UnsetType | None = UNSET
    display_name: Words | UnsetType | None = UNSET
    display_description: Words | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET


class UpdateBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """PUT /volumes/{id}."""

    volume: VolumeChanges
