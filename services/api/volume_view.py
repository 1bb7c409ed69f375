"""A volume as the API shows it: which fields, from which microversion, to whom (api.md 2)."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from domain.aggregates.volume.attachment import DETACHED
from projections import attachments
from projections.attachments import AttachmentRow
from projections.volumes import VolumeRow
from services.api import microversions, rules
from services.api.call import Call
from services.api.identity import SERVICE


class Link(msgspec.Struct, frozen=True):
    """Where something is found."""

    rel: str
    href: str


class VolumeSummary(msgspec.Struct, frozen=True):
    """A volume in the short list."""

    id: str
    name: str | None
    links: list[Link]


class Attached(msgspec.Struct, kw_only=True):
    """Who has a volume. `id` is the volume's, as Cinder has it."""

    id: str
    attachment_id: str
    volume_id: str
    server_id: str | None
    host_name: str | None
    device: str | None
    attached_at: str | None


class VolumeDetail(
    msgspec.Struct,
    kw_only=True,
    rename={
        "host": "os-vol-host-attr:host",
        "project": "os-vol-tenant-attr:tenant_id",
        "migrating": "os-vol-mig-status-attr:migstat",
        "name_id": "os-vol-mig-status-attr:name_id",
    },
):
    """A volume. What has no microversion or role yet is left out, not null."""

    id: str
    name: str | None
    description: str | None
    status: str
    size: int
    availability_zone: str | None
    created_at: str
    updated_at: str | None
    volume_type: str | None
    user_id: str
    metadata: dict[str, str]
    links: list[Link]
    snapshot_id: str | None = None
    source_volid: str | None = None
    consistencygroup_id: str | None = None
    replication_status: str | None = None
    bootable: str
    encrypted: bool = False
    multiattach: bool = False
    volume_image_metadata: dict[str, str] | UnsetType = UNSET
    attachments: list[Attached] = []
    group_id: str | UnsetType | None = UNSET
    provider_id: str | UnsetType | None = UNSET
    shared_targets: bool | UnsetType | None = UNSET
    service_uuid: str | UnsetType | None = UNSET
    cluster_name: str | UnsetType | None = UNSET
    volume_type_id: str | UnsetType = UNSET
    encryption_key_id: str | UnsetType = UNSET
    consumes_quota: bool | UnsetType = UNSET
    migration_status: str | UnsetType | None = UNSET
    host: str | UnsetType | None = UNSET
    project: str | UnsetType = UNSET
    migrating: str | UnsetType | None = UNSET
    name_id: str | UnsetType | None = UNSET


def time(value: datetime) -> str:
    """As Cinder writes times: UTC, microseconds, no zone."""
    return value.replace(tzinfo=None).isoformat(timespec="microseconds")


def linker(call: Call, collection: str = "volumes") -> Callable[[str], list[Link]]:
    """Makes the links of an item from its id."""
    base, project = call.base, call.project_path
    itself, bookmark = f"{base}/v3{project}/{collection}/", f"{base}{project}/{collection}/"
    return lambda id: [Link("self", itself + id), Link("bookmark", bookmark + id)]


async def details(
    call: Call, rows: list[VolumeRow], *, extended: bool = True
) -> list[VolumeDetail]:
    """The volumes for this caller. `extended`: with os-… attributes, as in show and lists.

    Rules about fields are asked once a request and owner, not for every row's every field.
    """
    names = await call.catalogue.names({row.volume_type_id for row in rows})
    held = [row.id for row in rows if row.attach_status != DETACHED]
    attached = await call.application.views.read(attachments.of_volumes, held) if held else {}
    links = linker(call)
    since = _by_microversion(call)
    host = extended and call.allows(rules.FIELD_HOST)
    migration = extended and call.allows(rules.FIELD_MIGRATION)
    found = []
    for row in rows:
        id = str(row.id)
        detail = VolumeDetail(
            id=id,
            name=row.name,
            description=row.description,
            status=row.status,
            size=row.size_gib,
            availability_zone=row.availability_zone,
            created_at=time(row.created_at),
            updated_at=None if row.updated_at is None else time(row.updated_at),
            volume_type=names.get(row.volume_type_id),
            user_id=row.user_id,
            metadata=_metadata(row, attached.get(row.id, ())),
            bootable="true" if row.bootable else "false",
            multiattach=row.multiattach,
            attachments=_attached(call, attached.get(row.id, ())),
            links=links(id),
            snapshot_id=_text(row.snapshot_id),
            source_volid=_text(row.source_volid),
            encrypted=row.encrypted,
            **since,
        )
        owner = row.project_id, row.user_id
        if row.image_metadata and call.allows(rules.FIELD_IMAGE_METADATA, owner):
            detail.volume_image_metadata = row.image_metadata
        if row.encryption_key_id is not None and call.has(microversions.ENCRYPTION_KEY_ID):
            detail.encryption_key_id = row.encryption_key_id
        if call.has(microversions.TYPE_ID):
            detail.volume_type_id = str(row.volume_type_id)
        if call.is_admin:
            detail.migration_status = row.migration_status
        if call.is_admin and call.has(microversions.PROVIDER_ID):
            detail.provider_id = row.provider_id
        if host:
            detail.host = row.host
        if migration:
            detail.migrating, detail.name_id = row.migration_status, None
        if extended and call.allows(rules.FIELD_PROJECT, owner):
            detail.project = row.project_id
        found.append(detail)
    return found


def _text(id: UUID | None) -> str | None:
    return None if id is None else str(id)


def _metadata(row: VolumeRow, found: Sequence[AttachmentRow]) -> dict[str, str]:
    """The user's words, and with them what Cinder shows among them: whether it may be written to,
    and how it was attached last."""
    shown = dict(row.metadata)
    if row.readonly is not None:
        shown["readonly"] = str(row.readonly)
    modes = [each.mode for each in found if each.attached_at is not None and each.mode]
    if modes:
        shown["attached_mode"] = modes[-1]
    return shown


def _attached(call: Call, found: Sequence[AttachmentRow]) -> list[Attached]:
    """Only what is in use; nodes are for administrators and services to know."""
    tells = call.is_admin or SERVICE in call.caller.roles
    return [
        Attached(
            id=str(each.volume_id),
            attachment_id=str(each.id),
            volume_id=str(each.volume_id),
            server_id=each.server_id,
            host_name=each.node if tells else None,
            device=each.device,
            attached_at=None if each.attached_at is None else time(each.attached_at),
        )
        for each in found
        if each.status == "attached"
    ]


def _by_microversion(call: Call) -> dict[str, Any]:
    """The fields that are the same for every volume so far, where they are shown at all."""
    fields: dict[str, Any] = {}
    if call.has(microversions.VOLUME_GROUP):
        fields["group_id"] = None
    if call.has(microversions.SHARED_TARGETS):
        fields["shared_targets"], fields["service_uuid"] = True, None
    if call.has(microversions.CLUSTER_NAME) and call.is_admin:
        fields["cluster_name"] = None
    if call.has(microversions.CONSUMES_QUOTA):
        fields["consumes_quota"] = True
    return fields
