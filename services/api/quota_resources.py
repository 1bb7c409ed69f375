"""What quota limits are about, under the names that the API shows (api.md 8, lifecycles 2).

Inside, resources of a volume type go by its id; outside by its name, so that a type that is renamed
renames them in every limit, usage and message.
"""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from domain.errors import InvalidRequest, LimitBelowUsage, OverQuota, Unavailable
from domain.quota import (
    CEILING,
    GIGABYTES,
    MAX_USAGE,
    SNAPSHOTS,
    TYPED,
    UNLIMITED,
    VOLUMES,
    Usage,
    sentence,
)
from services.api.call import Call

RESOURCES = (VOLUMES, SNAPSHOTS, GIGABYTES, CEILING, "backups", "backup_gigabytes", "groups")
NOT_RESOURCES = ("id", "tenant_id", "project_id", "class_name")
"""What clients put between the limits."""

Limit = Annotated[int, Meta(ge=UNLIMITED, le=MAX_USAGE, description="-1: no limit")]


class LimitUsage(msgspec.Struct):
    """A limit, and what counts against it."""

    limit: int
    in_use: int
    reserved: int


Shown = dict[str, int | str | LimitUsage]
"""Limits by resource: numbers, or with usage; `id` says whose."""


async def shown(
    call: Call, limits: Mapping[str, int], usage: Mapping[str, Usage] | None = None
) -> Shown:
    """Every resource under its name outside, those of volume types under the types' names."""
    found: Shown = {}
    for outside, inside in (await _names(call)).items():
        limit = limits.get(inside, UNLIMITED)
        if usage is None:
            found[outside] = limit
        else:
            used = usage.get(inside, Usage())
            found[outside] = LimitUsage(limit, used.in_use, used.reserved)
    return found


async def inside(call: Call, given: Mapping[str, int | str | None], *, of: str) -> dict[str, int]:
    """The limits under their names inside. `of` is the member of the body that has them.

    Raises InvalidRequest for names that are no resources, telling them, and where there is none.
    """
    names = await _names(call)
    asked = {name: limit for name, limit in given.items() if name not in NOT_RESOURCES}
    unknown = sorted(name[:64] for name in asked if name not in names)
    if unknown:
        words = of.replace("_", " ")
        raise InvalidRequest(f"Bad key(s) in {words}: {', '.join(unknown[:16])}.")
    limits: dict[str, int] = {}
    for name, limit in asked.items():
        if not isinstance(limit, int):
            raise InvalidRequest(
                f"Invalid input for field/attribute {name}: an integer is expected."
            )
        limits[names[name]] = limit
    if not limits:
        raise InvalidRequest(f"Invalid input for field/attribute {of}. It sets no limit.")
    return limits


async def by_type_names(
    call: Call, refusal: OverQuota | LimitBelowUsage
) -> OverQuota | LimitBelowUsage:
    """The same refusal, with volume types called as users know them, if that can be told."""
    try:
        outside = {inside: outside for outside, inside in (await _names(call)).items()}
    except Unavailable:
        return refusal
    if isinstance(refusal, LimitBelowUsage):
        return LimitBelowUsage(
            resource=outside.get(refusal.resource, refusal.resource),
            limit=refusal.limit,
            consumed=refusal.consumed,
        )
    overs = [
        msgspec.structs.replace(over, resource=outside.get(over.resource, over.resource))
        for over in refusal.overs
    ]
    if overs == list(refusal.overs):
        return refusal
    return OverQuota(sentence(overs), project_id=refusal.project_id, overs=overs)


async def _names(call: Call) -> dict[str, str]:
    """Resources by the name that the API shows: `volumes_<type name>` is `volumes_<type id>`."""
    names = {resource: resource for resource in RESOURCES}
    for row in await call.catalogue.all():
        names.update({f"{resource}_{row.name}": f"{resource}_{row.id}" for resource in TYPED})
    return names
