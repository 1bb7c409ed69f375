"""The command that writes reference pages from the code, and finds those that are stale."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from services.docs.pages import Page


@click.command()
@click.option("--write", "task", flag_value="write", help="Write what is stale.")
@click.option("--check", "task", flag_value="check", help="Name what is stale, and end with 1.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("docs"),
    show_default=True,
    help="Where the pages are.",
)
@click.option(
    "--examples",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("tests/domain/golden"),
    show_default=True,
    help="Where an example of every event is.",
)
def docs(task: str | None, directory: Path, examples: Path) -> None:
    """Write the reference pages. From the code; to be run in a checkout."""
    from services.docs import pages

    if task is None:
        raise click.UsageError("either --write or --check")
    if not examples.is_dir():
        raise click.UsageError(f"there is no {examples}: run this in a checkout of Lapilli")
    wanted = all_pages(examples)
    if task == "write":
        for path in pages.write(wanted, directory):
            click.echo(f"wrote {directory / path}")
        return
    stale = pages.stale(wanted, directory)
    for path in stale:
        click.echo(f"stale: {directory / path}")
    if stale:
        click.echo("lapilli: run `lapilli docs --write`", err=True)
        sys.exit(1)


def all_pages(examples: Path) -> "list[Page]":
    """Every generated page."""
    from services.cli import main
    from services.docs import (
        asyncapi,
        commands,
        events,
        lifecycles,
        notifications,
        openapi,
        settings,
    )

    return [
        *lifecycles.pages(),
        events.page(examples),
        settings.page(),
        commands.page(main),
        openapi.page(),
        asyncapi.page(),
        notifications.page(),
    ]


COMMANDS = (docs,)
