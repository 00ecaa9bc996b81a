"""What flannel gets wrong (its source, read in August 2026), and a netkit agent does not; one test a defect.

a  who loses a race for a subnet gives up             tests/contract/test_stores.py; here five agents at once
b  a late host overwrites the new owner of its lease  tests/contract/test_stores.py; tests/netns/test_agent_mending.py
c  a reservation becomes a lease after a restart      here
d  a device made again knows no host                  tests/netns/test_agent_mending.py; here with both families
e  a changed MTU is never applied                     tests/netns/test_agent.py
f  with nftables what enters is never masqueraded     here: what leaves is, what stays inside is not
g  rules of the other firewall are not found          here: nothing is left, whichever it was
h  a watch that begins anew takes the own lease away  here
i  routes of the gone survive a restart               tests/netns/test_agent_mending.py
"""

from __future__ import annotations

import json
import os
import signal
import sys

import pytest

from netkit.agent.events import LOST, Event
from netkit.value import to_json
from tests.hosts import Lab, Namespace, wait_until
from tests.netns.agents import LONG, Agents, address, healed

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables"), pytest.mark.limit(180)]

#: Makes this host's own claim one that is reserved.
RESERVE = """
import sys
from netkit.stores.directory import DirectoryStore
store = DirectoryStore(sys.argv[1], "flannel", sys.argv[2])
print(store.acquire(store.snapshot().of(sys.argv[2])[0].resource, reserved=True).reserved)
"""
RESERVED = """
import sys
from netkit.stores.directory import DirectoryStore
print([claim.reserved for claim in DirectoryStore(sys.argv[1], "flannel", sys.argv[2]).snapshot().of(sys.argv[2])])
"""
#: Hears with a buffer that holds almost nothing, while there is much to hear.
DEAF = """
import json, socket, subprocess
from netkit.agent.events import Events
from netkit.value import to_json
events = Events()
heard = socket.socket(fileno=events.fileno())
heard.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
heard.detach()
lines = "".join(f"route add 10.66.{i // 250}.{i % 250}/32 dev lo\\n" for i in range(1000))
subprocess.run(["ip", "-batch", "-"], input=lines, text=True, check=True)
print(json.dumps([to_json(event) for event in events.heard()]))
print(json.dumps([to_json(event) for event in events.heard()]))
"""


#: Serves one connection and says where it came from.
LISTEN = """
import socket
it = socket.create_server(("", 7008))
print("up", flush=True)
print(it.accept()[1][0], flush=True)
"""


def seen_as(source: Namespace, server: Namespace, target: str) -> str:
    """The address under which a connection arrives."""
    process = server.popen(sys.executable, "-c", LISTEN)
    assert process.stdout and process.stdout.readline() == "up\n"
    source.python(f"import socket; socket.create_connection(({target!r}, 7008), 20)")
    return process.stdout.readline().strip()


def test_a_five_agents_that_start_at_once_have_five_subnets(lab: Lab) -> None:
    net = Agents(lab, count=5, SubnetLen=18, SubnetMin="10.5.0.0")
    net.configure({**net.told, "SubnetLen": 19})
    words = ("agent", "run", "--config", str(net.config), "--store", f"dir://{net.store}")
    agents = [host.popen(sys.executable, "-m", "netkit", "--root", str(host.root), *words) for host in net.hosts]
    assert wait_until(lambda: all(net.status(host).get("ready") for host in net.hosts), LONG)
    subnets = [net.status(host)["subnets"][0] for host in net.hosts]
    assert len(set(subnets)) == 5
    assert wait_until(lambda: all(len(net.routes(host)) == 4 for host in net.hosts), LONG)
    for agent in agents:
        agent.terminate()
        agent.communicate(timeout=30)


def test_c_a_reservation_stays_one(lab: Lab) -> None:
    net = Agents(lab, count=1)
    net.start_all()
    host = net.hosts[0]
    node = net.status(host)["node"]
    net.stop(host)
    assert host.python(RESERVE, str(net.store), node).stdout == "True\n"
    net.start(host)
    net.stop(host)
    assert host.python(RESERVED, str(net.store), node).stdout == "[True]\n"


def test_d_devices_of_both_families_come_back_with_all_that_they_had(lab: Lab) -> None:
    net = Agents(lab, EnableIPv6=True, IPv6Network="fd05::/48")
    net.start_all()
    host = net.hosts[0]
    one, two = (net.attach(each) for each in net.hosts)
    assert healed(one, address(two, 6), LONG)
    for dev in ("flannel.1", "flannel-v6.1"):
        before = json.loads(host.run("ip", "-j", "-d", "link", "show", "dev", dev).stdout)[0]
        host.run("ip", "link", "del", dev)
        assert healed(one, address(two), LONG)
        assert healed(one, address(two, 6), LONG)
        after = json.loads(host.run("ip", "-j", "-d", "link", "show", "dev", dev).stdout)[0]
        kept = ("address", "mtu", "linkinfo")
        assert [after[key] for key in kept] == [before[key] for key in kept]


@pytest.mark.parametrize("firewall", ["nftables", "iptables"])
def test_f_g_what_leaves_is_masqueraded_what_stays_is_not_and_all_rules_go(lab: Lab, firewall: str) -> None:
    net = Agents(lab)
    net.start_all("--firewall", firewall, "--teardown")
    one, two = (net.attach(host) for host in net.hosts)
    assert healed(one, address(two), LONG)
    net.switch.run("ip", "addr", "add", "192.0.2.254/24", "dev", "br0")
    assert seen_as(one, net.switch, "192.0.2.254") == "192.0.2.1"
    assert seen_as(one, two, address(two)) == address(one)
    for host, container in zip(net.hosts, (one, two), strict=True):
        host.netkit("detach", "--pid", str(container.pid), check=True)
        net.stop(host)
        assert host.run("nft", "list", "ruleset").stdout.count("netkit") == 0
        assert "NETKIT" not in host.run("iptables-save").stdout.upper()


def test_h_a_store_that_goes_and_comes_twice_takes_no_lease_away(lab: Lab) -> None:
    net = Agents(lab)
    net.start_all()
    host = net.hosts[0]
    assert wait_until(lambda: len(net.routes(host)) == 1, LONG)
    subnet, away = net.subnet(host), net.store.with_name("away")
    for _ in range(2):
        net.store.rename(away)
        assert wait_until(lambda: net.status(host).get("reachable") is False, LONG)
        away.rename(net.store)
        assert wait_until(lambda: net.status(host).get("reachable") is True, LONG)
    assert (net.subnet(host), net.status(host)["lost"], len(net.routes(host))) == (subnet, "", 1)


def test_events_that_are_lost_are_told_as_lost_and_the_socket_hears_on(lab: Lab) -> None:
    first, second = lab.host().python(DEAF).stdout.splitlines()
    assert to_json(Event(LOST)) in json.loads(first)
    assert json.loads(second) == []


def test_a_wall_clock_that_jumps_by_years_changes_nothing(lab: Lab) -> None:
    net = Agents(lab)
    net.start_all()
    host = net.hosts[0]
    assert wait_until(lambda: len(net.routes(host)) == 1, LONG)
    before = net.subnet(host)
    net.stop(host, signal.SIGKILL)
    for name in (net.store / "flannel").rglob("*"):
        if name.is_file():
            os.utime(name, (0, 0))
    net.start(host)
    assert (net.subnet(host), net.status(host)["lost"]) == (before, "")
    assert wait_until(lambda: len(net.routes(host)) == 1, LONG)


@pytest.mark.parametrize(
    ("told", "path"),
    [
        ({"Network": "10.5.0.0/16", "Backend": {"Type": "ipip"}}, "Backend.Type"),
        ({"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan", "VNI": 0}}, "Backend.VNI"),
        ({"Network": "192.0.2.0/24"}, "Network"),
    ],
)
def test_bad_configurations_end_the_agent_with_their_path_and_nothing_is_made(
    lab: Lab, told: dict[str, object], path: str
) -> None:
    net = Agents(lab, count=1)
    net.configure(told)
    host = net.hosts[0]
    done = host.netkit("agent", "run", "--config", str(net.config), "--store", f"dir://{net.store}")
    assert done.returncode == 2
    assert path in done.stderr
    assert host.run("ip", "-br", "link", "show", "group", "28267").stdout == ""
