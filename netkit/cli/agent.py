"""`netkit agent`: the host agent, and what it knows."""

from __future__ import annotations

import click

from netkit.cli.command import Group, options, settings_of
from netkit.cli.output import say, show, table
from netkit.errors import ConfigError, NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.agent.host.status import Status


@click.group("agent", cls=Group)
def command() -> None:
    """Give this host a subnet of a network of many hosts, and routes to the others.

    \b
    Examples:
      netkit agent run --config net-conf.json --store dir:///srv/netkit
      netkit agent status
    """


@command.command("run")
@options(
    click.option("--config", metavar="FILE", help="net-conf.json, as flannel reads it [the store's own]."),
    click.option("--store", metavar="URL", help="Where hosts meet: dir:///path, etcd://host:2379/prefix."),
    click.option("--network", default="flannel", metavar="NAME", help="What the network is called here [flannel]."),
    click.option("--iface", multiple=True, metavar="IF", help="The link to the others, by name or address; repeat."),
    click.option("--iface-regex", multiple=True, metavar="RE", help="The same by a pattern; may be repeated."),
    click.option("--iface-can-reach", default="", metavar="IP", help="The link that leads to this address."),
    click.option("--public-ip", default="", metavar="IP", help="What others send to [the link's address]."),
    click.option("--public-ipv6", default="", metavar="IP", help="The same for IPv6."),
    click.option("--subnet-file", default="", metavar="FILE", help="What flannel's CNI plugin reads "
                 "[/run/flannel/subnet.env; of another NAME, NAME.env]."),
    click.option("--ip-masq/--no-ip-masq", default=True, help="Masquerade what leaves the network [yes]."),
    click.option("--fast-path", is_flag=True, help="Backend udp: carry IPv4 in the kernel, past the proxy (eBPF)."),
    click.option("--healthz", default="", metavar="IP:PORT", help="Serve /healthz, /readyz and /metrics there."),
    click.option("--teardown", is_flag=True, help="At the end, take everything down and give the lease back."),
)  # fmt: skip
@click.pass_context
def run(
    ctx: click.Context,
    config: str | None,
    store: str | None,
    network: str,
    iface: tuple[str, ...],
    iface_regex: tuple[str, ...],
    iface_can_reach: str,
    public_ip: str,
    public_ipv6: str,
    subnet_file: str,
    ip_masq: bool,
    fast_path: bool,
    healthz: str,
    teardown: bool,
) -> None:
    """Run the agent, until a signal ends it; what it has made stays up.

    Without --config and --store it leases no subnet: it releases attachments whose namespace has died, and puts back
    what a flushed firewall has lost.

    \b
    Examples:
      netkit agent run --config net-conf.json --store dir:///srv/netkit
      netkit agent run --store etcd://192.0.2.7:2379/coreos.com/network --iface eth1
      netkit agent run
    """
    from netkit import parse
    from netkit.agent.host.daemon import serve
    from netkit.agent.host.joining import Ground, check
    from netkit.agent.iface import Wish
    from netkit.agent.subnetenv import PLACE
    from netkit.naming import check_name

    def address(word: str, option: str) -> str:
        return parse.address(word, option) if word else ""

    for option, word in (("--config", config), ("--store", store)):
        if word == "":
            raise ConfigError(option, "says nothing: a variable that is not set?", "leave it out, or say what is meant")
    wish = Wish(
        iface,
        iface_regex,
        address(iface_can_reach, "--iface-can-reach"),
        address(public_ip, "--public-ip"),
        address(public_ipv6, "--public-ipv6"),
    )
    check_name(network, "--network", "network name")
    place = subnet_file or (PLACE if network == "flannel" else PLACE.replace("subnet", network))
    ground = Ground(store or "", config or "", wish, place, ip_masq, network, fast_path) if store or config else None
    if ground:
        check(ground)
    elif fast_path:
        raise ConfigError("--fast-path", "is for a network of many hosts", "give --config, --store, or both")
    settings = settings_of(ctx)
    serve(settings.root or "", ground, healthz, teardown, say)


@command.command("status")
@click.pass_context
def status(ctx: click.Context) -> None:
    """Show what the agent has, and how its last round went.

    \b
    Examples:
      netkit agent status
      netkit agent status --json
    """
    from netkit.agent.host.show import document, lines, passed

    settings = settings_of(ctx)
    engine = settings.open()
    found = [(one, engine.differences(one.network) if one.network else [], passed(one)) for one in _known(ctx)]
    text = "\n\n".join("\n".join(lines(*one)) for one in found)
    show(settings, [document(*one) for one in found], text)


@command.command("leases")
@click.pass_context
def leases(ctx: click.Context) -> None:
    """List the hosts of the network: where they are, what they have leased, when they were last heard.

    \b
    Examples:
      netkit agent leases
    """
    from netkit.agent.host.show import age

    rows = []
    for found in _known(ctx):
        rows += [(found.network, ", ".join(found.subnets), found.public, "this host", "", found.node)]
        rows += [(found.network, ", ".join(each.subnets), each.address, each.state, age(each), each.node)
                 for each in found.peers]  # fmt: skip
    names = ("network", "subnets", "address", "state", "heard", "node")
    told = [dict(zip(names, row, strict=True)) for row in rows]
    show(settings_of(ctx), told, table([name.upper() for name in names], rows))


def _known(ctx: click.Context) -> list[Status]:
    from netkit.agent.host.status import load_all
    from netkit.state.root import Root

    found = load_all(Root(settings_of(ctx).root))
    if not found:
        raise NotFoundError("no agent has run on this host", "netkit agent run begins one")
    return found
