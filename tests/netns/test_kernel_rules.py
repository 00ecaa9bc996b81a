"""How firewall and port ops are carried out: merged, followed by conntrack, all or nothing."""

from __future__ import annotations

import pytest

from netkit.errors import HostError, KernelError
from netkit.kernel import conntrack, sysctl
from netkit.kernel.apply import UNTRIED, Kernel
from netkit.kernel.netns import Namespaces
from netkit.plan.ops import PortsFree, PortsReserve, RulesAdd, RulesDel
from netkit.plan.rules import BaseRules, NetworkRules, Publish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netkit.kernel.conntrack import Target
    from netkit.plan.rules import Rule

pytestmark = pytest.mark.root

BASE, NETWORK = BaseRules(), NetworkRules("bridge", "netkit0")
WEB = Publish("a" * 12, "tcp", "0.0.0.0", 8080, "10.90.0.2", 80, "netkit0", 3)
DNS = Publish("b" * 12, "udp", "192.0.2.1", 53, "10.90.0.3", 53, "netkit0")


class Notebook:
    """A firewall, and a conntrack, that write down what they are told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...] | tuple[str, list[Rule]] | tuple[str, list[Target]]] = []
        self.refuse = ""
        self.flush_fails = False

    def backend(self, name: str) -> Backend:
        return Backend(self, name)

    def flush(self, targets: Sequence[Target]) -> int:
        if targets:
            self.told.append(("flush", list(targets)))
        if self.flush_fails:
            raise KernelError("conntrack: no")
        return 0


class Backend:
    def __init__(self, notebook: Notebook, name: str) -> None:
        self.notebook, self.name = notebook, name

    def add(self, rules: Sequence[Rule]) -> None:
        if self.notebook.refuse == self.name:
            raise HostError(f"{self.name} says no")
        self.notebook.told.append((f"{self.name} add", list(rules)))

    def delete(self, rules: Sequence[Rule]) -> None:
        if self.notebook.refuse == self.name:
            raise HostError(f"{self.name} says no")
        self.notebook.told.append((f"{self.name} delete", list(rules)))


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    notebook = Notebook()
    monkeypatch.setattr(conntrack, "flush_all", notebook.flush)
    return notebook


@pytest.fixture
def kernel(notebook: Notebook) -> Iterator[Kernel]:
    with Namespaces() as namespaces:
        yield Kernel(namespaces, notebook.backend)


def test_rules_of_one_backend_go_in_one_transaction(kernel: Kernel, notebook: Notebook) -> None:
    assert kernel.apply([RulesAdd((BASE,), "nftables"), RulesAdd((NETWORK, WEB, DNS), "nftables")]) == [None, None]
    assert notebook.told == [
        ("nftables add", [BASE, NETWORK, WEB, DNS]),
        ("flush", [("udp", "192.0.2.1", 53, 53)]),
    ]


def test_each_backend_gets_its_own_in_order(kernel: Kernel, notebook: Notebook) -> None:
    ops = [RulesAdd((BASE,), "nftables"), RulesAdd((NETWORK,), "iptables"), RulesDel((NETWORK,), "iptables")]
    assert kernel.apply(ops) == [None] * 3
    assert [entry[0] for entry in notebook.told] == ["nftables add", "iptables add", "iptables delete"]


def test_connections_are_forgotten_after_rules_are_deleted(kernel: Kernel, notebook: Notebook) -> None:
    assert kernel.apply([RulesDel((DNS, WEB), "nftables")]) == [None]
    targets = [("udp", "192.0.2.1", 53, 53), ("tcp", "0.0.0.0", 8080, 8082)]
    assert notebook.told == [("nftables delete", [DNS, WEB]), ("flush", targets)]


def test_a_failure_beside_is_the_ops_own(kernel: Kernel, notebook: Notebook) -> None:
    notebook.flush_fails = True
    first, second = kernel.apply([RulesDel((WEB,), "nftables"), RulesDel((NETWORK,), "iptables")], tolerant=True)
    assert "conntrack: no" in str(first)
    assert second is None


def test_rules_without_ports_touch_no_connection(kernel: Kernel, notebook: Notebook) -> None:
    kernel.apply([RulesAdd((BASE, NETWORK), "nftables")])
    assert notebook.told == [("nftables add", [BASE, NETWORK])]


def test_a_refused_transaction_fails_as_a_whole(kernel: Kernel, notebook: Notebook) -> None:
    notebook.refuse = "nftables"
    ops = [RulesAdd((BASE,), "nftables"), RulesAdd((NETWORK,), "nftables"), RulesAdd((BASE,), "iptables")]
    first, second, third = kernel.apply(ops)
    assert str(first) == "nftables says no"
    assert (second, third) == (UNTRIED, UNTRIED)
    assert notebook.told == []


def test_undo_goes_on_past_a_refused_transaction(kernel: Kernel, notebook: Notebook) -> None:
    notebook.refuse = "nftables"
    ops = [RulesDel((BASE,), "nftables"), RulesDel((NETWORK,), "nftables"), RulesDel((BASE,), "iptables")]
    first, second, third = kernel.apply(ops, tolerant=True)
    assert (str(first), str(second), third) == ("nftables says no", "nftables says no", None)


def test_rules_are_taken_back_when_connections_cannot_be_forgotten(kernel: Kernel, notebook: Notebook) -> None:
    notebook.flush_fails = True
    (outcome,) = kernel.apply([RulesAdd((BASE, DNS), "nftables")])
    assert "conntrack: no" in str(outcome)
    assert notebook.told[-1] == ("nftables delete", [DNS, BASE])


def test_ports_are_reserved_and_freed(kernel: Kernel) -> None:
    before = sysctl.reserved_ports()
    assert kernel.apply([PortsReserve(((8080, 8082), (53, 53)))]) == [None]
    assert sysctl.reserved_ports() == before | {8080, 8081, 8082, 53}
    assert kernel.apply([PortsFree(((8080, 8082), (53, 53)))]) == [None]
    assert sysctl.reserved_ports() == before
