"""Hosts come and go all the time: the routes are to who is there, and the agent holds no more than before."""

from __future__ import annotations

import json
import os
import time

import pytest

from tests.hosts import Lab, wait_until
from tests.netns.agents import LONG, Agents

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables"), pytest.mark.limit(180)]

#: Hosts join that were never there before, and the oldest leave, as their agents would; prints what stays.
CHURN = """
import json, sys, time
from netkit.stores.choice import lease_subnet
from netkit.stores.directory import DirectoryStore
from netkit.stores.model import Host
path, first, come, stay = sys.argv[1], *map(int, sys.argv[2:])
there = []
for number in range(first, first + come):
    store = DirectoryStore(path, "flannel", f"{number:032x}")
    host = Host(store.node, f"198.51.100.{number}", store.settings.vni, f"02:00:00:00:00:{number:02x}")
    store.renew(host)
    there.append((store, host, lease_subnet(store)))
    if len(there) > stay:
        store, host, claim = there.pop(0)
        store.renew(host.replace(left=True))
        store.release(claim)
    time.sleep(0.1)
print(json.dumps([claim.subnets[0] for _, _, claim in there]))
"""


def held(agent: subprocess.Popen[str]) -> tuple[int, int]:
    """Descriptors and threads."""
    return len(os.listdir(f"/proc/{agent.pid}/fd")), len(os.listdir(f"/proc/{agent.pid}/task"))


def test_after_hosts_have_come_and_gone_the_routes_are_right_and_nothing_has_piled_up(lab: Lab) -> None:
    net = Agents(lab, count=1)
    net.start_all()
    host, agent = net.hosts[0], net.running["h1", "flannel"]

    stay: set[str] = set()

    def churn(first: int, come: int) -> None:
        stay.update(json.loads(host.python(CHURN, str(net.store), str(first), str(come), "3").stdout))
        assert wait_until(lambda: set(net.routes(host)) == stay, LONG)

    churn(1, 6)
    looks = []
    for _ in range(50):
        time.sleep(0.1)
        looks.append(held(agent))
    least = tuple(map(min, zip(*looks, strict=True)))
    churn(101, 40)
    assert len(stay) == 6
    flat = wait_until(lambda: all(now <= then for now, then in zip(held(agent), least, strict=True)), LONG)
    assert flat, (least, held(agent))
    assert wait_until(lambda: len(net.status(host)["peers"]) == 6, LONG)
    entries = json.loads(host.run("bridge", "-j", "fdb", "show", "dev", "flannel.1").stdout)
    assert len({entry["dst"] for entry in entries if "dst" in entry}) == 6
