"""Ops of a WireGuard tunnel: its own end, and one peer after the other.

A key that must stay secret is in no op: an op names the file that holds it, and what it is known by again: the public
key of a pair, the mark of a preshared key. A peer is written with replace, as the kernel knows no other way.

The endpoint of a peer that talks is where it talks from, whatever we said: it has proved that by its key. So another
one is as good while the last handshake is fresh.
"""

from __future__ import annotations

from netkit.plan.ops import Op
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.plan.host import Host


#: What is said where there is none, and what to do.
LACKING = "this kernel has no WireGuard"
HINT = "it takes Linux 5.6 or newer with that driver (modprobe wireguard); or use the backend vxlan"


class TunnelPeer(Value):
    """A peer as the kernel shows it: `mark` is that of its preshared key, `fresh` that its session lives."""

    public: str
    endpoint: str = ""
    allowed: frozenset[str] = frozenset()
    keepalive: int = 0
    mark: str = ""
    fresh: bool = False


class Tunnel(Value):
    """A WireGuard link as the kernel shows it; nothing of it for any other link."""

    public: str = ""
    port: int = 0
    peers: tuple[TunnelPeer, ...] = ()


class EndSet(Op):
    """Give a tunnel its private key, which is in the file `key`, and its UDP port; `public` goes with that key."""

    dev: str
    key: str
    public: str
    port: int

    def reverse(self) -> tuple[Op, ...]:
        return (EndClear(self.dev),)

    def holds(self, host: Host) -> bool:
        seen = host.wireguard(self.dev)
        return (seen.public, seen.port) == (self.public, self.port)


class EndClear(Op):
    """Have a tunnel forget its private key; it then speaks to nobody, on whatever port."""

    dev: str

    def holds(self, host: Host) -> bool:
        return not host.wireguard(self.dev).public


class PeerAdd(Op):
    """Whoever has the key to `public` may speak for the prefixes `allowed`, and is sent what is for them.

    `endpoint` is where it is, `192.0.2.9:51820` or `[2001:db8::9]:51820`; `keepalive` in seconds, 0 for none; `psk` the
    file of a preshared key, "" for none, and `mark` what that is known by.
    """

    dev: str
    public: str
    endpoint: str
    allowed: tuple[str, ...]
    keepalive: int = 0
    psk: str = ""
    mark: str = ""

    def reverse(self) -> tuple[Op, ...]:
        return (PeerDel(self.dev, self.public),)

    def holds(self, host: Host) -> bool:
        peers = host.wireguard(self.dev).peers
        wanted = (self.public, frozenset(self.allowed), self.keepalive, self.mark)
        found = next((p for p in peers if (p.public, p.allowed, p.keepalive, p.mark) == wanted), None)
        return found is not None and (found.fresh or found.endpoint == self.endpoint)


class PeerDel(Op):
    """Know a peer no longer, and take nothing from it."""

    dev: str
    public: str

    def holds(self, host: Host) -> bool:
        return all(peer.public != self.public for peer in host.wireguard(self.dev).peers)
