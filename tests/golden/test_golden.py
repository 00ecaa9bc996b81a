"""Request in, command script out: every case is a folder that reads like a page of a manual.

`request.json` says what is asked of which driver on which host; `plan.sh` and `undo.sh` are what netkit answers.
NETKIT_UPDATE_GOLDEN=1 writes the answers anew: review the difference, it is the change that users will see.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from netkit.drivers.protocols import Attachment
from netkit.drivers.registry import driver
from netkit.engine.attach import ask_driver, learned, with_lease
from netkit.ipam.dhcp import DhcpLease, DhcpLink
from netkit.model import AttachRequest, Lease, Network, NsRef, PeerHost, PortMap, Rate, Subnet
from netkit.plan.host import Address, Link, Route
from netkit.plan.ops import Errand
from netkit.plan.rare.vlan import Vlans
from netkit.plan.render import script
from netkit.plan.steps import Plan
from tests.fakes import FakeHost

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/*/request.json"))
NETNS = NsRef("/proc/1234/ns/net", 4026532650, 77)


def values(kind: Any, items: list[dict[str, Any]]) -> tuple[Any, ...]:
    return tuple(kind(**item) for item in items)


def host_of(data: dict[str, Any]) -> FakeHost:
    return FakeHost(
        links=values(Link, data.get("links", [])),
        addresses={dev: tuple(found) for dev, found in data.get("addresses", {}).items()},
        routes=values(Route, data.get("routes", [])),
        sysctls=data.get("sysctls"),
        firewall=data.get("firewall", "nftables"),
        foreign=tuple(data.get("foreign", ())),
        inside=values(Link, data.get("inside", [{"name": "lo", "index": 1}])),
        inside_routes=values(Route, data.get("inside_routes", [])),
        vlans={dev: Vlans(**found) for dev, found in data.get("vlans", {}).items()},
        addressing={dev: values(Address, found) for dev, found in data.get("addressing", {}).items()},
    )


def learnt(net: Network, req: AttachRequest, first: Attachment, told: dict[str, Any], host: FakeHost) -> Attachment:
    """The whole attachment, when a plugin or a DHCP server has answered this."""
    if net.ipam == "dhcp":
        grant = {**told, "routes": tuple(map(tuple, told.get("routes", ())))}
        link = DhcpLink(first.endpoint.id, req.netns, req.ifname, first.endpoint.mac)
        return with_lease(net, req, first, DhcpLease(link, **grant), host)
    return learned(net, req, first, {op: told for op in first.plan.ops if isinstance(op, Errand)}, host)


def plans_of(case: Path) -> tuple[Plan, ...]:
    """What the first attachment on this host would do: the host's part, the network's, its own."""
    data = json.loads((case / "request.json").read_text())
    host = host_of(data.get("host", {}))
    mode = driver(data.get("mode", case.parent.name))
    net = dict(data.get("network", {}))
    net["subnets"] = values(Subnet, net.get("subnets", []))
    net["options"] = tuple((key, value) for key, value in net.get("options", {}).items())
    network = Network(**{"name": mode.name, "mode": data.get("mode", mode.name), **net})
    if hasattr(mode, "device") and not network.device:
        network = network.replace(device=mode.device(network))
    request = dict(data.get("request", {}))
    request["ports"] = values(PortMap, request.get("ports", []))
    request["ips"] = tuple(request.get("ips", ()))
    for rate in request.keys() & {"rate_in", "rate_out"}:
        request[rate] = Rate(**request[rate])
    req = AttachRequest("web", NETNS, **request)
    attachment = ask_driver(network, req, values(Lease, data.get("leases", [])), host)
    if "answer" in data:
        attachment = learnt(network, req, attachment, data["answer"], host)
    if not data.get("first", True):
        return (attachment.plan,)
    for_host = mode.host_up(network, host) if hasattr(mode, "host_up") else Plan()
    others = [_peer(each) for each in data.get("peers", [])]
    met = sum((mode.peer(network, peer, host) for peer in others), Plan())  # type: ignore[attr-defined]
    return for_host, mode.network_up(network, host), met, attachment.plan


def _peer(data: dict[str, Any]) -> PeerHost:
    endpoints = tuple((address, mac) for address, mac in data.pop("endpoints", ()))
    return PeerHost(**{**data, "subnets": tuple(data.pop("subnets", ()))}, endpoints=endpoints)


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_plan_and_undo_read_as_written_down(case: Path) -> None:
    plans = plans_of(case)
    there, back = sum(plans, Plan()), sum((plan.undo() for plan in reversed(plans)), Plan())
    for name, text in (("plan.sh", script(there, explain=True)), ("undo.sh", script(back))):
        if os.environ.get("NETKIT_UPDATE_GOLDEN"):
            (case / name).write_text(text)
        assert (case / name).read_text() == text


def test_there_are_cases() -> None:
    assert len(CASES) >= 8
