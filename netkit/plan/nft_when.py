"""Published ports with conditions, as nftables text: a chain a port, which the map `when4` or `when6` leads to.

A map element cannot carry further matches, so the port's own rules do, in a chain that comes and goes with it. Where
they do not match, the packet goes on as if nothing were published there.
"""

from __future__ import annotations

from netkit.errors import HostError
from netkit.model import ANY, family
from netkit.plan import checked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.plan.rules import PublishIf

#: What the name of a port's own chain begins with.
OWN_CHAIN = "when_"


def chain(rule: PublishIf) -> str:
    """The name of the chain."""
    return f"{OWN_CHAIN}{checked.port_id(rule)}"


def element(rule: PublishIf) -> tuple[str, str, str]:
    """Map, key and value of the element that leads to the chain."""
    host, number = checked.address(rule.host_ip), family(rule.host_ip)
    first, last = checked.ports(rule.host_port, rule.count)
    where = f"{host}/0" if host in ANY.values() else host
    ports = f"{first}-{last}" if last > first else str(first)
    return f"when{number}", f"{where} . {checked.protocol(rule.protocol)} . {ports}", f"goto {chain(rule)}"


def rules(rule: PublishIf) -> list[str]:
    """The rules of the chain: one, or one a port where a range is shifted."""
    if rule.mark_chain:
        raise HostError(f"nftables cannot ask the iptables chain {rule.mark_chain}", "use --firewall iptables")
    name, target, number = checked.protocol(rule.protocol), checked.address(rule.address), family(rule.address)
    words = " ".join(checked.conditions(rule.conditions))
    first, last = checked.ports(rule.host_port, rule.count)
    checked.ports(rule.port, rule.count)
    to = f"dnat {'ip6' if number == 6 else 'ip'} to {f'[{target}]' if number == 6 else target}"
    if rule.count > 1 and rule.port == first:
        return [f"{name} dport {first}-{last} {words} {to}"]
    return [f"{name} dport {first + step} {words} {to}:{rule.port + step}" for step in range(rule.count)]


def written(rule: PublishIf) -> str:
    """The commands that make the chain what it should be."""
    name = chain(rule)
    lines = "".join(f"add rule inet netkit {name} {line}\n" for line in rules(rule))
    return f"{opening(rule)}flush chain inet netkit {name}\n{lines}"


def opening(rule: PublishIf) -> str:
    """The command after which the chain is there, and an element can lead to it."""
    return f"add chain inet netkit {chain(rule)}\n"


def closing(rule: PublishIf) -> str:
    """The commands that remove the chain, when no element leads to it any more."""
    name = chain(rule)
    return f"flush chain inet netkit {name}\ndelete chain inet netkit {name}\n"
