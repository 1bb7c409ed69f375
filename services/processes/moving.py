"""Taking volumes where their moves lead: changed in place, adopted by a pool, or copied."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from adapters.drivers.content import Blocks, Fingerprint, fingerprint
from adapters.drivers.contract import Driver, DriverFailure, TypeChange, VolumeSpec
from domain.aggregates import move
from domain.aggregates.qos_specs import QosSpecs
from domain.aggregates.volume import Volume
from domain.aggregates.volume_type import VolumeType
from domain.errors import NotAllowed, Superseded
from domain.event import Recorded
from services.commands.move import FinishMove, RecordCopied, StartMove
from services.processes.backend_work import BackendWork, spec_of
from services.processes.runtime import reacts_to

LOOK_S = 5.0
"""How long a copy goes on that nobody wants any more."""

Specs = dict[str, str]


class Moving(BackendWork):
    """Claims what is to come to its backend, or to be changed there; tells what came of it.

    The backend that takes a volume does the work: it reads from the one that has it, which
    `reach` finds by its `host@backend` where it can be read from here (placement saw to that).
    """

    name: ClassVar[str] = "moving"

    def __init__(
        self,
        *,
        reach: Callable[[str], Awaitable[Driver | None]],
        copy_timeout_s: float,
        look_s: float = LOOK_S,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self._reach = reach
        self._copy_timeout_s = copy_timeout_s
        self._look = timedelta(seconds=look_s)

    @reacts_to(move.Placed)
    async def go(self, placed: Recorded[move.Placed]) -> None:
        """Raises NotAllowed if it is over, or leads elsewhere by now."""
        id = placed.aggregate_id
        attempt = await self.run(
            StartMove(id=id, host=placed.event.host, worker=self.worker, at=self.moment(placed))
        )
        now = await self.commands.aggregates.read(move.Move, id)
        provider_id, failure = None, None
        try:
            if now.elsewhere:
                provider_id = await self._carry(now, attempt, placed)
            else:
                await self._change(now)
        except DriverFailure as failed:
            failure = failed.reason
        except Superseded:
            await self._undo(now)
            raise
        try:
            await self.run(
                FinishMove(
                    id=id,
                    attempt=attempt,
                    provider_id=provider_id,
                    failure=failure,
                    at=self.moment(placed),
                )
            )
        except (Superseded, NotAllowed):
            await self._undo(now)
            raise

    # where it is

    async def _change(self, now: move.Move) -> None:
        change = await self._type_change(now)
        if change:
            await self.called(self.driver.retype_volume(_spec(now, now.target), change))

    async def _type_change(self, now: move.Move) -> TypeChange:
        read = self.commands.aggregates.read
        volume = await read(Volume, UUID(now.volume_id))
        old = await read(VolumeType, UUID(volume.volume_type_id))
        new = await read(VolumeType, UUID(now.volume_type_id))
        return TypeChange(
            extra_specs=_differing(old.extra_specs, new.extra_specs),
            qos_specs=_differing(await self._qos_of(old), await self._qos_of(new)),
        )

    async def _qos_of(self, volume_type: VolumeType) -> Specs:
        """What a backend is to enforce."""
        if volume_type.qos_specs_id is None:
            return {}
        qos = await self.commands.aggregates.read(QosSpecs, UUID(volume_type.qos_specs_id))
        return {} if qos.consumer == "front-end" else qos.specs

    # elsewhere

    async def _carry(self, now: move.Move, attempt: int, placed: Recorded[Any]) -> str | None:
        """Raises DriverFailure, Superseded."""
        there, here = _spec(now, now.from_host), _spec(now, now.target)
        source = await self._source(now)
        if source is self.driver and not now.host_copy:
            adopted = await self.called(self.driver.adopt_volume(here, there.pool))
            if adopted is not None:
                return adopted.provider_id
        return await self.called(
            self._copy(now, attempt, placed, source=source, there=there, here=here),
            timeout_s=self._copy_timeout_s,
        )

    async def _source(self, now: move.Move) -> Driver:
        backend = now.from_host.partition("#")[0]
        source = self.driver if backend == self.backend else await self._reach(backend)
        if source is None:
            raise DriverFailure(f"{self.backend} cannot exchange data with {backend}", False)
        return source

    async def _copy(
        self,
        now: move.Move,
        attempt: int,
        placed: Recorded[Any],
        *,
        source: Driver,
        there: VolumeSpec,
        here: VolumeSpec,
    ) -> str | None:
        """What is there already, from an attempt that died, is compared just so."""

        def watched(blocks: Blocks) -> Blocks:
            return self._while_wanted(now.id, attempt, blocks)

        read = Fingerprint()
        made = await self.driver.write_volume(here, read.of(watched(source.read(there))))
        await self.run(RecordCopied(id=now.id, attempt=attempt, at=self.moment(placed)))
        original = read.value if read.complete else await fingerprint(watched(source.read(there)))
        if await fingerprint(watched(self.driver.read(here))) != original:
            raise DriverFailure(f"{now.target} does not hold what {now.from_host} does", False)
        return made.provider_id

    async def _while_wanted(self, id: UUID, attempt: int, blocks: Blocks) -> Blocks:
        """The blocks, as long as the claim is this attempt's. Raises Superseded."""
        looked: datetime | None = None
        async for block in blocks:
            if looked is None or self.clock() - looked >= self._look:
                looked = self.clock()
                (await self.commands.aggregates.read(move.Move, id)).check_claim(attempt)
            yield block

    async def _undo(self, mine: move.Move) -> None:
        """What was made after the move had been given up must not stay behind.

        While something moves it again, what is there may be that one's, which compares it.
        """
        if not mine.elsewhere:
            return
        now = await self.commands.aggregates.read(move.Move, mine.id)
        volume = await self.commands.aggregates.read(Volume, UUID(mine.volume_id))
        if now.state == "failed" and volume.host != mine.host and volume.under_way is None:
            await self.called(self.driver.delete_volume(_spec(mine, mine.target)))


def _spec(now: move.Move, host: str) -> VolumeSpec:
    return spec_of(UUID(now.volume_id), host=host, size_gib=now.size_gib, project_id=now.project_id)


def _differing(old: Specs, new: Specs) -> dict[str, tuple[str | None, str | None]]:
    keys = sorted(old.keys() | new.keys())
    return {k: (old.get(k), new.get(k)) for k in keys if old.get(k) != new.get(k)}
