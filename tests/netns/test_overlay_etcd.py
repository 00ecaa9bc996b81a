"""An overlay whose hosts meet in etcd: addresses of both families, and an etcd that dies while frames flow."""

from __future__ import annotations

import json

import pytest

from tests.hosts import Lab, wait_until
from tests.netns.test_overlay_store import Crowd, end, forwards, reaches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import Popen

pytestmark = [
    pytest.mark.root,
    pytest.mark.requires("vxlan", "bridge", "nftables", "etcd", "etcd3gw"),
    pytest.mark.limit(120),
]


class InEtcd(Crowd):
    """The first host has an etcd as well."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self.etcd = self.start()

    @property
    def store(self) -> str:
        return "etcd://192.0.2.1:2379/netkit"

    def start(self) -> Popen[str]:
        where, data = "http://192.0.2.1:2379", str(self.lab.directory / "etcd")
        words = ("--listen-client-urls", where, "--advertise-client-urls", where, "--log-level", "error")
        found = self.hosts[0].popen("etcd", "--data-dir", data, "--listen-peer-urls", "http://127.0.0.1:2380", *words)
        assert wait_until(lambda: self.ctl("get", "x", check=False) != "failed")
        return found

    def ctl(self, *words: str, check: bool = True) -> str:
        argv = ("env", "ETCDCTL_API=3", "etcdctl", "--endpoints", "http://192.0.2.1:2379", *words)
        done = self.hosts[0].run(*argv, check=check)
        return "failed" if done.returncode else done.stdout


@pytest.fixture
def crowd(lab: Lab) -> Iterator[InEtcd]:
    made = InEtcd(lab)
    yield made
    end(made)


def test_hosts_that_meet_in_etcd_are_one_segment_and_stay_one_while_it_is_dead(crowd: InEtcd) -> None:
    crowd.up("--subnet", "10.142.0.0/16", "--subnet", "fd42::/64")
    _, second = crowd.attach()
    for address in second.values():
        assert reaches(crowd.containers[0], address)
    keys = crowd.ctl("get", "--prefix", "/netkit/overlay42/netkit/addresses/", "--keys-only").split()
    assert len(keys) == len(set(keys)) == 8
    before = forwards(crowd.hosts[0])
    crowd.etcd.kill()
    crowd.etcd.wait()
    crowd.hosts[0].netkit("reload", check=True)
    assert forwards(crowd.hosts[0]) == before
    assert reaches(crowd.containers[0], second[4])
    pid = str(crowd.containers[1].pid)
    refused = crowd.hosts[1].netkit("attach", "--network", "overlay42", "--pid", pid, "--ifname", "eth9")
    assert refused.returncode == 1
    assert "etcd does not answer" in refused.stderr
    crowd.etcd = crowd.start()
    crowd.hosts[1].netkit("detach", "--pid", pid, check=True)
    crowd.hosts[1].netkit("overlay", "down", "--vni", "42", check=True)
    assert wait_until(lambda: not forwards(crowd.hosts[0]))
    keys = crowd.ctl("get", "--prefix", "/netkit/overlay42/netkit/addresses/", "--keys-only").split()
    holders = {json.loads(crowd.ctl("get", "--print-value-only", key))["Netkit"]["Node"] for key in keys}
    assert holders == {crowd.node(0)}
