"""Event store, key manager, images and backups as one process reaches them."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from typing import Any
from uuid import UUID

from adapters.backup_store.memory import MemoryShelf
from adapters.backup_store.port import Location
from adapters.event_store.memory import MemoryEventStore
from adapters.image_service.memory import MemoryImageService
from adapters.image_service.port import Stream
from adapters.key_manager.memory import MemoryKeyManager
from adapters.key_manager.port import KeyRefused
from domain.errors import Conflict
from domain.event import Event, Recorded
from tests.simulation.chance import Chances
from tests.simulation.wire import Line


class Remote:
    """A part that is reached by a line: what its port has, as long as it only answers."""

    def __init__(self, real: Any, line: Line, chances: Chances) -> None:
        self._real, self._line, self._chances = real, line, chances

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if not inspect.iscoroutinefunction(found):
            raise AttributeError(f"{name} is not for the line")

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._line.ask(name, lambda: found(*args, **kwargs))

        return call

    async def close(self) -> None:
        """The part itself goes on."""


class SimulatedStore(Remote):
    """Keeps `EventStore`, on a real one that all processes share."""

    def __init__(self, real: MemoryEventStore, line: Line, chances: Chances) -> None:
        super().__init__(real, line, chances)
        self._told: list[Callable[[int], None]] = []

    async def append(
        self, events: Sequence[Recorded[Event]], *, unchanged: Mapping[UUID, int] = {}
    ) -> int:
        def conflict() -> Exception | None:
            if self._chances.strikes("store conflicts", f"append of {events[0].event.type_name}"):
                return Conflict(kind=events[0].event.kind, id=str(events[0].aggregate_id))
            return None

        kept, read = list(events), dict(unchanged)
        what = f"append {' '.join(each.event.type_name for each in kept)}"
        position: int = await self._line.ask(
            what, lambda: self._real.append(kept, unchanged=read), refuse=conflict
        )
        for told in self._told:
            told(position)
        return position

    def on_append(self, told: Callable[[int], None]) -> None:
        self._told.append(told)


class SimulatedKeys(Remote):
    """Keeps `KeyManager`, on a real one that all processes share."""

    _real: MemoryKeyManager

    async def create_key(self, name: str, *, algorithm: str, bits: int) -> str:
        def refusal() -> Exception | None:
            refused = self._chances.strikes("key manager refuses", f"key {name}")
            return KeyRefused("no more keys") if refused else None

        made: str = await self._line.ask(
            "create_key",
            lambda: self._real.create_key(name, algorithm=algorithm, bits=bits),
            refuse=refusal,
        )
        return made


class SimulatedImages(Remote):
    """Keeps `ImageService`, on a real one that all processes share."""

    _real: MemoryImageService

    async def read(self, image_id: str, *, start: int = 0) -> Stream:
        async with aclosing(self._real.read(image_id, start=start)) as stream:
            while True:
                chunk = await self._line.ask("read", lambda: anext(stream, b""))
                if not chunk:
                    return
                if self._chances.strikes("image arrives damaged", image_id):
                    chunk = bytes([chunk[0] ^ 1]) + chunk[1:]
                yield chunk

    async def upload(self, image_id: str, content: AsyncIterator[bytes]) -> None:
        received = [chunk async for chunk in content]

        async def again() -> AsyncIterator[bytes]:
            for chunk in received:
                yield chunk

        await self._line.ask("upload", lambda: self._real.upload(image_id, again()))


class SimulatedShelf(MemoryShelf):
    """What backups are kept on, as one process holds it: its claims end when it dies."""

    def __init__(self, real: MemoryShelf) -> None:
        super().__init__()
        self.files, self._claimed = real.files, real._claimed
        self._mine: set[Location] = set()

    @contextmanager
    def claim(self, location: Location) -> Iterator[None]:
        with super().claim(location):
            self._mine.add(location)
            try:
                yield
            finally:
                self._mine.discard(location)

    def drop_claims(self) -> None:
        """Its process is dead."""
        self._claimed -= self._mine
