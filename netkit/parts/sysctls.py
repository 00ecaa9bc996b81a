"""Kernel settings of the container's own namespace, as they were asked for."""

from __future__ import annotations

from netkit.errors import ConfigError
from netkit.plan.ops import SysctlSet
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import Endpoint
    from netkit.plan.host import Host
    from netkit.plan.ops import Op

#: Stands for the attachment's interface in a key.
INTERFACE = "IFNAME"


def sysctls(ep: Endpoint, wanted: tuple[tuple[str, str], ...], host: Host) -> Plan:
    """The settings last of all: what was asked for goes before what netkit thinks best.

    A key of an interface that is still to come has the value of `default`, and dies with it.
    """
    steps: list[tuple[Op, str]] = []
    for raw, value in wanted:
        parts = [ep.ifname if part == INTERFACE else part for part in raw.split("/")]
        key, mine = "/".join(parts), ep.ifname in parts
        was = host.sysctl(key, ep.netns)
        if was is None and mine:
            was = host.sysctl("/".join("default" if part == ep.ifname else part for part in parts), ep.netns)
        if was is None:
            hint = "`sysctl -a` inside the namespace lists what it has; the rest is the whole machine's"
            raise ConfigError("sysctl", f"the container's namespace has no {key.replace('/', '.')}", hint)
        if mine or was != value:
            op = SysctlSet(key, value, was, ep.netns, dev=ep.ifname if mine else "")
            steps.append((op, "a setting that was asked for"))
    return Plan.of(*steps)
