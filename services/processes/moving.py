"""Taking volumes where their moves lead: changed in place, adopted by a pool, or copied."""

from typing import Any, ClassVar
from uuid import UUID

from adapters.drivers.contract import DriverFailure, TypeChange, VolumeSpec
from domain.aggregates import move
from domain.aggregates.qos_specs import QosSpecs
from domain.aggregates.volume import Volume
from domain.aggregates.volume_type import VolumeType
from domain.errors import NotAllowed, Superseded
from domain.event import Recorded
from services.commands.move import FinishMove, RecordCopied, StartMove
from services.processes.backend_work import BackendWork, spec_of
from services.processes.copying import Copier
from services.processes.runtime import reacts_to

Specs = dict[str, str]


class Moving(BackendWork):
    """Claims what is to come to its backend, or to be changed there; tells what came of it.

    The backend that takes a volume does the work: its `copier` reads from the one that has it,
    which it can (placement saw to that).
    """

    name: ClassVar[str] = "moving"

    def __init__(self, *, copier: Copier, **shared: Any) -> None:
        super().__init__(**shared)
        self._copier = copier

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
        if now.from_host.partition("#")[0] == self.backend and not now.host_copy:
            adopted = await self.called(self.driver.adopt_volume(here, there.pool))
            if adopted is not None:
                return adopted.provider_id
        reader = await self._copier.reader(now.from_host)
        at = self.moment(placed)

        async def still_wanted() -> None:
            (await self.commands.aggregates.read(move.Move, now.id)).check_claim(attempt)

        async def copied() -> None:
            await self.run(RecordCopied(id=now.id, attempt=attempt, at=at))

        copying = self._copier.copy(
            there, reader=reader, into=here, still_wanted=still_wanted, copied=copied
        )
        return (await self.called(copying, timeout_s=self._copier.timeout_s)).provider_id

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
