"""VLANs on a bridge: containers of one do not see those of another, and a trunk brings several to one container."""

from __future__ import annotations

from netkit.errors import ConfigError, HostError
from netkit.plan.rare.vlan import DEFAULT, VlanAdd, VlanDel, VlanFilter
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.plan.host import Host

HIGHEST = 4094

Trunk = tuple[tuple[int, int], ...]


def vlan(value: str, at: str) -> int:
    """One VLAN id, 0 for none."""
    if not value:
        return 0
    if not (value.isascii() and value.isdigit() and len(value) <= 4 and 1 <= int(value) <= HIGHEST):
        raise ConfigError(at, f"{value[:40]!r} is no VLAN", f"use 1 to {HIGHEST}")
    return int(value)


def trunk(value: str, at: str) -> Trunk:
    """`10,20-30` as inclusive ranges."""
    found: list[tuple[int, int]] = []
    for part in value.split(",") if value else ():
        start, dash, end = part.partition("-")
        first = vlan(start or "?", at)
        last = vlan(end or "?", at) if dash else first
        if last < first:
            raise ConfigError(at, f"the range {part} runs backwards", f"write {end}-{start}")
        found.append((first, last))
    return tuple(found)


def refuse_guarded(tagged: str, guard: bool, host: Host) -> None:
    """A guarded port sends ARP and IP of its own addresses and nothing else: frames with a tag would die in silence."""
    if tagged and guard and host.firewall == "nftables":
        what = "a port that is guarded sends no frame with a tag, so nothing would come of a trunk"
        raise ConfigError("options.trunk", what, "say -o guard=off too (in CNI: macspoofchk false), or leave trunk out")


def filtering(bridge: str, access: int, host: Host) -> Plan:
    """The bridge looks at VLANs, and the host takes part in the access VLAN without a tag.

    One that was there before gets back what it had.
    """
    if not host.filters_vlans():
        hint = "load a kernel with CONFIG_BRIDGE_VLAN_FILTERING, or leave vlan and trunk out"
        raise HostError("this kernel's bridges do no VLAN filtering", hint)
    before = host.vlans(bridge)
    plan = Plan() if before.looks else Plan.of((VlanFilter(bridge), "the bridge looks at VLANs"))
    joins = VlanAdd(bridge, access, access, access=True, own=True, was=before.access)
    if not access or joins.holds(host):
        return plan
    return plan + Plan.of((joins, f"the host is in VLAN {access}"))


def port_vlans(port: str, access: int, tagged: Trunk, keep_default: bool) -> Plan:
    """A port's VLANs: untagged frames are of `access`, or of the default VLAN of a trunk that has none.

    That one is left out of the trunk: the kernel would take it from untagged frames and give them no other.
    """
    plan, ranges = Plan(), tuple(_without(tagged, access or DEFAULT))
    if access:
        plan += Plan.of((VlanAdd(port, access, access, access=True), f"its frames are of VLAN {access}"))
        if not (keep_default or any(first <= DEFAULT <= last for first, last in ((access, access), *ranges))):
            plan += Plan.of((VlanDel(port, DEFAULT, DEFAULT), "and of no other"))
    steps = ((VlanAdd(port, first, last), "a VLAN of its trunk, with its tag") for first, last in ranges)
    return plan + Plan.of(*steps)


def _without(ranges: Trunk, vlan: int) -> Iterator[tuple[int, int]]:
    for first, last in ranges:
        parts = ((first, vlan - 1), (vlan + 1, last)) if first <= vlan <= last else ((first, last),)
        yield from (part for part in parts if part[0] <= part[1])
