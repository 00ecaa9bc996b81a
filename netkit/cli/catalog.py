"""Which commands there are: a command's module is loaded when it runs, or when its own help is asked for."""

from __future__ import annotations

import click

from netkit.cli.command import Group, unknown_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

#: Sections of `netkit --help`: each command, the module that holds it, and what it does.
SECTIONS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Attachments",
        (
            ("run", "run", "Run a command in a fresh network namespace, attached while it runs."),
            ("attach", "attach", "Attach a network namespace to a network."),
            ("detach", "detach", "Take attachments back."),
            ("exec", "enter", "Run a command inside an attached network namespace."),
            ("ps", "ps", "List attachments."),
            ("inspect", "inspect", "Show everything known about an attachment or a network."),
        ),
    ),
    (
        "Networks",
        (
            ("network", "network", "Make, list, show and remove networks."),
            ("overlay", "overlay", "Join the containers of many hosts in one segment."),
            ("agent", "agent", "Give this host a subnet of a network of many hosts, and routes to the others."),
            ("ipam", "ipam", "List, reserve and release addresses."),
            ("cni", "cni", "Install netkit as CNI plugins, or run CNI plugins without a runtime."),
        ),
    ),
    (
        "Packets",
        (
            ("capture", "capture", "Show the packets that pass the links of an attachment, a target or the host."),
            ("trace", "trace", "Send a probe, say hop by hop where it went or died, and why."),
        ),
    ),
    (
        "Labs",
        (
            ("lab", "lab", "Build whole networks from files, and check them with packets."),
            ("graph", "graph", "Draw the networks of this host, as the kernel has them."),
        ),
    ),
    (
        "Care",
        (
            ("check", "check", "Compare the kernel with the records."),
            ("doctor", "doctor", "Look for what is amiss with the whole host, and mend what can be mended."),
            ("reload", "reload", "Make the kernel match the records again."),
            ("gc", "gc", "Release what belongs to dead namespaces."),
        ),
    ),
    ("Shell", (("completion", "completion", "Print the completion script of a shell."),)),
)
_COMMANDS = {name: (module, summary) for _, entries in SECTIONS for name, module, summary in entries}


class Catalog(Group):
    """The `netkit` command: knows its commands by name and summary, and loads the one that is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            if ctx.resilient_parsing:
                return None
            raise unknown_command(ctx, name, self.list_commands(ctx))
        module = f"netkit.cli.{_COMMANDS[name][0]}"
        found: click.Command = __import__(module, fromlist=["command"]).command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, _COMMANDS))
        for title, entries in SECTIONS:
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), summary) for name, _, summary in entries])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        names = [name for name in _COMMANDS if name.startswith(incomplete)]
        found = [CompletionItem(name, help=_COMMANDS[name][1]) for name in names]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]


@click.group(cls=Catalog)
def netkit() -> None:
    """Container networking without a daemon.

    Gives the network namespace of any process a network, and takes it back without a trace. Every change is a plan
    that can be read first: --dry-run prints it as a script.

    \b
    Examples:
      netkit run -p 8080:80 -- python3 -m http.server 80
      netkit attach --pid 1234 -p 8080:80 --explain
    """
