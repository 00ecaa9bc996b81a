"""The ipvlan driver: more addresses on the host's link, under its one MAC.

    eth0 (the parent's MAC, own address)
      ^|   born inside, made of the parent
    [ eth0 of the host ] ==wire== the LAN, which sees one machine with many addresses

Where a switch allows one MAC a port (many clouds, Wi-Fi), macvlan is of no use and ipvlan is. A packet in is given to
the link that has its destination's address; the host itself reaches none of them. By mode:
    l2   ARP and broadcasts work as on the LAN; the gateway is the LAN's
    l3   the parent routes: no ARP, no broadcast; the LAN must have a route to the subnet by this host
    l3s  the same, and the packets pass the host's netfilter
"""

from __future__ import annotations

from netkit.drivers.onparent import OnParent, ParentOptions
from netkit.errors import ConfigError
from netkit.parts.addresses import default_routes
from netkit.plan.kinds import Ipvlan as Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import AttachRequest, Endpoint, Network, NsRef
    from netkit.plan.host import Host
    from netkit.plan.kinds import Stacked
    from netkit.plan.steps import Plan

_WORDS = {
    "l2": "one more address under the parent's MAC",
    "l3": "the parent routes to it",
    "l3s": "the parent routes to it, by the host's netfilter",
}


class Ipvlan(OnParent):
    """More addresses on the host's link."""

    name = "ipvlan"
    modes = tuple(_WORDS)

    def info(self, net: Network, options: ParentOptions, ns: NsRef | None) -> Stacked:
        return Kind(net.parent, options.mode, ns)

    def shares_mac(self, options: ParentOptions) -> bool:
        return True

    def words(self, options: ParentOptions) -> str:
        return _WORDS[options.mode]

    def share(self, net: Network, other: Network) -> str:
        """The kernel keeps one mode a parent: a link of another would change it for those that are there."""
        mode, theirs = self._options(net).mode, self._options(other).mode
        return "" if mode == theirs else f"all ipvlan links on it are of mode {theirs}, not {mode}"

    def _refuse(self, req: AttachRequest, options: ParentOptions) -> None:
        super()._refuse(req, options)
        if req.rate_in and options.mode == "l3s":
            what = "what arrives in mode l3s is the parent's as far as queues know, and cannot wait for its turn"
            raise ConfigError("rate_in", what, "use -o mode=l3, or --rate-out alone")

    def way_out(self, ep: Endpoint, options: ParentOptions, host: Host) -> Plan:
        """Where the parent routes there is no gateway to ask for: everything goes out by the link."""
        return default_routes(ep, host, direct=options.mode != "l2")
