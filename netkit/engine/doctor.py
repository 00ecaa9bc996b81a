"""Is this host well? What others have done to it since netkit's networks were made, and what is left of the dead."""

from __future__ import annotations

from netkit.engine import pools
from netkit.engine.detach import collect
from netkit.engine.networks import foreign_routes
from netkit.engine.recovery import Raising
from netkit.engine.repair import missing, reload
from netkit.errors import NetkitError
from netkit.ipam.dhcp import LOST, DhcpLease
from netkit.model import family
from netkit.naming import GROUP
from netkit.parts.egress import egress_mtu
from netkit.parts.isolation import admit
from netkit.plan.ops import LinkAdd, RulesAdd, SysctlSet
from netkit.plan.rules import NetworkRules
from netkit.plan.steps import Plan, Step
from netkit.state.networks import HOST
from netkit.state.probe import listening, served
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netkit.engine.session import Session
    from netkit.model import Network
    from netkit.plan.host import Host
    from netkit.state.networks import Up

#: How bad a finding is: something does not work; something may not, or is in the way. Sorted, the worst is first.
BROKEN, DOUBTFUL = "broken", "doubtful"
_FORWARDING = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}


class Finding(Value):
    """One thing that is amiss: of what, what it is, and what to do about it; `fix` says that netkit can."""

    about: str
    what: str
    todo: str
    severity: str = BROKEN
    fix: bool = False


def diagnose(session: Session) -> list[Finding]:
    """Everything that is amiss, the worst first. Each look that itself fails is a finding, and the others go on."""
    found: list[Finding] = []
    for look in LOOKS:
        try:
            found += look(session)
        except NetkitError as error:
            found.append(Finding("host", error.message, error.hint))
    return sorted(dict.fromkeys(found), key=lambda each: each.severity)


def treat(session: Session) -> list[str]:
    """Do what netkit can do about it; one line for each thing. Goes on past errors: they show in the next look."""
    done: list[str] = []
    for cure in (_collected, _reloaded, _admitted):
        try:
            done += cure(session)
        except NetkitError as error:
            done.append(f"failed: {error.message}")
    return done


def _collected(session: Session) -> list[str]:
    return [f"released {line}" for line in collect(session)]


def _reloaded(session: Session) -> list[str]:
    repaired, _ = reload(session)
    return [f"mended {count} steps of {owner}" for owner, count in repaired.items()]


def _admitted(session: Session) -> list[str]:
    """Accepts in chains of others that came to drop after a network was made; kept with what the network has made."""
    done = []
    for net, up in _networks(session):
        with session.network_lock(net.name), session.host_lock():
            more = _not_admitted(net, up, session.host())
            if more.steps:
                with Raising(session, net.name, more, up.plan) as raising:
                    raising.apply()
                done.append(f"admitted network {net.name}: {more.steps[0].why}")
    return done


def _differences(session: Session) -> Iterator[Finding]:
    """What was made and no longer stands."""
    host = session.host()
    plans = [(f"network {up.network}" if up.network != HOST else "host", up.whole) for up in session.networks.all_up()]
    alive = [record for record in session.records.all() if session.namespaces.alive(record.endpoint.netns)]
    for about, plan in [*plans, *((f"attachment {record.id}", record.plan) for record in alive)]:
        for step in missing(plan, host):
            yield Finding(about, f"missing: {step.why}", "netkit reload", fix=True)


def _leftovers(session: Session) -> Iterator[Finding]:
    """What belongs to the dead, and links that bear our mark and are in no record."""
    for line in collect(session, dry_run=True):
        yield Finding("leftovers", line, "netkit gc", DOUBTFUL, fix=True)
    plans = [up.plan for up in session.networks.all_up()] + [record.plan for record in session.records.all()]
    known = {name for plan in plans for op in plan.ops if isinstance(op, LinkAdd) for _, name in op.creates()}
    for link in session.namespaces.enter(None).socket().links():
        if link.group == GROUP and link.name not in known:
            todo = f"if nobody else runs netkit with a --root of its own: ip link del {link.name}"
            yield Finding("leftovers", f"link {link.name} is netkit's and in no record", todo, DOUBTFUL)


def _forwarding(session: Session) -> Iterator[Finding]:
    """Somebody has switched off what every packet between a container and the world needs, and was on before us."""
    host = session.host()
    base = session.networks.up(HOST)
    ours = {op.key for op in base.plan.ops if isinstance(op, SysctlSet)} if base else set()
    nets = [net for net, up in _networks(session) if up.plan.steps and not net.internal and net.device]
    for version in sorted({family(subnet.cidr) for net in nets for subnet in net.subnets}):
        key = _FORWARDING[version]
        if key not in ours and host.sysctl(key) == "0":
            todo = f"sysctl -w {key}=1, and look at who switches it off (/etc/sysctl.d)"
            yield Finding("host", f"IPv{version} forwarding is off: no container reaches the world", todo)


def _drops(session: Session) -> Iterator[Finding]:
    """Firewalls of others that came after our networks."""
    host = session.host()
    for net, up in _networks(session):
        for step in _not_admitted(net, up, host):
            todo = "netkit doctor --fix lets this network's packets pass there"
            yield Finding(f"network {net.name}", f"its packets are dropped: {step.why}", todo, fix=True)


def _clashes(session: Session) -> Iterator[Finding]:
    """Routes of the host, a VPN's for example, that came after our networks and lead elsewhere."""
    host = session.host()
    cables = {record.endpoint.host_ifname for record in session.records.all()}
    for net, _ in _networks(session):
        for subnet in net.subnets if net.device else ():
            for route in foreign_routes(net, subnet, host):
                if route.dev not in cables:
                    what = f"{subnet.cidr} overlaps the host's route {route.dst} dev {route.dev}"
                    yield Finding(f"network {net.name}", what, "move one of them to another subnet", DOUBTFUL)


def _sizes(session: Session) -> Iterator[Finding]:
    """Links that carry more than the way out."""
    host = session.host()
    out = egress_mtu(host)
    for net, _ in _networks(session):
        link = host.link(net.device) if net.device else None
        if link is not None and link.mtu > out and not net.internal and not net.mtu:
            what = f"{net.device} carries {link.mtu} bytes, the way out {out}"
            todo = f"make the network anew, or with --mtu {out}: where ICMP is filtered, large packets vanish"
            yield Finding(f"network {net.name}", what, todo, DOUBTFUL)


def _ports(session: Session) -> Iterator[Finding]:
    """Processes of the host that listen on a published port: who connects from outside reaches the container."""
    entries = session.ledger.entries()
    waiting = {protocol: served(protocol) for protocol in {port.protocol for _, port in entries}}
    for owner, port in entries:
        for number in sorted(waiting[port.protocol].intersection(range(port.host_port, port.host_port + port.count))):
            if listening(port.protocol, port.host_ip, number):
                what = f"a process of the host listens on {number}/{port.protocol}, which is published by it"
                yield Finding(f"attachment {owner}", what, "the published port wins: stop one of the two", DOUBTFUL)


def _leases(session: Session) -> Iterator[Finding]:
    for lease in session.root.dhcp.values(DhcpLease):
        if lease.state == LOST:
            what = f"its DHCP lease of {lease.address} is lost: {lease.why}"
            yield Finding(f"attachment {lease.link.id}", what, "detach it and attach it anew")


def _rooms(session: Session) -> Iterator[Finding]:
    for net, _ in _networks(session):
        try:
            pools.has_room(session, net)
        except NetkitError as error:
            yield Finding(f"network {net.name}", error.message, error.hint, DOUBTFUL)


def _tunnels(session: Session) -> Iterator[Finding]:
    """What lies between this host and the others of a network."""
    from netkit.engine.tunnels import look

    return look(session)


#: Where to look, each a function from a session to what it found.
LOOKS: tuple[Callable[[Session], Iterator[Finding]], ...] = (
    _differences,
    _leftovers,
    _forwarding,
    _drops,
    _clashes,
    _sizes,
    _ports,
    _leases,
    _rooms,
    _tunnels,
)


def _networks(session: Session) -> list[tuple[Network, Up]]:
    """The networks that are up, with what they made."""
    pairs = [(session.networks.load(up.network), up) for up in session.networks.all_up() if up.network != HOST]
    return [(net, up) for net, up in pairs if net is not None]


def _not_admitted(net: Network, up: Up, host: Host) -> Plan:
    """What is missing of the accepts that a network would get if it came up now."""
    known = {rule for op in up.plan.ops if isinstance(op, RulesAdd) for rule in op.rules}
    if not any(isinstance(rule, NetworkRules) for rule in known):
        return Plan()
    wanted = [(step, step.op) for step in admit(net, host) if isinstance(step.op, RulesAdd)]
    lacking = [(step, op.replace(rules=tuple(rule for rule in op.rules if rule not in known))) for step, op in wanted]
    return Plan(tuple(Step(op, step.why) for step, op in lacking if op.rules))
