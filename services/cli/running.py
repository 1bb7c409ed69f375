"""Commands that run Lapilli: all of it at once, or one role."""

import sys

import click
from rich.console import Console

from services.cli.options import with_settings
from services.settings import Settings

WELCOME = """\
[bold]Lapilli[/bold] answers at [bold]{url}[/bold] and keeps everything in {data_dir}

  export OS_AUTH_TYPE=none OS_ENDPOINT={url}/v3/{project}
  openstack volume create --size 1 first
  openstack volume list

Ctrl-C stops it."""


@click.command(name="serve")
@with_settings
def serve_all(settings: Settings) -> None:
    """Run everything here: API, processes, backends, database and message broker."""
    from services import logs, serve

    def announce(url: str) -> None:
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            WELCOME.format(
                url=url, data_dir=settings.data_path, project=settings.identity.default_project
            )
        )

    logs.set_up(settings)
    try:
        serve.serve(settings, announce=announce)
    except serve.CannotServe as error:
        click.echo(f"lapilli: {error}", err=True)
        sys.exit(1)


@click.command()
@with_settings
def api(settings: Settings) -> None:
    """Answer HTTP requests."""
    _play(settings, "api")


@click.command()
@with_settings
def processes(settings: Settings) -> None:
    """Run the process managers that belong to no backend, placement among them."""
    _play(settings, "processes")


@click.command()
@with_settings
def relay(settings: Settings) -> None:
    """Publish the log on the message bus. Of several, one is active."""
    _play(settings, "relay")


@click.command()
@with_settings
def projector(settings: Settings) -> None:
    """Keep the read models up with the log."""
    _play(settings, "projector")


@click.command()
@click.argument("name")
@with_settings
def backend(settings: Settings, name: str) -> None:
    """Work for the backend NAME of the settings."""
    if name not in settings.backends:
        known = ", ".join(settings.backends)
        raise click.UsageError(f"no backend {name!r} in the settings; there are: {known}")
    _play(settings, f"backend:{name}")


def _play(settings: Settings, role: str) -> None:
    from services import logs, process

    logs.set_up(settings)
    process.run(settings, [role])


COMMANDS = (serve_all, api, processes, relay, projector, backend)
