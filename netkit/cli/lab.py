"""`netkit lab`: whole networks as files, built in namespaces, checked by packets."""

from __future__ import annotations

import os
import sys

import click

from netkit.cli.command import Command, Group, WordsCommand, options, settings_of
from netkit.cli.graph import chosen, draw, format_options
from netkit.cli.output import show, table
from netkit.errors import NetkitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cli.settings import Settings
    from netkit.lab.running import Labs

_FILE = click.argument("file", type=click.Path())
_NAME = click.option("--name", default="", metavar="NAME", help="Call the lab so [what the file says].")


@click.group("lab", cls=Group)
def command() -> None:
    """Build whole networks from files, and check them with packets.

    They stand in namespaces of this machine. A file names hosts, switches, wires, networks, containers, and what must
    be seen.
    Nothing of it touches the machine's own network.

    \b
    Examples:
      netkit lab up topologies/bridge-nat.yaml
      netkit lab check topologies/bridge-nat.yaml
      netkit lab exec topologies/bridge-nat.yaml web -- ip addr
      netkit lab down topologies/bridge-nat.yaml
    """


@command.command("up", cls=Command)
@_FILE
@_NAME
@click.pass_context
def up(ctx: click.Context, file: str, name: str) -> None:
    """Build a lab: all of it, or nothing.

    What fails is told with the line of the file that it stands in, and then nothing is left.

    \b
    Examples:
      netkit lab up topologies/bridge-nat.yaml
      netkit lab up topologies/bridge-nat.yaml --name second
    """
    from netkit.lab.read import read
    from netkit.lab.up import up as build

    settings = settings_of(ctx)
    lab = read(file, name)
    progress = Progress()
    try:
        running = build(_labs(settings), lab, progress.tell)
    finally:
        progress.clear()
    members = [
        {"name": held.name, "kind": held.kind, "pid": held.pid, "netns": held.netns.path} for held in running.members
    ]
    rows = [(held.name, held.kind, str(held.pid)) for held in running.members]
    text = f"{lab.name} is up\n{table(('MEMBER', 'KIND', 'PID'), rows)}"
    show(settings, {"name": lab.name, "file": lab.file, "members": members}, text)


@command.command("check", cls=Command)
@_FILE
@_NAME
@click.pass_context
def check(ctx: click.Context, file: str, name: str) -> int:
    """Send the packets that a lab's file expects something of, and compare.

    Exits with 1 when an expectation does not hold; its evidence says what was seen instead.

    \b
    Examples:
      netkit lab check topologies/bridge-nat.yaml
      netkit lab check topologies/bridge-nat.yaml --json | jq '.results[] | select(.ok | not)'
    """
    from netkit.cli.tap import Tap
    from netkit.lab.check import check as look
    from netkit.lab.read import read

    settings = settings_of(ctx)
    lab = read(file, name)
    results = look(_labs(settings).standing(lab.name), lab, Tap)
    good = sum(result.ok for result in results)
    columns = 5 if any(one.why for one in results) else 4
    rows = [("ok" if r.ok else "FAIL", str(r.line), r.says, r.evidence, r.why)[:columns] for r in results]
    seen = table(("", "LINE", "EXPECTED", "SEEN", "WHY")[:columns], rows)
    text = f"{seen}\n{good} of {len(results)} hold"
    told = [
        {"ok": one.ok, "line": one.line, "expected": one.says, "seen": one.evidence, "why": one.why} for one in results
    ]
    show(settings, {"name": lab.name, "ok": good == len(results), "results": told}, text)
    return 0 if good == len(results) else 1


@command.command("down", cls=Command)
@_FILE
@_NAME
@click.pass_context
def down(ctx: click.Context, file: str, name: str) -> None:
    """Take a lab down: every process, namespace and file of it. FILE may be the lab's name.

    Works whatever state it is in: half built by a killed `up`, or down already.

    \b
    Examples:
      netkit lab down topologies/bridge-nat.yaml
      netkit lab down second
    """
    from netkit.lab.up import down as take_down

    settings = settings_of(ctx)
    labs = _labs(settings)
    found = _name(labs, file, name)
    gone = take_down(labs, found)
    show(settings, {"name": found, "removed": gone}, f"{found}  {'down' if gone else 'was not up'}")


@command.command("plan", cls=Command, privileged=False)
@_FILE
@_NAME
@click.pass_context
def plan(ctx: click.Context, file: str, name: str) -> None:
    """Print the commands that build a lab, as a script that does the same by hand.

    \b
    Examples:
      netkit lab plan topologies/bridge-nat.yaml
    """
    from netkit.lab.plan import plan as planned
    from netkit.lab.read import read
    from netkit.lab.script import line, script

    lab = read(file, name)
    steps = planned(lab)
    text = script(lab, steps)
    document = {
        "name": lab.name,
        "steps": [{"line": s.line, "member": s.member, "command": line(s)} for s in steps],
        "script": text,
    }
    show(settings_of(ctx), document, text)


@command.command("graph", cls=Command)
@_FILE
@_NAME
@format_options
@click.pass_context
def graph(ctx: click.Context, file: str, name: str, dot: bool, svg: bool) -> None:
    """Draw a lab that stands, as the kernel has it. FILE may be the lab's name.

    \b
    Examples:
      netkit lab graph topologies/bridge-nat.yaml
      netkit lab graph bridge-nat --svg > bridge-nat.svg
    """
    from netkit.lab.graph import of_lab

    settings = settings_of(ctx)
    form, labs = chosen(dot, svg), _labs(settings)
    draw(settings, of_lab(labs, labs.standing(_name(labs, file, name))), form)


@command.command("ls", cls=Command)
@click.pass_context
def ls(ctx: click.Context) -> None:
    """List the labs that stand.

    \b
    Examples:
      netkit lab ls
    """
    settings = settings_of(ctx)
    found = _labs(settings).all()
    told = [
        {"name": one.name, "file": one.file, "state": _state(one.ready), "members": [m.name for m in one.members]}
        for one in found
    ]
    rows = [(one.name, _state(one.ready), " ".join(m.name for m in one.members), one.file) for one in found]
    show(settings, told, table(("NAME", "STATE", "MEMBERS", "FILE"), rows))


@command.command("exec", cls=WordsCommand, before=2)
@click.argument("file", type=click.Path())
@click.argument("member")
@click.argument("words", metavar="-- CMD...", nargs=-1, type=click.UNPROCESSED)
@options(_NAME)
@click.pass_context
def run(ctx: click.Context, file: str, member: str, words: tuple[str, ...], name: str) -> None:
    """Run a command in a member of a lab; FILE may be the lab's name.

    It sees the member's network, /sys and host name, and everything else of this machine. `netkit` in it means that
    host's own.

    \b
    Examples:
      netkit lab exec topologies/bridge-nat.yaml web -- ip addr
      netkit lab exec bridge-nat host -- netkit ps
    """
    from netkit.cli.words import needed
    from netkit.lab.enter import become

    labs = _labs(settings_of(ctx))
    found = labs.standing(_name(labs, file, name))
    argv = needed(words)
    become(found.member(member), list(argv), found.token, labs.home(found.name, member))


class Progress:
    """One line on a terminal's stderr that says what is being done; nothing where nobody watches."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def tell(self, number: int, count: int, what: str) -> None:
        """Show one step in place of the last."""
        if self._shown:
            width = os.get_terminal_size(sys.stderr.fileno()).columns - 1
            text = f"{number}/{count}  {what}"[:width]
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Leave the line empty."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _labs(settings: Settings) -> Labs:
    from netkit.lab.running import Labs

    return Labs(settings.open().root)


def _name(labs: Labs, file: str, name: str) -> str:
    """The lab's name: as given, as a file says, or `file` itself where that is a name and no file.

    A lab that stands can be named by its file even when that is gone, or broken.
    """
    from netkit.lab.read import name_in

    if name:
        return name
    try:
        return name_in(file) if os.path.exists(file) or "/" in file else file
    except NetkitError:
        standing = labs.built_from(os.path.abspath(file))
        if len(standing) != 1:
            raise
        return standing[0].name


def _state(ready: bool) -> str:
    return "up" if ready else "half built"
