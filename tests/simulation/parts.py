"""Event store and key manager as one process reaches them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from adapters.event_store.memory import MemoryEventStore
from adapters.event_store.port import Snapshot
from adapters.key_manager.memory import MemoryKeyManager
from adapters.key_manager.port import Key, KeyRefused
from domain.errors import Conflict
from domain.event import Event, Recorded
from domain.names import Name
from domain.placement import Promise
from domain.quota import Usage
from tests.simulation.chance import Chances
from tests.simulation.wire import Line


class SimulatedStore:
    """Keeps `EventStore`, on a real one that all processes share."""

    def __init__(self, real: MemoryEventStore, line: Line, chances: Chances) -> None:
        self._real, self._line, self._chances = real, line, chances
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

    async def events(
        self, aggregate_id: UUID, *, after: int = 0, limit: int | None = None
    ) -> list[Recorded[Event]]:
        return await self._ask("events", aggregate_id, after=after, limit=limit)  # type: ignore[no-any-return]

    async def log(self, after: int, limit: int) -> list[Recorded[Event]]:
        return await self._ask("log", after, limit)  # type: ignore[no-any-return]

    async def last_position(self) -> int:
        return await self._ask("last_position")  # type: ignore[no-any-return]

    async def usage(self, project_id: str) -> dict[str, Usage]:
        return await self._ask("usage", project_id)  # type: ignore[no-any-return]

    async def limits(self, subject: str) -> dict[str, int]:
        return await self._ask("limits", subject)  # type: ignore[no-any-return]

    async def ledger(self) -> tuple[int, dict[tuple[str, str], Usage], dict[str, dict[str, int]]]:
        return await self._ask("ledger")  # type: ignore[no-any-return]

    async def names(self) -> tuple[int, dict[Name, UUID]]:
        return await self._ask("names")  # type: ignore[no-any-return]

    async def promises(self, *, after: int = 0) -> tuple[int, dict[str, Promise]]:
        return await self._ask("promises", after=after)  # type: ignore[no-any-return]

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        await self._ask("save_snapshot", snapshot)

    async def snapshot(self, aggregate_id: UUID) -> Snapshot | None:
        return await self._ask("snapshot", aggregate_id)  # type: ignore[no-any-return]

    def on_append(self, told: Callable[[int], None]) -> None:
        self._told.append(told)

    async def close(self) -> None:
        pass

    async def _ask(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return await self._line.ask(method, lambda: getattr(self._real, method)(*args, **kwargs))


class SimulatedKeys:
    """Keeps `KeyManager`, on a real one that all processes share."""

    def __init__(self, real: MemoryKeyManager, line: Line, chances: Chances) -> None:
        self._real, self._line, self._chances = real, line, chances

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

    async def get(self, key_id: str) -> Key:
        return await self._line.ask("get", lambda: self._real.get(key_id))  # type: ignore[no-any-return]

    async def delete(self, key_id: str) -> None:
        await self._line.ask("delete", lambda: self._real.delete(key_id))

    async def named(self, name: str) -> list[str]:
        return await self._line.ask("named", lambda: self._real.named(name))  # type: ignore[no-any-return]

    async def keys(self) -> dict[str, str]:
        return await self._line.ask("keys", self._real.keys)  # type: ignore[no-any-return]

    async def close(self) -> None:
        pass
