"""What the kernel's refusal of an op means, in words for people.

Loaded only when something has failed, since it needs the renderer of commands.
"""

from __future__ import annotations

import errno

from netkit.errors import ConflictError, HostError, KernelError, NetkitError
from netkit.naming import TUNNELS
from netkit.plan.kinds import Macvlan, Stacked
from netkit.plan.ops import AddrAdd, LinkAdd, LinkSet, Op, RouteAdd, RulesAdd, RulesDel, SysctlRestore, SysctlSet
from netkit.plan.rare.vxlan import Vxlan
from netkit.plan.rare.wireguard import EndSet
from netkit.plan.render import render


def explain(op: Op, failure: NetkitError) -> NetkitError:
    """The failure with the op's command, and as a conflict or a lack of the host where it is one."""
    if not isinstance(failure, KernelError) or isinstance(op, (SysctlSet, SysctlRestore, RulesAdd, RulesDel)):
        return failure  # it says all there is to say; the commands of a rule set would hide it (--dry-run shows them)
    command = "; ".join(str(command) for command in render(op))
    if conflict := _of_tunnel(op, failure.errno) or _of_stacked(op, failure.errno):
        return ConflictError(f"{conflict[0]} ({command}: {failure})", conflict[1])
    if failure.errno == errno.EEXIST and (taken := _taken(op)):
        return ConflictError(f"{taken} ({command})", "detach what holds it, or choose another")
    if failure.errno in (errno.EPERM, errno.EACCES):
        return HostError(f"{command}: {failure}", "run as root; in a container this takes CAP_NET_ADMIN")
    if failure.errno == errno.EOPNOTSUPP and isinstance(op, LinkAdd):
        return HostError(f"{command}: {failure}", f"this kernel has no {op.kind} links (load or build that driver)")
    return KernelError(f"{command}: {failure}", failure.errno, failure.hint)


def _of_tunnel(op: Op, number: int) -> tuple[str, str] | None:
    """What is in the way of a tunnel: its device is there at once, its socket when it is put up."""
    if isinstance(op, LinkSet) and op.up and number == errno.EADDRINUSE and op.dev.startswith(TUNNELS):
        return f"the UDP port of the tunnel {op.dev} is taken by a process", "`ss -lunp` shows which; or choose another"
    if isinstance(op, EndSet) and number == errno.EADDRINUSE:
        return (
            f"UDP port {op.port} is taken by a process",
            "`ss -lunp` shows which; or choose another: ListenPort, --port",
        )
    if isinstance(op, LinkAdd) and isinstance(op.info, Vxlan) and number == errno.EEXIST:
        what = f"a link of this host is called {op.name}, or has VNI {op.info.vni} at UDP port {op.info.port}"
        return what, "`ip -d link show type vxlan` shows it; choose another VNI, or another port"
    return None


def _of_stacked(op: Op, number: int) -> tuple[str, str] | None:
    """What is in the way of a link that stands on another, and what to do; the kernel says little of it."""
    if isinstance(op, LinkSet) and op.up and number == errno.EADDRINUSE:
        return f"another link on the same parent has the MAC address of {op.dev}", "choose another with --mac"
    if not isinstance(op, LinkAdd) or not isinstance(op.info, Stacked):
        return None
    parent, elsewhere = op.info.parent, op.ns != op.netns
    if number == errno.EBUSY:
        return (
            f"{parent} has another user: a bridge, a bond, or links of another kind stand on it",
            "`ip -d link` shows which; choose another --parent",
        )
    if number == errno.EINVAL and isinstance(op.info, Macvlan):
        return f"a passthru link has its parent to itself, and {parent} has links already", "detach what stands on it"
    if number == errno.EEXIST and elsewhere:
        return f"a link named {op.name} exists already", "choose another --ifname"
    return None


def _taken(op: Op) -> str:
    where = f" in {op.netns.path}" if op.netns else ""
    if isinstance(op, LinkAdd):
        if op.peer is None:
            return f"a link named {op.name} exists already{where}"
        there = f" in {op.peer.ns.path}" if op.peer.ns else ""
        return f"a link named {op.name}{where} or {op.peer.name}{there} exists already"
    if isinstance(op, AddrAdd):
        return f"{op.dev}{where} has the address {op.address} already"
    if isinstance(op, RouteAdd):
        return f"a route to {op.dst} exists already{where}"
    return ""
