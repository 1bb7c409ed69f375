"""What clients send about backups (api.md 11)."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from services.api.bodies import Flag, Metadata, Name, Words


class NewBackup(msgspec.Struct, forbid_unknown_fields=True):
    """A backup to be made. `metadata` from 3.43, `availability_zone` from 3.51."""

    volume_id: UUID
    container: Name | None = None
    name: Words | None = None
    description: Words | None = None
    incremental: Flag = False
    force: Flag = False
    snapshot_id: UUID | None = None
    metadata: Metadata | UnsetType | None = UNSET
    availability_zone: Words | UnsetType | None = UNSET


class CreateBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /backups."""

    backup: NewBackup


class Changes(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be changed. `metadata` from 3.43."""

    name: Words | UnsetType | None = UNSET
    description: Words | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET


class UpdateBody(msgspec.Struct, forbid_unknown_fields=True):
    """PUT /backups/{id}."""

    backup: Changes


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """The volume that it is to be put back into; none: a new one, of that name."""

    volume_id: UUID | None = None
    name: Words | None = None


class RestoreBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /backups/{id}/restore."""

    restore: Wish


class RecordOf(msgspec.Struct, forbid_unknown_fields=True):
    """Enough to take a backup over in another installation: `backup_url` is a document in JSON,
    in base64."""

    backup_service: Name
    backup_url: Annotated[str, Meta(min_length=1, max_length=65_536)]


class RecordBody(msgspec.Struct, forbid_unknown_fields=True):
    """An exported record, also as it is imported."""

    record: RecordOf = msgspec.field(name="backup-record")
