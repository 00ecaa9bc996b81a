"""Overlays: what a person leaves out is found on the host, so that all hosts of one agree on its subnet."""

from __future__ import annotations

from netkit.drivers.overlay import PORT, is_multicast
from netkit.errors import ConfigError, HostError, NotFoundError
from netkit.ipam.pool import default_gateway, number, prefix_length, span, text
from netkit.model import Network, Subnet, bare, family
from netkit.parts.egress import egress
from netkit.parts.sealed import default_port
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.plan.host import Host


class Wish(Value):
    """What a person says of an overlay; "", () and 0 are found out.

    One that is to `encrypt` gets the file of its private `key`, and the `public` one, before it is a network.
    """

    vni: int
    name: str = ""
    subnets: tuple[Subnet, ...] = ()
    ranges: tuple[str, ...] = ()
    dev: str = ""
    local: str = ""
    port: int = 0
    peers: tuple[str, ...] = ()
    group: str = ""
    mtu: int = 0
    store: str = ""
    control: str = ""
    encrypt: bool = False
    key: str = ""
    public: str = ""
    fast_path: bool = False

    @property
    def its_port(self) -> int:
        """The tunnel's UDP port, WireGuard's where it is encrypted; that which everybody takes where none is said."""
        return self.port or (default_port(self.vni) if self.encrypt else PORT)


def overlay(wish: Wish, host: Host) -> Network:
    """The network that a wish stands for on this host."""
    dev, local = _underlay(wish, host)
    options = {"vni": str(wish.vni), "local": local, "dev": dev, "port": str(wish.its_port)}
    options |= {"peers": ",".join(wish.peers)} if wish.peers else {}
    options |= {"group": wish.group} if wish.group else {}
    options |= {"store": wish.store} if wish.store else {}
    options |= {"control": wish.control} if wish.control else {}
    options |= {"key": wish.key, "public": wish.public} if wish.encrypt else {}
    options |= {"fast_path": "yes"} if wish.fast_path else {}
    subnets = wish.subnets or (_default_subnet(wish.vni),)
    if not wish.ranges and not wish.store:
        subnets = tuple(part(subnet, local, wish.peers) for subnet in subnets)
    return Network(wish.name or f"overlay{wish.vni}", "overlay", "", subnets, wish.mtu, options=tuple(options.items()))


def part(subnet: Subnet, local: str, peers: Sequence[str]) -> Subnet:
    """This host's part of a subnet, and its gateway there: by the place of its address among those of all hosts.

    There are as many parts as hosts, or more: a power of two, so that each is a prefix. Its first and last
    address, which look like a network's own, are nobody's.
    """
    hosts = sorted({local, *peers}, key=number)
    if len(hosts) == 1:
        return subnet
    bits = (len(hosts) - 1).bit_length()
    version, length = family(subnet.cidr), prefix_length(subnet.cidr) + bits
    width = {4: 32, 6: 128}[version]
    if length > width - 2:
        raise ConfigError("subnet", f"{subnet.cidr} is too small for {len(hosts)} hosts", "choose a larger one")
    first = span(subnet.cidr)[0] + (hosts.index(local) << (width - length))
    last = first + (1 << (width - length)) - 1
    return subnet.replace(
        gateway=text(first + 1, version), ip_range=f"{text(first + 1, version)}-{text(last - 1, version)}"
    )


def _default_subnet(vni: int) -> Subnet:
    """The same on every host."""
    cidr = f"10.{100 + vni % 100}.0.0/16"
    return Subnet(cidr, default_gateway(cidr))


def _underlay(wish: Wish, host: Host) -> tuple[str, str]:
    """The link that leads to the others, and this host's address there, of the same family."""
    others = (*wish.peers, *((wish.group,) if wish.group else ()))
    version = family(others[0] if others else wish.local)
    dev = wish.dev or _link_to(wish, version, host)
    link = host.link(dev)
    if link is None:
        raise NotFoundError(f"this host has no link {dev}", "`ip link` lists them; name another with --dev")
    if link.up and not link.carrier:
        raise HostError(f"{dev} has no carrier: nothing is at its other end", "plug it in, or name another with --dev")
    if wish.local:
        if _is_link_local(wish.local):
            what = f"{wish.local} is link-local: it tells no other host where to send"
            raise ConfigError("local", what, f"give {dev} an address in the hosts' network")
        return dev, wish.local
    own = [bare(address) for address in host.addresses(dev)]
    usual = [each for each in own if not _is_link_local(each)]
    fitting = [each for each in usual if family(each) == version] or ([] if others else usual)
    if not fitting:
        kind = f"IPv{version} address" if others else "address but link-local ones"
        raise HostError(f"{dev} has no {kind} to send from", "give it one, or say --dev IF, --local IP")
    return dev, fitting[0]


def _is_link_local(address: str) -> bool:
    return address.startswith("fe80:")


def _link_to(wish: Wish, version: int, host: Host) -> str:
    if wish.peers:
        peer = wish.peers[0]
        if is_multicast(peer):
            raise ConfigError("peer", f"{peer} is a multicast address", "say --group for that")
        way = host.way_to(peer)
        if way is None:
            _refuse_itself(peer, host)
            raise HostError(f"no route leads to the peer {peer}", f"see: ip route get {peer}")
        return way.dev
    if way := egress(host, version) or egress(host, 6):
        return way.dev
    raise HostError("this host has no default route that would say which link", "say --dev IF")


def _refuse_itself(peer: str, host: Host) -> None:
    for dev in {route.dev for route in host.routes(family(peer)) if route.dev}:
        if peer in [bare(address) for address in host.addresses(dev)]:
            raise ConfigError("peer", f"{peer} is this host itself", "name the other hosts")
