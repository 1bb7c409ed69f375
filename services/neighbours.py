"""The other backends of this machine: a backend can read their volumes and so take them over."""

from collections.abc import Callable

from adapters.drivers.contract import Driver
from services import composition
from services.settings import Settings


class Neighbours:
    """Opens a neighbour's driver when it is first needed. Only files can be read by others."""

    def __init__(
        self, settings: Settings, backend: str, *, open_driver: Callable[[str], Driver]
    ) -> None:
        self._open_driver = open_driver
        self._names = {
            composition.backend_host(settings, name): name
            for name, configured in settings.backends.items()
            if name != backend and configured.driver == settings.backends[backend].driver == "file"
        }
        self._open: dict[str, Driver] = {}

    @property
    def hosts(self) -> list[str]:
        """Each `host@backend` that can be read from."""
        return sorted(self._names)

    async def driver(self, host: str) -> Driver | None:
        """The driver of `host@backend`; None if it cannot be read from here."""
        name = self._names.get(host)
        if name is None:
            return None
        if name not in self._open:
            self._open[name] = self._open_driver(name)
        return self._open[name]

    async def close(self) -> None:
        """Lets go of all that were opened."""
        for driver in self._open.values():
            await driver.close()
