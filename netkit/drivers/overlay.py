"""The overlay driver: one segment over many hosts, a bridge on each and a tunnel (VXLAN) between them.

    eth0 ==veth== nk3f9c...==[ nk-overlay42 10.142.0.1 ]== forward, masquerade ==> egress
                                     |
                                   nkv42 == UDP 4789 ==> nkv42 ==[ nk-overlay42 10.142.128.1 ]== on another host

To a container elsewhere: eth0, the cable, the bridge, the tunnel, and the same backwards; nothing is translated. To
the world: as mode bridge does, by its own host, for each host has a gateway, with an address and a MAC of its own.
So a gateway is never found on the wrong host, and each host reaches all containers.
"""

from __future__ import annotations

from netkit import parse
from netkit.drivers.options import number, only
from netkit.drivers.protocols import Attachment, Options
from netkit.errors import ConfigError, ConflictError, HostError, NotFoundError, UsageError
from netkit.model import PeerHost, bare, family
from netkit.naming import bridge_name, check_ifname, mac
from netkit.parts import fastpath, sealed
from netkit.parts.addresses import addresses, announced, default_routes, loopback, routes
from netkit.parts.base import base
from netkit.parts.bridge import bridge
from netkit.parts.endpoint import endpoint, free_ifname
from netkit.parts.isolation import admit, localhost, network_rules, port_guard
from netkit.parts.ports import comes_back, publish
from netkit.parts.tunnel import (
    OVERHEAD,
    behind,
    flooded_to,
    guarded,
    let_in,
    silent,
    told_by_others,
    tunnel,
    tunnel_name,
)
from netkit.parts.veth import veth
from netkit.plan.rare.vxlan import Vxlan
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netkit.model import AttachRequest, Lease, Network
    from netkit.plan.host import Host

#: The port that IANA gave to VXLAN.
PORT = 4789
#: Control that is FRR's, or another's that speaks BGP.
EVPN = "evpn"
_LARGEST_VNI = (1 << 24) - 1
_OPTIONS = ("vni", "local", "dev", "port", "peers", "group", "store", "control", "key", "public", "fast_path")
#: What an encrypted overlay is called where hosts agree on one, and say what they speak.
SEALED = "vxlan-wireguard"
#: IPv6 takes no link that carries less.
_SMALLEST = {4: 576, 6: 1280}


class OverlayOptions(Options):
    """`local` and `dev` are this host's end of the tunnels, `peers` the others', or `group`, or `store`.

    With `control` evpn another program (FRR) writes the tunnel's entries, and netkit none. An encrypted overlay has the
    file of this host's private key (`key`), and its `public` one; its `port` is WireGuard's. With `fast_path` frames
    of known interfaces do not go by the bridge.
    """

    vni: int
    local: str
    dev: str
    port: int
    peers: tuple[str, ...]
    group: str
    store: str
    control: str = ""
    key: str = ""
    public: str = ""
    fast_path: bool = False

    @property
    def end(self) -> str:
        """The address that this host's tunnel sends from."""
        return sealed.inside(self.public, self.vni) if self.public else self.local

    def end_of(self, peer: PeerHost) -> str:
        """The address that a peer's tunnel sends from."""
        return sealed.inside(peer.key, self.vni) if self.public else peer.address

    @property
    def opens(self) -> bool:
        """Whether what peers send may be opened at the underlay: each of them is known, and it is not encrypted."""
        return self.fast_path and not (self.group or self.control or self.public)

    @property
    def gateway_mac(self) -> str:
        """The MAC that this host has in the overlay."""
        return mac("overlay gateway", self.local, str(self.vni))

    @property
    def tunnel(self) -> Vxlan:
        """The tunnel, which runs over the underlay, or in a link of WireGuard's."""
        if self.public:
            return Vxlan(self.vni, sealed.link_name(self.vni), self.end, PORT)
        learning = not self.store and not self.control
        return Vxlan(self.vni, self.dev, self.local, self.port, learning, self.group)


class Overlay:
    """One segment over many hosts."""

    name = "overlay"
    #: Which one is meant is said when it is made: `netkit overlay up`.
    made_by_hand = True

    def __init__(self) -> None:
        self._read: tuple[Network, OverlayOptions] | None = None

    def parse_options(self, raw: Mapping[str, object], at: str) -> OverlayOptions:
        only(raw, _OPTIONS, self.name, at)
        if not all(key in raw for key in ("vni", "local", "dev")):
            raise UsageError("an overlay has a VNI and an underlay", "make it with: netkit overlay up --vni N")
        local = parse.address(raw["local"], f"{at}.local")
        peers = tuple(parse.address(each, f"{at}.peers") for each in str(raw.get("peers", "")).split(",") if each)
        group = parse.address(raw["group"], f"{at}.group") if raw.get("group") else ""
        _check_peers(local, peers, group, at)
        port = parse.port(raw.get("port", PORT), f"{at}.port")
        dev = check_ifname(str(raw["dev"]), f"{at}.dev")
        store = str(raw.get("store") or "")
        if store and (peers or group):
            raise ConfigError(f"{at}.store", "a store tells who the other hosts are", "leave --peer and --group out")
        control = str(raw.get("control") or "")
        if control not in ("", EVPN):
            raise ConfigError(f"{at}.control", f"there is no control {control!a}", f"it is {EVPN}, or left out")
        if control and (peers or group or store):
            raise ConfigError(
                f"{at}.control", "with EVPN the routers say who the others are", "leave --peer, --group and --store out"
            )
        key, public = _keys(raw, store, at)
        others = tuple(sorted(set(peers)))
        fast = bool(raw.get("fast_path"))
        return OverlayOptions(_vni(raw, at), local, dev, port, others, group, store, control, key, public, fast)

    def device(self, net: Network) -> str:
        return bridge_name(net.name)

    def needs_subnet(self, net: Network) -> bool:
        raise UsageError("an overlay has a subnet that all of its hosts agree on", "make it with: netkit overlay up")

    def host_up(self, net: Network, host: Host) -> Plan:
        return base(net, host)

    def network_up(self, net: Network, host: Host) -> Plan:
        options = self._options(net)
        self._refuse(options, host)
        net = net.replace(mtu=self._mtu(net, host))
        vxlan = options.tunnel
        return (
            network_rules(net, host)
            + guarded(vxlan, host, anybody=bool(options.control))
            + _sealed(options, net.mtu, host)
            + bridge(net, host, own_mac=options.gateway_mac)
            + tunnel(vxlan, net.device, net.mtu, host)
            + (silent(options.vni) if options.store else Plan())
            + (told_by_others(options.vni) if options.control else Plan())
            + (fastpath.fast_path(options.vni, options.gateway_mac) if options.fast_path else Plan())
            + (fastpath.fast_underlay(vxlan) if options.opens else Plan())
            + sum((self.peer(net, PeerHost(peer, peer), host) for peer in options.peers), Plan())
            + localhost(net, host)
            + admit(net, host)
        )

    def peer(self, net: Network, peer: PeerHost, host: Host) -> Plan:
        """A host that is named gets what is flooded; of one that the store knows, each interface is."""
        options = self._options(net)
        if options.control:
            raise ConflictError(f"the other hosts of {net.name} are told by EVPN", "leave its peers to the routers")
        if family(peer.address) != family(options.local):
            raise ConflictError(f"host {peer.node} is at {peer.address}, of another family than {options.local}")
        if not options.store:
            return _let_in(options, peer.address, host) + flooded_to(options.vni, peer.address)
        known = sealed.known(options.vni, options.public, peer, options.port) if options.public else Plan()
        end = options.end_of(peer)
        return known + _let_in(options, end, host) + behind(options.vni, net.device, peer, end)

    def peers(self, net: Network) -> tuple[str, ...]:
        """The hosts that are named."""
        return self._options(net).peers

    def check_peers(self, net: Network, host: Host) -> None:
        """Raise what stops this host from reaching those that are named, by what stands already."""
        options = self._options(net)
        self._refuse_peers(options, host)
        standing = host.link(net.device)
        if standing and (room := _room(options, host)) < standing.mtu:
            what = f"its links carry {standing.mtu} bytes, the tunnel to these peers {room}"
            raise ConflictError(what, f"take it down, and up with --mtu {room}")

    def own(self, net: Network) -> tuple[str, ...]:
        """None of their entries is netkit's business where EVPN writes them."""
        options = self._options(net)
        if options.control:
            return ()
        return (tunnel_name(options.vni), net.device, *((sealed.link_name(options.vni),) if options.public else ()))

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        """MACs hold the host's address: two hosts may have containers of one name, and the segment is one."""
        if req.ports and net.internal:
            raise ConfigError("publish", f"network {net.name} is internal", "leave --publish out")
        free_ifname(req, host)
        ep = endpoint(net, req, leases, self._mtu(net, host))
        options = self._options(net)
        ep = ep.replace(mac=req.mac or mac("overlay", ep.id, options.local))
        limited = bool(req.rate_in or req.rate_out)
        return Attachment(
            (port_guard(ep, host) if ep.addresses else Plan())
            + veth(ep, net.device, host, not net.icc)
            + loopback(req.netns, host)
            + addresses(ep)
            + announced(ep)
            + default_routes(ep, host)
            + routes(ep)
            + (fastpath.fast_port(ep, options.vni, limited) if options.fast_path else Plan())
            + comes_back(ep, host)
            + publish(ep, net.device, host),
            ep,
        )

    def _mtu(self, net: Network, host: Host) -> int:
        """What is left of the narrowest way to a peer; or the bridge's, once it stands."""
        if standing := host.link(net.device):
            return min(net.mtu or standing.mtu, standing.mtu)
        options = self._options(net)
        room = _room(options, host)
        smallest = _SMALLEST[max(family(subnet.cidr) for subnet in net.subnets)]
        carried, least = room + OVERHEAD[6] + sealed.OVERHEAD, sealed.SMALLEST + sealed.OVERHEAD
        if options.public and carried < least:
            what = f"{options.dev} carries {carried} bytes, and an encrypted overlay needs {least}"
            raise HostError(what, "its tunnel's packets are IPv6, which takes no link with less")
        if net.mtu > room or room < smallest:
            hint = f"use {room} or less, or leave it out" if net.mtu else f"its subnets need {smallest}"
            raise ConfigError("mtu", f"{room} bytes are what the tunnel by {options.dev} carries", hint)
        return net.mtu or room

    def _refuse(self, options: OverlayOptions, host: Host) -> None:
        """Whatever makes a tunnel that would not work, before anything is made."""
        if not host.makes("vxlan"):
            raise HostError("this kernel has no vxlan links", "load or build that driver: modprobe vxlan")
        link = host.link(options.dev)
        if link is None:
            raise NotFoundError(f"this host has no link {options.dev}", "`ip link` lists them; name another with --dev")
        if not link.up:
            raise HostError(f"{options.dev} is down", f"put it up: ip link set dev {options.dev} up")
        self._refuse_peers(options, host)
        if host.link(tunnel_name(options.vni)):
            raise ConflictError(f"VNI {options.vni} is in use by {tunnel_name(options.vni)}", "choose another --vni")
        if options.public:
            sealed.refuse(options.vni, host)
        if options.fast_path:
            fastpath.refuse(host)

    def _refuse_peers(self, options: OverlayOptions, host: Host) -> None:
        own = [bare(address) for address in host.addresses(options.dev)]
        if options.local not in own:
            raise ConfigError("local", f"{options.dev} has no address {options.local}", f"it has {', '.join(own)}")
        for peer in options.peers:
            if peer in own:
                raise ConfigError("peer", f"{peer} is this host itself", "name the other hosts")
            way = host.way_to(peer)
            if way is None:
                raise HostError(f"no route leads to the peer {peer}", f"see: ip route get {peer}")
            if way.dev != options.dev:
                raise ConfigError("peer", f"the way to {peer} is by {way.dev}, not {options.dev}", "see --dev, --local")

    def _options(self, net: Network) -> OverlayOptions:
        """Read once for each network: there may be hundreds of peers to plan for."""
        if self._read is None or self._read[0] is not net:
            self._read = net, self.parse_options(dict(net.options), f"networks.{net.name}.options")
        return self._read[1]


def _room(options: OverlayOptions, host: Host) -> int:
    """What the tunnel carries on the narrowest way to a peer."""
    overhead = OVERHEAD[6] + sealed.OVERHEAD if options.public else OVERHEAD[family(options.local)]
    link = host.link(options.dev)
    ways = [way.mtu for peer in options.peers if (way := host.way_to(peer)) and way.mtu]
    return min([*ways, *([link.mtu] if link else [])], default=1500) - overhead


def _sealed(options: OverlayOptions, mtu: int, host: Host) -> Plan:
    """What an encrypted overlay's tunnel runs in; nothing for others."""
    if not options.public:
        return Plan()
    carries = max(mtu + OVERHEAD[6], sealed.SMALLEST)
    return sealed.sealed(options.vni, options.key, options.public, options.port, carries, host)


def _let_in(options: OverlayOptions, end: str, host: Host) -> Plan:
    """What a peer's tunnel sends comes in."""
    vxlan = options.tunnel
    opened = fastpath.fast_peer(vxlan, end) if options.opens else Plan()
    return let_in(end, vxlan.dev, vxlan.port, vxlan.vni, host) + opened


def _keys(raw: Mapping[str, object], store: str, at: str) -> tuple[str, str]:
    """Where the private key is, and the public one; "" for both where an overlay is not encrypted."""
    if not raw.get("key") and not raw.get("public"):
        return "", ""
    if not store:
        raise ConfigError(f"{at}.key", "hosts tell each other their keys in a store", "name one with --store")
    return str(raw.get("key")), parse.wireguard_key(raw.get("public"), f"{at}.public")


def _vni(raw: Mapping[str, object], at: str) -> int:
    vni = number(raw, "vni", at)
    if not 0 < vni <= _LARGEST_VNI:
        raise ConfigError(f"{at}.vni", f"{vni} is no VNI", f"a number from 1 to {_LARGEST_VNI}")
    return vni


def _check_peers(local: str, peers: Sequence[str], group: str, at: str) -> None:
    if peers and group:
        raise ConfigError(f"{at}.group", "peers are named one by one, or by a group", "leave one of both out")
    for peer in (*peers, *([group] if group else [])):
        if family(peer) != family(local):
            raise ConfigError(f"{at}.peers", f"{peer} is of another family than {local}", "see --local")
        if peer == local:
            raise ConfigError(f"{at}.peers", f"{peer} is this host itself", "name the other hosts")
    if group and not is_multicast(group):
        raise ConfigError(f"{at}.group", f"{group} is no multicast address", "for example 239.1.1.42, or ff05::42")
    if odd := next((peer for peer in peers if is_multicast(peer)), ""):
        raise ConfigError(f"{at}.peers", f"{odd} is a multicast address", "say --group for that")


def is_multicast(address: str) -> bool:
    """Whether an address is a group's."""
    return address.startswith("ff") if ":" in address else 224 <= int(address.partition(".")[0]) < 240
