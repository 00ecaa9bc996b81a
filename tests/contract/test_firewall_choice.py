"""Which backend a host gets, and that switched frames of other bridges stay alive."""

from __future__ import annotations

import pytest

from netkit.errors import HostError
from netkit.kernel import firewall, nfchains, spawn, xtables
from netkit.plan.rules import BaseRules, ClosedTransit
from tests.contract.executor import execute
from tests.contract.packets import Server, ask
from tests.features import need

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.hosts import HostNs, Lab

CHOOSE = "from netkit.kernel.firewall import choose; import sys; print(choose(sys.argv[1]))"


def choice(host: HostNs, prefer: str = "auto") -> str:
    return host.python(CHOOSE, prefer).stdout.strip()


@pytest.mark.requires("nftables", "iptables-legacy")
def test_auto_follows_what_the_host_uses(host: HostNs) -> None:
    assert choice(host) == "nftables"
    host.run("iptables-legacy", "-t", "nat", "-L")
    assert choice(host) == "nftables", "tables without rules are no firewall"
    host.run("iptables-legacy", "-A", "INPUT", "-s", "10.9.9.9", "-j", "DROP")
    assert choice(host) == "iptables-legacy"
    assert choice(host, "nftables") == "nftables"
    host.run("iptables-legacy", "-F")
    host.run("iptables-legacy", "-P", "FORWARD", "DROP")
    assert choice(host) == "iptables-legacy"


@pytest.mark.requires("iptables")
def test_iptables_means_the_variant_that_the_host_has(host: HostNs) -> None:
    variant = "iptables" if "nf_tables" in host.run("iptables", "--version").stdout else "iptables-legacy"
    assert choice(host, "iptables") == variant


def only(monkeypatch: pytest.MonkeyPatch, *programs: str, kernel: bool = True) -> None:
    """A host that has these programs and nothing else."""
    monkeypatch.setattr(spawn, "find", lambda program: f"/bin/{program}" if program in programs else None)
    monkeypatch.setattr("netkit.kernel.libnft.os.path.exists", lambda _: False)
    monkeypatch.setattr(nfchains, "usable", lambda: kernel)
    monkeypatch.setattr(xtables, "legacy_tables", lambda family=4: [])
    monkeypatch.setattr(xtables, "_is_nft", lambda path: False)


def test_a_host_without_nftables_gets_its_iptables(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "iptables", "ip6tables")
    assert firewall.choose() == "iptables-legacy"


def test_a_kernel_without_nf_tables_gets_its_iptables(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "nft", "iptables-legacy", kernel=False)
    assert firewall.choose() == "iptables-legacy"


def test_the_nft_program_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "nft")
    assert firewall.choose() == "nftables"


@pytest.mark.parametrize("prefer", ["auto", "nftables", "iptables", "iptables-legacy", "pf"])
def test_what_is_absent_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, prefer: str) -> None:
    only(monkeypatch)
    with pytest.raises(HostError) as caught:
        firewall.choose(prefer)
    assert caught.value.hint and (prefer == "auto" or prefer in caught.value.message)


@pytest.mark.requires("bridge")
@pytest.mark.parametrize("backend", ["nftables", "iptables", "iptables-legacy"])
@pytest.mark.parametrize("address", ["", "10.77.0.1/24"], ids=["no-address", "with-address"])
def test_closed_transit_leaves_frames_alone_that_anothers_bridge_switches(lab: Lab, backend: str, address: str) -> None:
    """With br_netfilter they pass the forward hook; Docker's policy drop is known for cutting virtual machines off."""
    need(backend)
    host, a, b = lab.host(), lab.container("a"), lab.container("b")
    host.run("ip", "link", "add", "br0", "up", "type", "bridge")
    if address:
        host.run("ip", "addr", "add", address, "dev", "br0")
    for number, member in enumerate((a, b), 2):
        _, port = lab.link(member, host, (f"10.77.0.{number}/24", f"10.99.{number}.1/32"))
        host.run("ip", "addr", "flush", "dev", port)
        host.run("ip", "link", "set", port, "master", "br0")
    host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    assert execute(host, backend, "add", [BaseRules(), ClosedTransit(4)]) == "None"
    Server(b, "b", "tcp:0.0.0.0:80")
    assert ask(a, [("tcp", "10.77.0.3", 80)], 10) == ["b 10.77.0.2"]
