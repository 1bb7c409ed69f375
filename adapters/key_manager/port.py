"""What a key manager promises: make a key, give it, destroy it, tell which there are.

The notions are those of OpenStack's castellan (algorithm, length in bits, ids of the key manager's
own choosing), so that a castellan backend is an adapter like any other. What castellan does not
promise is asked for by name: a key is made under the name of whom it is for, and whoever died
between making a key and recording its id finds it again by that name.
"""

from typing import Protocol

import msgspec

from domain.errors import LapilliError

PART = "key manager"
"""What is unavailable when it does not answer."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A symmetric key. `bits` is its length."""

    algorithm: str
    bits: int
    material: bytes

    def __repr__(self) -> str:
        return f"Key({self.algorithm}, {self.bits} bits)"  # never the material: this is logged


class KeyRefused(LapilliError):
    """The key manager answered, and said no; asking again does not help."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The key manager refuses: {reason}")


class KeyManager(Protocol):
    """Keeps keys. Every call but `close` raises Unavailable while the key manager is away, and
    KeyRefused for what it does not do."""

    async def create_key(self, name: str, *, algorithm: str, bits: int) -> str:
        """A new random key under a name; its id. It is there for good when this returns.

        Where the name has one already, a key manager may answer that one or make a second: who
        must not have two asks `named` first.
        """

    async def copy_key(self, name: str, key_id: str) -> str:
        """A key of its own under a name, equal to another; its id. Otherwise as `create_key`.

        Raises NotFound if there is nothing to copy.
        """

    async def get(self, key_id: str) -> Key:
        """Raises NotFound."""

    async def delete(self, key_id: str) -> None:
        """Destroys a key for good. Nothing there is success."""

    async def named(self, name: str) -> list[str]:
        """The ids of all keys made under a name, sorted."""

    async def keys(self) -> dict[str, str]:
        """Every key that was made for us: its name by its id; for audit to find orphans."""

    async def close(self) -> None:
        """Lets go of everything held. The keys stay."""
