"""The command that explains where a volume went: `lapilli why`."""

import asyncio
from typing import TYPE_CHECKING

import click

from services.cli.options import with_settings
from services.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from domain.placement import Decision, Request
    from services.audit.why import Explanation, Placement


@click.command()
@click.argument("volume")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@with_settings
def why(settings: Settings, *, volume: str, as_json: bool) -> None:
    """Explain where a volume went. Every pool considered: its weight, or who refused it and why.

    Tells each attempt with what was asked and what the backend said. VOLUME is a name, an id or
    its first digits; the id of a snapshot does as well.
    """
    from services.audit import access
    from services.audit.history import find_volume
    from services.audit.why import explain
    from services.cli import output

    async def run() -> "Explanation":
        with access.open_log(settings) as log:
            return await explain(log, await find_volume(log, volume))

    told = asyncio.run(run())
    if as_json:
        output.json_document(told)
        return
    out = output.console()
    named = f" {told.name!r}" if told.name else ""
    out.print(f"{told.kind} [bold]{told.id}[/bold]{named}, {told.state}", markup=True)
    if not told.placements:
        out.print("It was not placed yet.")
    for placement in told.placements:
        _show(placement, out)


_GOOD = ("made", "moved", "changed where it is")


def _show(placement: "Placement", out: "Console") -> None:
    from rich.text import Text

    from services.cli import output

    tries = f"placement {placement.number} of {placement.most}"
    if placement.of != "creation":
        tries = f"placement {placement.number}, for a {placement.of}"
    out.print()
    out.print(Text.assemble((tries, "bold"), f", {output.moment(placement.at)}"))
    if placement.decision.request is not None:
        out.print(Text(f"  asked: {_asked(placement.decision.request)}"))
    _show_pools(placement.decision, out)
    where = f"{placement.host}: " if placement.host else ""
    said = f": {placement.said}" if placement.said else ""
    bad = placement.outcome.startswith(("failed", "no place"))
    style = "red" if bad else "green" if placement.outcome in _GOOD else "yellow"
    out.print(Text(f"  → {where}{placement.outcome}{said}", style=style))


def _asked(request: "Request") -> str:
    parts = [f"{request.size_gib} GiB"]
    if request.zones:
        parts.append(f"in {' or '.join(request.zones)}")
    parts += [f"{key} {wanted}" for key, wanted in request.extra_specs.items()]
    parts += [f"{name} {value}" for name, value in request.hints.items()]
    return ", ".join(parts)


def _show_pools(decision: "Decision", out: "Console") -> None:
    from rich.table import Table
    from rich.text import Text

    if not decision.candidates:
        return
    table = Table(box=None, padding=(0, 1, 0, 2))
    for heading in ("pool", "zone", "weight", ""):
        table.add_column(heading, overflow="fold")
    ranked = sorted(decision.candidates, key=lambda v: (v.refused_by is not None, -v.weight))
    for each in ranked:
        if each.refused_by is not None:
            verdict = Text(f"{each.refused_by}: {each.reason or 'refused'}", style="dim")
            weight = ""
        else:
            raw = zip(decision.weighers, each.raw, strict=False)
            verdict = Text(", ".join(f"{name} {value:g}" for name, value in raw))
            weight = f"{each.weight:g}"
        chosen = decision.chosen is not None and each.pool == decision.chosen.pool
        table.add_row(Text(each.pool, "bold" if chosen else ""), each.zone, weight, verdict)
    out.print(table)
    for name, number in decision.untold.items():
        of = f"refused by {name}" if name else "of less weight"
        out.print(Text(f"  … and {number} more {of}", style="dim"))


COMMANDS = (why,)
