"""Ops of the fast path of backend `udp`: programs (eBPF) carry what the proxy would carry, in the kernel.

    container --> flannel0 [program] ==> UDP, port 8285, by the link to the others      to peers that take it so
    container <-- flannel0 <====================== [program] at that link               from peers, if it is theirs

Whatever is not plainly an IPv4 packet between this host's containers and those of such a peer goes on to the device and
its proxy as before; what has been carried so never met a proxy at either end.
"""

from __future__ import annotations

from netkit.naming import short_id
from netkit.plan.ops import Op
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.plan.host import Host

#: What a host asks the kernel by.
WANTED = "udp path"
#: How the programs' names begin, and what tells these programs from those of another version of netkit.
OURS = "nku"
_MADE = "1"


class UdpPath(Value):
    """What our program at a link is: its name, and the number of the memory of peers that it looks into.

    `peers` is what that holds, told of the device alone: subnet, address, port, whether it takes what a kernel sends.
    """

    program: str = ""
    memory: int = 0
    peers: frozenset[tuple[str, str, int, bool]] = frozenset()


class UdpPathAdd(Op):
    """Programs at the TUN device `dev`, and at `link`, where peers send to the address `local` and `port`.

    `leased` are this host's IPv4 subnets. The programs and what they know go with the two links. Others' stay.
    """

    dev: str
    link: str
    local: str
    port: int
    leased: tuple[str, ...]

    @property
    def program(self) -> str:
        """What both programs are called: another for other numbers in them."""
        return OURS + short_id(_MADE, self.dev, self.link, self.local, str(self.port), *self.leased)

    def reverse(self) -> tuple[Op, ...]:
        return (UdpPathDel(self.dev, self.link),)

    def holds(self, host: Host) -> bool:
        sends, receives = host.udp_path(self.dev), host.udp_path(self.link)
        return sends.program == receives.program == self.program and sends.memory == receives.memory


class UdpPathDel(Op):
    """Take our programs from both links."""

    dev: str
    link: str

    def holds(self, host: Host) -> bool:
        return not any(host.udp_path(each).program for each in (self.dev, self.link))


class UdpPeerAdd(Op):
    """A subnet is behind the peer at this address and port.

    What comes from there is its own to send. It `takes` what a kernel sends; else what is for it goes to the proxy.
    """

    dev: str
    subnet: str
    address: str
    port: int
    takes: bool

    def reverse(self) -> tuple[Op, ...]:
        return (UdpPeerDel(self.dev, self.subnet),)

    def holds(self, host: Host) -> bool:
        return (self.subnet, self.address, self.port, self.takes) in host.udp_path(self.dev).peers


class UdpPeerDel(Op):
    """Send nothing to a subnet, and take nothing from it, but by the proxy."""

    dev: str
    subnet: str

    def holds(self, host: Host) -> bool:
        return all(subnet != self.subnet for subnet, *_ in host.udp_path(self.dev).peers)
