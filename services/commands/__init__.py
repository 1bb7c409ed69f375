"""Commands and their handlers: load, decide, commit; one file per aggregate."""

from collections.abc import Awaitable, Callable
from typing import Any

from services.commands import (
    attaching,
    backup,
    backup_records,
    backup_work,
    default_type,
    encryption_key,
    exporting,
    extension,
    giving_up,
    imaging,
    message,
    migration,
    move,
    qos_specs,
    quota_limits,
    remnant,
    retype,
    service,
    settling,
    transfer,
    volume,
    volume_properties,
    volume_reset,
    volume_type,
)
from services.unit_of_work import UnitOfWork

HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    **volume.HANDLERS,
    **backup.HANDLERS,
    **backup_work.HANDLERS,
    **backup_records.HANDLERS,
    **extension.HANDLERS,
    **imaging.HANDLERS,
    **volume_reset.HANDLERS,
    **transfer.HANDLERS,
    **volume_properties.HANDLERS,
    **retype.HANDLERS,
    **migration.HANDLERS,
    **move.HANDLERS,
    **attaching.HANDLERS,
    **exporting.HANDLERS,
    **remnant.HANDLERS,
    **encryption_key.HANDLERS,
    **settling.HANDLERS,
    **giving_up.HANDLERS,
    **volume_type.HANDLERS,
    **qos_specs.HANDLERS,
    **default_type.HANDLERS,
    **quota_limits.HANDLERS,
    **service.HANDLERS,
    **message.HANDLERS,
}
