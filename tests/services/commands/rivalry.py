"""How commands about one volume are made, from what is known of it in a situation."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from services.commands.move import RecordCopied
from services.commands.settling import SettleReservation
from tests.services.commands import moving
from tests.services.commands.world import Step, World, snapshot_id
from tests.support.builders import PROJECT, a_moment, an_id

ID, A, S = an_id(1), an_id(8), snapshot_id()
"""The volume that it is all about, its attachment and its snapshot, where it has one."""

Rival = Callable[[World, int], Awaitable[Any]]
"""Makes the command; the number tells two of the same kind apart."""


def given(kind: type, /, *, second: float = 0, **fields: Any) -> Rival:
    """A command whose fields are known; callables are asked with the number."""

    async def command(world: World, number: int) -> Any:
        known = {name: f(number) if callable(f) else f for name, f in fields.items()}
        return kind(**known, at=a_moment(second))

    return command


def own(kind: type, **fields: Any) -> Rival:
    """The same for one that the volume's owner gives."""
    return given(kind, id=ID, project_id=PROJECT, **fields)


def by(make: Callable[..., Any], **fields: Any) -> Rival:
    """A command that is made so."""

    async def command(world: World, number: int) -> Any:
        return make(**fields)

    return command


def told(kind: type, **fields: Any) -> Rival:
    """An outcome, told under the claim that is held now."""

    async def command(world: World, number: int) -> Any:
        return kind(id=ID, attempt=(await world.volume()).attempt, **fields, at=a_moment())

    return command


def told_of(kind: type, **fields: Any) -> Rival:
    """The same for what is told of the attachment."""

    async def command(world: World, number: int) -> Any:
        attempt = (await world.volume()).attachments[str(A)].attempt
        return kind(id=ID, attachment_id=A, attempt=attempt, **fields, at=a_moment())

    return command


def of_the_move(make: Callable[..., Awaitable[Any]], *about: Any) -> Rival:
    """A command about the move that is under way."""
    return lambda world, number: make(world, *about)


def of_the_snapshot(known: Step) -> Rival:
    """One of those that the world knows about snapshots."""
    return lambda world, number: known(world, S)


def step(known: Step) -> Rival:
    """One of those that the world knows."""
    return lambda world, number: known(world, ID)


async def copied(world: World) -> RecordCopied:
    """The attempt that is at work has copied everything."""
    move = await moving.the_move(world)
    return RecordCopied(id=move.id, attempt=move.attempt, at=a_moment())


async def settle(world: World, number: int) -> SettleReservation:
    """Of what is under way, or else of the creation."""
    volume = await world.volume()
    under_way = volume.under_way.paid_by if volume.under_way else []
    return SettleReservation(id=UUID([*under_way, *volume.reservations][0]), at=a_moment())


def tag(number: int) -> str:
    """What tells one from the other."""
    return f"rival {number}"


def tags(number: int) -> dict[str, str]:
    """The same as metadata."""
    return {tag(number): "was here"}
