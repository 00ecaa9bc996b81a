"""Where state lives: what a reboot clears, and what lasts.

    /run/netkit             --root DIR: DIR/run         cleared by a reboot
      attaching/ attachments/ detaching/   records      netkit.state.records
      by-netns/                   which are where       netkit.state.records
      intents/                    what is under way     netkit.state.journal
      networks-up/                what networks made    netkit.state.networks
      host/                       the port ledger       netkit.state.ports
      ipam/NETWORK/               address claims        netkit.ipam.files
      cni/                        results of plugins    netkit.cni.runtime
      dhcp/                       leases of DHCP        netkit.agent.dhcp
      udp/                        sockets of proxies    netkit.agent.udp
      agent/                      what it did last      netkit.agent.host
      beats/                      when others heard us  netkit.engine.beats
      keeper/                     what it saw last      netkit.agent.overlay
      lab/ lab-hosts/             labs that stand       netkit.lab.running
      locks/                      flock files           netkit.state.locks
    /var/lib/netkit         --root DIR: DIR/lib         lasting, written with fsync
      networks/                   definitions           netkit.state.networks
      reservations/NETWORK/       reserved addresses    netkit.ipam.files
      stores/                     what stores held last netkit.stores
      identity/                   what we are called    netkit.engine.node
      wireguard/                  keys of tunnels       netkit.agent.host.keys

Directories are 0700, files 0600, whatever the umask.
"""

from __future__ import annotations

import os

from netkit.state.files import Directory, Telling

VOLATILE = "/run/netkit"
LASTING = "/var/lib/netkit"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Root:
    """One tree of state. Directories are opened, and made, when they are first asked for.

    `warnings` collects what readers passed over, in sentences for people. A Root lives for one command: it holds its
    directories open, so it does not notice when somebody replaces them.
    """

    def __init__(self, path: str | None = None) -> None:
        self.path = os.path.abspath(path) if path else ""
        self.warnings: list[str] = []
        self._open: dict[str, Directory] = {}

    def boot_id(self) -> str:
        """What the kernel calls this boot; NETKIT_BOOT_ID stands in for it, so that tests can reboot."""
        given = os.environ.get("NETKIT_BOOT_ID")
        if given:
            return given
        with Telling("read", _BOOT_ID), open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()

    @property
    def attachments(self) -> Directory:
        """Records of attachments, by id."""
        return self._volatile("attachments")

    @property
    def attaching(self) -> Directory:
        """Records of attachments that are being made, by id."""
        return self._volatile("attaching")

    @property
    def by_netns(self) -> Directory:
        """Which attachments a network namespace has."""
        return self._volatile("by-netns")

    @property
    def detaching(self) -> Directory:
        """Records of attachments that are being taken down, by id."""
        return self._volatile("detaching")

    @property
    def intents(self) -> Directory:
        """What was begun and not yet ended."""
        return self._volatile("intents")

    @property
    def networks_up(self) -> Directory:
        """What networks that are up have made, by network."""
        return self._volatile("networks-up")

    @property
    def host(self) -> Directory:
        """Files that concern the whole host."""
        return self._volatile("host")

    @property
    def cni_results(self) -> Directory:
        """What CNI plugins have answered to `netkit cni run`."""
        return self._volatile("cni")

    @property
    def dhcp(self) -> Directory:
        """Leases that DHCP servers granted, by attachment."""
        return self._volatile("dhcp")

    @property
    def udp(self) -> Directory:
        """The control sockets of proxies that carry packets in UDP, by device."""
        return self._volatile("udp")

    @property
    def agent(self) -> Directory:
        """What the host agent knows and did last."""
        return self._volatile("agent")

    @property
    def beats(self) -> Directory:
        """When this host was last heard in a store, by network."""
        return self._volatile("beats")

    @property
    def keeper(self) -> Directory:
        """What the keeper of overlays saw and did last, by network."""
        return self._volatile("keeper")

    @property
    def labs(self) -> Directory:
        """Labs that stand, by name."""
        return self._volatile("lab")

    @property
    def lab_hosts(self) -> Directory:
        """The roots of the hosts of labs, by lab and host."""
        return self._volatile("lab-hosts")

    @property
    def locks(self) -> Directory:
        """Lock files."""
        return self._volatile("locks")

    def ipam(self, network: str) -> Directory:
        """A network's address claims."""
        return self._below(self._volatile("ipam"), network)

    @property
    def networks(self) -> Directory:
        """Definitions of networks, by name."""
        return self._lasting("networks")

    @property
    def stores(self) -> Directory:
        """What stores held when they were last reached, by network."""
        return self._lasting("stores")

    @property
    def identity(self) -> Directory:
        """What this host is called by others, where it has no name of its own."""
        return self._lasting("identity")

    @property
    def wireguard(self) -> Directory:
        """Private and preshared keys of encrypted tunnels, by network."""
        return self._lasting("wireguard")

    @property
    def has_keys(self) -> bool:
        """Whether there is a directory of such keys; asking makes none."""
        return self._top("lib", LASTING, durable=True).exists("wireguard")

    def reservations(self, network: str) -> Directory:
        """A network's reserved addresses."""
        return self._below(self._lasting("reservations"), network)

    def forget_network(self, network: str) -> None:
        """Remove a network's address claims and reservations."""
        for directory in (self._volatile("ipam"), self._lasting("reservations")):
            self._open.pop(directory.where(network), None)
            directory.clear(network)

    def _volatile(self, name: str) -> Directory:
        return self._below(self._top("run", VOLATILE, durable=False), name)

    def _lasting(self, name: str) -> Directory:
        return self._below(self._top("lib", LASTING, durable=True), name)

    def _top(self, name: str, default: str, durable: bool) -> Directory:
        path = f"{self.path}/{name}" if self.path else default
        if path not in self._open:
            if self.path and self.path not in self._open:
                # Whoever may write to DIR could swap DIR/run: it must be as trustworthy as what is in it.
                self._open[self.path] = Directory.open(self.path)
            self._open[path] = Directory.open(path, durable, self.warnings)
        return self._open[path]

    def _below(self, directory: Directory, name: str) -> Directory:
        path = directory.where(name)
        if path not in self._open:
            self._open[path] = directory.sub(name)
        return self._open[path]
