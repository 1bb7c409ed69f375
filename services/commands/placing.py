"""What placement has to know of a volume besides the volume itself."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from domain.aggregates.volume import Volume
from domain.aggregates.volume_type import VolumeType
from domain.encryption import BACK_END
from domain.errors import Conflict, InvalidRequest
from domain.placement import Decision, Pool, Request, Room, Rules, Supply, place, room_to_grow
from services.commands.service import closures_of
from services.unit_of_work import UnitOfWork

ZONES_SPEC = "RESKEY:availability_zones"
"""The extra spec by which a type fixes where its volumes may be: a comma-separated list."""

MOST_NAMED = 100
"""Volumes that one hint may name: each is looked up."""

_NAMING = ("same_host", "different_host")


def allowed_zones(
    asked: str | None,
    *,
    extra_specs: Mapping[str, str],
    known: frozenset[str],
    default: str | None,
) -> Sequence[str]:
    """Where a new volume may be; empty is anywhere (lifecycles 3). Raises InvalidRequest."""
    if asked is not None and asked not in known:
        raise InvalidRequest(f"Availability zone {asked!r} is invalid; known: {sorted(known)}.")
    if ZONES_SPEC not in extra_specs:
        zone = asked or default
        return [zone] if zone else []
    fixed = [zone for zone in fixed_zones(extra_specs) if zone in known]
    if not fixed:
        raise InvalidRequest(f"None of the volume type's zones is known: {sorted(known)}.")
    if asked is None:
        return fixed
    if asked not in fixed:
        raise InvalidRequest(f"Volumes of this type can only be in {', '.join(fixed)}.")
    return [asked]


def fixed_zones(extra_specs: Mapping[str, str]) -> list[str]:
    """Where volumes of a type may be; empty: it does not say."""
    return [zone for each in extra_specs.get(ZONES_SPEC, "").split(",") if (zone := each.strip())]


def checked_hints(hints: Mapping[str, Any]) -> Mapping[str, Any]:
    """The hints, if they are not too many. Raises InvalidRequest."""
    for name in _NAMING:
        if len(_ids(hints, name)) > MOST_NAMED:
            raise InvalidRequest(f"The hint {name} names more than {MOST_NAMED} volumes.")
    return hints


async def decide(
    pools: Sequence[Pool], request: Request, rules: Rules, work: UnitOfWork
) -> Decision:
    """Where it goes, given what is promised now and which backends are closed. Raises Conflict for
    a refusal that was a guess."""
    closures = await closures_of(work)
    promised = await work.promised.now()
    held = work.promised.with_held()
    decision = place(pools, request, rules=rules, promised=held, closed=closures.reasons)
    if decision.chosen is None and held is not promised:  # what others hold they may not get
        decision = place(pools, request, rules=rules, promised=promised, closed=closures.reasons)
    if decision.chosen is None and work.guessed:  # a refusal is believed only on fresh state
        raise Conflict(kind="placement", id=f"of {request.size_gib} GiB")
    return decision


async def room_on(
    host: str,
    gib: int,
    volume: Volume,
    work: UnitOfWork,
    *,
    pools: Sequence[Pool],
) -> Room:
    """Whether the pool `host`, which has the volume, has room for so much more that is like it."""
    why_closed = (await closures_of(work)).reasons.get(host.partition("#")[0])
    if why_closed:
        return Room(why_closed)
    pool = next((pool for pool in pools if pool.name == host), None)
    if pool is None:
        return Room(f"{host} does not report")
    request = await request_of(volume, work)
    return room_to_grow(pool, gib, request, await work.promised.now())


async def request_of(
    volume: Volume,
    work: UnitOfWork,
    *,
    volume_type_id: str | None = None,
    copies_stay: bool = True,
) -> Request:
    """What placement is asked for this volume, as one of its own type or of another.

    `copies_stay` keeps one that is made from something on the backend of that.
    """
    volume_type = await work.load(VolumeType, UUID(volume_type_id or volume.volume_type_id))
    return Request(
        size_gib=volume.size_gib,
        zones=volume.zones,
        extra_specs=volume_type.extra_specs,
        metadata=volume.metadata,
        hints=volume.hints,
        places=await _places(volume, work),
        tried=volume.tried,
        encrypted_by_backend=volume.encryption is not None
        and volume.encryption.control_location == BACK_END,
        supply=await _supply(volume, work, copies_stay=copies_stay),
    )


async def _supply(volume: Volume, work: UnitOfWork, *, copies_stay: bool) -> Supply | None:
    """Where what it is being made from is. What servers write to only its own backend can copy, all
    of it as of one moment. What keeps an image does so for its own backend."""
    if volume.keeps_image_near is not None:
        return Supply(pool=volume.keeps_image_near)
    source = volume.source
    if not volume.holds_source or source is None or source.host is None:
        return None
    still = True
    if source.kind == "volume" and not copies_stay:
        original = await work.load(Volume, UUID(source.id))
        still = not original.attachments
    return Supply(pool=source.host, elsewhere=still and not copies_stay)


async def _places(volume: Volume, work: UnitOfWork) -> dict[str, str]:
    """Where the volumes live that hints name, as far as their owner may know them."""
    places: dict[str, str] = {}
    for named in (id for name in _NAMING for id in _ids(volume.hints, name)):
        try:
            id = UUID(named)
        except (ValueError, AttributeError, TypeError):
            continue  # the filter that needs it says so
        other = await work.load(Volume, id)
        if other.project_id == volume.project_id and other.host and other.state != "deleted":
            places[str(id)] = other.host
    return places


def _ids(hints: Mapping[str, Any], name: str) -> Sequence[Any]:
    named = hints.get(name) or ()
    return named if isinstance(named, (list, tuple)) else [named]
