"""Commands that hold everything against the log: `verify`, and `rebuild` for read models."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import click

from domain.errors import LapilliError, Unavailable
from services.cli.options import with_settings
from services.settings import Settings, SettingsError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from services.audit.objects import Backend
    from services.audit.report import Report
    from services.audit.verification import Parts

CANNOT_CHECK = 2
MOST_SHOWN = 50
"""Findings of one kind shown to people; programs get all."""


def _unable_is_2(command: Callable[..., Any]) -> Callable[..., Any]:
    """Errors that keep it from checking must not look like findings."""

    @wraps(command)
    def checked(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (LapilliError, SettingsError) as error:
            click.echo(f"lapilli: cannot check: {error}", err=True)
            sys.exit(CANNOT_CHECK)

    return checked


@click.command()
@click.option("--at-rest", is_flag=True, help="Whatever is not at rest is a finding, too.")
@click.option("--chunks", is_flag=True, help="Read and compare all that backups hold, too.")
@click.option("--json", "as_json", is_flag=True, help="One document, for programs.")
@_unable_is_2
@with_settings
def verify(settings: Settings, *, at_rest: bool, chunks: bool, as_json: bool) -> None:
    """Prove that all agrees with the log. While the service runs, or stands still.

    Replays the whole log; then holds quota, read models, the objects on backends and the backups in
    their store against it.
    Ends with 0 if all is well, 1 if there are findings, 2 if something could not be checked.
    """
    from services import composition
    from services.audit import verification
    from services.cli import output

    output.only_warnings(settings)

    async def run() -> "Report":
        out = output.console(stderr=True)
        async with _parts(settings) as parts:
            with _progress(out, shown=not as_json) as bar:
                return await verification.verify(
                    parts,
                    at=composition.now(),
                    at_rest=at_rest,
                    chunks=chunks,
                    progress=_followed_by(bar),
                )

    report = asyncio.run(run())
    if as_json:
        output.json_document({"exit_code": report.exit_code, "report": report})
    else:
        _show(report, output.console())
    sys.exit(report.exit_code)


@click.command()
@click.argument("projection", required=False)
@click.option("--all", "everything", is_flag=True, help="All of them, one after the other.")
@with_settings
def rebuild(settings: Settings, *, projection: str | None, everything: bool) -> None:
    """Fill a read model anew. From the log, beside the old one, which is read until the switch.

    Works while the service runs. Without a name, lists the read models there are.
    """
    from projections import PROJECTIONS

    names = [each.name for each in PROJECTIONS]
    if projection is not None and projection not in names:
        raise click.UsageError(f"no read model {projection!r}; there are: {', '.join(names)}")
    if projection is not None and everything:
        raise click.UsageError("either a read model or --all, not both")
    if projection is None and not everything:
        asyncio.run(_list_models(settings))
    else:
        asyncio.run(_rebuild(settings, names if projection is None else [projection]))


@asynccontextmanager
async def _parts(settings: Settings) -> "AsyncIterator[Parts]":
    """What the settings say there is to check."""
    from projections.views import Views
    from services import composition
    from services.audit import access
    from services.audit.verification import Parts

    async with access.open_store(settings) as (store, log):
        backends = [_backend(settings, name) for name in settings.backends]
        keys = composition.open_key_manager(settings)
        backups = composition.open_backup_store(settings)
        engine = composition.views_engine(settings)
        views = Views(engine)

        async def parked() -> list[Any]:
            async with access.open_bus(settings, name="lapilli-verify") as bus:
                return await bus.parked()

        try:
            yield Parts(
                log=log,
                store=store,
                views=views,
                backends=backends,
                keys=keys,
                backups=backups,
                parked=parked,
            )
        finally:
            await views.close()
            engine.dispose()
            await keys.close()
            await backups.close()
            for backend in backends:
                if backend.driver is not None:
                    await backend.driver.close()


def _backend(settings: Settings, name: str) -> "Backend":
    from services import composition
    from services.audit.objects import Backend

    in_memory = settings.backends[name].driver == "memory"
    return Backend(
        host=composition.backend_host(settings, name),
        pools=settings.backend_pools(name),
        driver=None if in_memory else composition.open_driver(settings, name),
        why_not="kept in the memory of the process that serves it: not checkable from here"
        if in_memory
        else "",
        keeps=composition.kept_images(settings, name),
    )


# progress


@contextmanager
def _progress(out: "Console", *, shown: bool) -> "Iterator[Progress]":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
        TimeElapsedColumn(),
        console=out,
        transient=True,
        disable=not (shown and out.is_terminal),
    ) as bar:
        yield bar


def _followed_by(bar: "Progress") -> Callable[[str, int, int], None]:
    """Shows progress in one bar for each thing that is done."""
    tasks: dict[str, Any] = {}

    def progressed(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bar.add_task(what, total=total)
        bar.update(tasks[what], completed=done, total=max(total, done))

    return progressed


# verify, for people


def _show(report: "Report", out: "Console") -> None:
    from rich.text import Text

    from services.audit.report import KINDS
    from services.cli.output import moment

    counted = ", ".join(f"{n} {kind}" for kind, n in report.aggregates.items()) or "nothing"
    out.print(f"{report.events} events up to position {report.position}, {moment(report.at)}")
    out.print(f"[dim]they tell of:[/dim] {counted}")
    compared = ", ".join(f"{n} {what}" for what, n in report.compared.items())
    out.print(f"[dim]held against them:[/dim] {compared}")
    for kind, meaning in KINDS.items():
        found = [(f.id, f.detail) for f in report.findings if f.kind == kind]
        _listed(out, f"{kind}: {meaning}", found, style="bold red")
    unchecked = [(f"{note.kind} {note.id}", note.detail) for note in report.unchecked]
    _listed(out, "not checked", unchecked, style="bold yellow")
    notes = [(f"{note.kind} {note.id}", note.detail) for note in report.notes]
    _listed(out, "worth knowing", notes, style="bold")
    out.print()
    if report.findings:
        number = len(report.findings)
        out.print(Text(f"✗ {number} finding{'s' if number > 1 else ''}", "bold red"))
    elif report.unchecked:
        out.print(Text("? no findings, but not everything could be checked", "bold yellow"))
    else:
        out.print(Text("✓ everything agrees with the log", "bold green"))


def _listed(out: "Console", title: str, rows: list[tuple[str, str]], *, style: str) -> None:
    from rich.padding import Padding
    from rich.text import Text

    if not rows:
        return
    out.print()
    out.print(Text(f"{title} ({len(rows)})", style=style))
    for whose, detail in rows[:MOST_SHOWN]:
        out.print(Padding(Text(whose), (0, 0, 0, 2), expand=False))
        out.print(Padding(Text(detail, style="dim"), (0, 0, 0, 6), expand=False))
    if len(rows) > MOST_SHOWN:
        out.print(f"  … and {len(rows) - MOST_SHOWN} more: see --json")


# rebuild


async def _list_models(settings: Settings) -> None:
    from rich.table import Table

    from projections.views import Views
    from services import composition
    from services.audit import access
    from services.cli import output

    with access.open_log(settings) as log:
        end = await log.last_position()
    engine = composition.views_engine(settings)
    views = Views(engine)
    try:
        standings = await views.standings()
    finally:
        await views.close()
        engine.dispose()
    table = Table("read model", "generation", "position", "behind", "trouble")
    for each in standings:
        cells = (each.generation, each.position, end - each.position)
        table.add_row(each.name, *map(str, cells), each.error or "")
    output.console().print(table)


async def _rebuild(settings: Settings, names: list[str]) -> None:
    from sqlalchemy.exc import DBAPIError

    from adapters import database
    from projections.generations import create_tables
    from projections.runner import Runner
    from services import composition
    from services.audit import access
    from services.cli import output

    output.only_warnings(settings)
    out = output.console(stderr=True)
    async with access.open_store(settings) as (store, _):
        engine = composition.views_engine(settings)
        runner = Runner(engine, store, clock=composition.now)
        try:
            await asyncio.to_thread(create_tables, engine)
            with _progress(out, shown=True) as bar:
                progressed = _followed_by(bar)
                for name in names:
                    end = await store.last_position()
                    told = partial(_at, progressed, name, end)
                    position = await runner.rebuild(name, told)
                    out.print(f"{name} is rebuilt, and was switched to at position {position}")
        except DBAPIError as error:
            raise database.unavailable(error) from error
        except ValueError as poisonous:
            raise Unavailable(part="projection", reason=str(poisonous)) from poisonous
        finally:
            runner.close()
            engine.dispose()


def _at(progressed: Callable[[str, int, int], None], name: str, end: int, position: int) -> None:
    progressed(name, position, end)


COMMANDS = (verify, rebuild)
