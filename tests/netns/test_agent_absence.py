"""A host whose agent is dead: nobody notices for as long as its lease lasts, and nobody is taken in beyond that.

Time passes by a time namespace, in which the kernel's clock of seconds since the start has gone on.
"""

from __future__ import annotations

import json
import signal
import sys

import pytest

from tests.hosts import Lab, wait_until
from tests.netns.agents import LONG, Agents, address, healed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.hosts import Completed, Container, HostNs

pytestmark = [
    pytest.mark.root,
    pytest.mark.requires("vxlan", "bridge", "nftables", "time-namespaces"),
    pytest.mark.limit(180),
]

#: A lease lasts for a day; an hour before its end its host may not count on it any more.
TTL, MARGIN = 86400, 3600
#: Another host, in whose eyes 29 s pass between two looks, until it may have the silent one's subnet; and has it.
HEIR = """
import sys
from netkit.stores.directory import DirectoryStore
from netkit.stores.model import GRACE, Host
path, owner, cidr = sys.argv[1:]
now = [0.0]
store = DirectoryStore(path, "flannel", "f" * 32, clock=lambda: now[0])
resource = "subnets/" + cidr.replace("/", "-")
silent = 0
while store.snapshot().claim(resource).node == owner:
    now[0] += 29
    silent += 29
    if silent > store.settings.ttl + GRACE + 60:
        store.renew(Host("f" * 32, "192.0.2.99", store.settings.vni, "02:00:00:00:00:99"))
        print(store.acquire(resource).node)
"""


def later(host: HostNs, seconds: int, *words: str) -> Completed[str]:
    """What the netkit command answers when so many seconds have passed."""
    moved = ("unshare", "--time", "--boottime", str(seconds), sys.executable, "-m", "netkit")
    return host.run(*moved, "--root", str(host.root), *words, check=False)


def attach(container: Container) -> tuple[str, ...]:
    return ("attach", "--pid", str(container.pid), "--network", "flannel")


def test_a_dead_agents_host_attaches_while_its_lease_lasts_and_never_what_may_be_anothers(lab: Lab) -> None:
    net = Agents(lab)
    net.start_all()
    host = net.hosts[0]
    subnet, node = net.subnet(host), net.status(host)["node"]
    one, two, three, four = (net.attach(net.hosts[1]), *(lab.container(f"c{number}") for number in range(3)))
    assert wait_until(lambda: len(net.routes(host)) == 1, LONG)
    net.stop(host, signal.SIGKILL)
    told = net.status(host)
    assert (told["pid"], told["ready"]) == (0, False)
    assert later(host, TTL - MARGIN - 120, *attach(two)).returncode == 0
    assert healed(two, address(one), LONG)
    assert host.python(HEIR, str(net.store), node, subnet).stdout == f"{'f' * 32}\n"
    before = host.run("ip", "-j", "link", "show").stdout
    for words in (attach(three), (*attach(three), "--dry-run")):
        refused = later(host, TTL - MARGIN + 1, *words)
        assert refused.returncode == 1
        assert f"nobody has renewed this host's lease of {subnet} for 828" in refused.stderr
        assert "netkit agent run" in refused.stderr
    assert host.run("ip", "-j", "link", "show").stdout == before
    net.start(host)
    assert "is lost" in net.status(host)["lost"]
    assert "takes nobody in: the lease" in later(host, 0, *attach(three)).stderr
    host.netkit("detach", "--pid", str(two.pid), check=True)
    assert wait_until(lambda: not net.status(host)["lost"], LONG)
    assert net.subnet(host) != subnet
    host.netkit(*attach(four), check=True)
    assert healed(four, address(one), LONG)


def test_after_a_reboot_nobody_is_taken_in_before_the_agent_has_asked_the_store(lab: Lab) -> None:
    net = Agents(lab)
    net.start_all()
    host = net.hosts[0]
    assert wait_until(lambda: len(net.routes(host)) == 1, LONG)
    net.stop(host, signal.SIGKILL)
    for link in filter(None, json.loads(host.run("ip", "-j", "link", "show", "group", "28267").stdout)):
        host.run("ip", "link", "del", link["ifname"])
    host.run("nft", "flush", "ruleset")
    host.run("rm", "-r", str(host.root / "run"))
    container = lab.container()
    refused = host.netkit(*attach(container))
    assert (refused.returncode, "since this host started" in refused.stderr) == (1, True)
    net.start(host)
    host.netkit(*attach(container), check=True)
