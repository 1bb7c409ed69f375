"""Commands about parked messages: what a process manager gave up on, for an operator to decide."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import TYPE_CHECKING, Any, TypeVar

import click

from domain.errors import NotFound
from services.cli.options import with_settings
from services.settings import Settings

if TYPE_CHECKING:
    from adapters.bus.port import Bus, Parked

T = TypeVar("T")

as_json = click.option("--json", "as_json", is_flag=True, help="For programs.")


@click.group()
def parked() -> None:
    """Look at and retry what was given up. Messages that a process manager could not handle."""


@parked.command(name="list")
@as_json
@with_settings
def list_(settings: Settings, *, as_json: bool) -> None:
    """List what is parked. The oldest first; with --json, one message a line."""
    from services.cli import output

    found = _on_bus(settings, lambda bus: bus.parked())
    if as_json:
        for each in found:
            output.json_line(_plain(each))
        return
    if not found:
        output.console().print("nothing is parked")
        return
    columns = [("id>", 6), ("since", 11), ("tries>", 5), ("event", 29), ("of", 8)]
    lines = output.Lines(output.console(), columns, "who gave up, and why")
    lines.head()
    for each in found:
        event, aggregate = _about(each)
        reason = each.error.splitlines()[0] if each.error else ""
        since = f"{each.parked_at.astimezone(UTC):%m-%d %H:%M}"
        cells = [str(each.id), since, str(each.deliveries), event, aggregate[:8]]
        lines.add(cells, f"{each.consumer}: {reason}")


@parked.command()
@click.argument("id", type=int)
@as_json
@with_settings
def show(settings: Settings, *, id: int, as_json: bool) -> None:
    """Show one parked message. The event, and the whole error."""
    from rich.json import JSON
    from rich.text import Text

    from services.cli import output

    each = _one(settings, id)
    if as_json:
        output.json_document(_plain(each))
        return
    out = output.console()
    event, aggregate = _about(each)
    out.print(
        Text.assemble(("message ", ""), (str(each.id), "bold"), f": {event} of {aggregate}\n"),
        f"given up by {each.consumer} after {each.deliveries} tries,"
        f" {output.moment(each.parked_at)}\n",
        sep="",
    )
    out.print(Text(each.error, style="red"))
    try:
        out.print(JSON(each.payload.decode()))
    except ValueError:
        out.print(Text(repr(each.payload)))


@parked.command()
@click.argument("id", type=int, required=False)
@click.option("--all", "everything", is_flag=True, help="All that are parked now.")
@with_settings
def retry(settings: Settings, *, id: int | None, everything: bool) -> None:
    """Give a message back. To the process manager that gave up on it, as new."""
    if (id is None) != everything:
        raise click.UsageError("either an ID or --all")
    ids = [id] if id is not None else [each.id for each in _on_bus(settings, _parked)]

    async def give_back(bus: "Bus") -> list[int]:
        return [each for each in ids if await _given_back(bus, each)]

    done = _on_bus(settings, give_back)
    if id is not None and not done:
        raise NotFound(kind="parked_message", id=str(id))
    click.echo(f"{len(done)} given back: {', '.join(map(str, done))}" if done else "none is parked")


async def _given_back(bus: "Bus", id: int) -> bool:
    """Whether it was still there."""
    from adapters.bus import port

    try:
        await bus.retry_parked(id)
    except port.NotFound:
        return False
    return True


async def _parked(bus: "Bus") -> "list[Parked]":
    return await bus.parked()


def _one(settings: Settings, id: int) -> "Parked":
    """Raises NotFound."""
    for each in _on_bus(settings, _parked):
        if each.id == id:
            return each
    raise NotFound(kind="parked_message", id=str(id))


def _on_bus(settings: Settings, work: "Callable[[Bus], Awaitable[T]]") -> T:
    """What a piece of work on the bus gives. Raises Unavailable."""
    from services.audit import access
    from services.cli import output

    output.only_warnings(settings)

    async def run() -> T:
        async with access.open_bus(settings, name="lapilli-parked") as bus:
            return await work(bus)

    return asyncio.run(run())


def _about(each: "Parked") -> tuple[str, str]:
    """The event's type name and the aggregate's id, from lapilli.<kind>.<event>.<backend>.<id>."""
    tokens = each.subject.split(".")
    return ".".join(tokens[1:3]), tokens[-1]


def _plain(each: "Parked") -> dict[str, Any]:
    import msgspec

    try:
        payload = msgspec.json.decode(each.payload)
    except msgspec.DecodeError:
        payload = each.payload.decode(errors="replace")
    return {**{n: getattr(each, n) for n in each.__struct_fields__}, "payload": payload}


COMMANDS = (parked,)
