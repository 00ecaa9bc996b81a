"""`netkit network`: making, listing, showing and removing networks."""

from __future__ import annotations

import click

from netkit.cli import complete
from netkit.cli.command import Group, options, settings_of
from netkit.cli.output import show, table
from netkit.errors import ConfigError, NetkitError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.engine.service import Engine
    from netkit.model import Network


@click.group("network", cls=Group)
def command() -> None:
    """Make, list, show and remove networks.

    A network has a mode (what its links are), subnets (what its addresses are) and options. `--mode M` of attach and
    run makes one by itself, named after the mode; make one here to choose anything about it.

    \b
    Examples:
      netkit network create backend --mode bridge --subnet 10.7.0.0/24 --internal
      netkit network ls
    """


@command.command("create")
@click.argument("name")
@options(
    click.option("--mode", default="bridge", metavar="MODE", shell_complete=complete.modes,
                 help="null, bridge, ptp, macvlan, ipvlan, underlay or cni:TYPE [bridge]."),
    click.option("--subnet", multiple=True, metavar="CIDR", help="A subnet; may be repeated [a free 10.90-99.0.0/16]."),
    click.option("--gateway", multiple=True, metavar="IP", help="The gateway of a subnet [its first address]."),
    click.option("--ip-range", multiple=True, metavar="CIDR",
                 help="The part of a subnet to give out, or FIRST-LAST [all]."),
    click.option("--ipam", metavar="WHO", default="",
                 help="Who says the addresses: static (--ip), dhcp (the LAN's server) [netkit's own files]."),
    click.option("--mtu", metavar="BYTES", help="What its links carry [as the link of the default route]."),
    click.option("--internal", is_flag=True, help="No way out and no way in."),
    click.option("--no-icc", is_flag=True, help="Its containers cannot reach each other."),
    click.option("--parent", default="", metavar="IF", help="The host's link that the mode builds on, if it does."),
    click.option("-o", "--option", "opts", multiple=True, metavar="KEY=VALUE",
                 help="An option of the mode, bridge=br0 or guard=off for example; -o help lists those of --mode."),
    click.option("--yes", is_flag=True, help="The host's own way out may move to a bridge (underlay)."),
)  # fmt: skip
@click.pass_context
def create(
    ctx: click.Context,
    name: str,
    mode: str,
    subnet: tuple[str, ...],
    gateway: tuple[str, ...],
    ip_range: tuple[str, ...],
    ipam: str,
    mtu: str | None,
    internal: bool,
    no_icc: bool,
    parent: str,
    opts: tuple[str, ...],
    yes: bool,
) -> None:
    """Make a network and bring it up.

    Nothing is left when that fails. Subnets must overlap no other network and no route of the host.

    \b
    Examples:
      netkit network create backend
      netkit network create backend --subnet 10.7.0.0/24 --subnet fd07::/64 --gateway 10.7.0.254
      netkit network create db --subnet 10.8.0.0/24 --ip-range 10.8.0.128/25 --internal --no-icc
      netkit network create lab -o bridge=br-lab --mtu 1400
      netkit network create lan --mode underlay --parent eth0 --subnet 192.168.1.0/24 \\
          --gateway 192.168.1.1 --ip-range 192.168.1.200-192.168.1.220 --yes
    """
    from netkit import parse
    from netkit.cli import document
    from netkit.drivers.registry import written
    from netkit.model import Network, family
    from netkit.naming import check_ifname, check_name

    if "help" in opts:
        show(settings_of(ctx), *_known_options(mode))
        return
    written(mode)
    if (gateway or ip_range) and not subnet:
        raise UsageError("--gateway and --ip-range need a --subnet", "give the subnet that they belong to")
    subnets = parse.subnets(subnet, gateway, ip_range)
    version = max((family(one.cidr) for one in subnets), default=4)
    net = Network(
        check_name(name, "NAME", "network name"),
        mode,
        subnets=subnets,
        mtu=parse.mtu(mtu, "--mtu", version) if mtu is not None else 0,
        internal=internal,
        icc=not no_icc,
        parent=check_ifname(parent, "--parent") if parent else "",
        options=_options((*opts, "yes=on") if yes and mode == "underlay" else opts),
        ipam=ipam,
    )
    settings = settings_of(ctx)
    engine = settings.open()
    if mode == "underlay" and not yes:
        _spare_ssh(engine, net.parent)
    made = engine.create_network(net)
    show(settings, document.network(made, up=True), _summary(made))


@command.command("ls")
@click.pass_context
def ls(ctx: click.Context) -> None:
    """List networks.

    \b
    Examples:
      netkit network ls
      netkit network ls --json | jq -r '.[].name'
    """
    from netkit.cli import document

    settings = settings_of(ctx)
    engine = settings.open()
    found = [engine.network(net.name) for net in engine.all_networks()]
    rows = [
        (net.name, net.mode, net.device, ", ".join(s.cidr for s in net.subnets), "up" if up else "down")
        for net, up in found
    ]
    text = table(("NAME", "MODE", "DEVICE", "SUBNETS", "STATE"), rows)
    show(settings, [document.network(net, up is not None) for net, up in found], text)


@command.command("inspect")
@click.argument("name", shell_complete=complete.networks)
@click.pass_context
def inspect(ctx: click.Context, name: str) -> None:
    """Show everything known about a network.

    \b
    Examples:
      netkit network inspect bridge
      netkit network inspect bridge --json | jq -r '.undo[]'
    """
    from netkit.cli.inspect import show_network

    settings = settings_of(ctx)
    show_network(settings, settings.open(), name)


@command.command("rm")
@click.argument("names", nargs=-1, required=True, shell_complete=complete.networks)
@click.pass_context
def rm(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Take networks down and forget them.

    A network that something is attached to stays. Goes on past errors, and tells them at the end.

    \b
    Examples:
      netkit network rm backend
      netkit network rm backend db
    """
    from netkit.engine.recovery import reported

    settings = settings_of(ctx)
    engine = settings.open()
    removed: list[str] = []
    errors: list[NetkitError] = []
    for name in names:
        try:
            engine.remove_network(name)
        except NetkitError as error:
            errors.append(error)
        else:
            removed.append(name)
    if removed or not errors:
        show(settings, {"removed": removed}, "\n".join(f"{name}  removed" for name in removed))
    reported(errors)


def _spare_ssh(engine: Engine, parent: str) -> None:
    """Whoever is connected by the link that would move says so first."""
    import os

    server = os.environ.get("SSH_CONNECTION", "").split(" ")[2:3]
    if server and server[0] in [address.partition("/")[0] for address in engine.addresses(parent)]:
        raise UsageError(
            f"this session came by SSH to {server[0]}, which would move from {parent} to a bridge",
            "connections survive that; say --yes if you can reach the host in another way, should it go wrong",
        )


def _known_options(mode: str) -> tuple[object, str]:
    """The options of a mode, as data and as a sentence: a driver that is asked for an unknown one names its own."""
    from netkit.drivers.registry import written

    try:
        written(mode).parse_options({"help": ""}, "-o")
    except ConfigError as error:
        known = error.hint.removeprefix("known options: ")
        names = known.split(", ") if known != error.hint else []
        return names, f"mode {mode}: {known}\nwhat they mean: netkit-network(1), under -o"
    return [], f"mode {mode}: any key of the plugin's own configuration"


def _options(texts: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError("-o", f"{text!r} is no KEY=VALUE", "for example -o bridge=br0")
        if key in found:
            raise ConfigError("-o", f"{key} is given twice", "give it once")
        found[key] = value
    return tuple(found.items())


def _summary(net: Network) -> str:
    where = [net.device] if net.device else []
    return "  ".join(
        [net.name, *where, *(f"{s.cidr} gateway {s.gateway}" if s.gateway else s.cidr for s in net.subnets)]
    )
