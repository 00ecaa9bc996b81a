"""The engine as its front ends see it: one method a verb.

Every method opens a session, does its work under the locks that it needs, and leaves nothing open. Methods that plan
only (`plan_attach`) change nothing. What neither attach nor detach needs is imported where it is needed: a CNI process
pays for every module.
"""

from __future__ import annotations

from netkit.drivers.registry import driver
from netkit.engine import bringup, networks, pools
from netkit.engine.attach import attach, plan_attach, refuse_unrenewed
from netkit.engine.detach import alive, collect, detach, finish, keep_only
from netkit.engine.recovery import reported
from netkit.engine.session import Session
from netkit.errors import ApplyError, ConflictError, NetkitError, NotFoundError
from netkit.model import family
from netkit.state.root import Root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import TypeVar

    from netkit.engine.compared import Compared
    from netkit.engine.doctor import Finding
    from netkit.engine.overlay import Wish
    from netkit.engine.peers import Met
    from netkit.engine.repair import Difference
    from netkit.engine.report import Report
    from netkit.engine.tending import Tended
    from netkit.ipam.dhcp import DhcpLease
    from netkit.ipam.files import Claim
    from netkit.ipam.hostlocal import Holding
    from netkit.model import AttachRequest, Endpoint, Network, NsRef, PeerHost
    from netkit.plan.host import Host
    from netkit.plan.ops import Op
    from netkit.plan.steps import Plan
    from netkit.state.networks import Up
    from netkit.state.records import Record
    from netkit.stores.model import Snapshot

    T = TypeVar("T")


class Engine:
    """Attach, detach, look at, repair and clean up networks of one root directory."""

    def __init__(
        self, root: str | None = None, firewall: str = "auto", before_op: Callable[[Op], None] | None = None
    ) -> None:
        self.root = Root(root)
        self._firewall = firewall
        self._before_op = before_op

    @property
    def warnings(self) -> list[str]:
        """What a person should be told although the work went on: files set aside, what could not be taken back."""
        return self.root.warnings

    def attach(self, req: AttachRequest, network: str = "", mode: str = "bridge", parent: str = "") -> Record:
        """Attach a namespace to a named network, or to the implicit one of a mode (and of a link that it builds on).

        When something dead holds the wanted address or port, it is released and the attachment tried once more.
        """
        return self._twice(lambda session: attach(session, _target(session, network, mode, parent), req))

    def plan_attach(
        self, req: AttachRequest, network: str = "", mode: str = "bridge", parent: str = ""
    ) -> tuple[Plan, Endpoint]:
        """What `attach` would do now."""
        with self._session() as session:
            plan, attachment = plan_attach(session, _target(session, network, mode, parent), req)
            return plan, attachment.endpoint

    def attach_to(self, net: Network, req: AttachRequest) -> Record:
        """Attach to a network given as a value, from a CNI configuration for example: it is made or changed if need be.

        ConflictError when it is already defined otherwise and in use.
        """
        return self._twice(lambda session: attach(session, net, req))

    def plan_attach_to(self, net: Network, req: AttachRequest) -> tuple[Plan, Endpoint]:
        """What `attach_to` would do now."""
        with self._session() as session:
            plan, attachment = plan_attach(session, net, req)
            return plan, attachment.endpoint

    def ready(self, net: Network) -> None:
        """Whether an attachment to this network could be made now; raises what would stop it, changes nothing."""
        with self._session() as session:
            known = networks.known(session, net)
            refuse_unrenewed(session, known)
            mode, host = driver(known.mode), session.host()
            bringup.plan_up(session, known, host)
            if ready := getattr(mode, "ready", None):
                ready(known, host)
            if hasattr(mode, "host_up"):
                session.firewall(session.backend())
            pools.has_room(session, known)

    def keep_only(self, network: str, valid: Collection[tuple[str, str]], origin: str = "") -> list[str]:
        """Release every attachment of a network that is not in `valid`, (container, ifname) pairs, and lost claims.

        With an `origin`, only attachments that it made. Goes on past errors and raises them at the end; returns what
        was released, one line each.
        """
        with self._session() as session:
            return keep_only(session, network, frozenset(valid), origin)

    def families(self, network: str = "", mode: str = "bridge", parent: str = "") -> tuple[int, ...]:
        """The IP versions that an attachment to this network gets addresses of."""
        with self._session() as session:
            net = networks.known(session, _target(session, network, mode, parent))
            return tuple(sorted({family(subnet.cidr) for subnet in net.subnets}))

    def detach(self, ident: str) -> bool:
        """Detach by id or name; False when there is nothing (any more)."""
        with self._session() as session:
            try:
                record = session.records.find(ident)
            except NotFoundError:
                return finish(session, ident)
            detach(session, record)
            return True

    def detach_namespace(self, netns: NsRef, ifname: str = "") -> list[str]:
        """Detach what is attached to a namespace: one interface, or all of them. Returns the ids."""
        with self._session() as session:
            found = [
                record
                for record in session.records.of_netns(netns.inode, netns.cookie)
                if not ifname or record.endpoint.ifname == ifname
            ]
            for record in found:
                detach(session, record)
            return [record.endpoint.id for record in found]

    def attachments(self) -> list[tuple[Record, bool]]:
        """Every attachment, oldest first, and whether its namespace is alive."""
        with self._session() as session:
            records = sorted(session.records.all(), key=lambda record: (record.created, record.endpoint.id))
            return [(record, alive(session, record)) for record in records]

    def of_namespace(self, netns: NsRef) -> list[Record]:
        """The attachments of a namespace."""
        with self._session() as session:
            return list(session.records.of_netns(netns.inode, netns.cookie))

    def attachment(self, ident: str) -> tuple[Record, bool]:
        """One attachment by id, unique start of an id, or name, and whether its namespace is alive."""
        with self._session() as session:
            record = session.records.find(ident)
            return record, alive(session, record)

    def dhcp_lease(self, ident: str) -> DhcpLease | None:
        """What the LAN's DHCP server granted to an attachment, None where it was not asked."""
        from netkit.ipam.dhcp import DhcpLease

        return self.root.dhcp.load(ident, DhcpLease)

    def check(self, ident: str = "") -> list[Difference]:
        """Each difference between the records (of one attachment, or of all and the networks) and the kernel."""
        from netkit.engine.repair import check_plan, unreachable

        with self._session() as session:
            plans = [] if ident else [(f"network {up.network}", up.whole) for up in session.networks.all_up()]
            records = [session.records.find(ident)] if ident else session.records.all()
            found = [unreachable(r.id) for r in records if not session.namespaces.alive(r.endpoint.netns)]
            lost = {difference.owner for difference in found}
            plans += [(record.id, record.plan) for record in records if record.id not in lost]
            host = session.host()
            for owner, plan in plans:
                found += check_plan(owner, plan, host)
            return found

    def verify(self, ident: str, claims: bool = True) -> list[Difference]:
        """Like `check`, of all that one attachment needs: the host's base, its network, itself, its `claims`.

        What later tools may change of a link that we made is let through: its MAC, its sysctls, more of everything.
        """
        from netkit.engine.verify import verify

        with self._session() as session:
            return verify(session, session.records.find(ident), claims)

    def broken(self, network: str) -> list[Difference]:
        """What those attached to a network suffer from: what is missing of it and of the host's base."""
        from netkit.engine.verify import missing_of_networks

        with self._session() as session:
            used = any(record.endpoint.network == network for record in session.records.all())
            return missing_of_networks(session, network, session.host()) if used else []

    def addresses(self, dev: str, netns: NsRef | None = None) -> tuple[str, ...]:
        """The addresses on a link, of the host or inside a namespace, as they are now."""
        with self._session() as session:
            return session.host().addresses(dev, netns)

    def macs(self, names: Sequence[str]) -> dict[str, str]:
        """The MAC addresses of links of the host, as far as they are there."""
        with self._session() as session:
            host = session.host()
            return {name: link.mac for name in names if (link := host.link(name))}

    def diagnose(self) -> list[Finding]:
        """What is amiss with the host, the worst first."""
        from netkit.engine.doctor import diagnose

        with self._session() as session:
            return diagnose(session)

    def treat(self) -> list[str]:
        """Do what can be done about it; one line for each thing done."""
        from netkit.engine.doctor import treat

        with self._session() as session:
            return treat(session)

    def gc(self, dry_run: bool = False) -> list[str]:
        """Release what belongs to dead namespaces and dead processes; one line for each thing."""
        with self._session() as session:
            return collect(session, dry_run)

    def number_namespaces(self, idents: Collection[str] | None = None) -> None:
        """See that the kernel tells this host of the end of these attachments' namespaces, or of all there are."""
        with self._session() as session:
            every = session.records.all() if idents is None else map(session.records.load, idents)
            own = session.namespaces.enter(None).socket()
            for record in every:
                if record and session.namespaces.alive(record.endpoint.netns):
                    own.number(session.namespaces.enter(record.endpoint.netns).fd)

    def reload(self) -> dict[str, int]:
        """Make the kernel match the records again, after a firewall flush for example; repaired steps by owner."""
        from netkit.engine.repair import reload

        with self._session() as session:
            repaired, errors = reload(session)
            reported(errors)
            return repaired

    def create_network(self, net: Network) -> Network:
        """Make a network and bring it up."""
        with self._session() as session:
            return networks.create(session, net)

    def create_overlay(self, wish: Wish) -> Network:
        """Make an overlay, or change the peers of one; what is left out is found on the host."""
        with self._session() as session:
            if wish.store:
                from netkit.engine.joining import join

                return join(session, wish)
            from netkit.engine.repeer import create

            return create(session, wish)

    def overlay_peers(self) -> list[Compared]:
        """The other hosts of every overlay, and how the kernel differs from what is wanted of them."""
        from netkit.engine.compared import compared
        from netkit.engine.tending import see_all_kept

        with self._session() as session:
            see_all_kept(session)
            return compared(session)

    def keeper_report(self, name: str) -> Report:
        """What the keeper of a network whose hosts share a store saw and did last."""
        from netkit.engine.compared import report_of

        with self._session() as session:
            return report_of(session, name)

    def meet(self, name: str, peers: Sequence[PeerHost]) -> Met:
        """See that the kernel leads to just these other hosts of a network, and to nobody who was one before."""
        from netkit.engine.peers import meet

        with self._session() as session:
            return meet(session, name, peers)

    def keep(self, name: str, peers: Sequence[PeerHost] | None) -> Met:
        """See that a network stands and leads to just these hosts; None where nobody knows who they are for now."""
        from netkit.engine.upkeep import keep

        with self._session() as session:
            return keep(session, name, peers)

    def differences(self, name: str) -> list[tuple[str, str]]:
        """What the kernel has otherwise of a network's other hosts: `missing` or `stale`, and what."""
        from netkit.engine.peers import differences
        from netkit.plan.render import render

        with self._session() as session:
            return [(kind, str(render(step.op)[0])) for kind, step in differences(session, name)]

    def is_defined(self, net: Network) -> bool:
        """Whether there is a network that is defined just so; whether it is up is another question."""
        with self._session() as session:
            return networks.is_defined(session, net)

    def see_network(self, net: Network) -> Network:
        """See that a network is defined as given, and up; what is attached to it stays attached.

        ConflictError when that is in subnets that the network has no more.
        """
        with self._session() as session:
            return networks.establish(session, net)

    def look(self, ask: Callable[[Host], T]) -> T:
        """What one observation of the host answers."""
        with self._session() as session:
            return ask(session.host())

    def links(self) -> list[str]:
        """The names of the host's links."""
        with self._session() as session:
            return [link.name for link in session.namespaces.enter(None).socket().links()]

    def beat(self, name: str) -> tuple[str, ...]:
        """Say in a network's store that this host lives; addresses that others have taken meanwhile, a line each."""
        from netkit.engine.tending import beat

        with self._session() as session:
            return beat(session, name)

    def tend(self, name: str, found: Snapshot) -> Tended:
        """Make a network and what leads to its other hosts what they ought to be, by what its store holds."""
        from netkit.engine.tending import tend

        with self._session() as session:
            return tend(session, name, found)

    def remove_network(self, name: str) -> None:
        """Take a network down and forget it."""
        with self._session() as session:
            networks.remove(session, name)

    def network(self, name: str) -> tuple[Network, Up | None]:
        """A network, and what was done to the host for it if it is up."""
        with self._session() as session:
            return networks.find(session, name), session.networks.up(name)

    def all_networks(self) -> list[Network]:
        """Every network, by name."""
        with self._session() as session:
            return sorted(session.networks.all(), key=lambda net: net.name)

    def claims(self, name: str = "") -> list[tuple[str, Claim]]:
        """The addresses that are taken, of one network or all: (network, claim) pairs."""
        with self._session() as session:
            nets = [networks.find(session, name)] if name else session.networks.all()
            return [(net.name, claim) for net in nets for pool in pools.pools(session, net) for claim in pool.claims()]

    def reservations(self, name: str) -> list[str]:
        """The addresses of a network that are never given out."""
        with self._session() as session:
            net = networks.find(session, name)
            return [address for pool in pools.pools(session, net) for address in pool.reservations()]

    def reserve(self, name: str, address: str) -> None:
        """Never give this address out, until it is released."""
        with self._session() as session:
            pools.pool_of(session, networks.find(session, name), address).reserve(address)

    def adopt(self, name: str, holdings: Sequence[Holding]) -> tuple[list[str], list[str]]:
        """Take over addresses of another IPAM; what was adopted and what was not, one line each."""
        from netkit.engine.adopt import adopt

        with self._session() as session:
            return adopt(session, name, holdings)

    def release(self, name: str, address: str) -> bool:
        """Give a reserved address back to the pool; False when it was not reserved."""
        with self._session() as session:
            return pools.pool_of(session, networks.find(session, name), address).unreserve(address)

    def modes(self) -> Sequence[str]:
        """The modes that there are."""
        from netkit.drivers.registry import known_modes

        return known_modes()

    def _twice(self, act: Callable[[Session], Record]) -> Record:
        """Do it; when something is in the way and the dead can be collected, do it once more."""
        try:
            with self._session() as session:
                return act(session)
        except NetkitError as error:
            if not self._may_work_now(error):
                raise
            with self._session() as session:
                return act(session)

    def _may_work_now(self, error: NetkitError) -> bool:
        """What was in the way is collected, or came while we were at it (another network's attachment): plan anew."""
        if isinstance(error, ApplyError):
            return isinstance(error.cause, ConflictError) and not error.leftovers
        if not isinstance(error, ConflictError):
            return False
        with self._session() as session:
            return bool(collect(session))

    def _session(self) -> Session:
        return Session(self.root, self._firewall, self._before_op)


def _target(session: Session, network: str, mode: str, parent: str = "") -> Network:
    if network:
        return networks.find(session, network)
    return networks.of_mode(session, mode, parent)
