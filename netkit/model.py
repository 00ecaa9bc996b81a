"""The words of the field, as values: Network, Subnet, AttachRequest, PortMap, Lease, Endpoint, NsRef.

Addresses are canonical text (`10.90.0.2/16`, `fd00::2/64`): what people read, what JSON holds, what the kernel layer
packs. `netkit.ipam.pool` does arithmetic on them, `netkit.parse` turns what users write into them.
"""

from __future__ import annotations

from netkit.value import Value

#: The address that stands for "any address of this host", by family.
ANY = {4: "0.0.0.0", 6: "::"}


def family(address: str) -> int:
    """4 or 6: the family of an address or prefix in canonical text."""
    return 6 if ":" in address else 4


def bare(address: str) -> str:
    """An address without its prefix length."""
    return address.partition("/")[0]


def alone(address: str) -> str:
    """An address as a prefix of its own: 10.90.0.2/32."""
    return f"{bare(address)}/{32 if family(address) == 4 else 128}"


class NsRef(Value):
    """A network namespace, by path, and by what it was when we looked: its inode and its cookie.

    The kernel reuses inode numbers at once; the cookie (SO_NETNS_COOKIE) is never used twice in one boot, so a path
    that now leads to another namespace is noticed. `path` works wherever `ip -n` or `nsenter --net=` take one.
    """

    path: str
    inode: int = 0
    cookie: int = 0


class Subnet(Value):
    """One subnet of a network: `10.90.0.0/16`, its gateway, and the part of it that addresses are taken from.

    `ip_range` is a prefix or `first-last`, "" for all of it. `also` are further ranges that stand in for this one, in
    order, when it is full: an attachment gets one address of a subnet and its `also` together.
    """

    cidr: str
    gateway: str
    ip_range: str = ""
    also: tuple[Subnet, ...] = ()


class Network(Value):
    """A network as a person made it: a mode, its subnets, and the mode's options.

    `device` is the bridge (or other link) that it lives on; one that ends in `*` is what the names of all its links
    begin with. `ipam` is who gives out its addresses: "" netkit's files, `static` whoever attaches. `parent` is the
    host's link that a mode builds on, the one of the way out where nobody names another; `mtu` 0 follows the egress
    route; `made_by_mode` marks the implicit network of `--mode M`.
    """

    name: str
    mode: str
    device: str = ""
    subnets: tuple[Subnet, ...] = ()
    mtu: int = 0
    internal: bool = False
    icc: bool = True
    parent: str = ""
    options: tuple[tuple[str, str], ...] = ()
    made_by_mode: bool = False
    ipam: str = ""

    @property
    def store(self) -> str:
        """Where the hosts of an overlay find each other, "" where they are named or asked for by what is flooded."""
        return dict(self.options).get("store", "") if self.mode == "overlay" else ""

    def has(self, dev: str) -> bool:
        """Whether a link of the host is this network's own."""
        return dev.startswith(self.device[:-1]) if self.device.endswith("*") else dev == self.device


class PortMap(Value):
    """Host ports that lead to a container's: `count` of them, starting at `host_port` and `container_port`.

    `host_ip` is canonical text; `0.0.0.0` and `::` mean every address of the host of that family.
    """

    protocol: str
    host_ip: str
    host_port: int
    container_port: int
    count: int = 1


class PeerHost(Value):
    """Another host of a network, by its `node` id: where its tunnel ends, and what lies behind it.

    `address` is where it is on the underlay, `address6` its IPv6 address where a network has both families; `mac` and
    `mac6` are those of its tunnel's devices, `port` its UDP port, 0 for the network's own, `port6` that of a tunnel for
    IPv6 alone; `key` is the public key of an encrypted one. With a `fast_path` it takes what kernels send for the
    backend `udp`. `subnets` are routed to it, `endpoints` are (address, MAC) pairs of single interfaces.
    """

    node: str
    address: str
    address6: str = ""
    mac: str = ""
    mac6: str = ""
    port: int = 0
    subnets: tuple[str, ...] = ()
    endpoints: tuple[tuple[str, str], ...] = ()
    key: str = ""
    port6: int = 0
    fast_path: bool = False


class Lease(Value):
    """An address that IPAM gave out: with its prefix length, and the gateway of its subnet."""

    address: str
    gateway: str


class RouteSpec(Value):
    """A route that a container gets; `via` "" is its gateway of that family, 0 and -1 leave the rest to the kernel."""

    dst: str
    via: str = ""
    mtu: int = 0
    advmss: int = 0
    metric: int = 0
    table: int = 0
    scope: int = -1


class Rate(Value):
    """At most so many bits a second; `burst` are the bits that may pass at once, 0 for what suits the rate."""

    bits: int
    burst: int = 0


class Dns(Value):
    """How names are looked up: the lines of a resolv.conf."""

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    domain: str = ""


class AttachRequest(Value):
    """What a caller wants: this namespace, on some network, under this interface name.

    `leases` are addresses that someone else's IPAM gave out; then netkit's own pools are not asked. `origin` is who
    keeps account of the attachment (a CNI configuration's name), and alone may call it stale. `link` is the host's end
    of a cable that another tool has laid, or a link of the host that the container gets. `rate_in` is towards the
    container, `rate_out` from it. `sysctls` are (key with slashes, value) pairs of the container's namespace, IFNAME
    in a key its interface. `tune` are settings of that, for a mode that changes a link which is there.
    """

    container: str
    netns: NsRef
    ifname: str = "eth0"
    name: str = ""
    pid: int = 0
    ips: tuple[str, ...] = ()
    mac: str = ""
    mtu: int = 0
    ports: tuple[PortMap, ...] = ()
    routes: tuple[RouteSpec, ...] = ()
    leases: tuple[Lease, ...] | None = None
    origin: str = ""
    link: str = ""
    rate_in: Rate | None = None
    rate_out: Rate | None = None
    sysctls: tuple[tuple[str, str], ...] = ()
    dns: Dns | None = None
    tune: tuple[tuple[str, int], ...] = ()

    @property
    def wants_more(self) -> bool:
        """Whether there is anything that no driver sees to by itself."""
        return bool(self.rate_in or self.rate_out or self.sysctls)


class Endpoint(Value):
    """An attachment as it will be, known before the kernel is touched; becomes the record and the CNI result."""

    id: str
    network: str
    mode: str
    container: str
    ifname: str
    netns: NsRef
    name: str = ""
    pid: int = 0
    host_ifname: str = ""
    mac: str = ""
    mtu: int = 0
    addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    ports: tuple[PortMap, ...] = ()
    routes: tuple[RouteSpec, ...] = ()
    origin: str = ""
    rate_in: Rate | None = None
    rate_out: Rate | None = None
    dns: Dns | None = None
