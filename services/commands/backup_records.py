"""Taking the record of a backup to another installation, and taking one over from there."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid5

import msgspec

from domain.aggregates.backup import Backup, importing
from domain.aggregates.quota_reservation import QuotaReservation
from domain.encryption import checked_encryption
from domain.errors import OverQuota
from domain.event import Moment
from domain.metadata import checked_metadata, checked_name
from domain.quota import of_backup
from services.commands.backup import checked_container
from services.commands.encrypting import key_to_back_up
from services.unit_of_work import UnitOfWork


class ExportBackup(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for the record of a backup. `project_id` None sees every project's."""

    id: UUID
    project_id: str | None
    at: Moment


class ImportBackup(msgspec.Struct, frozen=True, kw_only=True):
    """Takes over what a record tells of, if the store has it."""

    record: importing.Record
    project_id: str
    user_id: str
    key: UUID
    """What its key is to be called, if it needs one: under the name that goes with its id, who made
    the backup may have one in the same key manager."""
    at: Moment


async def export_backup(cmd: ExportBackup, work: UnitOfWork) -> importing.Record:
    """Changes nothing. Raises NotFound, NotAllowed unless it is available."""
    return importing.record_of((await work.load(Backup, cmd.id)).visible_to(cmd.project_id))


async def import_backup(cmd: ImportBackup, work: UnitOfWork) -> UUID:
    """Backup, its quota and the key that it needs in one append. Raises InvalidRequest,
    OverQuota."""
    record = cmd.record
    backup = await work.load(Backup, record.id)
    parent = None
    if record.parent is not None:
        parent = await work.load(Backup, UUID(record.parent.id))
    reservation = QuotaReservation.reserve(
        uuid5(record.id, "reservation"),
        project_id=cmd.project_id,
        subject=record.id,
        amounts=of_backup(record.size_gib),
        largest_gib=0,
        at=cmd.at,
    )
    checked_container(record.container)
    checked_name(record.name, field="name")
    checked_name(record.description, field="description")
    checked_metadata(record.metadata)
    if record.encryption is not None:
        checked_encryption(record.encryption)
    importing.request(
        backup,
        record,
        project_id=cmd.project_id,
        user_id=cmd.user_id,
        reservation_id=reservation.id,
        key=cmd.key,
        parent=parent,
        at=cmd.at,
    )
    key = key_to_back_up(backup, record.encryption_key_id, cmd.at)
    try:
        await work.commit(reservation, backup, *key)
    except OverQuota as over:
        await work.commit(reservation.refused(over.overs, cmd.at))
        raise
    return backup.id


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    ExportBackup: export_backup,
    ImportBackup: import_backup,
}
