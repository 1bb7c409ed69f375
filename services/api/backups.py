"""/backups: make, list, show, update, delete, restore, export and import (api.md 11)."""

from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from domain.errors import InvalidRequest, NotFound, Unavailable
from projections import backups, volumes
from services.api import backup_bodies as given
from services.api import backup_query, microversions, rules, volume_lookup
from services.api.backup_view import BackupDetail, BackupSummary, detail, summary
from services.api.bodies import is_yes
from services.api.call import Call
from services.api.routing import Route
from services.api.volume_view import Link
from services.commands.backup import CreateBackup, DeleteBackup, DescribeBackup

SERVICE = "cinder-backup"


class OneBackup(msgspec.Struct):
    """One backup."""

    backup: BackupDetail


class Accepted(msgspec.Struct):
    """The answer to who asked for one, or changed it."""

    backup: BackupSummary


class BackupList(msgspec.Struct, omit_defaults=True):
    """A page of backups."""

    backups: list[BackupSummary]
    backups_links: list[Link] = []
    count: int | None = None


class BackupDetails(msgspec.Struct, omit_defaults=True):
    """A page of backups with all that the caller may see of them."""

    backups: list[BackupDetail]
    backups_links: list[Link] = []
    count: int | None = None


async def create(call: Call) -> Response:
    """Accepts a backup; it is made afterwards."""
    wish = (await call.body(given.CreateBody)).backup
    _refuse_early(call, wish.metadata, microversions.BACKUP_METADATA, "metadata")
    _refuse_early(call, wish.availability_zone, microversions.BACKUP_ZONE, "availability_zone")
    views = call.application.views
    row = await views.read(volumes.find, wish.volume_id, call.visible_project)
    if row is None:
        raise NotFound(kind="volume", id=str(wish.volume_id))
    call.check(rules.BACKUP_CREATE, volume_lookup.owner(row))
    if not any(each.binary == SERVICE and each.up for each in await call.application.services()):
        raise Unavailable(part=SERVICE, reason="no service makes backups")
    incremental = is_yes(wish.incremental)
    project_id = call.caller.project_id
    candidates: list[UUID] = []
    if incremental:
        candidates = await views.read(backups.newest, row.id, project_id)
    command = CreateBackup(
        id=call.application.new_id(),
        volume_id=row.id,
        project_id=call.visible_project,
        of_project=project_id,
        user_id=call.caller.user_id,
        name=wish.name,
        description=wish.description,
        metadata=wish.metadata or {},
        container=wish.container,
        availability_zone=wish.availability_zone or None,
        snapshot_id=wish.snapshot_id,
        force=is_yes(wish.force),
        incremental=incremental,
        candidates=tuple(candidates),
        at=call.moment(),
    )
    await call.application.execute(command)
    return call.json(202, Accepted(summary(call, str(command.id), command.name)))


def _refuse_early(call: Call, value: Any, since: int, name: str) -> None:
    if value is not UNSET and not call.has(since):
        raise InvalidRequest(f"Additional properties are not allowed ({name!r} was unexpected).")


async def list_brief(call: Call) -> Response:
    """Ids and names."""
    rows, links, count = await backup_query.BACKUPS.page(call)
    brief = [summary(call, str(row.id), row.name) for row in rows]
    return call.json(200, BackupList(brief, links, count))


async def list_detail(call: Call) -> Response:
    """All that the caller may see."""
    rows, links, count = await backup_query.BACKUPS.page(call)
    return call.json(200, BackupDetails([detail(call, row) for row in rows], links, count))


async def show(call: Call) -> Response:
    """One backup."""
    row = await backup_query.named(call, rules.BACKUP_GET)
    return call.json(200, OneBackup(detail(call, row)))


async def update(call: Call) -> Response:
    """Changes name, description and, from 3.43, metadata."""
    wish = (await call.body(given.UpdateBody)).backup
    _refuse_early(call, wish.metadata, microversions.BACKUP_METADATA, "metadata")
    if wish.name is wish.description is wish.metadata is UNSET:
        raise InvalidRequest("Invalid input for field/attribute backup. Nothing is to be changed.")
    row = await backup_query.named(call, rules.BACKUP_UPDATE)
    metadata: dict[str, str] | UnsetType = UNSET if wish.metadata is UNSET else wish.metadata or {}
    await call.application.execute(
        DescribeBackup(
            id=row.id,
            project_id=call.visible_project,
            name=wish.name,
            description=wish.description,
            metadata=metadata,
            at=call.moment(),
        )
    )
    name = row.name if wish.name is UNSET else wish.name
    return call.json(200, Accepted(summary(call, str(row.id), name)))


async def delete(call: Call) -> Response:
    """Wants it gone."""
    row = await backup_query.named(call, rules.BACKUP_DELETE)
    await call.application.execute(
        DeleteBackup(id=row.id, project_id=call.visible_project, at=call.moment())
    )
    return call.empty(202)


_LIST: dict[str, Any] = {"query": backup_query.PARAMETERS, "refuses": (404,)}

ROUTES = (
    Route(
        method="POST",
        path="/backups",
        handler=create,
        summary="Back a volume up",
        status=202,
        body=given.CreateBody,
        answer=Accepted,
        refuses=(404, 409, 413, 503),
    ),
    Route(
        method="GET",
        path="/backups",
        handler=list_brief,
        summary="List backups",
        answer=BackupList,
        **_LIST,
    ),
    Route(
        method="GET",
        path="/backups/detail",
        handler=list_detail,
        summary="List backups with details",
        answer=BackupDetails,
        **_LIST,
    ),
    Route(
        method="GET",
        path="/backups/{backup_id}",
        handler=show,
        summary="Show a backup",
        answer=OneBackup,
    ),
    Route(
        method="PUT",
        path="/backups/{backup_id}",
        handler=update,
        summary="Change name, description or metadata of a backup",
        since=microversions.BACKUP_UPDATE,
        body=given.UpdateBody,
        answer=Accepted,
        refuses=(409, 503),
    ),
    Route(
        method="DELETE",
        path="/backups/{backup_id}",
        handler=delete,
        summary="Delete a backup",
        status=202,
        refuses=(409, 503),
    ),
)
