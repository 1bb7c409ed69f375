"""os-retype, os-migrate_volume and its completion: another type, another place (api.md 3)."""

from typing import Literal
from uuid import UUID

import msgspec
from starlette.responses import Response

from domain.errors import InvalidRequest, NotFound
from domain.specs import multiattach
from projections import volumes
from services.api import microversions, rules, volume_lookup
from services.api.action import Action
from services.api.bodies import Flag, Name, is_yes
from services.api.call import Call
from services.commands.migration import MigrateVolume
from services.commands.retype import RetypeVolume

NOT_MIGRATING = (None, "success", "error", "deleting")
"""What the migration status is while nothing moves (lifecycles 1)."""


class Retype(msgspec.Struct, forbid_unknown_fields=True):
    """The type wanted, by id or name, and whether the volume may go elsewhere for that."""

    new_type: Name
    migration_policy: Literal["never", "on-demand"] | None = None


class Migrate(msgspec.Struct, forbid_unknown_fields=True):
    """The pool wanted, `host@backend#pool`, or a backend; clusters of backends do not exist."""

    host: Name | None = None
    cluster: Name | None = None
    force_host_copy: Flag | None = None
    lock_volume: Flag | None = None


class Completion(msgspec.Struct, forbid_unknown_fields=True):
    """The volume that the compute service copied to, and whether that failed."""

    new_volume: UUID
    error: Flag | None = None


class Completed(msgspec.Struct):
    """Which of the two volumes goes on."""

    save_volume_id: UUID


async def retype(call: Call, wanted: Retype) -> Response:
    """Accepts the wish."""
    row = await volume_lookup.named(call)
    call.check(rules.RETYPE, volume_lookup.owner(row))
    new = await call.catalogue.find(wanted.new_type, project_id=call.visible_project)
    if multiattach(new.extra_specs):
        call.check(rules.MULTIATTACH, volume_lookup.owner(row))
    await call.application.execute(
        RetypeVolume(
            id=row.id,
            project_id=call.visible_project,
            volume_type_id=new.id,
            type_visible_to=call.visible_project,
            policy=wanted.migration_policy or "never",
            at=call.moment(),
        )
    )
    return call.empty(202)


async def migrate(call: Call, wanted: Migrate) -> Response:
    """Accepts the wish, where the backend that is to take the volume is up."""
    row = await volume_lookup.named(call)
    call.check(rules.MIGRATE, volume_lookup.owner(row))
    if wanted.cluster is not None and call.has(microversions.MIGRATE_TO_CLUSTER):
        raise InvalidRequest("There are no clusters of backends: a host must be named.")
    if wanted.host is None or wanted.cluster is not None:
        raise InvalidRequest("Invalid input for field/attribute host: a pool must be named.")
    up = [s.host for s in await call.application.services() if s.up]
    await call.application.execute(
        MigrateVolume(
            id=row.id,
            project_id=call.visible_project,
            to=wanted.host,
            up=frozenset(host for host in up if "@" in host),
            lock=is_yes(wanted.lock_volume),
            host_copy=is_yes(wanted.force_host_copy),
            at=call.moment(),
        )
    )
    return call.empty(202)


async def complete_migration(call: Call, done: Completion) -> Response:
    """What a compute service asks after it copied one volume to another: which one goes on.

    The new one, unless it failed. Migrations here move a volume without a second one, so that there
    is none that such a copy could complete.
    """
    row = await volume_lookup.named(call)
    call.check(rules.MIGRATE_COMPLETION, volume_lookup.owner(row))
    new = await call.application.views.read(volumes.find, done.new_volume, call.visible_project)
    if new is None:
        raise NotFound(kind="volume", id=str(done.new_volume))
    for each in (row, new):
        if each.migration_status not in NOT_MIGRATING:
            raise InvalidRequest(
                f"Volume {each.id} is migrating to no other volume: its backend completes that."
            )
    going_on = row.id if is_yes(done.error) else new.id
    return call.json(200, Completed(going_on))


ACTIONS = (
    Action("os-retype", Retype, retype),
    Action("os-migrate_volume", Migrate, migrate),
    Action("os-migrate_volume_completion", Completion, complete_migration),
)
