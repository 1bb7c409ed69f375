"""An attachment in requests and answers (api.md 5)."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from projections.attachments import AttachmentRow
from services.api.volume_attaching import Connector, Mode
from services.api.volume_view import time


class NewAttachment(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which volume, for which server. Null means absent."""

    volume_uuid: UUID
    instance_uuid: UUID | None = None
    connector: Connector | None = None
    mode: Mode | None = None


class CreateBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /attachments."""

    attachment: NewAttachment


class Reach(msgspec.Struct, forbid_unknown_fields=True):
    """What the node says of itself."""

    connector: Annotated[Connector, Meta(min_length=1)]


class UpdateBody(msgspec.Struct, forbid_unknown_fields=True):
    """PUT /attachments/{id}."""

    attachment: Reach


class Summary(msgspec.Struct, kw_only=True):
    """An attachment in the short list; `instance` is the server."""

    id: str
    status: str
    instance: str | None
    volume_id: str


class Detail(Summary, kw_only=True):
    """An attachment. Times are empty until they are known."""

    attached_at: str
    detached_at: str
    attach_mode: str
    connection_info: dict[str, Any]


class OneAttachment(msgspec.Struct):
    """One attachment."""

    attachment: Detail


class AttachmentList(msgspec.Struct):
    """A page of attachments."""

    attachments: list[Summary]


class AttachmentDetails(msgspec.Struct):
    """A page of attachments in detail."""

    attachments: list[Detail]


def summary(row: AttachmentRow) -> Summary:
    """As in short lists."""
    return Summary(
        id=str(row.id),
        status=row.status,
        instance=row.server_id,
        volume_id=str(row.volume_id),
    )


def detail(row: AttachmentRow) -> Detail:
    """All about it."""
    return Detail(
        id=str(row.id),
        status=row.status,
        instance=row.server_id,
        volume_id=str(row.volume_id),
        attached_at="" if row.attached_at is None else time(row.attached_at),
        detached_at="",
        attach_mode=row.mode or "null",
        connection_info=_flat(row),
    )


def _flat(row: AttachmentRow) -> dict[str, Any]:
    """Cinder's connection_info without the level of `data`."""
    if not row.connection:
        return {}
    kind, data = row.connection["driver_volume_type"], row.connection["data"]
    return {**data, "driver_volume_type": kind, "attachment_id": str(row.id)}
