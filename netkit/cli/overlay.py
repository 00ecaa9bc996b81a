"""`netkit overlay`: one segment over many hosts."""

from __future__ import annotations

import click

from netkit.cli.command import Group, options, settings_of
from netkit.cli.output import show, table
from netkit.cli.peers import peers, watch
from netkit.errors import ConfigError, NotFoundError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.engine.overlay import Wish
    from netkit.engine.service import Engine
    from netkit.model import Network, Subnet

_LARGEST_VNI = (1 << 24) - 1
#: How the others are told where no store does, and the parameter that says so.
_OTHERWISE = (("--peer", "peer"), ("--group", "group"), ("--control evpn", "control"))


@click.group("overlay", cls=Group)
def command() -> None:
    """Join the containers of many hosts in one segment.

    Each host has a bridge, and a tunnel (VXLAN) between all bridges of one VNI; with --encrypt it runs in WireGuard.

    \b
    Examples:
      netkit overlay up --vni 42 --peer 192.0.2.2
      netkit attach --pid 1234 --network overlay42
    """


@command.command("up")
@options(
    click.option("--vni", required=True, metavar="N", help="Which segment: 1 to 16777215."),
    click.option("--name", default="", metavar="NAME", help="The network's name [overlayN]."),
    click.option("--subnet", multiple=True, metavar="CIDR", help="The same on all hosts; repeat [one by the VNI]."),
    click.option("--ip-range", multiple=True, metavar="CIDR",
                 help="This host's own part of a subnet [by its place among the peers]."),
    click.option("--dev", default="", metavar="IF", help="The link to the other hosts [as the route has it]."),
    click.option("--local", default="", metavar="IP", help="This host's address there [its first]."),
    click.option("--port", metavar="N", help="The tunnel's UDP port [4789; encrypted, 51900 to 51999 by the VNI]."),
    click.option("--peer", multiple=True, metavar="IP", help="Another host of the overlay; may be repeated."),
    click.option("--group", default="", metavar="MCAST", help="A multicast group instead of peers."),
    click.option("--mtu", metavar="BYTES", help="What its links carry [the way to the peers less the tunnel]."),
    click.option("--store", metavar="URL", help="Where hosts find each other: dir:///path, etcd://host:2379/prefix."),
    click.option("--control", default="", metavar="evpn", help="Leave peers to FRR: netkit makes the devices alone."),
    click.option("--fast-path", is_flag=True, help="Lead known frames past bridge, tunnel and their firewall (eBPF)."),
    click.option("--encrypt", is_flag=True, help="Send nothing in clear: WireGuard's keys are told by the store."),
)  # fmt: skip
@click.pass_context
def up(
    ctx: click.Context,
    vni: str,
    name: str,
    subnet: tuple[str, ...],
    ip_range: tuple[str, ...],
    dev: str,
    local: str,
    port: str | None,
    peer: tuple[str, ...],
    group: str,
    mtu: str | None,
    store: str | None,
    control: str,
    encrypt: bool,
    fast_path: bool,
) -> None:
    """Make this host's end of an overlay, and its network; said again, change its peers.

    \b
    Examples:
      netkit overlay up --vni 42
      netkit overlay up --vni 42 --peer 192.0.2.2 --peer 192.0.2.3
      netkit overlay up --vni 42 --store etcd://192.0.2.9:2379/netkit --encrypt
      netkit overlay up --vni 42 --peer 192.0.2.2 --fast-path
      netkit overlay up --vni 7 --subnet 10.7.0.0/16 --subnet fd07::/64 --group 239.1.1.7 --dev eth1
    """
    from netkit import parse
    from netkit.cli import document
    from netkit.engine.overlay import Wish
    from netkit.model import family
    from netkit.naming import check_ifname, check_name

    if store == "":
        raise ConfigError("--store", "says nothing: a variable that is not set?", "write dir:///path, or leave it out")
    if encrypt and not store:
        instead = next((f", and not with {way}" for way, said in _OTHERWISE if ctx.params[said]), "")
        raise UsageError(
            f"--encrypt goes with --store{instead}: hosts tell each other their keys there",
            "name one that all of them share: --store dir:///path, or etcd://host:2379/prefix",
        )
    if store and (peer or group or ip_range):
        raise UsageError("--store tells who the others are", "leave --peer, --group and --ip-range out")
    subnets = parse.subnets(subnet, (), ip_range)
    if ip_range:
        subnets = tuple(_own_gateway(one) for one in subnets)
    wish = Wish(
        _vni(vni),
        check_name(name, "--name", "network name") if name else "",
        subnets,
        ip_range,
        check_ifname(dev, "--dev") if dev else "",
        parse.address(local, "--local") if local else "",
        parse.port(port, "--port") if port is not None else 0,
        tuple(parse.address(each, "--peer") for each in peer),
        parse.address(group, "--group") if group else "",
        parse.mtu(mtu, "--mtu", max((family(one.cidr) for one in subnets), default=4)) if mtu is not None else 0,
        store or "",
        control,
        encrypt,
        fast_path=fast_path,
    )
    settings = settings_of(ctx)
    net = settings.open().create_overlay(wish)
    show(settings, document.network(net, up=True), _told(net, wish))


@command.command("down")
@click.option("--vni", required=True, metavar="N", help="Which one.")
@click.pass_context
def down(ctx: click.Context, vni: str) -> None:
    """Take this host's end of an overlay down; refused while something is attached.

    \b
    Examples:
      netkit overlay down --vni 42
    """
    settings = settings_of(ctx)
    engine = settings.open()
    net = _find(engine, _vni(vni))
    engine.remove_network(net.name)
    show(settings, {"removed": [net.name]}, f"{net.name}  removed")


@command.command("ls")
@click.pass_context
def ls(ctx: click.Context) -> None:
    """List this host's overlays.

    \b
    Examples:
      netkit overlay ls
    """
    settings = settings_of(ctx)
    found = [(net, dict(net.options)) for net in _overlays(settings.open())]
    told = [
        {
            "network": net.name,
            "vni": int(own["vni"]),
            "local": own["local"],
            "dev": own["dev"],
            "port": int(own["port"]),
            "group": own.get("group") or None,
            "peers": own.get("peers", "").split(",") if own.get("peers") else [],
            "store": net.store or None,
            "control": own.get("control") or None,
            "encrypted": bool(own.get("public")),
            "public_key": own.get("public") or None,
            "fast_path": bool(own.get("fast_path")),
        }
        for net, own in found
    ]
    rows = [
        (net.name, own["vni"], own["local"], own["dev"], own["port"], _sealed(own), _who_tells(net, own))
        for net, own in found
    ]
    show(settings, told, table(("NETWORK", "VNI", "LOCAL", "DEV", "PORT", "ENCRYPTED", "PEERS"), rows))


command.add_command(peers)
command.add_command(watch)


def _vni(word: str) -> int:
    if word.isascii() and word.isdigit() and len(word) < 10 and 0 < int(word) <= _LARGEST_VNI:
        return int(word)
    raise ConfigError("--vni", f"{word[:40]!r} is no VNI", f"a number from 1 to {_LARGEST_VNI}")


def _own_gateway(subnet: Subnet) -> Subnet:
    """Each host has a gateway in its own part of the subnet."""
    from netkit.ipam.pool import default_gateway

    return subnet.replace(gateway=default_gateway(subnet.ip_range)) if "/" in subnet.ip_range else subnet


def _sealed(own: dict[str, str]) -> str:
    return "yes" if own.get("public") else "no"


def _who_tells(net: Network, own: dict[str, str]) -> str:
    """The peers, or where they are told from."""
    return own.get("peers") or own.get("group") or net.store or own.get("control", "")


def _overlays(engine: Engine) -> list[Network]:
    return [net for net in engine.all_networks() if net.mode == "overlay"]


def _find(engine: Engine, vni: int) -> Network:
    for net in _overlays(engine):
        if dict(net.options)["vni"] == str(vni):
            return net
    raise NotFoundError(f"this host has no overlay of VNI {vni}", "netkit overlay ls lists them")


def _told(net: Network, wish: Wish) -> str:
    """The network, which part of the subnet is this host's, and how others join."""
    own = dict(net.options)
    way = f"from {own['local']} by {own['dev']} port {own['port']}{', encrypted' if wish.encrypt else ''}"
    lines = [f"{net.name}  {net.device}  VNI {own['vni']}  {way}"]
    for subnet in net.subnets:
        mine = f", this host gives out {subnet.ip_range}" if subnet.ip_range else ""
        lines.append(f"{subnet.cidr} gateway {subnet.gateway}{mine}")
    if wish.store:
        too = " --encrypt" if wish.encrypt else ""
        lines.append(f"other hosts join with: netkit overlay up --vni {own['vni']} --store {wish.store}{too}")
    elif not wish.peers and not wish.group and not wish.control:
        lines.append(
            "alone so far; to join two hosts say on each, this one too:\n"
            f"  netkit overlay up --vni {own['vni']} --peer OTHER        (this host is {own['local']})"
        )
    elif wish.peers and not wish.ranges:
        lines.append("each host's part follows from the same list of hosts: name all others on each of them")
    elif (wish.group or wish.control) and not wish.ranges:
        lines.append("give each host a part of the subnet of its own: --subnet CIDR --ip-range PART")
    return "\n".join(lines)
