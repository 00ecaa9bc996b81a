"""Rounds that found all as it was: the next one mends what was broken since, though no event has told of it."""

from __future__ import annotations

import json

import pytest

from tests.hosts import wait_until
from tests.netns.agents import LONG, Agents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.hosts import Lab

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables")]

#: An agent that hears of nothing: three rounds, a break, one round, for each; what the tools show before and after.
ROUNDS = """
import json, subprocess, sys, time
from netkit.agent.host.agent import Agent
from netkit.agent.host.joining import Ground
from netkit.agent.loop import Loop
from netkit.engine.service import Engine

root, store, config, breaks = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])

def shown():
    looks = ("ip -4 route show dev flannel.1", "bridge fdb show dev flannel.1", "ip -br link show dev flannel.1",
             "ip neigh show dev flannel.1 nud permanent", "nft list set inet netkit tunnel4")
    return [subprocess.run(look.split(), capture_output=True, text=True).stdout for look in looks]

agent = Agent(root, Ground("dir://" + store, config, subnet_file=root + "/subnet.env"), Loop(), lambda said: None)
agent.join()
while not agent.status.peers:
    time.sleep(0.1)
    agent.round()
told = {}
for words in breaks:
    for _ in range(3):
        agent.round()
    before = shown()
    subprocess.run(words, check=True)
    broken = shown()
    Engine(root).reload() if "ruleset" in words else agent.round()
    told[" ".join(words)] = [broken != before, shown() == before]
print(json.dumps(told))
agent.leave(False)
"""


def test_what_breaks_between_calm_rounds_is_mended_by_the_next(lab: Lab) -> None:
    net = Agents(lab)
    net.start_all()
    host = net.hosts[0]
    assert wait_until(lambda: len(net.routes(host)) == 1, LONG)
    net.stop(host)
    (subnet,) = net.routes(host)
    entry = json.loads(host.run("bridge", "-j", "fdb", "show", "dev", "flannel.1").stdout)[0]
    fdb = ("bridge", "fdb")
    at = ("dev", "flannel.1", "self", "permanent", "dst")
    breaks = [
        ("ip", "route", "del", subnet, "dev", "flannel.1"),
        (*fdb, "del", entry["mac"], "dev", "flannel.1", "self", "dst", entry["dst"]),
        (*fdb, "replace", entry["mac"], *at, "192.0.2.77"),
        (*fdb, "add", "02:00:00:99:99:99", *at, "192.0.2.77"),
        ("ip", "neigh", "flush", "dev", "flannel.1", "nud", "permanent"),
        ("nft", "flush", "set", "inet", "netkit", "tunnel4"),
        ("nft", "flush", "ruleset"),
        ("ip", "link", "set", "flannel.1", "down"),
        ("ip", "link", "del", "flannel.1"),
    ]
    done = host.python(ROUNDS, str(host.root), str(net.store), str(net.config), json.dumps(breaks))
    told = json.loads(done.stdout)
    assert told == {" ".join(words): [True, True] for words in breaks}
