"""The rules of one host are written by one firewall: that of the networks which are up."""

from __future__ import annotations

import json

from tests.features import requires
from tests.hosts import Lab


@requires("nftables", "iptables")
def test_an_attachment_uses_the_backend_of_the_networks_that_are_up(lab: Lab) -> None:
    host, one, two = lab.host(), lab.container("one"), lab.container("two")
    host.netkit("--firewall", "iptables", "attach", "--pid", str(one.pid), "-p", "8080:80", check=True)
    host.netkit("attach", "--pid", str(two.pid), "-p", "8081:80", check=True)
    rules = host.run("iptables-save", "-t", "nat").stdout
    assert "--dport 8080" in rules
    assert "--dport 8081" in rules
    assert "inet netkit" not in host.run("nft", "list", "tables").stdout


@requires("nftables", "iptables")
def test_another_backend_is_refused_while_networks_are_up(lab: Lab) -> None:
    host, one, two = lab.host(), lab.container("one"), lab.container("two")
    host.netkit("--firewall", "nftables", "attach", "--pid", str(one.pid), check=True)
    refused = host.netkit("--json", "--firewall", "iptables", "attach", "--pid", str(two.pid))
    assert refused.returncode == 4
    assert "were made with nftables" in json.loads(refused.stderr)["error"]["message"]
    assert "bridge" in json.loads(refused.stderr)["error"]["hint"]
    assert len(json.loads(host.netkit("ps", "--json").stdout)) == 1


def test_a_port_on_an_address_of_another_host_is_refused(lab: Lab) -> None:
    host, one = lab.host(), lab.container("one")
    refused = host.netkit("attach", "--pid", str(one.pid), "-p", "198.51.100.7:8080:80")
    assert refused.returncode == 4
    assert "198.51.100.7 is no address of this host" in refused.stderr
    assert json.loads(host.netkit("ps", "--json").stdout) == []
