"""Agents that meet in etcd: the configuration there is whole, and etcd's death takes nothing away."""

from __future__ import annotations

import json
import sys

import pytest

from tests.hosts import HostNs, Lab, wait_until
from tests.netns.calls import ip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import Popen
    from typing import Any

pytestmark = [pytest.mark.root, pytest.mark.requires("etcd", "etcd3gw", "vxlan", "nftables"), pytest.mark.limit(120)]

CONFIG = {"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan", "DirectRouting": True, "MTU": 1400}}


class Meeting:
    """Two hosts with agents, and etcd on the first; a container on each. Agents are told `more` beside the store."""

    def __init__(self, lab: Lab, config: dict[str, Any] = CONFIG, *more: str) -> None:
        self.one, self.two = lab.host("one"), lab.host("two")
        lab.link(self.one, self.two, ("192.0.2.1/24", "192.0.2.2/24"))
        where = "http://192.0.2.1:2379"
        self.etcd: Popen[str] = self.one.popen(
            *("etcd", "--data-dir", str(lab.directory / "etcd"), "--log-level", "error"),
            *("--listen-peer-urls", "http://127.0.0.1:2380", "--listen-client-urls", where),
            *("--advertise-client-urls", where),
        )
        put = ("env", "ETCDCTL_API=3", "etcdctl", "--endpoints", where, "put", "/net/config", json.dumps(config))
        assert wait_until(lambda: self.one.run(*put, check=False).returncode == 0)
        words = ("agent", "run", "--store", "etcd://192.0.2.1:2379/net", "--iface", "eth0", *more)
        self.agents = [
            host.popen(sys.executable, "-m", "netkit", "--root", str(host.root), *words)
            for host in (self.one, self.two)
        ]
        self.containers = {host: lab.container(f"c-{host.name}") for host in (self.one, self.two)}
        for host, container in self.containers.items():
            attach = ("attach", "--pid", str(container.pid), "--network", "flannel")
            assert wait_until(lambda host=host, attach=attach: host.netkit(*attach).returncode == 0, 30)  # type: ignore[misc]

    def direct(self, host: HostNs) -> list[str]:
        """The routes that lead by a neighbour."""
        return [route["dst"] for route in ip(host, "route", "show", "dev", "eth0") if route.get("protocol") == "142"]

    def pings(self) -> bool:
        here, there = self.containers[self.one], self.containers[self.two]
        address = ip(there, "addr", "show", "eth0")[0]["addr_info"][0]["local"]
        return here.run("ping", "-c1", "-W10", address, check=False).returncode == 0


def test_what_an_operator_wrote_in_etcd_counts_and_its_death_does_not(lab: Lab) -> None:
    meeting = Meeting(lab)
    assert wait_until(lambda: bool(meeting.direct(meeting.one) and meeting.direct(meeting.two)), 30)
    assert "FLANNEL_MTU=1350" in meeting.one.run("cat", "/run/flannel/subnet.env").stdout
    assert meeting.pings()
    meeting.etcd.kill()
    meeting.etcd.communicate()
    before = meeting.direct(meeting.one)
    meeting.one.run("ip", "route", "flush", "proto", "142")
    assert wait_until(lambda: meeting.direct(meeting.one) == before, 30)
    assert meeting.pings()


@pytest.mark.requires("tun", "tcx")
def test_who_takes_what_kernels_send_says_so_where_flannel_looks_past(lab: Lab) -> None:
    meeting = Meeting(lab, {"Network": "10.5.0.0/16", "Backend": {"Type": "udp"}}, "--fast-path", "--teardown")
    assert wait_until(lambda: "in the kernel: " in meeting.one.netkit("agent", "status").stdout, 30)
    assert wait_until(lambda: "in the kernel: " in meeting.two.netkit("agent", "status").stdout, 30)
    assert meeting.pings()
    told = json.loads(meeting.one.netkit("agent", "status", "--json").stdout)[0]["peers"][0]["past_proxy"]
    assert [(way["takes"], way["packets_out"] > 0, way["packets_in"] > 0) for way in told.values()] == [(True,) * 3]
    get = (
        "env",
        "ETCDCTL_API=3",
        "etcdctl",
        "--endpoints",
        "http://192.0.2.1:2379",
        "get",
        "--prefix",
        "/net/subnets/",
    )
    leases = [json.loads(line) for line in meeting.one.run(*get, "--print-value-only").stdout.splitlines() if line]
    assert [lease["BackendType"] for lease in leases] == ["udp", "udp"]
    assert [lease["Netkit"]["FastPath"] for lease in leases] == [True, True]
    assert all(lease.keys() == {"PublicIP", "PublicIPv6", "BackendType", "Netkit"} for lease in leases)
    for host, agent in zip((meeting.one, meeting.two), meeting.agents, strict=True):
        host.netkit("detach", "--pid", str(meeting.containers[host].pid), check=True)
        agent.terminate()
        assert agent.wait(60) == 0
