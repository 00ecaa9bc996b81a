"""`netkit run`: a command in a fresh network namespace, attached while it runs."""

from __future__ import annotations

import os

import click

from netkit.cli.command import WordsCommand, settings_of
from netkit.cli.options import attach_options, wish
from netkit.cli.share import share, whose_network
from netkit.cli.target import Target, find
from netkit.cli.words import needed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from netkit.cli.options import Wish
    from netkit.engine.service import Engine


@click.command("run", cls=WordsCommand)
@attach_options
@click.argument("words", metavar="-- CMD...", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(ctx: click.Context, /, words: tuple[str, ...], **wanted: Any) -> int:
    """Run a command in a fresh network namespace, attached while it runs.

    It starts once its network is there, and not at all when that fails; when it ends, the network is taken back.
    Signals reach it. Exits with the command's own code, 128 and the signal's number when one ended it, 127 or 126
    when it could not be started.

    In mode host, and container:PID or container:ID, the command shares a network that is there already: nothing is
    attached, and nothing taken back.

    \b
    Examples:
      netkit run -p 8080:80 -- python3 -m http.server 80
      netkit run --network backend --ip 10.7.0.9 -- ./server
      netkit run --mode null -- make test
      netkit run --mode container:web -- ss -ltn
    """
    wished, words = wish(**wanted), needed(words)
    engine = settings_of(ctx).open()
    if (whose := whose_network(wished)) is not None:
        share(engine, wished, whose, words)
    return _run(engine, wished.with_exposed(), words)


def _run(engine: Engine, wished: Wish, words: tuple[str, ...]) -> int:
    from netkit.cli.child import Child

    with Child(words, _resolver(wished)) as child:
        found = find(Target(pid=child.pid), engine.root.boot_id())
        request = wished.request(engine, found)
        held = os.open(found.netns.path, os.O_RDONLY | os.O_CLOEXEC)  # it outlives the command: there is more to say
        try:
            engine.attach(request, wished.network, wished.mode, wished.parent)
            return child.run()
        finally:
            engine.detach_namespace(found.netns)
            os.close(held)


def _resolver(wished: Wish) -> Callable[[], None] | None:
    """What gives the command a resolv.conf of its own, if it is to have one."""
    dns = wished.besides.dns
    if not dns:
        return None
    from netkit.cli import resolver
    from netkit.kernel.mounts import cover

    text = resolver.content(dns, resolver.host_file())
    return lambda: cover(resolver.PATH, text)
