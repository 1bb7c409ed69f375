"""What else can be done with backups: restored, exported and imported, reset, forced to go."""

import base64
import binascii
from uuid import UUID

import msgspec
from starlette.responses import Response

from domain.aggregates.backup.importing import Record
from domain.errors import InvalidRequest
from projections import volumes
from projections.backups import BackupRow
from services.api import backup_bodies as given
from services.api import backup_query, rules, volume_lookup
from services.api.action import Action, Actions, Nothing
from services.api.backup_view import summary
from services.api.backups import Accepted
from services.api.bodies import Name
from services.api.call import Call
from services.api.routing import Route
from services.commands.backup import DeleteBackup, ResetBackup, RestoreBackup
from services.commands.backup_records import ExportBackup, ImportBackup
from services.commands.creation import CreateVolume

SERVICE = "lapilli"
"""What Cinder calls the backup driver: only records of the same can be imported."""


class Restore(msgspec.Struct):
    """What is restored, and into what."""

    backup_id: str
    volume_id: str
    volume_name: str | None


class RestoreAnswer(msgspec.Struct):
    """POST /backups/{id}/restore."""

    restore: Restore


class Reset(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be true from now on."""

    status: Name


async def restore(call: Call) -> Response:
    """Puts it back into the volume that is named, or into a new one, which is made with it."""
    wish = (await call.body(given.RestoreBody)).restore
    row = await backup_query.named(call, rules.BACKUP_RESTORE)
    name: str | None
    if wish.volume_id is None:
        name = wish.name or f"restore_backup_{row.id}"
        volume_id = await _restored_anew(call, row, str(name))
    else:
        volume = await volume_lookup.by_id(call, wish.volume_id)
        name, volume_id = volume.name, volume.id
        await call.application.execute(
            RestoreBackup(
                id=row.id,
                project_id=call.visible_project,
                volume_id=volume_id,
                at=call.moment(),
            )
        )
    return call.json(202, RestoreAnswer(Restore(str(row.id), str(volume_id), name)))


async def _restored_anew(call: Call, row: BackupRow, name: str) -> UUID:
    """A new volume of its size; of the type of its volume, if that is still there."""
    call.check(rules.CREATE)
    settings = call.application.settings
    volume = await call.application.views.read(volumes.find, row.volume_id, call.visible_project)
    if volume is not None:
        type_name = str(volume.volume_type_id)
    else:
        type_name = await call.catalogue.default(
            call.caller.project_id, otherwise=settings.volume_types.default
        )
    volume_type = await call.catalogue.find(type_name, project_id=call.visible_project)
    command = CreateVolume(
        id=call.application.new_id(),
        project_id=call.caller.project_id,
        user_id=call.caller.user_id,
        size_gib=row.size_gib,
        name=name,
        description=None,
        metadata={},
        volume_type_id=volume_type.id,
        availability_zone=None,
        default_zone=settings.placement.default_zone,
        known_zones=call.application.zones(),
        visible_to=call.visible_project,
        backup_id=row.id,
        at=call.moment(),
    )
    await call.application.execute(command)
    return command.id


async def export(call: Call) -> Response:
    """What another installation needs to take it over, if it reaches the same store."""
    row = await backup_query.named(call, rules.BACKUP_EXPORT)
    record = await call.application.execute(
        ExportBackup(id=row.id, project_id=call.visible_project, at=call.moment())
    )
    url = base64.urlsafe_b64encode(msgspec.json.encode(record)).decode()
    return call.json(200, given.RecordBody(given.RecordOf(SERVICE, url)))


async def import_(call: Call) -> Response:
    """Takes over a backup that another installation made; whether the store has it is seen
    afterwards."""
    call.check(rules.BACKUP_IMPORT)
    told = (await call.body(given.RecordBody)).record
    if told.backup_service != SERVICE:
        raise InvalidRequest(f"Records of {told.backup_service[:64]!r} cannot be imported.")
    try:
        document = base64.b64decode(told.backup_url, altchars=b"-_", validate=True)
        record = msgspec.json.decode(document, type=Record)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise InvalidRequest("The backup_url is not that of an exported record.") from None
    await call.application.execute(
        ImportBackup(
            record=record,
            project_id=call.caller.project_id,
            user_id=call.caller.user_id,
            key=call.application.new_id(),
            at=call.moment(),
        )
    )
    return call.json(201, Accepted(summary(call, str(record.id), record.name)))


async def reset_status(call: Call, wanted: Reset) -> Response:
    """Says what its status is; what is under way ends."""
    row = await backup_query.named(call, rules.BACKUP_RESET_STATUS)
    await call.application.execute(
        ResetBackup(
            id=row.id,
            project_id=call.visible_project,
            status=wanted.status.lower(),
            at=call.moment(),
        )
    )
    return call.empty(202)


async def force_delete(call: Call, _: Nothing | None) -> Response:
    """Deletes it whatever its status, unless it is being restored."""
    row = await backup_query.named(call, rules.BACKUP_FORCE_DELETE)
    await call.application.execute(
        DeleteBackup(id=row.id, project_id=call.visible_project, force=True, at=call.moment())
    )
    return call.empty(202)


ACTIONS = Actions(
    "BackupActionBody",
    (
        Action("os-reset_status", Reset, reset_status),
        Action("os-force_delete", Nothing | None, force_delete),
    ),
)


async def act(call: Call) -> Response:
    """Does what the body names."""
    return await ACTIONS.act(call)


ROUTES = (
    Route(
        method="POST",
        path="/backups/{backup_id}/restore",
        handler=restore,
        summary="Restore a backup",
        status=202,
        body=given.RestoreBody,
        answer=RestoreAnswer,
        refuses=(409, 413, 503),
    ),
    Route(
        method="GET",
        path="/backups/{backup_id}/export_record",
        handler=export,
        summary="Export the record of a backup",
        answer=given.RecordBody,
        refuses=(503,),
    ),
    Route(
        method="POST",
        path="/backups/import_record",
        handler=import_,
        summary="Import the record of a backup",
        status=201,
        body=given.RecordBody,
        answer=Accepted,
        refuses=(409, 413, 503),
    ),
    Route(
        method="POST",
        path="/backups/{backup_id}/action",
        handler=act,
        summary="Do something to a backup",
        status=202,
        body=ACTIONS.body,
        refuses=(409, 503),
    ),
)
