"""Copying what volumes and snapshots hold, block by block, from whichever backend can be read."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from adapters.drivers.content import Blocks, Fingerprint, fingerprint
from adapters.drivers.contract import Driver, DriverFailure, Provisioned, Source, VolumeSpec
from services.processes.wanted import LOOK_S, StillWanted, while_wanted

Reach = Callable[[str], Awaitable[Driver | None]]
"""Finds the driver of a `host@backend`, where that can be read from here."""


async def _nothing() -> None:
    pass


class Copier:
    """Brings to one backend what others hold. The backend that takes a volume does the work."""

    def __init__(
        self,
        *,
        backend: str,
        driver: Driver,
        reach: Reach,
        clock: Callable[[], datetime],
        timeout_s: float,
        look_s: float = LOOK_S,
    ) -> None:
        self._backend = backend
        self._driver = driver
        self._reach = reach
        self._clock = clock
        self.timeout_s = timeout_s
        """How long one copy may take."""
        self._look = timedelta(seconds=look_s)

    async def reader(self, host: str) -> Driver:
        """What reads from `host`, a backend or one of its pools. Raises DriverFailure."""
        backend = host.partition("#")[0]
        found = self._driver if backend == self._backend else await self._reach(backend)
        if found is None:
            raise DriverFailure(f"{self._backend} cannot exchange data with {backend}", True)
        return found

    async def copy(
        self,
        source: Source,
        *,
        reader: Driver,
        into: VolumeSpec,
        still_wanted: StillWanted,
        copied: StillWanted = _nothing,
    ) -> Provisioned:
        """Makes `into` with what the source holds, which must not change meanwhile, and compares.

        What is there already, from an attempt that died, is compared just so. `copied` hears when
        only that is left. Raises DriverFailure, and what `still_wanted` raises.
        """

        def watched(blocks: Blocks) -> Blocks:
            return while_wanted(blocks, still_wanted, clock=self._clock, look=self._look)

        read = Fingerprint()
        made = await self._driver.write_volume(into, read.of(watched(reader.read(source))))
        await copied()
        original = read.value if read.complete else await fingerprint(watched(reader.read(source)))
        if await fingerprint(watched(self._driver.read(into))) != original:
            raise DriverFailure(
                f"{into.object_name} on {self._backend} does not hold what"
                f" {source.object_name} does",
                False,
            )
        return made
