"""Removing what is left of what is gone: objects and connections on backends, keys, images."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from uuid import UUID

import structlog

from adapters.backup_store.port import BackupStoreFailure
from adapters.drivers.contract import Driver, DriverFailure, SnapshotSpec, Source
from adapters.key_manager.port import KeyManager, KeyRefused
from domain.aggregates.encryption_key import EncryptionKey
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import Volume
from domain.aggregates.volume.attachments import known
from domain.errors import Conflict, Unavailable
from domain.event import Moment
from domain.machines.volume import MAKING
from services.commands.remnant import RecallRemnant, recall_remnant
from services.processes.backend_work import answered, spec_of, spec_of_snapshot
from services.processes.downloading import Downloads
from services.processes.runtime import NotYet
from services.unit_of_work import Commands
from services.wakeup import going_on

log = structlog.get_logger()

INTERVAL_S = 3600.0
"""How long what a dead worker made too late may stay."""

_VOLUME, _SNAPSHOT = "volume-", "snapshot-"


async def keep_swept(
    sweep: Callable[[], Awaitable[int]], *, where: str, interval_s: float = INTERVAL_S
) -> None:
    """Sweeps now, which is when a worker may have died, and again and again.

    Runs until cancelled.
    """
    while going_on():
        try:
            await sweep()
        except (DriverFailure, KeyRefused, BackupStoreFailure, Unavailable, Conflict) as error:
            log.warning("cannot sweep", where=where, reason=str(error))
        await asyncio.sleep(interval_s)


async def sweep(
    commands: Commands,
    driver: Driver,
    *,
    backend: str,
    timeout_s: float,
    moment: Callable[[], Moment],
) -> int:
    """Removes the objects of what the log says is deleted, volume or snapshot, or is a volume that
    no backend could make; how many that were.

    A worker whose claim was superseded removes what it made after the volume was gone, unless it
    dies first, or cannot find out; this closes that gap. Both are final but for a deletion, so that
    there is nothing to race with. A volume that is elsewhere by now may come back: what is here of
    that is said to be left in the log, and removed by whoever removes such.
    Objects that the log does not know are somebody else's and stay; `lapilli verify`
    lists them. Raises DriverFailure, Unavailable.
    """
    swept = 0
    async for left in _left_behind(commands, driver, backend, timeout_s, moment):
        removal = (
            driver.delete_snapshot(left)
            if isinstance(left, SnapshotSpec)
            else driver.delete_volume(left)
        )
        try:
            await answered(removal, within_s=timeout_s)
        except DriverFailure as failed:  # one that stays must not keep the others
            reason = failed.reason
            log.warning("cannot sweep", backend=backend, object=left.object_name, reason=reason)
            continue
        swept += 1
        log.warning("swept what is deleted", backend=backend, object=left.object_name)
    return swept


async def sweep_keys(commands: Commands, keys: KeyManager) -> int:
    """Destroys the keys that the log says are not wanted; how many that were.

    Such are all of what is gone, and those beside the one that is recorded: of two
    workers that both had a key made, the slower one died. Keys that the log does not know stay, as
    in `sweep`. Raises KeyRefused, Unavailable.
    """
    swept = 0
    for key_id, name in sorted((await keys.keys()).items()):
        id = _uuid(name)
        key = None if id is None else await commands.aggregates.read(EncryptionKey, id)
        if key is None or not key.exists or key.wants(key_id):
            continue
        await keys.delete(key_id)
        swept += 1
        log.warning("swept a key that nothing has", key=key_id, of=key.owner)
    return swept


async def sweep_connections(commands: Commands, driver: Driver, *, backend: str) -> int:
    """Ends connections that the log says are gone, as `sweep` removes objects; how many.

    The log knows of every attachment before its backend does, and no id comes twice: there is
    nothing to race with. Raises DriverFailure, Unavailable.
    """
    swept = 0
    for pool in (await driver.stats()).pools:
        for connected in sorted(await driver.connections(pool.pool_name)):
            id = _volume_id(connected.object_name)
            volume = None if id is None else await commands.aggregates.read(Volume, id)
            if volume is None or not volume.exists or known(volume, connected.attachment_id):
                continue
            host = f"{backend}#{pool.pool_name}"
            spec = spec_of(
                volume.id, host=host, size_gib=volume.size_gib, project_id=volume.project_id
            )
            await driver.disconnect_volume(spec, connected.attachment_id)
            swept += 1
            log.warning(
                "swept a connection that nobody has",
                backend=backend,
                volume=str(id),
                attachment=str(connected.attachment_id),
            )
    return swept


async def sweep_images(commands: Commands, downloads: Downloads) -> int:
    """Removes images, on their way to be converted, of volumes that are not being made; how many.

    A worker that was superseded, or died after it had told what came of it, leaves such. Raises
    Unavailable.
    """
    swept = 0
    for id in list(downloads.held()):
        if (await commands.aggregates.read(Volume, id)).state not in MAKING:
            with suppress(NotYet):  # somebody who was superseded is about to find out
                downloads.forget(id)
                swept += 1
    return swept


async def _left_behind(
    commands: Commands,
    driver: Driver,
    backend: str,
    timeout_s: float,
    moment: Callable[[], Moment],
) -> AsyncIterator[Source]:
    for pool in (await answered(driver.stats(), within_s=timeout_s)).pools:
        host = f"{backend}#{pool.pool_name}"
        for name in sorted(await answered(driver.objects(pool.pool_name), within_s=timeout_s)):
            if (volume_id := _volume_id(name)) is not None:
                volume = await commands.aggregates.read(Volume, volume_id)
                if volume.state == "deleted" or (volume.state == "error" and volume.host is None):
                    size_gib, project_id = volume.size_gib, volume.project_id
                    yield spec_of(volume_id, host=host, size_gib=size_gib, project_id=project_id)
                elif volume.host not in (None, host):
                    await _recall(commands, volume_id, host=host, at=moment())
            elif (snapshot_id := _id_in(name, _SNAPSHOT)) is not None:
                snapshot = await commands.aggregates.read(Snapshot, snapshot_id)
                if snapshot.state == "deleted":
                    yield spec_of_snapshot(snapshot)


async def _recall(commands: Commands, volume_id: UUID, *, host: str, at: Moment) -> None:
    reason = "a worker that was too late made it"
    command = RecallRemnant(id=volume_id, host=host, reason=reason, at=at)
    if (await commands.run(recall_remnant, command)).value:
        log.warning("swept later: it is elsewhere", host=host, volume=str(volume_id))


def _volume_id(object_name: str) -> UUID | None:
    return _id_in(object_name, _VOLUME)


def _id_in(object_name: str, prefix: str) -> UUID | None:
    return _uuid(object_name.removeprefix(prefix)) if object_name.startswith(prefix) else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
