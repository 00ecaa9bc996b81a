"""`netkit completion`: what a shell needs to complete netkit's words."""

from __future__ import annotations

import click

from netkit.cli.command import Command
from netkit.cli.output import write


@click.command("completion", cls=Command, privileged=False)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell.

    Completes commands and options, and, for root, the names of networks, attachments and modes.

    \b
    Examples:
      eval "$(netkit completion bash)"
      netkit completion zsh > ~/.zsh/completions/_netkit
      netkit completion fish > ~/.config/fish/completions/netkit.fish
    """
    from click.shell_completion import get_completion_class

    from netkit.cli.catalog import netkit

    found = get_completion_class(shell)
    assert found is not None, f"click has no completion for {shell}"
    write(found(netkit, {}, "netkit", "_NETKIT_COMPLETE").source())
