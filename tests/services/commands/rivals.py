"""What can be asked of one volume, by whom, and in which situations: the registry of rivals.

A new command about a volume needs one line here; so does a new situation.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from domain.aggregates.encryption_key import key_of
from domain.aggregates.service import VOLUME_SERVICE, ServiceName
from domain.encryption import Encryption
from services.commands.encryption_key import FinishKeyMaking
from services.commands.extension import (
    ExtendVolume,
    FinishExtension,
    PlaceExtension,
    StartExtension,
)
from services.commands.move import RecordCopied
from services.commands.service import DisableService, FreezeBackend
from services.commands.settling import SettleReservation
from services.commands.transfer import AcceptTransfer, OfferVolume, WithdrawTransfer
from services.commands.volume import (
    ChangeVolumeMetadata,
    CreateVolume,
    DeleteVolume,
    DescribeVolume,
)
from services.commands.volume_properties import ChangeImageMetadata, SetBootable, SetReadonly
from services.commands.volume_reset import ResetVolume
from tests.services.commands import moving
from tests.services.commands.world import PATHS, STEPS, Step, World
from tests.support.builders import HOST, PROJECT, THERE, USER, a_moment, a_pool, an_id

BACKEND = HOST.partition("#")[0]
KEY, OTHER_PROJECT = "0123456789abcdef", "another-project"

ID = an_id(1)
"""The volume that it is all about."""

Rival = Callable[[World, int], Awaitable[Any]]
"""Makes the command; the number tells two of the same kind apart."""


def given(kind: type, **fields: Any) -> Rival:
    """A command whose fields are known; callables are asked with the number."""

    async def command(world: World, number: int) -> Any:
        known = {name: f(number) if callable(f) else f for name, f in fields.items()}
        return kind(**known, at=a_moment())

    return command


def own(kind: type, **fields: Any) -> Rival:
    """The same for one that the volume's owner gives."""
    return given(kind, id=ID, project_id=PROJECT, **fields)


def told(kind: type, **fields: Any) -> Rival:
    """An outcome, told under the claim that is held now."""

    async def command(world: World, number: int) -> Any:
        return kind(id=ID, attempt=(await world.volume()).attempt, **fields, at=a_moment())

    return command


async def settle(world: World, number: int) -> SettleReservation:
    """Of what is under way, or else of the creation."""
    volume = await world.volume()
    under_way = volume.under_way and volume.under_way.reservation_id
    return SettleReservation(id=UUID(under_way or volume.reservations[0]), at=a_moment())


def by(make: Callable[..., Any], **fields: Any) -> Rival:
    """A command that is made so."""

    async def command(world: World, number: int) -> Any:
        return make(**fields)

    return command


def of_the_move(make: Callable[..., Awaitable[Any]], *about: Any) -> Rival:
    """A command about the move that is under way."""
    return lambda world, number: make(world, *about)


async def copied(world: World) -> RecordCopied:
    """The attempt that is at work has copied everything."""
    move = await moving.the_move(world)
    return RecordCopied(id=move.id, attempt=move.attempt, at=a_moment())


def _step(step: Step) -> Rival:
    """One of those that the world knows."""
    return lambda world, number: step(world, ID)


def _tag(number: int) -> str:
    return f"rival {number}"


def _tags(number: int) -> dict[str, str]:
    return {_tag(number): "was here"}


USERS: Mapping[str, Rival] = {
    "delete": own(DeleteVolume),
    "force delete": own(DeleteVolume, force=True),
    "extend": own(ExtendVolume, new_size_gib=lambda number: 4 + number),
    "name": own(DescribeVolume, name=_tag),
    "describe": own(DescribeVolume, description=_tag),
    "set metadata": own(ChangeVolumeMetadata, set=_tags),
    "replace metadata": own(ChangeVolumeMetadata, set=_tags, replace=True),
    "set bootable": own(SetBootable, bootable=True),
    "set readonly": own(SetReadonly, readonly=True),
    "set image metadata": own(ChangeImageMetadata, set=_tags),
    "reset to available": own(ResetVolume, status="available"),
    "reset to error": own(ResetVolume, status="error"),
    "reset to error_deleting": own(ResetVolume, status="error_deleting"),
    "offer": given(
        OfferVolume, id=lambda number: an_id(10 + number), volume_id=ID, project_id=PROJECT,
        user_id=USER, name=_tag, key=KEY, salt="s",
    ),
    "accept": given(
        AcceptTransfer, id=an_id(9), key=KEY, project_id=OTHER_PROJECT, user_id=_tag
    ),
    "withdraw": given(WithdrawTransfer, id=an_id(9), project_id=PROJECT),
    "retype": by(moving.retype),
    "retype on demand": by(moving.retype, policy="on-demand"),
    "migrate": by(moving.migrate),
    "freeze its backend": given(FreezeBackend, host=BACKEND),
    "disable its backend": given(DisableService, name=ServiceName(VOLUME_SERVICE, BACKEND)),
}  # fmt: skip
"""What users and administrators can ask for."""

ALIKE = {
    "describe": "name",
    "replace metadata": "set metadata",
    "reset to error_deleting": "reset to available",
    "retype on demand": "retype",
    "disable its backend": "freeze its backend",
}
"""Those that decide by the same as another one: they need not meet everybody, too."""

WORKERS: Mapping[str, Rival] = {
    **{name: _step(step) for name, step in STEPS.items() if name not in ("delete", "force")},
    "place the extension": given(PlaceExtension, id=ID, pools=[a_pool()]),
    "place the extension nowhere": given(PlaceExtension, id=ID, pools=[]),
    "start the extension": given(StartExtension, id=ID, worker=_tag),
    "extended": told(FinishExtension),
    "not extended": told(FinishExtension, failure="backend says no"),
    "place the move here": of_the_move(moving.place, HOST),
    "place the move there": of_the_move(moving.place, HOST, THERE),
    "place the move nowhere": of_the_move(moving.place),
    "start the move": of_the_move(moving.start),
    "copied": of_the_move(copied),
    "moved": of_the_move(moving.finish),
    "not moved": of_the_move(moving.finish, "backend says no"),
    "key made": given(FinishKeyMaking, id=key_of(ID), key_id="k"),
    "key not made": given(FinishKeyMaking, id=key_of(ID), failure="no key manager"),
    "settle": settle,
}
"""What processes tell."""

RIVALS = {**USERS, **WORKERS}

ELSEWHERE: Mapping[type, str] = {
    CreateVolume: "before it there is no volume to be rivals about",
}
"""Commands that are no rivals, and why not."""


async def _offered(world: World) -> None:
    await world.run(
        OfferVolume(
            id=an_id(9), volume_id=ID, project_id=PROJECT, user_id=USER, name=None, key=KEY,
            salt="s", at=a_moment(),
        )
    )  # fmt: skip


def _after(
    *steps: str, state: str = "available", encrypted: bool = False
) -> Callable[[], Awaitable[World]]:
    """A volume that came into this state, and then these steps of RIVALS."""

    async def situation() -> World:
        world = await World().has_a_type()
        await world.run(moving.a_silver_type())
        if encrypted:
            await world.has_encryption(Encryption(provider="luks", key_size=256))
        await world.has_a_volume(in_state=state)
        for step in steps:
            if step == "offered":
                await _offered(world)
            else:
                await world.run(await RIVALS[step](world, 7))
        return world

    return situation


_ON_THE_WAY = ("place the move there", "start the move")

SITUATIONS: Mapping[str, Callable[[], Awaitable[World]]] = {
    **{state: _after(state=state) for state in PATHS},
    "awaiting-transfer": _after("offered"),
    "frozen": _after("freeze its backend"),
    "extending": _after("extend"),
    "extension placed": _after("extend", "place the extension"),
    "growing": _after("extend", "place the extension", "start the extension"),
    "retyping": _after("retype on demand"),
    "retyping, placed here": _after("retype", "place the move here"),
    "retyping, at work": _after("retype on demand", *_ON_THE_WAY),
    "migrating": _after("migrate"),
    "migrating, at work": _after("migrate", *_ON_THE_WAY),
    "migrating, copied": _after("migrate", *_ON_THE_WAY, "copied"),
    "without its key": _after(state="requested", encrypted=True),
    "error_extending": _after(
        "extend", "place the extension", "start the extension", "not extended"
    ),
}

DUE: Mapping[str, Sequence[str]] = {
    "requested": ["place", "place nowhere"],
    "placed": ["start"],
    "provisioning": ["start", "made", "not made"],
    "cancelling": ["start", "made", "not made"],
    "deleting": ["remove"],
    "deleting, never made": ["remove"],
    "removing": ["remove", "gone", "busy", "not gone"],
    "removing, never made": ["remove", "gone", "busy", "not gone"],
    "extending": ["place the extension", "place the extension nowhere", "settle"],
    "extension placed": ["start the extension", "settle"],
    "retyping": ["place the move here", "place the move nowhere", "settle"],
    "retyping, placed here": ["start the move", "settle"],
    "retyping, at work": ["start the move", "copied", "moved", "not moved", "settle"],
    "migrating": ["place the move there", "place the move nowhere"],
    "migrating, at work": ["start the move", "copied", "moved", "not moved"],
    "migrating, copied": ["start the move", "moved", "not moved"],
    "without its key": ["key made", "key not made"],
    "growing": ["start the extension", "extended", "not extended", "settle"],
}
"""What processes may be about to tell in a situation."""
