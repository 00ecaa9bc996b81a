"""Commands and groups of commands: the global options on each, sections in help, words after `--`."""

from __future__ import annotations

import click

from netkit import __version__
from netkit.cli.output import show, write
from netkit.cli.settings import Settings, require_privilege
from netkit.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])

FIREWALLS = ("auto", "nftables", "iptables")
GLOBAL_OPTIONS = ("json", "root", "firewall", "verbose", "version", "help")
CONTEXT = {"max_content_width": 100}


class Command(click.Command):
    """A command that also takes the global options, and by default needs root."""

    privileged = True

    def __init__(self, *args: Any, privileged: bool = True, **kwargs: Any) -> None:
        kwargs |= {"add_help_option": False, "context_settings": CONTEXT}
        super().__init__(*args, **kwargs)
        self.params += global_options()
        self.privileged = privileged

    def invoke(self, ctx: click.Context) -> Any:
        if self.privileged:
            require_privilege()
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_options(self, ctx, formatter)


class WordsCommand(Command):
    """A command that ends with another command: `netkit exec web -- ls -l`.

    Without `--`, the first word that is no option begins it (or is the id before it), as with sudo. `before` is how
    many words of our own may stand before `--`.
    """

    def __init__(self, *args: Any, before: int = 0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.before = before

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.allow_interspersed_args = "--" in args
        after = len(args) - args.index("--") - 1 if "--" in args else None
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            near = f"did you mean {error.possibilities[0]}? " if error.possibilities else ""
            raise UsageError(
                f"no such option {error.option_name}", f"{near}An option of the command itself stands after --"
            ) from error
        words = ctx.params.get("words") or ()
        if after is not None and len(words) - after > self.before:
            raise UsageError("words of the command stand before --", "put -- right before the command")
        return rest


class Group(click.Group):
    """A noun with verbs; alone it prints its help."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs |= {
            "add_help_option": False,
            "callback": click.pass_context(_help_alone),
            "context_settings": CONTEXT,
            "invoke_without_command": True,
            "no_args_is_help": False,
        }
        super().__init__(*args, **kwargs)
        self.params += global_options()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        found = super().get_command(ctx, name)
        if found is None and not ctx.resilient_parsing:
            raise unknown_command(ctx, name, self.list_commands(ctx))
        return found


def unknown_command(ctx: click.Context, name: str, known: list[str]) -> UsageError:
    """What to say about a command that there is not: the nearest one, or all."""
    from difflib import get_close_matches

    near = get_close_matches(name, known, 1)
    hint = f"did you mean `{ctx.command_path} {near[0]}`?" if near else f"there are: {', '.join(known)}"
    return UsageError(f"there is no command {name!r}", hint)


def settings_of(ctx: click.Context) -> Settings:
    """The settings of the command that is running."""
    settings = ctx.find_object(Settings)
    if settings is None:
        settings = ctx.find_root().obj = Settings()
    return settings


def global_options() -> list[click.Parameter]:
    """What every command takes, before or after its name (the later one wins); then --version and --help."""
    return [
        _option("--json", is_flag=True, help="One JSON document on stdout; errors as JSON on stderr."),
        _option("--root", metavar="DIR", help="Where state lives [/run/netkit and /var/lib/netkit; env NETKIT_ROOT]."),
        _option(
            "--firewall", type=click.Choice(FIREWALLS), help="What rules are written with [auto: what the host uses]."
        ),
        _option("-v", "--verbose", is_flag=True, help="Show each change as it is made, and tracebacks of bugs."),
        _question("--version", callback=_version, help="Show the version."),
        _question("-h", "--help", callback=_help, help="Show this help."),
    ]


def write_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """The command's own options, then the global ones."""
    own: list[tuple[str, str]] = []
    shared: list[tuple[str, str]] = []
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None:
            (shared if param.name in GLOBAL_OPTIONS else own).append(record)
    for title, records in (("Options", own), ("Global options", shared)):
        if records:
            with formatter.section(title):
                formatter.write_dl(records)


def options(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, in the order in which help shows them."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def _option(*names: str, **how: Any) -> click.Option:
    return click.Option(list(names), expose_value=False, callback=_keep, **how)


def _question(*names: str, **how: Any) -> click.Option:
    return click.Option(list(names), is_flag=True, is_eager=True, expose_value=False, **how)


def _keep(ctx: click.Context, param: click.Parameter, value: object) -> None:
    if value and param.name:
        setattr(settings_of(ctx), param.name, value)


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        show(settings_of(ctx), {"version": __version__}, f"netkit {__version__}")
        ctx.exit()


def _help(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        write(ctx.get_help())
        ctx.exit()


def _help_alone(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        write(ctx.get_help())
