"""Forty containers start at the same instant, on a network that is not there yet, and end at the same instant."""

from __future__ import annotations

import pytest

from netkit.model import PortMap
from tests.contract.test_engine_faults import ALLOWED
from tests.hosts import HostNs, Lab
from tests.netns.calls import Remote, ip, kernel
from tests.netns.test_engine_races import SLOW, attach, bridges, counted, leave
from tests.oracle import diff

MANY = 40


@SLOW
@pytest.mark.parametrize("backend", ("nftables", "iptables"))
def test_forty_first_attachments_at_once_make_one_network(host: HostNs, lab: Lab, backend: str) -> None:
    remote = Remote(host, backend)
    containers = [lab.container(f"c{number}") for number in range(MANY)]
    remote.attach(containers[0])
    remote.leave(containers[0])
    remote.call("rm", name="bridge")
    before = kernel(host)
    ports = [(PortMap("tcp", "0.0.0.0", 8000 + number, 80),) for number in range(MANY)]
    found = remote.together([attach(c, ports=port) for c, port in zip(containers, ports, strict=True)])
    assert counted(found) == {"done": MANY}, found
    taken = {tuple(address["local"] for link in ip(c, "addr", "show", "dev", "eth0") for address in link["addr_info"])
             for c in containers}  # fmt: skip
    assert len(taken) == MANY
    assert bridges(host) == ["netkit0"]
    assert remote.call("check") == ()
    assert counted(remote.together([leave(c) for c in containers])) == {"done": MANY}
    assert remote.call("attachments") == ()
    remote.call("rm", name="bridge")
    assert diff(before, kernel(host), ALLOWED) == ""
