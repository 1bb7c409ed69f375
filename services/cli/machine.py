"""The command that shows lifecycles: as a table, as text for drawing programs, as a drawing."""

import click

from domain.machines import LIFECYCLES

FORMATS = ("table", "mermaid", "dot", "svg")


@click.command()
@click.argument("name", required=False, type=click.Choice(list(LIFECYCLES)), metavar="[NAME]")
@click.option("--format", "format_", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For programs, whatever the format.")
def machine(name: str | None, *, format_: str, as_json: bool) -> None:
    """Show a lifecycle. Which event may happen when, and where it leads.

    Without a name, lists the lifecycles there are.
    """
    from services.cli import output

    if as_json:
        names = LIFECYCLES if name is None else [name]
        found = {each: _plain(each) for each in names}
        output.json_document(found if name is None else found[name])
    elif name is None:
        _list()
    elif format_ == "table":
        _table(name)
    else:
        click.echo(_text(name, format_), nl=False)


def _list() -> None:
    from rich.table import Table

    from services.cli import output

    table = Table("lifecycle", "states", "events", "final states")
    for name, lifecycle in LIFECYCLES.items():
        final = ", ".join(state for state in lifecycle.states if state in lifecycle.final)
        table.add_row(name, str(len(lifecycle.states)), str(len(lifecycle.events)), final)
    output.console().print(table)


def _table(name: str) -> None:
    from rich.table import Table

    from services.cli import output
    from services.diagrams import text

    lifecycle = LIFECYCLES[name]
    final = ", ".join(state for state in lifecycle.states if state in lifecycle.final)
    table = Table(
        title=f"Lifecycle of a {name.replace('_', ' ')}", caption=f"final: {final or '–'}"
    )
    table.add_column("event", style="bold", no_wrap=True)
    table.add_column("may happen in", overflow="fold")
    table.add_column("leads to", no_wrap=True)
    for row in text.rows(lifecycle):
        table.add_row(*row)
    output.console().print(table)


def _text(name: str, format_: str) -> str:
    from services.diagrams import text

    lifecycle = LIFECYCLES[name]
    if format_ == "svg":
        from services.diagrams import svg

        return svg.draw(lifecycle)
    return text.mermaid(lifecycle) if format_ == "mermaid" else text.dot(lifecycle)


def _plain(name: str) -> dict[str, object]:
    lifecycle = LIFECYCLES[name]
    return {
        "name": name,
        "states": lifecycle.states,
        "final": sorted(lifecycle.final),
        "transitions": [
            {"event": event, "from": source, "to": target}
            for source, event, target in lifecycle.edges()
        ],
    }


COMMANDS = (machine,)
