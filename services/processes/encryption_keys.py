"""Having the keys of encrypted volumes made, and destroyed when they are not needed any more."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from adapters.key_manager.port import PART, KeyManager, KeyRefused
from domain.aggregates import encryption_key
from domain.aggregates.encryption_key import EncryptionKey
from domain.errors import NotAllowed, NotFound, Unavailable
from domain.event import Recorded
from services.commands.encryption_key import FinishKeyDestruction, FinishKeyMaking
from services.processes.runtime import NotYet, ProcessManager, reacts_to
from services.unit_of_work import Commands

T = TypeVar("T")

PAUSE_S = 1.0
"""Between two tries while the key manager is away."""


class EncryptionKeys(ProcessManager):
    """Has a key made as soon as its volume is accepted, and destroyed once its volume is gone.

    A key that is there by name, because somebody died before it was recorded, is taken as it is;
    one that is there beside what is recorded is destroyed by whoever comes across it.
    """

    name: ClassVar[str] = "encryption-keys"

    def __init__(
        self,
        *,
        commands: Commands,
        clock: Callable[[], datetime],
        keys: KeyManager,
        patience_s: float,
        timeout_s: float,
    ) -> None:
        super().__init__(commands=commands, clock=clock)
        self._keys = keys
        self._patience_s = patience_s
        self._timeout_s = timeout_s

    @reacts_to(encryption_key.Requested)
    async def make(self, requested: Recorded[encryption_key.Requested]) -> None:
        """Waits for a key manager that is away, but not for ever.

        Raises NotYet, and NotAllowed if others were faster or the key is not wanted any more.
        """
        id = requested.aggregate_id
        now = await self.commands.aggregates.read(EncryptionKey, id)
        if now.state != "requested":  # what somebody made who died since may be in the way
            await self._clear(id)
            return
        key_id, failure = None, ""
        try:
            key_id = await self._made(now)
        except Unavailable as away:
            if (self.clock() - requested.moment.at).total_seconds() < self._patience_s:
                raise NotYet(str(away), delay_s=PAUSE_S) from away
            failure = str(away)
        except (KeyRefused, NotFound) as refused:
            failure = str(refused)
        try:
            at = self.moment(requested)
            await self.run(FinishKeyMaking(id=id, key_id=key_id, failure=failure, at=at))
        except NotAllowed:
            await self._clear(id)
            raise

    @reacts_to(encryption_key.DestructionRequested)
    async def destroy(self, requested: Recorded[encryption_key.DestructionRequested]) -> None:
        """Its volume is gone. Raises Unavailable, KeyRefused; NotAllowed if others were faster."""
        await self._destroy(requested)

    @reacts_to(encryption_key.MakingFailed)
    async def undo(self, failed: Recorded[encryption_key.MakingFailed]) -> None:
        """It may have been made all the same. Raises as `destroy`."""
        await self._destroy(failed)

    async def _made(self, key: EncryptionKey) -> str:
        there = await self._called(self._keys.named(key.name))
        if there:
            return there[0]
        if key.cloned_from is None:
            making = self._keys.create_key(key.name, algorithm=key.algorithm, bits=key.bits)
        else:
            making = self._keys.copy_key(key.name, key.cloned_from)
        return await self._called(making)

    async def _destroy(self, cause: Recorded[Any]) -> None:
        await self._clear(cause.aggregate_id)
        await self.run(FinishKeyDestruction(id=cause.aggregate_id, at=self.moment(cause)))

    async def _clear(self, id: UUID) -> None:
        """Destroys whatever the key manager holds of a key beside what is recorded and wanted."""
        now = await self.commands.aggregates.read(EncryptionKey, id)
        there = set(await self._called(self._keys.named(now.name)))
        if now.key_id is not None:
            there.add(now.key_id)
        if now.state == "available":
            there.discard(now.key_id or "")
        for key_id in sorted(there):
            await self._called(self._keys.delete(key_id))

    async def _called(self, call: Awaitable[T]) -> T:
        """The key manager's answer. Raises Unavailable, also when it takes too long."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await call
        except TimeoutError:
            reason = f"no answer within {self._timeout_s:g} s"
            raise Unavailable(part=PART, reason=reason) from None
