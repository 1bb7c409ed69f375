"""Commands that ask the log: what happened, what happened to one volume, how it was then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from services.cli.options import with_settings
from services.cli.times import Time, TimeOrVersion
from services.settings import Settings

if TYPE_CHECKING:
    from services.audit.history import History
    from services.audit.selection import Wanted
    from services.audit.stored import Entry, StoredLog
    from services.cli.output import Lines

TAIL = 20
LOOK_S = 0.5
"""How often `--follow` looks for what is new."""

as_json = click.option("--json", "as_json", is_flag=True, help="For programs.")


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Go on with what happens from now on.")
@click.option("--type", "type_", metavar="PATTERN", help="Of these types: 'volume.*'.")
@click.option("--volume", metavar="ID", help="Of this volume, and of the quota that pays for it.")
@click.option("--aggregate", metavar="ID", help="Of this aggregate alone.")
@click.option("--project", metavar="ID", help="On behalf of this project.")
@click.option("--request", metavar="ID", help="Because of this request.")
@click.option("--since", type=Time(), help="From then on: 2026-03-01T12:00 (UTC), or 15m ago.")
@click.option("--after", type=click.IntRange(min=0), metavar="POSITION", help="Above this one.")
@click.option(
    "--limit",
    "-n",
    type=click.IntRange(min=1),
    help=f"At most so many. Default: {TAIL}, but all with --since or --after.",
)
@as_json
@with_settings
def events(
    settings: Settings,
    *,
    follow: bool,
    type_: str | None,
    volume: str | None,
    aggregate: str | None,
    project: str | None,
    request: str | None,
    since: datetime | None,
    after: int | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """Show what happened. The end of the log, or with --after the part above a position.

    IDs may be shortened to their first digits, here and wherever one is asked for. With --json, one
    event a line.
    """
    from services.audit import access, selection
    from services.audit.history import find, find_volume, related

    async def run() -> None:
        with access.open_log(settings) as log:
            ids = None
            if volume is not None:
                ids = await related(log, await find_volume(log, volume))
            if aggregate is not None:
                one = frozenset({await find(log, aggregate)})
                ids = one if ids is None else ids & one
            wanted = selection.Wanted(
                type=type_, aggregates=ids, project_id=project, request_id=request, since=since
            )
            most = limit if limit or since or after is not None else TAIL
            show = _Shown(as_json)
            end = await log.last_position()
            async for entry in _present(log, wanted, after, most):
                end = max(end, entry.position)
                show(entry)
            if follow:
                async for entry in selection.forever(log, wanted, end, _pause):
                    show(entry)

    with suppress(KeyboardInterrupt):  # how following ends
        asyncio.run(run())


@click.command()
@click.argument("volume")
@as_json
@with_settings
def history(settings: Settings, *, volume: str, as_json: bool) -> None:
    """Tell what happened to a volume. When, by whom and why; its quota included.

    VOLUME is a name, an id or its first digits. Any other aggregate has a history too.
    """
    from services.audit import access
    from services.audit.history import find_volume
    from services.audit.history import history as tell

    async def run() -> "History":
        with access.open_log(settings) as log:
            return await tell(log, await find_volume(log, volume))

    told = asyncio.run(run())
    if as_json:
        _history_for_programs(told)
    else:
        _history_for_people(told)


@click.command()
@click.argument("volume")
@click.option("--at", type=TimeOrVersion(), help="Then: a time, or a version. Default: now.")
@as_json
@with_settings
def state(settings: Settings, *, volume: str, at: datetime | int | None, as_json: bool) -> None:
    """Show a volume as it was. At a time or version, replayed from the log.

    VOLUME is a name, an id or its first digits. Any other aggregate has a state too.
    """
    import msgspec
    from rich.table import Table

    from services.audit import access, history
    from services.cli import output

    async def run() -> tuple[Any, Any]:
        with access.open_log(settings) as log:
            return await history.state_at(log, await history.find_volume(log, volume), at)

    aggregate, last = asyncio.run(run())
    fields = {"kind": aggregate.kind, "id": None, "version": None, "state": None}  # in this order
    fields.update(msgspec.structs.asdict(aggregate))
    del fields["pending"]
    if as_json:
        output.json_document(
            {**fields, "as_of": last.moment.at, "last_event": last.event.type_name}
        )
        return
    table = Table(
        title=f"{aggregate.kind} {aggregate.id} at version {last.version}",
        caption=f"{last.event.type_name}, {output.moment(last.moment.at)}",
        show_header=False,
    )
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in fields.items():
        shown = output.moment(value) if isinstance(value, datetime) else value
        table.add_row(name, "" if shown is None else str(shown))
    output.console().print(table)


async def _present(
    log: "StoredLog", wanted: "Wanted", after: int | None, limit: int | None
) -> AsyncIterator["Entry"]:
    """What is asked for and there already."""
    from services.audit import selection

    if after is not None:
        async for entry in selection.following(log, wanted, after, limit):
            yield entry
    else:
        for entry in await selection.newest(log, wanted, limit):
            yield entry


async def _pause() -> None:
    await asyncio.sleep(LOOK_S)


class _Shown:
    """Shows entries one by one."""

    def __init__(self, as_json: bool) -> None:
        from services.cli import output

        self._as_json = as_json
        self._lines: Lines | None = None
        self._output = output

    def __call__(self, entry: "Entry") -> None:
        from rich.text import Text

        from services.audit.wording import details, plain

        if self._as_json:
            self._output.json_line(plain(entry))
            return
        lines = self._lines or self._begin()
        type_name = entry.topic.rpartition(".v")[0]
        position, id = str(entry.position), str(entry.aggregate_id)
        if entry.recorded is None:
            problem = Text(f"cannot be read: {entry.problem}", style="red")
            lines.add([position, "", type_name, self._id(id), ""], problem)
            return
        at = entry.recorded.moment.at
        by = self._output.who(entry.recorded.moment.actor.user_id)
        lines.day(at)
        lines.add(
            [position, self._output.clock(at), Text(type_name, style="bold"), self._id(id), by],
            details(entry.recorded.event),
        )

    def _begin(self) -> "Lines":
        out = self._output.console()
        self._whole_ids = out.width >= self._output.WIDE + 40
        columns = [
            ("#>", 7),
            ("time", 12),
            ("what", 29),
            ("of", 36 if self._whole_ids else 9),
            ("by", 15),
        ]
        self._lines = self._output.Lines(out, columns, "details")
        self._lines.head()
        return self._lines

    def _id(self, id: str) -> str:
        return id if self._whole_ids else id[:8]


def _history_for_programs(told: "History") -> None:
    from services.audit.wording import plain
    from services.cli import output

    aggregate = told.aggregate
    output.json_document(
        {
            "id": aggregate.id,
            "kind": aggregate.kind,
            "state": aggregate.state,
            "lines": [
                {
                    "number": line.number,
                    "after_s": None if line.after is None else line.after.total_seconds(),
                    "follows": line.follows,
                    "state": line.state,
                    **plain(line.entry),
                }
                for line in told.lines
            ],
        }
    )


def _history_for_people(told: "History") -> None:
    from rich.text import Text

    from services.audit.wording import details
    from services.cli import output

    out, aggregate = output.console(), told.aggregate
    name = getattr(aggregate, "name", None)
    out.print(
        Text.assemble(
            f"{aggregate.kind} ",
            (str(aggregate.id), "bold"),
            f" {name!r}" if name else "",
            f", {aggregate.state}",
        )
    )
    columns = [("#>", 3), ("time", 12), ("after>", 12), ("what", 29), ("by", 12), ("why", 5)]
    lines = output.Lines(out, columns, "details")
    lines.head()
    request: str | None = None
    for line in told.lines:
        entry, recorded = line.entry, line.entry.recorded
        if recorded is None:
            what = Text(entry.topic, style="red")
            problem = Text(f"cannot be read: {entry.problem}", style="red")
            lines.add([str(line.number), "", "", what, "", ""], problem)
            continue
        lines.day(recorded.moment.at)
        if recorded.moment.request_id != request:
            request = recorded.moment.request_id
            out.print(Text(f"    {request}", style="cyan"))
        lines.add(
            [
                str(line.number),
                output.clock(recorded.moment.at),
                output.duration(line.after),
                Text(recorded.event.type_name, style="bold"),
                output.who(recorded.moment.actor.user_id),
                f"← {line.follows}" if line.follows else "…" if line.cause else "",
            ],
            f"→ {line.state}  {details(recorded.event)}".rstrip(),
        )


COMMANDS = (events, history, state)
