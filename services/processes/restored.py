"""Making new volumes with what backups hold."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from adapters.backup_store.port import BackupStore, BackupStoreFailure
from adapters.drivers.contract import Driver, DriverFailure, Provisioned, VolumeSpec
from domain.aggregates.backup import Backup
from domain.aggregates.volume import Source
from domain.errors import NotFound
from services.processes.backing_up import location_of
from services.processes.wanted import LOOK_S, StillWanted, while_wanted
from services.unit_of_work import Commands


class Restored:
    """Brings backups to the volumes of one backend."""

    def __init__(
        self,
        *,
        commands: Commands,
        store: BackupStore,
        driver: Driver,
        clock: Callable[[], datetime],
        timeout_s: float,
        look_s: float = LOOK_S,
    ) -> None:
        self._commands = commands
        self._store = store
        self._driver = driver
        self._clock = clock
        self.timeout_s = timeout_s
        """How long one may take."""
        self._look = timedelta(seconds=look_s)

    async def bring(
        self, source: Source, into: VolumeSpec, still_wanted: StillWanted
    ) -> Provisioned:
        """Makes `into` with what the backup holds. Raises DriverFailure, also for what is wrong
        with the backup, which is so on every backend; and what `still_wanted` raises."""
        backup = await self._commands.aggregates.read(Backup, UUID(source.id))
        location = location_of(backup)
        blocks = self._store.read(location)
        content = while_wanted(blocks, still_wanted, clock=self._clock, look=self._look)
        try:
            return await self._driver.write_volume(into, content)
        except BackupStoreFailure as failed:
            raise DriverFailure(failed.reason, False) from failed
        except NotFound:
            raise DriverFailure(f"{location} is not in the backup store", False) from None
