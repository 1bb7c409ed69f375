"""Commands about volumes: from users, and from the processes that carry their wishes out."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from domain.aggregate import Aggregate
from domain.aggregates.image_cache import ImageCache
from domain.aggregates.volume import Volume, detaching, imaging
from domain.errors import Conflict, InUse, NotFound
from domain.event import Moment
from domain.metadata import checked_metadata, checked_name
from domain.placement import Pool, Rules
from services.commands import following, keeping, settling
from services.commands.encrypting import unneeded
from services.commands.placing import decide, request_of
from services.commands.service import closures_of
from services.unit_of_work import UnitOfWork


class DescribeVolume(msgspec.Struct, frozen=True, kw_only=True):
    """Changes what is set. `project_id` None sees every project's volumes, here and below."""

    id: UUID
    project_id: str | None
    name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    metadata: dict[str, str] | UnsetType = UNSET
    at: Moment


class ChangeVolumeMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """Merges `set` into the metadata, or replaces all by it, and removes keys."""

    id: UUID
    project_id: str | None
    set: dict[str, str] = {}
    replace: bool = False
    remove: tuple[str, ...] = ()
    at: Moment


class DeleteVolume(msgspec.Struct, frozen=True, kw_only=True):
    """`force` deletes in (nearly) every state; `cascade` takes its snapshots along."""

    id: UUID
    project_id: str | None
    force: bool = False
    cascade: bool = False
    at: Moment


class PlaceVolume(msgspec.Struct, frozen=True, kw_only=True):
    """Decides where a requested volume goes, given what the pools last reported.

    `max_attempts` is how many backends may try, should they fail.
    """

    id: UUID
    pools: list[Pool]
    rules: Rules = msgspec.field(default_factory=Rules)
    max_attempts: int = 1
    at: Moment


class StartProvisioning(msgspec.Struct, frozen=True, kw_only=True):
    """A worker claims the making of a volume, if it is still `on` the pool it was told of; from the
    volume `kept_by` which its image is kept, if that can be copied."""

    id: UUID
    worker: str
    on: str | None = None
    kept_by: UUID | None = None
    at: Moment


class FinishProvisioning(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt: made if there is no `failure`.

    `elsewhere` says that another backend may well succeed where this one failed.
    """

    id: UUID
    attempt: int
    provider_id: str | None = None
    failure: str | None = None
    elsewhere: bool = False
    at: Moment


class StartDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """A worker claims the deletion of a volume, if it is still `on` the pool it was told of."""

    id: UUID
    worker: str
    on: str | None = None
    at: Moment


class FinishDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt: gone if there is no `failure`; `busy` if it may not go."""

    id: UUID
    attempt: int
    failure: str | None = None
    busy: bool = False
    at: Moment


async def describe_volume(cmd: DescribeVolume, work: UnitOfWork) -> None:
    """Raises NotFound, InvalidRequest."""
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    volume.describe(
        volume.name if cmd.name is UNSET else checked_name(cmd.name, field="name"),
        volume.description
        if cmd.description is UNSET
        else checked_name(cmd.description, field="description"),
        cmd.at,
    )
    if cmd.metadata is not UNSET:
        volume.change_metadata(checked_metadata(cmd.metadata), cmd.at)
    await work.commit(volume)


async def change_volume_metadata(cmd: ChangeVolumeMetadata, work: UnitOfWork) -> dict[str, str]:
    """All metadata after the change. Raises NotFound (also for a key to remove), InvalidRequest."""
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    metadata = {**({} if cmd.replace else volume.metadata), **checked_metadata(cmd.set)}
    for key in cmd.remove:
        if key not in metadata:
            raise NotFound(kind="volume_metadata", id=key)
        del metadata[key]
    volume.change_metadata(metadata, cmd.at)
    await work.commit(volume)
    return metadata


async def delete_volume(cmd: DeleteVolume, work: UnitOfWork) -> None:
    """Raises NotFound, and as `delete`."""
    volume = (await work.load(Volume, cmd.id)).visible_to(cmd.project_id)
    await delete(volume, cmd, work)


async def delete(
    volume: Volume, cmd: DeleteVolume, work: UnitOfWork, *, cache: ImageCache | None = None
) -> None:
    """Wants it gone; at once where no backend ever held it.

    Raises NotAllowed, InvalidRequest while its backend is frozen, InUse while something
    depends on it that does not go along. `cache` is the one that it was taken from already.
    """
    given_up: list[Aggregate] = []
    if cmd.force:
        given_up = await settling.give_up(volume, "it is deleted by force", work, cmd.at)
        detaching.let_go(volume, "its volume is deleted by force", cmd.at)
    along = []
    if cmd.cascade:
        along = await following.doomed(volume, work, project_id=cmd.project_id, force=cmd.force)
    given_up += await keeping.evict(volume, work, cmd.at) if cache is None else [cache]
    volume.request_deletion(cmd.at, force=cmd.force, along=[each.id for each in along])
    if volume.host is None and volume.pending:
        await _commit_deleted(volume, work, cmd.at, *given_up)
    elif volume.host is not None and volume.pending:
        following.request_deletion(along, cmd.at, force=cmd.force)
        closures = await closures_of(work)
        closures.check_not_frozen(volume.host)
        try:
            await work.commit(volume, *along, *given_up)
        except InUse as used:
            if cmd.cascade and await following.has_more(volume, along, work):
                raise Conflict(kind=volume.kind, id=str(volume.id)) from used
            raise


async def place_volume(cmd: PlaceVolume, work: UnitOfWork) -> None:
    """Raises NotAllowed if it is placed already or not wanted any more, OverCommitted if others
    were promised the room first, Conflict if a backend was closed or opened: then it is decided
    again."""
    volume = await work.load(Volume, cmd.id)
    request = await request_of(volume, work, copies_stay=cmd.rules.copies_stay)
    decision = await decide(cmd.pools, request, cmd.rules, work)
    volume.place(decision, cmd.at, most=cmd.max_attempts)
    if decision.chosen is None:
        settled = await settling.keep(volume, work, cmd.at)
        await work.commit(volume, *settled)
        return
    with work.promised.holding(decision.chosen.pool, volume.size_gib):
        await work.commit(volume)


async def start_provisioning(cmd: StartProvisioning, work: UnitOfWork) -> int | None:
    """The attempt's number; None if there is nothing to make (any more). Raises NotAllowed."""
    volume = await work.load(Volume, cmd.id)
    volume.check_on(cmd.on, "make")
    if volume.state == "cancelling":
        volume.abandon_creation(cmd.at)
        await work.commit(volume)
        return None
    attempt = volume.start_provisioning(cmd.worker, cmd.at)
    used = await keeping.claim(volume, cmd.kept_by, work, cmd.at)
    await work.commit(volume, *used)
    return attempt


async def finish_provisioning(cmd: FinishProvisioning, work: UnitOfWork) -> None:
    """Outcome and quota, or what is left behind, in one append. Raises Superseded."""
    volume = await work.load(Volume, cmd.id)
    host = volume.host
    if cmd.failure is None:
        volume.provisioned(cmd.attempt, cmd.provider_id, cmd.at)
        imaging.show(volume, cmd.at)
    else:
        volume.provisioning_failed(cmd.attempt, cmd.failure, cmd.at, elsewhere=cmd.elsewhere)
    settled = await settling.after_attempt(volume, host, cmd.failure or "", work, cmd.at)
    await work.commit(volume, *settled)


async def start_deletion(cmd: StartDeletion, work: UnitOfWork) -> int:
    """The attempt's number. Raises NotAllowed if it is not to be deleted (any more)."""
    volume = await work.load(Volume, cmd.id)
    volume.check_on(cmd.on, "delete")
    attempt = volume.start_deletion(cmd.worker, cmd.at)
    await work.commit(volume)
    return attempt


async def finish_deletion(cmd: FinishDeletion, work: UnitOfWork) -> None:
    """Outcome and quota in one append. Raises Superseded, NotAllowed."""
    volume = await work.load(Volume, cmd.id)
    if cmd.failure is None:
        await _commit_deleted(volume, work, cmd.at)
        return
    if cmd.busy:
        volume.found_busy(cmd.attempt, cmd.failure, cmd.at)
    else:
        volume.deletion_failed(cmd.attempt, cmd.failure, cmd.at)
    await work.commit(volume, *await settling.keep(volume, work, cmd.at))


async def _commit_deleted(volume: Volume, work: UnitOfWork, at: Moment, *along: Aggregate) -> None:
    detaching.all_removed(volume, at)
    volume.deleted(at)
    key = await unneeded(volume, work, at)
    await work.commit(volume, *await settling.give_back(volume, work, at), *key, *along)


HANDLERS: dict[type, Callable[[Any, UnitOfWork], Awaitable[Any]]] = {
    DescribeVolume: describe_volume,
    ChangeVolumeMetadata: change_volume_metadata,
    DeleteVolume: delete_volume,
    PlaceVolume: place_volume,
    StartProvisioning: start_provisioning,
    FinishProvisioning: finish_provisioning,
    StartDeletion: start_deletion,
    FinishDeletion: finish_deletion,
}
