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

pytestmark = [pytest.mark.root, pytest.mark.requires("etcd", "etcd3gw", "vxlan", "nftables"), pytest.mark.limit(120)]

CONFIG = {"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan", "DirectRouting": True, "MTU": 1400}}


class Meeting:
    """Two hosts with agents, and etcd on the first; a container on each."""

    def __init__(self, lab: Lab) -> None:
        self.one, self.two = lab.host("one"), lab.host("two")
        lab.link(self.one, self.two, ("192.0.2.1/24", "192.0.2.2/24"))
        where = "http://192.0.2.1:2379"
        self.etcd: Popen[str] = self.one.popen(
            *("etcd", "--data-dir", str(lab.directory / "etcd"), "--log-level", "error"),
            *("--listen-peer-urls", "http://127.0.0.1:2380", "--listen-client-urls", where),
            *("--advertise-client-urls", where),
        )
        put = ("env", "ETCDCTL_API=3", "etcdctl", "--endpoints", where, "put", "/net/config", json.dumps(CONFIG))
        assert wait_until(lambda: self.one.run(*put, check=False).returncode == 0)
        for host in (self.one, self.two):
            words = ("agent", "run", "--store", "etcd://192.0.2.1:2379/net", "--iface", "eth0")
            host.popen(sys.executable, "-m", "netkit", "--root", str(host.root), *words)
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
