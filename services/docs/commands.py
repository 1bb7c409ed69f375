"""The page of all commands, written from their help."""

from collections.abc import Iterator

import click

from services.docs.pages import Page, code, table

_HEADING = """\
# Command line

Every command that reads settings takes all of them as flags, too, and `--config FILE`: see
[settings](settings.md). They are not repeated here. `--help` shows everything.
"""


def page(main: click.Group) -> Page:
    """Every command below `main`, with its own arguments and options."""
    lines: list[str] = []
    root = click.Context(main, info_name="lapilli")
    for ctx in _commands(root):
        lines += _section(ctx)
    return Page("cli.md", "\n".join(lines), _HEADING)


def _commands(ctx: click.Context) -> Iterator[click.Context]:
    """The commands that do something, each with the way to it."""
    command = ctx.command
    if not isinstance(command, click.Group):
        yield ctx
        return
    for name in sorted(command.commands):
        yield from _commands(click.Context(command.commands[name], info_name=name, parent=ctx))


def _section(ctx: click.Context) -> Iterator[str]:
    command = ctx.command
    own = [each for each in command.params if not _is_setting(each)]
    usage = " ".join([ctx.command_path, *(_usage(each, ctx) for each in own)])
    yield from (f"## {ctx.command_path}", "", f"    {usage}", "")
    for paragraph in (command.help or "").strip().split("\n\n"):
        yield from (" ".join(paragraph.split()), "")
    options = [each for each in own if isinstance(each, click.Option)]
    if options:
        rows = (each.get_help_record(ctx) for each in options)
        found = ((code(record[0]), record[1]) for record in rows if record)
        yield from (*table(("option", "meaning"), found), "")


def _usage(parameter: click.Parameter, ctx: click.Context) -> str:
    if isinstance(parameter, click.Argument):
        name = parameter.make_metavar(ctx)
        return name if parameter.required or name.startswith("[") else f"[{name}]"
    return f"[{parameter.opts[0]}]"


def _is_setting(parameter: click.Parameter) -> bool:
    return parameter.name == "config" or (parameter.name or "").startswith("setting_")
