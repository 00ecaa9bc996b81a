"""This host's part in a network whose hosts share a store: the addresses that it has there, and what it says of itself.

All of it happens under the network's lock, so of one host one process at a time speaks. An address is claimed in the
store first and in our own files second, and is given back the other way round: what a killed process leaves behind is a
claim that no attachment holds, which the next `settle` gives back.
"""

from __future__ import annotations

from contextlib import contextmanager

from netkit import stores
from netkit.drivers.overlay import SEALED, Overlay
from netkit.engine import beats, pools
from netkit.engine.node import another_id, node_of, session_of
from netkit.engine.tending import see_kept
from netkit.errors import ConflictError, NetkitError, StateError
from netkit.model import bare
from netkit.naming import mac
from netkit.parts.tunnel import vtep_mac

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netkit.engine.session import Session
    from netkit.model import AttachRequest, Endpoint, Lease, Network
    from netkit.stores.model import Claim, Host, LeaseStore

#: So many addresses that this host gave back rest before one of them is given out again, although others are fresh: a
#: store has files of each address that there ever was, and all hosts look at them.
_RESTING = 256


def of(session: Session, net: Network) -> Membership:
    """The membership in a network, opened once in a session; StateError when its store is not there."""
    if net.name not in session.memberships:
        session.memberships[net.name] = Membership(session, net)
    return session.memberships[net.name]


class Membership:
    """A host in a network that has a store."""

    def __init__(self, session: Session, net: Network) -> None:
        self.session = session
        self.net = net
        self.store: LeaseStore = stores.kept(net.store, net.name, node_of(session.root), None, session.root.stores)

    def refuse_twin(self) -> None:
        """TwinError when another host that lives has this host's id."""
        from netkit.stores.twins import refuse_twin

        refuse_twin(self.store, itself(self.session, self.net), another_id(self.session.root))

    def enter(self) -> None:
        """Say for the first time that this host lives, where no other host of its id does; that may take a while."""
        from netkit.stores.twins import wait_alone

        own = itself(self.session, self.net).replace(endpoints=())
        wait_alone(self.store, own, another_id(self.session.root))
        self.store.renew(own)

    def others(self) -> set[str]:
        """The addresses that other hosts have, as far as is known without asking."""
        known = self.session.root.stores.load(self.net.name, _memory())
        claims: Sequence[Claim] = known.snapshot.claims if known else ()
        return {_address(claim) for claim in claims if claim.node not in ("", self.store.node)}

    def take(self, leases: Sequence[Lease]) -> list[Claim]:
        """Claim these addresses, all of them or none; ConflictError names the host that has one."""
        self.refuse_twin()
        taken: list[Claim] = []
        try:
            taken.extend(self.store.acquire(_resource(lease.address)) for lease in leases)
        except NetkitError as error:
            self.release(taken)
            if isinstance(error, ConflictError):
                raise self._taken(bare(leases[len(taken)].address), error) from error
            raise
        return taken

    def give_back(self, addresses: Sequence[str]) -> None:
        """Give these addresses back, as far as they are this host's."""
        for address in addresses:
            try:
                claim = self.store.acquire(_resource(address))
            except ConflictError:
                continue
            self.store.release(claim)

    def release(self, claims: Sequence[Claim]) -> None:
        """Give claims back; where the store has gone away, `settle` does that later."""
        for claim in claims:
            try:
                self.store.release(claim)
            except NetkitError as error:
                self.session.root.warnings.append(error.message)

    def publish(self, *more: Endpoint) -> tuple[Claim, ...]:
        """Say what this host is by now, attachments that are about to be recorded (`more`) included.

        Returns what it has in the store.
        """
        self.refuse_twin()
        claims = self.store.renew(itself(self.session, self.net, *more))
        beats.note(self.session.root, self.net.name)
        return claims

    def farewell(self) -> None:
        """Say that this host leaves, and give back what it has."""
        self.refuse_twin()  # what it has is not ours to give back
        self.store.renew(itself(self.session, self.net).replace(left=True, endpoints=()))
        for claim in self.store.snapshot().of(self.store.node):
            self.store.release(claim)
        self.session.root.beats.unlink(self.net.name)

    def settle(self) -> tuple[str, ...]:
        """Give back what no attachment holds, claim anew what one holds and the store has lost.

        Returns a line for each address that an attachment has and another host by now: nobody else believes us that.
        """
        held = {each.address for each in itself(self.session, self.net).endpoints} | self._unfinished()
        mine = {_address(claim): claim for claim in self.publish()}
        self.release([mine[address] for address in mine.keys() - held])
        lost = []
        for address in sorted(held - mine.keys()):
            try:
                self.store.acquire(_resource(address))
            except ConflictError as error:
                lost.append(self._taken(address, error).message)
        return tuple(lost)

    def refuse_fenced(self) -> None:
        """StateError when this host has been silent for so long that others may take what it has."""
        beat = beats.last(self.session.root, self.net.name)
        if beat is not None and beat.silent > self.store.settings.fence:
            raise StateError(
                f"{self.net.name}: this host could not say that it lives for {beat.silent:.0f} s",
                f"others may take its addresses: see whether {self.net.store} can be written to, and try again",
            )

    def _unfinished(self) -> set[str]:
        """Addresses of attachments that died midway and are still to be taken back."""
        half = (*self.session.records.attaching(), *self.session.records.detaching())
        return {bare(each) for one in half if one.endpoint.network == self.net.name for each in one.endpoint.addresses}

    def _taken(self, address: str, error: ConflictError) -> ConflictError:
        found = self.store.snapshot()
        claim = found.claim(_resource(address))
        public = next((seen.host.public for seen in found.hosts if claim and seen.host.node == claim.node), "")
        where = f"the host at {public} ({claim.node})" if claim and public else error.message
        return ConflictError(
            f"{address} of network {self.net.name} is taken: {where}",
            "choose another, or leave it out to get a free one",
        )


def itself(session: Session, net: Network, *more: Endpoint) -> Host:
    """What this host says of itself, attachments that are about to be recorded (`more`) included."""
    from netkit.stores.model import Endpoint as Behind
    from netkit.stores.model import Host

    options = Overlay().parse_options(dict(net.options), "options")
    local, vni = options.local, options.vni
    bridge = mac("overlay gateway", local, str(vni))
    found = {subnet.gateway: Behind(subnet.gateway, bridge) for subnet in net.subnets}
    for ep in (*(record.endpoint for record in session.records.all() if record.endpoint.network == net.name), *more):
        found |= {bare(each): Behind(bare(each), ep.mac) for each in ep.addresses}
    node, start = node_of(session.root), session_of(session.root)
    host = Host(node, local, vni, vtep_mac(options.end, vni), tuple(found.values()), session=start)
    return host.replace(backend=SEALED, port=options.port, key=options.public) if options.public else host


@contextmanager
def leased(session: Session, net: Network, req: AttachRequest) -> Iterator[AttachRequest]:
    """A request whose addresses no other host can have, for as long as the block goes well."""
    member = of(session, net)
    member.refuse_fenced()
    agreed, claims = _agreed(session, net, req, member)
    try:
        yield agreed
    except BaseException:
        member.release(claims)
        raise
    if not req.ips and agreed.ips:
        try:
            pools.pass_over(session, net, agreed.ips)
        except StateError as error:  # a hint: what was attached stays so
            session.root.warnings.append(error.message)


def told(session: Session, net: Network, ep: Endpoint) -> None:
    """Tell the others of an attachment that is about to be recorded."""
    of(session, net).publish(ep)
    see_kept(session.root)


def released(session: Session, net: Network, ep: Endpoint) -> None:
    """Tell the others that an attachment is gone, and give back its addresses; later where the store is away."""
    try:
        member = of(session, net)
        member.publish()
        member.give_back([bare(each) for each in ep.addresses])
    except NetkitError as error:
        session.root.warnings.append(
            f"{', '.join(ep.addresses)} will be given back to {net.store} by the keeper: {error.message}"
        )
    see_kept(session.root)


def _agreed(
    session: Session, net: Network, req: AttachRequest, member: Membership
) -> tuple[AttachRequest, list[Claim]]:
    """The first addresses of our own order that no other host has."""
    others = member.others()
    while True:
        leases = pools.preview(session, net, req, others, _RESTING)
        try:
            claims = member.take(leases)
        except ConflictError:
            fresh = {_address(claim) for claim in member.store.snapshot().claims if claim.node != member.store.node}
            free = {bare(lease.address) for lease in leases} - {bare(ip) for ip in req.ips}
            if req.leases is not None or not free & (fresh - others):
                raise
            others |= fresh
            continue
        if req.leases is None:
            req = req.replace(ips=tuple(bare(lease.address) for lease in leases))
        return req, claims


def _resource(address: str) -> str:
    return f"addresses/{bare(address)}"


def _address(claim: Claim) -> str:
    return claim.resource.partition("/")[2]


def _memory() -> type:
    from netkit.stores.memory import Memory

    return Memory
