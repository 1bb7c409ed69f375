"""A key manager in memory, for tests and simulation. Like castellan's, it chooses the ids."""

from collections.abc import Callable
from itertools import count

from adapters.key_manager.port import Key, KeyRefused
from domain.errors import NotFound


class MemoryKeyManager:
    """Keeps keys as long as it lives. A name may have any number of them."""

    def __init__(self, *, random_bytes: Callable[[int], bytes] = bytes) -> None:
        self._random_bytes = random_bytes
        self._numbers = count(1)
        self._kept: dict[str, tuple[str, Key]] = {}

    async def create_key(self, name: str, *, algorithm: str, bits: int) -> str:
        if bits < 8 or bits % 8:
            raise KeyRefused(f"no key has {bits} bits")
        material = self._random_bytes(bits // 8)
        return self._keep(name, Key(algorithm=algorithm, bits=bits, material=material))

    async def copy_key(self, name: str, key_id: str) -> str:
        return self._keep(name, await self.get(key_id))

    async def get(self, key_id: str) -> Key:
        if key_id not in self._kept:
            raise NotFound(kind="key", id=key_id)
        return self._kept[key_id][1]

    async def delete(self, key_id: str) -> None:
        self._kept.pop(key_id, None)

    async def named(self, name: str) -> list[str]:
        return sorted(id for id, (known_as, _) in self._kept.items() if known_as == name)

    async def keys(self) -> dict[str, str]:
        return {id: name for id, (name, _) in self._kept.items()}

    async def close(self) -> None:
        pass

    def _keep(self, name: str, key: Key) -> str:
        key_id = f"key-{next(self._numbers)}"
        self._kept[key_id] = (name, key)
        return key_id
