"""Who we are: the executable's name (or its stub) decides what a configuration means, the verbs are the same for all.

netkit                       a link, addresses, ports, masquerade and isolation in one process
bridge  ptp                  the same, with the reference's defaults
macvlan  ipvlan              a link that stands on one of the host's, and addresses
host-device                  a link of the host's, and addresses
netkit-ipam  host-local      addresses, for a link that another plugin makes
dhcp                         the same, from the LAN's own server
portmap                      published ports, for a link that another plugin has made
tuning                       settings of a link that another plugin has made, and of its namespace
bandwidth                    limits, for a link that another plugin has made
firewall                     isolation, for a link that another plugin has made
loopback                     lo
static                       addresses that the configuration says
"""

from __future__ import annotations

from netkit.cni.failure import ENVIRONMENT, CniError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from netkit.cni.call import Call
    from netkit.cni.result import Result
    from netkit.cni.wish import Wish
    from netkit.engine.service import Engine
    from netkit.state.records import Record

    class Role(Protocol):
        """What a role's module offers."""

        def read(self, call: Call) -> Wish | None:
            """What the configuration asks for, None when that is nothing; ConfigError says where it is off."""

        def stateless(self, call: Call) -> Result:
            """The result of an ADD for which the engine has nothing to do; where there is none, it is empty."""

        def answer(self, call: Call, wish: Wish, record: Record, engine: Engine) -> Result:
            """The result of an ADD, without what earlier plugins have done."""


#: The module of each role.
MODULES = {
    "netkit": "link",
    "bridge": "link",
    "ptp": "link",
    "macvlan": "stacked",
    "ipvlan": "stacked",
    "host-device": "device",
    "netkit-ipam": "ipam",
    "host-local": "ipam",
    "portmap": "chained",
    "firewall": "chained",
    "bandwidth": "bandwidth",
    "tuning": "tuning",
    "loopback": "loopback",
    "static": "static",
    "dhcp": "ipam",
}


def role(name: str) -> Role:
    """The module of a role; loaded when it is asked for."""
    if name not in MODULES:
        raise CniError(ENVIRONMENT, f"netkit has no plugin {name[:80]!a}", f"it can be {', '.join(MODULES)}")
    found: Role = __import__(f"netkit.cni.{MODULES[name]}", fromlist=["read"])
    return found
