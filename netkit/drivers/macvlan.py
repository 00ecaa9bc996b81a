"""The macvlan driver: a container is one more machine on the host's LAN.

    eth0 (own MAC, address of the LAN)
      ^|   born inside, made of the parent
    [ eth0 of the host ] ==wire== switch of the LAN == router, other machines
      ^v   with -o host=on
    nk-NAME (the host's own foot)

A packet out: the container's link hands its frame to the parent's wire, past the host's address, routes and rules. A
packet in: the parent's driver gives a frame to the link whose MAC it bears. So the host and its containers do not hear
each other through the parent, unless the host has a macvlan link of its own (`host`), and ports cannot be published.

Between containers of one parent, by mode:
    bridge    frames go straight from link to link
    private   never
    vepa      by the switch of the LAN, if it sends frames back where they came from (reflective relay, 802.1Qbg)
    passthru  the parent has one link only, which has its MAC and hears all there is
"""

from __future__ import annotations

from netkit import parse
from netkit.drivers.onparent import OnParent, ParentOptions, in_subnets
from netkit.drivers.options import number
from netkit.drivers.protocols import Attachment
from netkit.errors import ConfigError
from netkit.naming import short_id
from netkit.parts.parent import parent
from netkit.parts.shim import feet, reached, shim
from netkit.plan.kinds import Macvlan as Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netkit.model import AttachRequest, Lease, Network, NsRef
    from netkit.plan.host import Host
    from netkit.plan.kinds import Stacked
    from netkit.plan.steps import Plan

_WORDS = {
    "bridge": "frames go straight between links of one parent",
    "private": "no frame goes between links of one parent",
    "vepa": "frames between links of one parent go by the LAN's switch",
    "passthru": "it has the parent to itself",
}


class MacvlanOptions(ParentOptions):
    """`host` are the host's addresses on its own foot, () for those that fit best, None for no foot."""

    host: tuple[str, ...] | None = None
    bcqueuelen: int = 0


class Macvlan(OnParent):
    """One more machine on the host's LAN."""

    name = "macvlan"
    modes = tuple(_WORDS)
    further = ("host", "bcqueuelen")

    def parse_options(self, raw: Mapping[str, object], at: str) -> MacvlanOptions:
        common = self.common(raw, at)
        foot = _foot(raw.get("host", "off"), f"{at}.host")
        if foot is not None and (common["mode"] != "bridge" or common["inside"] or not common["addresses"]):
            raise ConfigError(
                f"{at}.host",
                "the host can stand among its containers only in mode bridge, on its own link, and with addresses",
                "leave host out, or the other options",
            )
        return MacvlanOptions(**common, host=foot, bcqueuelen=number(raw, "bcqueuelen", at))

    def info(self, net: Network, options: ParentOptions, ns: NsRef | None) -> Stacked:
        return Kind(net.parent, options.mode, ns, self._options(net).bcqueuelen)

    def shares_mac(self, options: ParentOptions) -> bool:
        return options.mode == "passthru"

    def words(self, options: ParentOptions) -> str:
        return _WORDS[options.mode]

    def network_up(self, net: Network, host: Host) -> Plan:
        plan = super().network_up(net, host)
        named = self._options(net).host
        if named is None:
            return plan
        return plan + shim(net, self.shim(net), parent(net, host), feet(net, host, named), host)

    def attach(self, net: Network, req: AttachRequest, leases: Sequence[Lease], host: Host) -> Attachment:
        made = super().attach(net, req, leases, host)
        if self._options(net).host is None:
            return made
        return made.replace(plan=made.plan + reached(made.endpoint, self.shim(net)))

    def taken(self, net: Network, host: Host) -> tuple[str, ...]:
        """The addresses of the host's own foot, too."""
        return in_subnets(net, (*super().taken(net, host), *(self._options(net).host or ())))

    def shim(self, net: Network) -> str:
        """The name of the host's own foot."""
        return f"nk-{net.name}" if len(net.name) <= 12 else f"nk-{short_id('shim', net.name)}"

    def _options(self, net: Network) -> MacvlanOptions:
        return self.parse_options(dict(net.options), f"networks.{net.name}.options")


def _foot(value: object, at: str) -> tuple[str, ...] | None:
    """`off`, `on`, or one address a subnet with commas between."""
    word = str(value).lower()
    if word in ("off", "no", "false"):
        return None
    if word in ("on", "yes", "true"):
        return ()
    return tuple(parse.address(each.strip(), at) for each in word.split(","))
