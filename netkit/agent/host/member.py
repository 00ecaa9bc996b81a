"""What this host is in a network of leased subnets: values made of its configuration, its link and its lease."""

from __future__ import annotations

from netkit.agent.config import Config, Pool
from netkit.agent.subnetenv import SubnetEnv
from netkit.errors import ConfigError, ConflictError
from netkit.ipam.pool import default_gateway, overlaps, prefix_length
from netkit.model import Network, PeerHost, Subnet, alone, family
from netkit.parts.backends import Keys, Realm, backend, wireguard
from netkit.parts.backends.vxlan import vtep_mac
from netkit.stores.model import ALIVE, GONE, Host, Settings
from netkit.stores.records import public
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.agent.iface import Iface
    from netkit.plan.host import Host as Observed
    from netkit.stores.model import Claim, Snapshot


class Member(Value):
    """This host in the network: what it has leased, by which link it reaches the others, and how.

    `lost` says why another may have the lease by now: what is attached stays, and nobody is taken in. With `fast_path`,
    programs in the kernel do what the proxy of backend `udp` does.
    """

    node: str
    config: Config
    iface: Iface
    leased: tuple[str, ...] = ()
    ip_masq: bool = True
    name: str = "flannel"
    lost: str = ""
    session: str = ""
    keys: Keys = Keys()
    fast_path: bool = False

    def network(self) -> Network:
        """The network as netkit has it: a bridge with the leased subnets."""
        config, iface = self.config, self.iface
        options = {
            "node": self.node,
            "backend": config.backend,
            "network": ",".join(config.networks),
            "dev": iface.dev,
            "local": iface.local,
            "local6": iface.local6 if len(config.networks) > 1 or not iface.local else "",
            "vni": str(config.vni),
            "port": str(config.port) if config.port else "",
            "direct": _word(config.direct),
            "learning": _word(config.learning),
            "gbp": _word(config.gbp),
            "fast_path": _word(self.fast_path),
            "masquerade": "on" if self.ip_masq else "off",
            "lost": self.lost,
            **self._keys(),
        }
        subnets = tuple(Subnet(cidr, default_gateway(cidr)) for cidr in self.leased)
        said = tuple((key, value) for key, value in options.items() if value)
        return Network(self.name, "flannel", "", subnets, self._mtu(), options=said)

    def _keys(self) -> dict[str, str]:
        """What encrypted tunnels need, as options; nothing for other backends."""
        keys = self.keys
        if not keys.file:
            return {}
        numbers = {name: str(value) for name, value in (("port6", keys.port6), ("keepalive", keys.keepalive)) if value}
        words = {"key": keys.file, "public": keys.public, "psk": keys.psk, "mark": keys.mark, "mode": keys.mode}
        return words | numbers

    def _mtu(self) -> int:
        """What is left of the underlay's: of what is configured, or of the link's."""
        config, iface = self.config, self.iface
        realm = Realm(self.node, config.networks, self.leased, iface.dev, iface.local, iface.local6)
        return (config.mtu or iface.mtu) - backend(config.backend).overhead(realm)

    def in_the_way(self, host: Observed) -> str:
        """A route of the host into the network, "" when there is none: it would be cut off.

        A proxy that stands before the network does has given its device an address, to which IPv6 has a route.
        """
        known = self.config.networks
        devices = backend(self.config.backend).devices(Realm(self.node, known, known, self.iface.dev))
        for cidr in self.config.networks:
            for route in host.routes(family(cidr)):
                itself = route.dev in devices and route.dst == alone(route.dst)
                if route.dst != "default" and overlaps(cidr, route.dst) and not itself:
                    return f"{cidr} overlaps the host's route {route.dst} dev {route.dev}"
        return ""

    def check(self) -> None:
        """ConfigError when what is said of this host cannot be, HostError when its link is not fit for the backend."""
        link = self.iface
        if self.config.mtu > link.mtu:
            what = f"{self.config.mtu} bytes are more than {link.dev} carries, {link.mtu}"
            raise ConfigError("Backend.MTU", what, "it counts the backend's own bytes, too; leave it out")
        public(link.public, settings(self.config), "--public-ip")
        if self.fast_path:
            self._check_fast_path()
        if self.config.backend == "wireguard":
            networks, mode = self.config.networks, Keys(mode=self.config.mode)
            wireguard.check(Realm(self.node, networks, (), link.dev, link.local, link.local6, keys=mode))

    def _check_fast_path(self) -> None:
        if self.config.backend != "udp":
            raise ConfigError("--fast-path", f"is for backend udp, and this network's is {self.config.backend}")
        if not (self.iface.local and self.config.four.cidr):
            raise ConfigError("--fast-path", "takes IPv4 between hosts and between containers", "leave it out")

    def record(self, left: bool = False) -> Host:
        """What it says of itself to the others; of a fast path once it has a lease, and with that its programs."""
        config, iface = self.config, self.iface
        realm = Realm(self.node, config.networks, self.leased, iface.dev, vni=config.vni)
        of_vxlan, of_wireguard = config.backend == "vxlan", config.backend == "wireguard"
        return Host(
            self.node,
            iface.public,
            config.vni,
            vtep_mac(realm, 4 if config.four.cidr else 6) if of_vxlan else "",
            left=left,
            public6=iface.public6 if config.six.cidr and iface.public6 != iface.public else "",
            backend=config.backend,
            vtep6=vtep_mac(realm, 6) if of_vxlan and len(config.networks) > 1 else "",
            session=self.session,
            port=(config.port or wireguard.PORT) if of_wireguard else config.port,
            key=self.keys.public,
            port6=(config.port6 or wireguard.PORT6) if of_wireguard else 0,
            fast_path=self.fast_path and bool(self.leased),
        )

    def env(self, mtu: int) -> SubnetEnv:
        """What subnet.env says."""
        gateways = tuple(f"{default_gateway(cidr)}/{prefix_length(cidr)}" for cidr in self.leased)
        return SubnetEnv(self.config.networks, gateways, mtu, self.ip_masq)

    def peers(self, found: Snapshot) -> tuple[tuple[PeerHost, ...], tuple[str, ...]]:
        """The other hosts that have a lease, and why some are not led to, a line each.

        Of two at one address, or with overlapping leases, the one that lives is believed: a machine may have the
        address of one that died. Of two that live it is the one with the higher generation: it is the later one, and
        claims are made only when the earlier is gone.
        """
        hosts = {seen.host.node: seen.host for seen in found.hosts if seen.state != GONE}
        living = {seen.host.node for seen in found.hosts if seen.state == ALIVE}
        claims = [claim for claim in found.claims if claim.subnets and claim.node not in ("", self.node)]
        believed: list[PeerHost] = []
        refused: list[str] = []
        for claim in sorted(claims, key=lambda each: (each.node not in living, -each.generation, each.resource)):
            host = hosts.get(claim.node)
            if host is None:
                continue
            peer = _peer(host, claim)
            if why := self._amiss(host, peer, believed):
                refused.append(f"{', '.join(claim.subnets)} of host {host.node} at {host.public}: {why}")
            else:
                believed.append(peer)
        return tuple(sorted(_by_host(believed), key=lambda peer: peer.subnets)), tuple(refused)

    def _amiss(self, host: Host, peer: PeerHost, others: list[PeerHost]) -> str:
        if host.backend != self.config.backend:
            return f"its backend is {host.backend}, not {self.config.backend}"
        if host.public in (self.iface.public, self.iface.local):
            return "its address is this host's own: two hosts may have one --public-ip"
        for subnet in peer.subnets:
            if not any(family(subnet) == family(net) and overlaps(subnet, net) for net in self.config.networks):
                return "it is outside of the network"
            if any(family(subnet) == family(mine) and overlaps(subnet, mine) for mine in self.leased):
                return "it overlaps this host's own lease"
        if any(host.public == other.address and host.node != other.node for other in others):
            return "another host says to be at that address"
        if self.config.backend == "vxlan" and not (host.vtep or host.vtep6):
            return "it does not say its tunnel's MAC"
        return self._key_amiss(host, others) if self.config.backend == "wireguard" else ""

    def _key_amiss(self, host: Host, others: list[PeerHost]) -> str:
        """Two peers with one key are one peer to the kernel, and it passes over one with our own."""
        if not host.key:
            return "it does not say its public key"
        if host.key == self.keys.public:
            return "its public key is this host's own: was this host's state copied?"
        if any(host.key == other.key and host.node != other.node for other in others):
            return "another host has said to have that public key"
        return ""


def settings(config: Config) -> Settings:
    """What all hosts must agree on."""
    four, six = config.four, config.six
    first, other = (four, six) if four.cidr else (six, Pool())
    return Settings(
        first.cidr,
        first.length,
        config.vni,
        cidr6=other.cidr,
        length6=other.length,
        backend=config.backend,
        port=config.port,
        first=first.first,
        last=first.last,
        first6=other.first,
        last6=other.last,
    )


def config(agreed: Settings) -> Config:
    """The configuration of a network that others have made: what they do not agree on is as usual."""
    if not agreed.cidr or not agreed.length:
        raise ConflictError("this store's network leases no subnets", "name another, or give --config")
    first = Pool(agreed.cidr, agreed.length, agreed.first, agreed.last)
    other = Pool(agreed.cidr6, agreed.length6, agreed.first6, agreed.last6) if agreed.cidr6 else Pool()
    four, six = (first, other) if family(agreed.cidr) == 4 else (Pool(), first)
    return Config(agreed.backend or "vxlan", four, six, agreed.vni or 1, agreed.port)


def _peer(host: Host, claim: Claim) -> PeerHost:
    return PeerHost(
        host.node,
        host.public,
        host.public6,
        host.vtep,
        host.vtep6,
        host.port,
        claim.subnets,
        key=host.key,
        port6=host.port6,
        fast_path=host.fast_path,
    )


def _by_host(peers: list[PeerHost]) -> list[PeerHost]:
    """One peer a host, with all that it has leased: to a tunnel that knows keys, a key is one peer."""
    found: dict[str, PeerHost] = {}
    for peer in peers:
        before = found.get(peer.node)
        found[peer.node] = before.replace(subnets=before.subnets + peer.subnets) if before else peer
    return list(found.values())


def _word(on: bool) -> str:
    return "on" if on else ""
