"""`netkit cni`: install the CNI plugins, and run a conflist without a container runtime."""

from __future__ import annotations

import json
import os

import click

from netkit.cli.command import Command, Group, options, settings_of
from netkit.cli.output import say, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from netkit.cni.runtime import Attachment, Runtime

_BIN = click.option("--bin-dir", default="/opt/cni/bin", show_default=True, metavar="D", help="Where plugins live.")
_CONF = click.option("--conf-dir", default="", metavar="D", help="Where conflists live, mostly /etc/cni/net.d.")


@click.group("cni", cls=Group)
def command() -> None:
    """Install netkit as CNI plugins, or run CNI plugins without a runtime.

    \b
    Examples:
      netkit cni install --bin-dir /opt/cni/bin --conf-dir /etc/cni/net.d
      netkit cni install --as bridge,host-local,portmap,firewall,loopback
      netkit cni run add /etc/cni/net.d/10-netkit.conflist --netns blue
    """


@command.command("install", cls=Command)
@options(
    _BIN,
    _CONF,
    click.option("--as", "stand_ins", default="", metavar="NAMES", help="Reference plugins to stand in for, by comma."),
)
@click.pass_context
def install(ctx: click.Context, bin_dir: str, conf_dir: str, stand_ins: str) -> None:
    """Write the plugins where a runtime looks for them; a file of someone else is never overwritten.

    \b
    Examples:
      netkit cni install
      netkit cni install --conf-dir /etc/cni/net.d --as bridge,portmap
    """
    from netkit.cni import install as installer

    settings = settings_of(ctx)
    names = [name.strip() for name in stand_ins.split(",") if name.strip()]
    conf_dir = os.path.abspath(conf_dir) if conf_dir else ""
    written = installer.install(os.path.abspath(bin_dir), conf_dir, names, settings.root or "")
    show(settings, {"installed": written}, "\n".join(f"{path}  installed" for path in written))


@command.command("uninstall", cls=Command)
@options(_BIN, _CONF)
@click.pass_context
def uninstall(ctx: click.Context, bin_dir: str, conf_dir: str) -> None:
    """Remove what install wrote, and nothing else: a file that was edited since stays.

    \b
    Examples:
      netkit cni uninstall --conf-dir /etc/cni/net.d
    """
    from netkit.cni import install as installer

    settings = settings_of(ctx)
    removed, kept = installer.uninstall(os.path.abspath(bin_dir), os.path.abspath(conf_dir) if conf_dir else "")
    for path in kept:
        say(f"netkit: {path} is not as netkit wrote it, it stays")
    text = "\n".join(f"{path}  removed" for path in removed) or "nothing to remove"
    show(settings, {"removed": removed, "kept": kept}, text)


@command.command("run", cls=Command)
@click.argument("verb", type=click.Choice(("add", "del", "check", "gc", "status")))
@click.argument("conflist")
@options(
    click.option("--netns", default="", metavar="PATH|NAME", help="The container's network namespace."),
    click.option("--container-id", default="", metavar="ID", help="Its id [made of the namespace's path]."),
    click.option("--ifname", default="eth0", show_default=True, help="Its interface."),
    click.option("--capability-args", default="{}", metavar="JSON", help='For example {"portMappings": [...]}.'),
    click.option("--bin-dir", multiple=True, metavar="D", help="Where plugins are looked for (repeat)."),
)
@click.pass_context
def run(
    ctx: click.Context,
    verb: str,
    conflist: str,
    netns: str,
    container_id: str,
    ifname: str,
    capability_args: str,
    bin_dir: tuple[str, ...],
) -> None:
    """Run the plugins of a conflist as a container runtime does: add, del, check, gc or status.

    Results are kept under netkit's root, so that del and check are given what add was told.

    \b
    Examples:
      netkit cni run add my.conflist --netns blue --capability-args '{"ips": ["10.90.0.7"]}'
      netkit cni run del my.conflist --netns blue
    """
    from netkit.cni.jsonin import parse
    from netkit.cni.runtime import Runtime, load
    from netkit.plan.rare.plugins import PLACES
    from netkit.state.root import Root

    settings = settings_of(ctx)
    places = bin_dir or tuple(part for part in os.environ.get("CNI_PATH", "").split(":") if part) or PLACES
    runtime = Runtime(load(conflist), Root(settings.root), places, parse(capability_args.encode()))
    if verb == "status":
        runtime.status()
        show(settings, {}, "")
    elif verb == "gc":
        released = runtime.collect()
        show(settings, released, "\n".join(f"{line}  released" for line in released))
    else:
        answer = _act(runtime, verb, _attachment(verb, netns, container_id, ifname))
        show(settings, answer, json.dumps(answer, indent=2) if answer else "")


def _act(runtime: Runtime, verb: str, attachment: Attachment) -> dict[str, Any]:
    if verb == "add":
        return runtime.add(attachment)
    if verb == "del":
        runtime.delete(attachment)
    else:
        runtime.check(attachment)
    return {}


def _attachment(verb: str, netns: str, container: str, ifname: str) -> Attachment:
    from netkit.cni.runtime import Attachment
    from netkit.errors import UsageError
    from netkit.kernel.netns import NAMED
    from netkit.naming import short_id

    if not netns and not (verb == "del" and container):
        raise UsageError("which namespace?", "--netns PATH, or NAME of `ip netns`")
    path = netns if "/" in netns or not netns else f"{NAMED}/{netns}"
    return Attachment(container or f"netkit-{short_id('netns', path)}", path, ifname).checked()
