"""Firewall intent as values; `plan.nftables` and `plan.iptables` turn them into text.

A rule says what must be true of packets, never how a firewall writes it. Each is one thing that comes and goes as a
whole with one operation: the base with the first network, a network's rules with its bridge, a published port and a
guarded port with an attachment.
"""

from __future__ import annotations

from netkit.value import Value


class Rule(Value):
    """Anything that a firewall executor can add, delete and look for."""


class BaseRules(Rule):
    """What all other rules hang in: loopback and direct-route protection, publishing, isolation, masquerade."""


class ClosedTransit(Rule):
    """netkit itself turned forwarding of one IP `family` (4 or 6) on: transit of no container network stays dead.

    Transit through other container tools' own bridges (docker0, br-*, virbr*, cni*, ...) keeps its fate, and so does
    what comes in by `routers`: links that forwarded by themselves while the host as a whole did not.
    """

    family: int
    routers: tuple[str, ...] = ()


class NetworkRules(Rule):
    """One network: `device` carries `subnets` (prefixes in canonical text).

    A device that ends in `*` is a bundle: all links whose names begin so, each a cable to one container, which may send
    nothing but what is routed back to it.

    Containers may reach out (masqueraded) unless `internal`; may reach each other through the host if `icc`; no other
    network reaches in, and from outside only published ports and replies do, unless `routed`: then whoever has a route
    may open connections to the containers' own addresses. Without `masquerade` replies arrive by the subnet's own
    route, and only replies. A `guest` adds its subnets alone: another network on `device` has said the rest.
    """

    name: str
    device: str
    subnets: tuple[str, ...] = ()
    internal: bool = False
    icc: bool = True
    masquerade: bool = True
    routed: bool = False
    guest: bool = False

    @property
    def bundled(self) -> bool:
        """Whether the device is a bundle of cables."""
        return self.device.endswith("*")

    @property
    def by_route(self) -> bool:
        """Whether any packet from outside may carry a container's address as its destination."""
        return self.routed or not (self.masquerade or self.internal)


class Publish(Rule):
    """`count` ports of this host from `host_port` on lead to `address` from `port` on; `owner` is an attachment's id.

    `host_ip` is `0.0.0.0` or `::` for all of the host's own addresses of that family. `device` is the network's bridge.
    Only packets for an address of this host are translated. The client's address is preserved, but for hairpin and
    host-loopback traffic.
    """

    owner: str
    protocol: str
    host_ip: str
    host_port: int
    address: str
    port: int
    device: str
    count: int = 1


class PublishIf(Publish):
    """The same for those connections alone that meet `conditions`: words of the backend's own language.

    Those from `sources` (prefixes) go by another tool's `mark_chain` first, which marks what that tool masquerades
    (iptables only).
    """

    conditions: tuple[str, ...] = ()
    mark_chain: str = ""
    sources: tuple[str, ...] = ()


class Hairpin(Rule):
    """Connections to a published port of `address` from its own `subnet`, or from the host's loopback, are masqueraded.

    For a link that another tool made; `NetworkRules` does the same for all of a network of ours. A `subnet` of length 0
    is everybody.
    """

    address: str
    subnet: str


class KeepSource(Rule):
    """Connections to published ports of `address` keep their source, whoever they come from."""

    address: str


class Neighbour(Rule):
    """A bridge that another tool made: transit through `device` is let through, but between two `walled` ones."""

    device: str
    walled: bool = False


class Switched(Rule):
    """What the bridge `device` switches from port to port is not netkit's to judge, whatever else stays closed.

    With br_netfilter the kernel shows frames to the IP firewall as if they were routed, from the bridge to itself.
    """

    device: str


class AdminChain(Rule):
    """An administrator's own iptables `chain` is asked before netkit lets anything through, on behalf of `owner`.

    It is made when it is not there, and never emptied or removed. `parent` is where the jump to it stands. iptables
    only, also beside nftables: what it drops is dropped.
    """

    chain: str
    owner: str
    parent: str = "FORWARD"


class Tunnel(Rule):
    """What reaches this host's `port` for VXLAN network `vni` comes by `device`, from a host let in, or is dropped.

    With `anybody` it may come from whoever is there. `local` is an address of the tunnel's family.
    """

    device: str
    port: int
    vni: int
    anybody: bool
    local: str


class TunnelFrom(Rule):
    """The host `peer` is let in: to this host's `port`, by `device`, for VXLAN network `vni`."""

    device: str
    port: int
    vni: int
    peer: str


class Road(Rule):
    """What comes by `device` from `peer` for `local`, two prefixes, passes as it is, and what goes back does."""

    device: str
    peer: str
    local: str


class ZoneSource(Rule):
    """What comes from `source` (a prefix) is of a firewalld `zone`. firewalld only."""

    zone: str
    source: str


class PortGuard(Rule):
    """What a container's port may send: its own MAC and addresses (bare, canonical), and no router or DHCP-server talk.

    `addresses` hold the link-local address too, if the container may use IPv6. nftables only.
    """

    device: str
    mac: str
    addresses: tuple[str, ...] = ()


class Admit(Rule):
    """An accept for `device` in another tool's forward chain that would drop our packets.

    `where` names that chain as `kernel.foreign` found it: `iptables DOCKER-USER`, `ip6tables-legacy FORWARD`,
    `nft inet filter forward`. An accept in our own table does not undo a drop in another's (it is a verdict for one
    base chain only), so this is the only way to be heard there. A `switched` one is for what the bridge switches alone:
    our own chains judge nothing of a LAN, so what is routed there stays the other tool's to drop.
    """

    where: str
    device: str
    switched: bool = False
