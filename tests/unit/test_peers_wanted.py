"""What is wanted of other hosts: worked out once for one question, and anew for another; what it hangs on is seen."""

from __future__ import annotations

import pytest

from netkit.engine import calm, peers
from netkit.errors import ConflictError
from netkit.model import Network, PeerHost
from netkit.plan.host import Route
from netkit.plan.ops import RouteAdd
from netkit.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.plan.host import Host

NET = Network("flannel", "counted")
PEERS = (PeerHost("b", "192.0.2.2", subnets=("10.5.2.0/24",)), PeerHost("c", "192.0.2.3", subnets=("10.5.3.0/24",)))


class Counted:
    """A mode that leads to a host by a route over the link that its address is found by, unless another's is there."""

    def __init__(self) -> None:
        self.asked = 0

    def peer(self, _: Network, peer: PeerHost, host: Host) -> Plan:
        self.asked += 1
        if any(route.dst == peer.subnets[0] for route in host.routes(4)):
            raise ConflictError(f"another's route leads to {peer.subnets[0]}")
        way = host.way_to(peer.address)
        return Plan.of((RouteAdd(peer.subnets[0], way.dev if way else ""), "it is there"))


class Routed:
    """A host with these routes; other hosts are behind `link`."""

    firewall = "nftables"

    def __init__(self, *routes: Route) -> None:
        self.known = routes
        self.link = "eth0"
        self.asked = 0

    def routes(self, family: int) -> tuple[Route, ...]:
        return self.known if family == 4 else ()

    def way_to(self, _: str) -> Route:
        self.asked += 1
        return Route("default", 4, dev=self.link)


@pytest.fixture
def mode(monkeypatch: pytest.MonkeyPatch) -> Counted:
    made = Counted()
    monkeypatch.setattr(peers, "driver", lambda _: made)
    for module in (peers, calm):
        monkeypatch.setattr(module, "_last", {})
    return made


def test_the_same_question_is_worked_out_once_and_what_it_hangs_on_is_asked_after_some_rounds(mode: Counted) -> None:
    routed = Routed()
    host: Host = routed  # type: ignore[assignment]
    found = [peers.wanted(NET, list(PEERS), host) for _ in range(peers._ROUNDS)]
    assert (mode.asked, routed.asked) == (len(PEERS), len(PEERS))
    assert {len(plan) for plan, _ in found} == {2}
    assert peers.wanted(NET, PEERS, host) == found[0]
    assert (mode.asked, routed.asked) == (len(PEERS), 2 * len(PEERS))
    routed.link = "eth1"
    then = [peers.wanted(NET, PEERS, host)[0].ops for _ in range(peers._ROUNDS)]
    assert then[0] == found[0][0].ops
    assert {op.on() for op in then[-1]} == {"eth1"}
    assert mode.asked == 2 * len(PEERS)


def test_how_long_a_route_has_yet_is_no_other_question(mode: Counted) -> None:
    for seconds in (1800, 1790):
        host: Host = Routed(Route("default", 4, "192.0.2.254", "eth0", expires=seconds))  # type: ignore[assignment]
        peers.wanted(NET, PEERS, host)
    assert mode.asked == len(PEERS)
    for_good: Host = Routed(Route("default", 4, "192.0.2.254", "eth0"))  # type: ignore[assignment]
    peers.wanted(NET, PEERS, for_good)
    assert mode.asked == 2 * len(PEERS)


def test_other_peers_another_definition_or_anothers_route_are_other_questions(mode: Counted) -> None:
    host: Host = Routed()  # type: ignore[assignment]
    taken: Host = Routed(Route("10.5.3.0/24", 4, dev="eth7"))  # type: ignore[assignment]
    assert peers.wanted(NET, PEERS, host)[1] == ()
    assert [len(each) for each in peers.wanted(NET, PEERS, taken)] == [1, 1]
    assert len(peers.wanted(NET, PEERS[:1], taken)[0]) == 1
    assert len(peers.wanted(NET.replace(mtu=1400), PEERS, host)[0]) == 2
    assert mode.asked == 7
