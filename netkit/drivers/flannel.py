"""The driver of the host agent: a bridge with the subnet that this host has leased, and routes to those of the others.

    eth0 ==veth== nk3f9c...==[ nk-flannel 10.5.72.1/24 ]== masquerade ==> egress
                                     |
                                     +-- 10.5.9.0/24 ==> backend (VXLAN, WireGuard...) ==> the other host's bridge

Between hosts nothing is translated: containers see each other's addresses. A container is reached by those of its
network, on whatever host, and by published ports.
"""

from __future__ import annotations

from netkit import parse
from netkit.drivers.bridge import Bridge
from netkit.drivers.options import number, only, switch
from netkit.drivers.protocols import Options
from netkit.errors import ConfigError, ConflictError, HostError, NotFoundError, UsageError
from netkit.ipam.pool import overlaps
from netkit.model import bare, family
from netkit.naming import bridge_name, check_ifname
from netkit.parts.backends import Keys, Realm, backend
from netkit.parts.base import base
from netkit.parts.bridge import bridge
from netkit.parts.isolation import admit, localhost, network_rules
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netkit.drivers.protocols import Attachment
    from netkit.model import AttachRequest, Lease, Network, PeerHost
    from netkit.plan.host import Host

_KEYS = ("node", "backend", "network", "dev", "local", "local6", "vni", "port", "lost")
_OF_KEYS = ("key", "public", "psk", "mark", "port6", "keepalive", "mode")
_SWITCHES = ("direct", "learning", "gbp", "masquerade", "fast_path")
#: IPv6 takes no link that carries less.
_SMALLEST = {4: 576, 6: 1280}


class FlannelOptions(Options):
    """`backend` is how the others are reached, `realm` what that has to know, `masquerade` whether egress is.

    `lost` says why the subnet may be another host's by now, "" while it is ours.
    """

    backend: str
    realm: Realm
    masquerade: bool = True
    lost: str = ""


class Flannel:
    """One network over many hosts, a subnet each."""

    name = "flannel"
    per_attachment = ("lost",)
    leased = True

    def __init__(self) -> None:
        self._read: tuple[Network, FlannelOptions] | None = None

    def parse_options(self, raw: Mapping[str, object], at: str) -> FlannelOptions:
        only(raw, (*_KEYS, *_OF_KEYS, *_SWITCHES), self.name, at)
        if not all(raw.get(key) for key in ("node", "backend", "network", "dev")):
            raise UsageError("a flannel network is made by the agent", "run: netkit agent run --config net-conf.json")
        whole = tuple(parse.cidr(each, f"{at}.network") for each in str(raw["network"]).split(","))
        local, local6 = (parse.address(raw[key], f"{at}.{key}") if raw.get(key) else "" for key in ("local", "local6"))
        on = {key: switch(raw, key, key == "masquerade", at) for key in _SWITCHES}
        port = parse.port(raw["port"], f"{at}.port") if raw.get("port") else 0
        dev, vni = check_ifname(str(raw["dev"]), f"{at}.dev"), number(raw, "vni", at) or 1
        masquerade = on.pop("masquerade")
        realm = Realm(str(raw["node"]), whole, (), dev, local, local6, vni, port, **on, keys=_keys(raw, at))
        return FlannelOptions(str(raw["backend"]), realm, masquerade, str(raw.get("lost") or ""))

    def device(self, net: Network) -> str:
        return bridge_name(net.name)

    def needs_subnet(self, net: Network) -> bool:
        raise UsageError("a flannel network is made by the agent", "run: netkit agent run --config net-conf.json")

    def host_up(self, net: Network, host: Host) -> Plan:
        return base(net, host)

    def network_up(self, net: Network, host: Host) -> Plan:
        options = self._options(net)
        way, realm = backend(options.backend), options.realm
        _refuse(realm, host)
        mtu = _mtu(net, way.overhead(realm), host)
        return (
            network_rules(net, host, options.masquerade)
            + bridge(net.replace(mtu=mtu), host)
            + way.up(realm, mtu, host)
            + localhost(net, host)
            + admit(net, host)
        )

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        options = self._options(net)
        if options.lost:
            raise ConflictError(f"network {net.name} takes nobody in: {options.lost}", "see: netkit agent status")
        mtu = _mtu(net, backend(options.backend).overhead(options.realm), host)
        return Bridge().attach(net.replace(options=(), mtu=mtu), req, leases, host)

    def peer(self, net: Network, peer: PeerHost, host: Host) -> Plan:
        options = self._options(net)
        for subnet in peer.subnets:
            if not any(family(subnet) == family(each) and overlaps(subnet, each) for each in options.realm.whole):
                raise ConfigError("subnets", f"{subnet} of host {peer.node} is outside of the network", "see its lease")
            if any(overlaps(subnet, each) for each in options.realm.leased if family(each) == family(subnet)):
                raise ConfigError("subnets", f"{subnet} of host {peer.node} overlaps our own", "see its lease")
        return backend(options.backend).peer(options.realm, peer, host)

    def own(self, net: Network) -> tuple[str, ...]:
        options = self._options(net)
        return backend(options.backend).devices(options.realm)

    def _options(self, net: Network) -> FlannelOptions:
        """Read once for each network: there may be hundreds of peers to plan for."""
        if self._read is None or self._read[0] is not net:
            found = self.parse_options(dict(net.options), f"networks.{net.name}.options")
            leased = tuple(subnet.cidr for subnet in net.subnets)
            self._read = net, found.replace(realm=found.realm.replace(leased=leased))
        return self._read[1]


def _keys(raw: Mapping[str, object], at: str) -> Keys:
    """What encrypted tunnels need; nothing of it where the backend has none."""
    if not raw.get("key"):
        return Keys()
    return Keys(
        str(raw["key"]),
        parse.wireguard_key(raw.get("public"), f"{at}.public"),
        str(raw.get("psk") or ""),
        str(raw.get("mark") or ""),
        parse.port(raw["port6"], f"{at}.port6") if raw.get("port6") else 0,
        number(raw, "keepalive", at) or 0,
        str(raw.get("mode") or "separate"),
    )


def _refuse(realm: Realm, host: Host) -> None:
    """An underlay that does not carry anything, before anything is made."""
    link = host.link(realm.dev)
    if link is None:
        raise NotFoundError(f"this host has no link {realm.dev}", "`ip link` lists them; name another with --iface")
    if not link.up:
        raise HostError(f"{realm.dev} is down", f"put it up: ip link set dev {realm.dev} up")
    own = [bare(address) for address in host.addresses(realm.dev)]
    for address in (realm.local, realm.local6):
        if address and address not in own:
            raise ConfigError("iface", f"{realm.dev} has no address {address}", f"it has {', '.join(own)}")


def _mtu(net: Network, overhead: int, host: Host) -> int:
    """What the underlay leaves; or the bridge's, once it stands."""
    if standing := host.link(net.device):
        return min(net.mtu or standing.mtu, standing.mtu)
    link = host.link(dict(net.options)["dev"])
    room = (link.mtu if link else 1500) - overhead
    smallest = _SMALLEST[max(family(subnet.cidr) for subnet in net.subnets)]
    if net.mtu > room or room < smallest:
        hint = f"use {room} or less, or leave it out" if net.mtu else f"its subnets need {smallest}"
        raise ConfigError("mtu", f"{room} bytes are what the backend leaves", hint)
    return net.mtu or room
