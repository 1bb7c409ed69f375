"""Removing what is left of backups that are gone: from the store, and from backends."""

from uuid import UUID

import structlog

from adapters.backup_store.port import BackupBusy, BackupStore
from adapters.drivers.contract import Driver
from domain.aggregates.backup import Backup
from services.processes.backend_work import answered
from services.processes.backing_up import capture_of
from services.unit_of_work import Commands

log = structlog.get_logger()

_PREFIX = "snapshot-"
BEING_MADE = ("requested", "making", "cancelling")


async def sweep_backups(commands: Commands, store: BackupStore) -> int:
    """Removes from the store what the log says is deleted; how many that were.

    A worker whose claim was superseded may have written on after the deletion. Backups that the
    log does not know stay: another installation may have made them. Raises BackupStoreFailure,
    Unavailable.
    """
    swept = 0
    for location in sorted(await store.held()):
        backup = await commands.aggregates.read(Backup, location.id)
        if backup.state != "deleted" or backup.container != location.container:
            continue
        try:
            await store.delete(location)
        except BackupBusy:  # whoever writes there ends soon
            continue
        swept += 1
        log.warning("swept what a deleted backup left", backup=str(location.id))
    return swept


async def sweep_captures(
    commands: Commands, driver: Driver, *, backend: str, timeout_s: float
) -> int:
    """Removes from a backend what backups were read through that nobody makes any more; how many
    that were. Raises DriverFailure, Unavailable."""
    swept = 0
    for pool in (await answered(driver.stats(), within_s=timeout_s)).pools:
        for name in sorted(await answered(driver.objects(pool.pool_name), within_s=timeout_s)):
            backup = await _captured_by(commands, name)
            if backup is None or backup.host != f"{backend}#{pool.pool_name}":
                continue
            await answered(driver.delete_snapshot(capture_of(backup)), within_s=timeout_s)
            swept += 1
            log.warning("swept what a backup was read through", backup=str(backup.id))
    return swept


async def _captured_by(commands: Commands, object_name: str) -> Backup | None:
    """The backup that left it; None where none did."""
    if not object_name.startswith(_PREFIX):
        return None
    try:
        id = UUID(object_name.removeprefix(_PREFIX))
    except ValueError:
        return None
    backup = await commands.aggregates.read(Backup, id)
    return backup if backup.exists and backup.state not in BEING_MADE else None
