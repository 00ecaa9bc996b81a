"""The leases of one root: kept in files, renewed in time, and what becomes of an interface that loses its own."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from netkit.agent.dhcp import client
from netkit.agent.dhcp.client import Refused
from netkit.errors import NetkitError, NotFoundError
from netkit.ipam.dhcp import BOUND, LOST, DhcpLease, clock
from netkit.kernel.apply import Kernel
from netkit.kernel.firewall import open_backend
from netkit.kernel.namespaces import Namespaces
from netkit.model import bare
from netkit.plan.ops import LinkSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from concurrent.futures import Future

    from netkit.ipam.dhcp import DhcpLink
    from netkit.state.root import Root

#: How many talks with servers go on at once.
TALKS = 16
#: After a renewal that nobody answered the next is tried when half of what is left is over, but not before this.
RETRY = 5.0


class Keeper:
    """All leases of a root. Talks with servers run in threads of their own, one for each lease at most."""

    def __init__(self, root: Root) -> None:
        self.files = root.dhcp
        self.leases: dict[str, DhcpLease] = {lease.link.id: lease for lease in self.files.values(DhcpLease)}
        self._retry: dict[str, float] = {}
        self._talks = ThreadPoolExecutor(TALKS, "dhcp")
        self._under_way: dict[str, Future[None]] = {}
        self._changing = threading.RLock()

    def bind(self, link: DhcpLink) -> DhcpLease:
        """A lease for an interface: the one that it has, or a new one. NetkitError when there is none to be had."""
        with self._changing:
            known = self.leases.get(link.id)
        if known is not None and known.state == BOUND and known.link == link and known.ends > clock():
            return known
        with Namespaces() as namespaces:
            lease = client.acquire(link, namespaces.enter(link.ns), self._holder_of)
        with self._changing:
            self._keep(lease)
        return lease

    def announce(self, ident: str) -> bool:
        """Tell the neighbours of an address; False when there is no lease of it."""
        with self._changing:
            lease = self.leases.get(ident)
        if lease is None or lease.state != BOUND:
            return False
        with Namespaces() as namespaces:
            client.announce(lease, namespaces.enter(lease.link.ns))
        return True

    def release(self, ident: str, path: str = "") -> bool:
        """Give a lease back, and forget it; False when there is none.

        `path` leads to the namespace where its own no longer does.
        """
        with self._changing:
            lease = self.leases.pop(ident, None)
            self._retry.pop(ident, None)
            self.files.unlink(ident)
        if lease is None:
            return False
        _give_back(lease, path)
        return True

    def tend(self) -> float:
        """Begin what is due; in how many seconds the next is, at most 60."""
        now = clock()
        with self._changing:
            bound = [lease for lease in self.leases.values() if lease.state == BOUND]
        for lease in bound:
            if self._due(lease) <= now and not self._talking(lease.link.id):
                self._under_way[lease.link.id] = self._talks.submit(self._renew, lease)
        waits = [max(self._due(lease) - now, 0.2) for lease in bound]
        return min([*waits, 60.0])

    def close(self) -> None:
        """See the talks to their end."""
        self._talks.shutdown()

    def _due(self, lease: DhcpLease) -> float:
        return min(self._retry.get(lease.link.id, lease.granted + lease.renew), lease.ends)

    def _talking(self, ident: str) -> bool:
        talk = self._under_way.get(ident)
        return talk is not None and not talk.done()

    def _renew(self, lease: DhcpLease) -> None:
        now = clock()
        if now >= lease.ends:
            self._lose(lease, "it ran out, and no server answered")
            return
        try:
            with Namespaces() as namespaces:
                rebinding = now >= lease.granted + lease.rebind
                answer = client.extend(lease, namespaces.enter(lease.link.ns), rebinding)
        except NotFoundError:
            self._forget(lease)
            return
        except NetkitError:
            answer = None
        if isinstance(answer, Refused):
            self._lose(lease, answer.why)
        elif answer is None:
            self._retry[lease.link.id] = clock() + max((lease.ends - clock()) / 2, RETRY)
        else:
            self._replace(lease, answer)

    def _replace(self, old: DhcpLease, new: DhcpLease) -> None:
        with self._changing:
            if self.leases.get(old.link.id) is old:
                self._retry.pop(old.link.id, None)
                self._keep(new)

    def _lose(self, lease: DhcpLease, why: str) -> None:
        """Nobody may use the address any more: the interface goes down, so that nobody does."""
        down = LinkSet(lease.link.ifname, lease.link.ns, up=False)
        try:
            with Namespaces() as namespaces:
                Kernel(namespaces, open_backend).apply([down], tolerant=True)
        except NetkitError:
            pass  # the namespace is gone, and the address with it
        self._replace(lease, lease.replace(state=LOST, why=why))

    def _forget(self, lease: DhcpLease) -> None:
        with self._changing:
            if self.leases.get(lease.link.id) is lease:
                del self.leases[lease.link.id]
                self.files.unlink(lease.link.id)
                _give_back(lease)

    def _keep(self, lease: DhcpLease) -> None:
        self.files.save(lease.link.id, lease)
        self.leases[lease.link.id] = lease

    def _holder_of(self, address: str) -> str:
        with self._changing:
            bound = (lease for lease in self.leases.values() if lease.state == BOUND)
            return next((f"attachment {one.link.id}" for one in bound if bare(one.address) == address), "")


def _give_back(lease: DhcpLease, path: str = "") -> None:
    """Tell the server; for a namespace that is gone, by the host's own link on the same LAN.

    Where neither can be done the server takes the address back when its time is over.
    """
    link, ns = lease.link, lease.link.ns
    ways = ((link, ns.replace(path=path) if path else ns), (link.replace(ifname=link.by), None))
    with Namespaces() as namespaces:
        for end, where in ways if link.by else ways[:1]:
            try:
                client.release(lease.replace(link=end), namespaces.enter(where))
            except NetkitError:
                continue
            return
