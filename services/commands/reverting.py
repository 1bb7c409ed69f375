"""Commands that take a volume back to its latest snapshot: from its user, and from the worker."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec

from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import Volume, reverting
from domain.dependence import words
from domain.errors import OutOfStep
from domain.event import Moment
from services.commands.service import closures_of
from services.unit_of_work import UnitOfWork


class RevertVolume(msgspec.Struct, frozen=True, kw_only=True):
    """Wants a volume to hold what a snapshot of it does. `project_id` None sees every project's."""

    id: UUID
    project_id: str | None
    snapshot_id: UUID
    at: Moment


class StartReversion(msgspec.Struct, frozen=True, kw_only=True):
    """A worker claims the work, if the volume is still `on` the pool it was told of."""

    id: UUID
    worker: str
    on: str | None = None
    at: Moment


class FinishReversion(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt: it is reverted if there is no `failure`."""

    id: UUID
    attempt: int
    failure: str | None = None
    at: Moment


async def revert_volume(cmd: RevertVolume, work: UnitOfWork) -> None:
    """The wish and the snapshot's restoring in one append, of which there is nothing if either
    cannot be (lifecycles 15, number 15).

    Raises NotFound, InvalidRequest, OutOfStep.
    """
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    snapshot = (await work.load(Snapshot, cmd.snapshot_id)).visible_to(cmd.project_id)
    needed = await work.dependents(volume.id)
    others = [
        await work.load(Snapshot, id)
        for id, need in sorted(needed.items())
        if need == "snapshot" and id != snapshot.id
    ]
    closures = await closures_of(work)
    reverting.request(volume, snapshot, others, cmd.at)
    in_the_way = [(id, need) for id, need in sorted(needed.items()) if need != "snapshot"]
    if in_the_way:
        raise OutOfStep(f"Volume {volume.id} is in use by {words(in_the_way)}.")
    closures.check_not_frozen(volume.held_by())
    await work.commit(volume, snapshot)


async def start_reversion(cmd: StartReversion, work: UnitOfWork) -> int:
    """The attempt's number. Raises NotAllowed if it is not to be reverted (any more)."""
    volume = await work.load(Volume, cmd.id)
    volume.check_on(cmd.on, "revert")
    attempt = reverting.start(volume, cmd.worker, cmd.at)
    await work.commit(volume)
    return attempt


async def finish_reversion(cmd: FinishReversion, work: UnitOfWork) -> None:
    """The outcome of both in one append. Raises Superseded."""
    volume = await work.load(Volume, cmd.id)
    volume.check_claim(cmd.attempt, "rewriting")
    snapshot = await work.load(Snapshot, UUID(reverting.under_way(volume).snapshot_id))
    if cmd.failure is None:
        reverting.succeed(volume, snapshot, cmd.attempt, cmd.at)
    else:
        reverting.fail(volume, snapshot, cmd.attempt, cmd.failure, cmd.at)
    await work.commit(volume, snapshot)


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    RevertVolume: revert_volume,
    StartReversion: start_reversion,
    FinishReversion: finish_reversion,
}
