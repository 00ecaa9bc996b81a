"""A way past the bridge for what goes to the tunnel of an overlay, or comes from it: programs of the kernel (eBPF).

eth0 ==veth== nk3f9c... [program] ==> nkv42          what the guard of the port and the bridge would let through anyhow
eth0 <========= [program] the underlay <==           what the guard of the tunnel would let in
"""

from __future__ import annotations

from netkit.errors import UnsupportedError
from netkit.model import bare, family
from netkit.naming import link_local
from netkit.parts.tunnel import tunnel_name
from netkit.plan.rare.fastpath import (
    HINT,
    LACKING,
    FastPathAdd,
    FastPeerAdd,
    FastPortAdd,
    FastUnderlayAdd,
    underlay_program,
)
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import Endpoint
    from netkit.plan.host import Host
    from netkit.plan.rare.vxlan import Vxlan

#: What a host asks the kernel by.
WANTED = "fast path"


def fast_path(vni: int, mac: str) -> Plan:
    """The tunnel's end of it; `mac` is the host's own in the overlay, which stays with the bridge."""
    why = "frames from the tunnel go straight to their containers, past the bridge and the IP firewall that it asks"
    return Plan.of((FastPathAdd(tunnel_name(vni), mac), why))


def fast_underlay(vxlan: Vxlan) -> Plan:
    """The underlay's end of it, for a tunnel whose peers are known."""
    op = FastUnderlayAdd(vxlan.dev, tunnel_name(vxlan.vni), vxlan.local, vxlan.port, vxlan.vni)
    return Plan.of(
        (op, f"what peers send is opened at {vxlan.dev}, where it comes in, and goes straight to containers")
    )


def fast_peer(vxlan: Vxlan, peer: str) -> Plan:
    """A peer whose packets are opened there."""
    program = underlay_program(vxlan.local, vxlan.port, vxlan.vni)
    return Plan.of((FastPeerAdd(vxlan.dev, program, peer), f"what {peer} sends is opened there"))


def fast_port(ep: Endpoint, vni: int, limited: bool) -> Plan:
    """A container's end of it; one that is `limited` in its rate keeps to the way where that is done."""
    addresses = () if limited else tuple(bare(address) for address in ep.addresses)
    if any(family(address) == 6 for address in addresses):
        addresses += (link_local(ep.mac),)
    why = "its rate is limited on the way by the bridge" if limited else "its frames go straight into the tunnel"
    return Plan.of((FastPortAdd(ep.host_ifname, tunnel_name(vni), ep.mac, addresses), why))


def refuse(host: Host) -> None:
    """Raise where there can be none."""
    if not host.makes(WANTED):
        raise UnsupportedError(LACKING, HINT)
