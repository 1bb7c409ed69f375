"""Key managers that OpenStack's castellan knows: Barbican, Vault.

Castellan is asked in threads, with the credentials that its own configuration names for this
service: no user's token outlives the request that brought it. Needs the extra `castellan`.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from barbicanclient.exceptions import HTTPClientError
from castellan import key_manager
from castellan.common import exception
from castellan.common.objects.symmetric_key import SymmetricKey
from castellan.common.utils import credential_factory
from castellan.key_manager.barbican_key_manager import BarbicanKeyManager
from oslo_config import cfg

from adapters.key_manager.port import PART, Key, KeyRefused
from domain.errors import NotFound, Unavailable

PREFIX = "lapilli-"
"""What the names of our keys begin with: others keep theirs in the same place."""

PAGE = 100
"""Secrets that Barbican is asked for at a time; it gives no more."""

T = TypeVar("T")


class CastellanKeyManager:
    """Asks a castellan key manager; `credentials` makes what castellan calls a context."""

    def __init__(
        self, manager: key_manager.key_manager.KeyManager, *, credentials: Callable[[], Any]
    ) -> None:
        self._manager = manager
        self._credentials = credentials

    async def create_key(self, name: str, *, algorithm: str, bits: int) -> str:
        if bits < 8 or bits % 8:
            raise KeyRefused(f"no key has {bits} bits")
        return await self._ask(
            lambda context: self._manager.create_key(
                context, algorithm=algorithm, length=bits, name=f"{PREFIX}{name}"
            )
        )

    async def copy_key(self, name: str, key_id: str) -> str:
        key = await self.get(key_id)
        copied = SymmetricKey(key.algorithm, key.bits, key.material, name=f"{PREFIX}{name}")
        return await self._ask(lambda context: self._manager.store(context, copied))

    async def get(self, key_id: str) -> Key:
        try:
            found: Any = await self._ask(lambda context: self._manager.get(context, key_id))
        except exception.ManagedObjectNotFoundError:
            raise NotFound(kind="key", id=key_id) from None
        if not isinstance(found, SymmetricKey):
            raise KeyRefused(f"{key_id} is no symmetric key")
        material = found.get_encoded()
        if material is None:
            raise KeyRefused(f"{key_id} is shown without its material")
        return Key(algorithm=found.algorithm, bits=found.bit_length, material=material)

    async def delete(self, key_id: str) -> None:
        try:
            # Barbican keeps a key that somebody is registered for, unless it is forced: when its
            # volume is gone nobody has a use for it any more
            await self._ask(lambda context: self._manager.delete(context, key_id, force=True))
        except exception.ManagedObjectNotFoundError:
            return

    async def named(self, name: str) -> list[str]:
        wanted = f"{PREFIX}{name}"
        found = await self._ask(lambda context: dict(self._listed(context, wanted)))
        return sorted(id for id, known_as in found.items() if known_as == wanted)

    async def keys(self) -> dict[str, str]:
        found = await self._ask(lambda context: dict(self._listed(context, None)))
        ours = {id: name for id, name in found.items() if name.startswith(PREFIX)}
        return {id: name.removeprefix(PREFIX) for id, name in ours.items()}

    async def close(self) -> None:
        pass

    def _listed(self, context: Any, name: str | None) -> Iterator[tuple[str, str]]:
        """Ids and names; those of one name at least."""
        if isinstance(self._manager, BarbicanKeyManager):
            yield from _in_barbican(self._manager, context, name)
            return
        for each in self._manager.list(context, object_type=SymmetricKey, metadata_only=True):
            yield str(each.id), each.name or ""

    async def _ask(self, question: Callable[[Any], T]) -> T:
        def asked() -> T:
            with _failures():
                return question(self._credentials())

        return await asyncio.to_thread(asked)


def opened(config: Path) -> CastellanKeyManager:
    """As an oslo.config file says: `[key_manager]` with backend and credentials, and what the
    backend needs. Raises Unavailable if the file cannot be used."""
    settings = cfg.ConfigOpts()
    try:
        settings([], project="lapilli", default_config_files=[str(config)])
        manager = key_manager.API(settings)
    except (cfg.Error, ImportError, ValueError) as error:
        raise Unavailable(part=PART, reason=f"{config}: {error}") from error
    return CastellanKeyManager(manager, credentials=lambda: credential_factory(conf=settings))


def _in_barbican(
    manager: BarbicanKeyManager, context: Any, name: str | None
) -> Iterator[tuple[str, str]]:
    """All pages: castellan's own list ends after the first ten secrets (castellan 5.8)."""
    secrets = manager._get_barbican_client(context).secrets
    offset = 0
    while page := secrets.list(limit=PAGE, offset=offset, name=name, secret_type="symmetric"):
        for each in page:
            yield each.secret_ref.rpartition("/")[2], each.name or ""
        offset += len(page)


@contextmanager
def _failures() -> Iterator[None]:
    """What castellan's errors mean. It says of few whether asking again may help: those of which
    it does not are taken for an outage."""
    try:
        yield
    except exception.ManagedObjectNotFoundError:
        raise
    except exception.Forbidden as error:
        raise KeyRefused(str(error)) from error
    except exception.CastellanException as error:
        if isinstance(error.__context__, HTTPClientError):
            raise KeyRefused(str(error)) from error
        raise Unavailable(part=PART, reason=str(error)) from error
    except HTTPClientError as error:
        raise KeyRefused(str(error)) from error
    except Exception as error:  # of whichever client library the backend is asked through
        raise Unavailable(part=PART, reason=f"{type(error).__name__}: {error}") from error
