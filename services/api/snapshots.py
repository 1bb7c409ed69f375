"""/snapshots: create, list, show, update, delete (api.md 4)."""

from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from domain.errors import InvalidRequest
from projections import snapshots
from projections.snapshots import BEGUN, SnapshotRow
from projections.volumes import VolumeRow
from services.api import microversions, rules, snapshot_lookup, snapshot_query, volume_lookup
from services.api.bodies import Flag, Metadata, Words, is_yes
from services.api.call import Call
from services.api.metadata import MetadataOf
from services.api.routing import Route
from services.api.snapshot_view import SnapshotDetail, detail
from services.api.volume_view import Link
from services.commands.snapshot import (
    ChangeSnapshotMetadata,
    CreateSnapshot,
    DeleteSnapshot,
    DescribeSnapshot,
)


class NewSnapshot(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A snapshot to be made. Null means absent."""

    volume_id: UUID
    name: Words | UnsetType | None = UNSET
    description: Words | UnsetType | None = UNSET
    display_name: Words | None = None
    display_description: Words | None = None
    metadata: Metadata | None = None
    force: Flag | None = None


class CreateBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /snapshots."""

    snapshot: NewSnapshot


class SnapshotChanges(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change."""

    name: Words | UnsetType | None = UNSET
    description: Words | UnsetType | None = UNSET
    display_name: Words | UnsetType | None = UNSET
    display_description: Words | UnsetType | None = UNSET


class UpdateBody(msgspec.Struct, forbid_unknown_fields=True):
    """PUT /snapshots/{id}."""

    snapshot: SnapshotChanges


class OneSnapshot(msgspec.Struct):
    """One snapshot."""

    snapshot: SnapshotDetail


class SnapshotList(msgspec.Struct, omit_defaults=True):
    """A page of snapshots."""

    snapshots: list[SnapshotDetail]
    snapshots_links: list[Link] = []
    count: int | None = None


async def create(call: Call) -> Response:
    """Accepts a snapshot; it is made afterwards."""
    wish = (await call.body(CreateBody)).snapshot
    always = call.has(microversions.SNAPSHOT_IN_USE)
    if always and wish.force is not None and not is_yes(wish.force):
        raise InvalidRequest(
            "Invalid input for field/attribute snapshot.force: from 3.66 on volumes in use can"
            " always be snapshotted."
        )
    volume = await volume_lookup.by_id(call, wish.volume_id)
    call.check(rules.SNAPSHOT_CREATE, volume_lookup.owner(volume))
    command = CreateSnapshot(
        id=call.application.new_id(),
        volume_id=volume.id,
        of_project=call.visible_project,
        user_id=call.caller.user_id,
        name=wish.display_name if wish.name is UNSET else wish.name,
        description=wish.display_description if wish.description is UNSET else wish.description,
        metadata=wish.metadata or {},
        force=always or is_yes(wish.force),
        counts_gigabytes=not call.application.settings.quota.no_snapshot_gb_quota,
        at=call.moment(),
    )
    await call.application.execute(command)
    row = await call.application.views.read(snapshots.find, command.id)
    return _one(call, 202, row or _as_requested(command, volume))


async def list_brief(call: Call) -> Response:
    """All but how far they are."""
    return await _list(call, extended=False)


async def list_detail(call: Call) -> Response:
    """All that the caller may see."""
    return await _list(call, extended=True)


async def show(call: Call) -> Response:
    """One snapshot."""
    return _one(call, 200, await snapshot_lookup.named(call), extended=True)


async def update(call: Call) -> Response:
    """Changes name and description."""
    wish = (await call.body(UpdateBody)).snapshot
    name = wish.display_name if wish.name is UNSET else wish.name
    description = wish.display_description if wish.description is UNSET else wish.description
    if name is description is UNSET:
        raise InvalidRequest(
            "Invalid input for field/attribute snapshot. Nothing is to be changed."
        )
    row = await snapshot_lookup.named(call)
    call.check(rules.SNAPSHOT_UPDATE, snapshot_lookup.owner(row))
    await call.application.execute(
        DescribeSnapshot(
            id=row.id,
            project_id=call.visible_project,
            name=name,
            description=description,
            at=call.moment(),
        )
    )
    changed = await call.application.views.read(snapshots.find, row.id, call.visible_project)
    return _one(call, 200, changed or row)


async def delete(call: Call) -> Response:
    """Wants it gone."""
    row = await snapshot_lookup.named(call)
    call.check(rules.SNAPSHOT_DELETE, snapshot_lookup.owner(row))
    await call.application.execute(
        DeleteSnapshot(id=row.id, project_id=call.visible_project, at=call.moment())
    )
    return call.empty(202)


async def _list(call: Call, *, extended: bool) -> Response:
    rows, links, count = await snapshot_query.SNAPSHOTS.page(call)
    shown = [detail(call, row, extended=extended) for row in rows]
    return call.json(200, SnapshotList(shown, links, count))


def _one(call: Call, status: int, row: SnapshotRow, *, extended: bool = False) -> Response:
    return call.json(status, OneSnapshot(detail(call, row, extended=extended)))


def _as_requested(command: CreateSnapshot, volume: VolumeRow) -> SnapshotRow:
    """What the read model will show, when it is late."""
    return SnapshotRow(
        id=command.id,
        project_id=volume.project_id,
        user_id=command.user_id,
        volume_id=command.volume_id,
        volume_type_id=volume.volume_type_id,
        name=command.name,
        description=command.description,
        size_gib=volume.size_gib,
        status="creating",
        progress=BEGUN,
        availability_zone=volume.availability_zone,
        metadata=command.metadata,
        host=volume.host or "",
        provider_id=None,
        created_at=command.at.at,
        updated_at=None,
        version=1,
        state="requested",
    )


METADATA = MetadataOf(
    "snapshot",
    named=snapshot_lookup.named,
    change=ChangeSnapshotMetadata,
    rules=(
        rules.SNAPSHOT_GET_METADATA,
        rules.SNAPSHOT_UPDATE_METADATA,
        rules.SNAPSHOT_UPDATE_METADATA,
        rules.SNAPSHOT_DELETE_METADATA,
    ),
)

_LIST: dict[str, Any] = {
    "query": snapshot_query.PARAMETERS,
    "answer": SnapshotList,
    "refuses": (404,),
}

ROUTES = (
    Route(
        method="POST",
        path="/snapshots",
        handler=create,
        summary="Create a snapshot",
        status=202,
        body=CreateBody,
        answer=OneSnapshot,
        refuses=(404, 409, 413, 503),
    ),
    Route(method="GET", path="/snapshots", handler=list_brief, summary="List snapshots", **_LIST),
    Route(
        method="GET",
        path="/snapshots/detail",
        handler=list_detail,
        summary="List snapshots with details",
        **_LIST,
    ),
    Route(
        method="GET",
        path="/snapshots/{snapshot_id}",
        handler=show,
        summary="Show a snapshot",
        answer=OneSnapshot,
    ),
    Route(
        method="PUT",
        path="/snapshots/{snapshot_id}",
        handler=update,
        summary="Change name or description of a snapshot",
        body=UpdateBody,
        answer=OneSnapshot,
        refuses=(409, 503),
    ),
    Route(
        method="DELETE",
        path="/snapshots/{snapshot_id}",
        handler=delete,
        summary="Delete a snapshot",
        status=202,
        refuses=(409, 503),
    ),
    *METADATA.routes("/snapshots/{snapshot_id}"),
)
