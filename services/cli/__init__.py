"""The command line: `lapilli`."""

import sys

import click

from domain.errors import LapilliError
from services.cli import docs, events, machine, parked, running, verify, why
from services.settings import SettingsError


class Commands(click.Group):
    """Loads what a command needs only when it is asked for, and turns errors into one line."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (LapilliError, SettingsError) as error:
            click.echo(f"lapilli: {error}", err=True)
            sys.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lapilli")
def main() -> None:
    """Block storage on an event log, behind Cinder's API."""


for part in (running, events, why, verify, parked, machine, docs):
    for command in part.COMMANDS:
        main.add_command(command)
