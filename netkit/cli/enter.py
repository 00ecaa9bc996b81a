"""`netkit exec`: a command inside a container's network namespace."""

from __future__ import annotations

import click

from netkit.cli import complete
from netkit.cli.command import WordsCommand, settings_of
from netkit.cli.target import chosen, find, required, target_options
from netkit.cli.words import become_in, needed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cli.settings import Settings
    from netkit.cli.target import Target
    from netkit.model import NsRef


@click.command("exec", cls=WordsCommand, before=1)
@target_options
@click.argument(
    "words", metavar="[ID] -- CMD...", nargs=-1, type=click.UNPROCESSED, shell_complete=complete.attachments
)
@click.pass_context
def command(
    ctx: click.Context, pid: int | None, netns: str | None, container: str | None, words: tuple[str, ...]
) -> None:
    """Run a command inside an attached network namespace.

    ID is an attachment's id, the unique start of one, or its name; or give a TARGET (--pid, --netns or --container).
    Only the network is entered: files and processes stay the host's, so the host's tools work on the container's
    network. Exits with the command's own code, 127 when there is no such command, 126 when it cannot be run.

    \b
    Examples:
      netkit exec 3f9c1a2b7d10 -- ip addr
      netkit exec web -- ss -ltn
      netkit exec --pid 1234 -- tcpdump -ni eth0
    """
    ref, words = _whose(settings_of(ctx), chosen(pid, netns, container), words)
    become_in(ref, needed(words))


def _whose(settings: Settings, target: Target | None, words: tuple[str, ...]) -> tuple[NsRef, tuple[str, ...]]:
    """The namespace that is meant, and the words of the command: without a target, the first word is an id."""
    engine = settings.open()
    if target:
        return find(target, engine.root.boot_id()).netns, words
    if not words:
        required(target, "an ID (see netkit ps)")
    return engine.attachment(words[0])[0].endpoint.netns, words[1:]
