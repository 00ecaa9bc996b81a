"""How a host comes into a network of leased subnets: its link, its store, its lease."""

from __future__ import annotations

from netkit import stores
from netkit.agent import config as configs
from netkit.agent import subnetenv
from netkit.agent.host import member as members
from netkit.agent.host.member import Member
from netkit.agent.iface import Wish, choose
from netkit.engine import beats
from netkit.engine.node import another_id, node_of, session_of
from netkit.engine.service import Engine
from netkit.errors import ConfigError, ConflictError
from netkit.parts.backends import Keys, udp
from netkit.state.root import Root
from netkit.stores.choice import lease_subnet
from netkit.stores.memory import Kept
from netkit.stores.twins import refuse_twin
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.agent.config import Config
    from netkit.agent.iface import Iface
    from netkit.stores.model import LeaseStore, Settings


class Ground(Value):
    """What a person says: the configuration's path ("" for the store's own), the store, the link, the file to write.

    `network` is what the network is called on this host; `fast_path` is for the kernel to do what a proxy does.
    """

    store: str
    config: str = ""
    wish: Wish = Wish()
    subnet_file: str = subnetenv.PLACE
    ip_masq: bool = True
    network: str = "flannel"
    fast_path: bool = False


class Joining:
    """One host on its way into one network, as often as it takes."""

    def __init__(self, root: str, ground: Ground) -> None:
        self._root, self._ground = root, ground
        self._store: LeaseStore | None = None

    @property
    def store(self) -> LeaseStore:
        """The network's store; there is one as soon as this host has been a member."""
        assert self._store is not None
        return self._store

    def member(self) -> Member:
        """This host as it is now, with a lease; whatever stands in its way is raised."""
        node = node_of(Root(self._root or None))
        wanted = configs.load(self._ground.config) if self._ground.config else None
        first = self._first(node, wanted) if wanted else None  # before anybody hears of it: who is first decides
        self._store = self._store or self._open(node, wanted)
        return self._lease(self._store, first or self._first(node, self._agreed(self._store)))

    def _first(self, node: str, known: Config) -> Member:
        """This host in such a network, without a lease; whatever stops it from being there is raised."""
        engine = Engine(self._root or None)
        start = session_of(Root(self._root or None))
        iface, said = self.iface(known), self._ground
        first = Member(node, known, iface, ip_masq=said.ip_masq, name=said.network, session=start)
        first = first.replace(fast_path=said.fast_path)
        if all(net.name != first.name for net in engine.all_networks()) and (way := engine.look(first.in_the_way)):
            raise ConfigError("Network", way, "choose another, or remove that route")
        first.check()
        if first.fast_path:
            engine.look(lambda host: udp.refuse(iface.dev, host))
        return first.replace(keys=_keys(self._root, first.name, known))

    def iface(self, config: Config) -> Iface:
        """The link to the other hosts, as the host is now."""
        engine = Engine(self._root or None)
        return engine.look(lambda host: choose(self._ground.wish, engine.links(), config.versions, host))

    def _agreed(self, store: LeaseStore) -> Config:
        """What the store says of the network; a net-conf.json in etcd says more than its settings hold."""
        told = stores.net_conf(self._ground.store, self._name_there())
        usual = store.settings.backend or "vxlan"
        return configs.loads(told, f"{self._ground.store}/config", usual) if told else members.config(store.settings)

    def _lease(self, store: LeaseStore, first: Member) -> Member:
        """With this host's subnets: where the store is away, those that it had when it was last told.

        While containers live in them they stay the same, whoever has the lease.
        """
        seen = store.snapshot()
        kept = next((claim.subnets for claim in seen.of(first.node) if claim.subnets), self._defined())
        if kept and not seen.reachable:
            if beats.last(Root(self._root or None), first.name) is None:
                self.note(kept)  # as after a reboot: nobody can tell for how long this host was off
            return first.replace(leased=kept)
        refuse_twin(store, first.record(), self.hint())
        had = subnetenv.subnets(subnetenv.read(self._ground.subnet_file))
        held = [claim.subnets for claim in store.renew(first.record()) if claim.subnets]
        used = self.used()
        if used and used not in held and (lost := _regain(store, used)):
            return first.replace(leased=used, lost=lost)
        leased = used or lease_subnet(store, prefer=had[0] if had else "").subnets
        self.note(leased)
        return first.replace(leased=leased)

    def used(self) -> tuple[str, ...]:
        """The subnets that containers live in, () when none does."""
        attached = Engine(self._root or None).attachments()
        used = any(record.endpoint.network == self._ground.network for record, _ in attached)
        return self._defined() if used else ()

    def _defined(self) -> tuple[str, ...]:
        """The subnets that the network had last on this host."""
        nets = Engine(self._root or None).all_networks()
        return tuple(subnet.cidr for net in nets if net.name == self._ground.network for subnet in net.subnets)

    def _open(self, node: str, wanted: Config | None) -> LeaseStore:
        """The store, or what was kept of it."""

        def opened(agreed: Settings | None) -> LeaseStore:
            return stores.open(self._ground.store, self._name_there(), node, agreed)

        agreed = members.settings(wanted) if wanted else None
        return Kept(opened, node, agreed, Root(self._root or None).stores, self._ground.network)

    def _name_there(self) -> str:
        """What the network is called in the store: nothing where it is flannel's own, in etcd."""
        of_flannel = self._ground.store.startswith("etcd") and self._ground.network == "flannel"
        return "" if of_flannel else self._ground.network

    def note(self, leased: tuple[str, ...]) -> None:
        """Write down that the lease is this host's now."""
        beats.note(Root(self._root or None), self._ground.network, self.store.settings.fence, leased)

    def hint(self) -> str:
        """What to do where another host has the same id."""
        return another_id(Root(self._root or None))


def check(ground: Ground) -> None:
    """Raise what is wrong with what a person says, before anything begins."""
    if not ground.store:
        raise ConfigError(
            "store", "is missing: it is where hosts meet", "--store dir:///path or etcd://host:2379/prefix"
        )
    if ground.config and configs.load(ground.config).backend == "wireguard":
        from netkit.agent.host import keys

        keys.ready()


def _keys(root: str, network: str, config: Config) -> Keys:
    """What encrypted tunnels need; nothing of it for other backends."""
    if config.backend != "wireguard":
        return Keys()
    from netkit.agent.host import keys

    keys.ready()
    return keys.own(Root(root or None), network, config)


def _regain(store: LeaseStore, subnets: tuple[str, ...]) -> str:
    """Lease just these subnets again; why that cannot be, "" when it could."""
    try:
        store.acquire("subnets/" + "&".join(cidr.replace("/", "-") for cidr in subnets))
    except ConflictError as error:
        return f"the lease of {', '.join(subnets)} is lost: {error.message}"
    return ""
