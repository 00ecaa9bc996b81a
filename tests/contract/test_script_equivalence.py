"""What `--dry-run` prints, run by a shell in a twin host, gives what netkit makes: links, addresses, rules, all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acts import CASES, prepare
from tests.features import need
from tests.hosts import Container, HostNs, Lab
from tests.oracle import diff, snapshot

#: Of no matter to the network: state files (the script keeps none), and which namespace has which number.
ALLOWED = ("state *", "* links * link_netnsid: *", "* links * link_netns*: *")


class Twin:
    """A host with a way out and a container; two of them are alike."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.host: HostNs = lab.host(name)
        self.container: Container = lab.container(f"{name}-container")
        lab.link(self.host, lab.host(f"{name}-lan"), ("192.0.2.1/24", "192.0.2.2/24"), ("fd00:2::1/64", "fd00:2::2/64"))
        self.host.run("ip", "link", "set", "eth0", "address", "02:00:00:00:00:01")
        self.host.run("ip", "-6", "addr", "flush", "dev", "eth0", "scope", "link")
        self.host.run("ip", "route", "add", "default", "via", "192.0.2.2")

    def act(self, backend: str, case: str, verb: str) -> str:
        words = (str(self.host.root), backend, case, verb, str(self.container.pid))
        done = self.host.module("tests.acts", *words)
        assert '"error": ""' in done.stdout, done.stdout
        return done.stderr

    def seen(self) -> dict[str, Any]:
        found = snapshot(self.host, (self.container,))
        return {"host": found["host"], "container": found[self.container.name], "state": {}}


@pytest.mark.parametrize("backend", ("nftables", "iptables"))
# each host would choose its own free port; how ports reach a plugin's link is known when it is there
@pytest.mark.parametrize("case", sorted(CASES.keys() - {"free", "delegate-ports"}))
def test_the_printed_script_does_what_netkit_does(lab: Lab, backend: str, case: str) -> None:
    need(backend)
    one, other = Twin(lab, "one"), Twin(lab, "other")
    for twin in (one, other):
        prepare(case, twin.host, twin.container)
    assert diff(one.seen(), other.seen(), ALLOWED) == ""
    text = other.act(backend, case, "plan")
    assert diff(one.seen(), other.seen(), ALLOWED) == "", "a dry run changes nothing"
    other.host.run("sh", input=text)
    if CASES[case][0]:
        one.act(backend, case, "create")
    one.act(backend, case, "attach")
    assert diff(one.seen(), other.seen(), ALLOWED) == ""
