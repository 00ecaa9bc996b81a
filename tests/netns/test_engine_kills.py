"""Killed at a system call, by strace, in the middle of anything: gc alone gives back exactly what was there before.

Each run picks one (system call, number); the numbers are spread over what an undisturbed run made of that call after
its interpreter had started.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from netkit.model import PortMap
from tests.contract.test_engine_faults import ALLOWED
from tests.features import requires
from tests.hosts import Container, HostNs, Lab
from tests.netns.calls import Remote
from tests.oracle import diff, snapshot

pytestmark = [requires("strace", "nftables"), pytest.mark.limit(180)]

PORTS = (PortMap("tcp", "0.0.0.0", 8080, 80), PortMap("udp", "0.0.0.0", 0, 53))
#: What changes files or the kernel, and how many deaths each call gets.
CALLS = {"sendto": 4, "sendmsg": 1, "renameat": 3, "linkat": 1, "symlinkat": 1, "unlinkat": 3, "openat": 2, "write": 1}
#: Files of the interpreter and its libraries, opened before there is anything to kill.
_START = re.compile(r"(\d+ +)?openat\(AT_FDCWD")
_CALL = re.compile(r"(?:\d+ +)?(\w+)\(")

Call = tuple[str, dict[str, Any]]


class Victim:
    """A host with one container; `kill` makes a call and lets it die at a chosen system call."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.host: HostNs = lab.host()
        self.container: Container = lab.container()
        self.remote = Remote(self.host)
        self.log = directory / "strace"
        self.act("attach", "leave", "rm")

    def call(self, verb: str) -> Call:
        pid = self.container.pid
        wishes: dict[str, dict[str, Any]] = {
            "attach": {"pid": pid, "container": "web", "ports": PORTS},
            "leave": {"pid": pid},
            "rm": {"name": "bridge"},
        }
        return verb, wishes.get(verb, {})

    def act(self, *verbs: str) -> None:
        for verb in verbs:
            name, wish = self.call(verb)
            self.remote.call(name, **wish)

    def moments(self, verb: str) -> list[tuple[str, int]]:
        """Where to kill: (system call, its number), by one undisturbed run."""
        words = self.remote.words(self.call(verb))
        self.host.run("strace", "-o", str(self.log), "-e", f"trace={','.join(CALLS)}", *words)
        counts: Counter[str] = Counter()
        found: dict[str, list[int]] = {name: [] for name in CALLS}
        for line in self.log.read_text().splitlines():
            match = _CALL.match(line)
            if match and match[1] in CALLS:
                counts[match[1]] += 1
                if not _START.match(line):
                    found[match[1]].append(counts[match[1]])
        return [(name, numbers[at * len(numbers) // want]) for name, numbers in found.items() if numbers
                for want in (min(CALLS[name], len(numbers)),) for at in range(want)]  # fmt: skip

    def kill(self, verb: str, moment: tuple[str, int], signal: str = "KILL") -> bool:
        """Whether it was killed."""
        name, number = moment
        inject = f"inject={name}:signal={signal}:when={number}"
        words = ("strace", "-o", str(self.log), "-e", f"trace={name}", "-e", inject)
        return self.host.run(*words, *self.remote.words(self.call(verb)), check=False).returncode != 0

    def seen(self) -> dict[str, Any]:
        return snapshot(self.host, (self.container,))

    def is_attached(self) -> bool:
        return bool(self.remote.call("attachments"))

    def has_network(self) -> bool:
        return bool(self.remote.call("networks"))


def test_a_killed_attach(lab: Lab, tmp_path: Path) -> None:
    victim = Victim(lab, tmp_path)
    victim.act("implicit")
    before = victim.seen()
    moments = victim.moments("attach")
    victim.act("leave")
    killed = 0
    for moment in moments:
        killed += victim.kill("attach", moment)
        victim.act("gc")
        if victim.is_attached():
            victim.act("check", "leave")
        assert diff(before, victim.seen(), ALLOWED) == "", f"killed at {moment}"
    assert killed > 9


def test_a_killed_first_attach(lab: Lab, tmp_path: Path) -> None:
    victim = Victim(lab, tmp_path)
    before = victim.seen()
    moments = victim.moments("attach")
    victim.act("leave", "rm")
    killed = 0
    for moment in moments:
        killed += victim.kill("attach", moment)
        victim.act("gc")
        if victim.has_network():
            victim.act("leave", "rm")
        assert diff(before, victim.seen(), ALLOWED) == "", f"killed at {moment}"
    assert killed > 9


def test_a_killed_detach(lab: Lab, tmp_path: Path) -> None:
    victim = Victim(lab, tmp_path)
    victim.act("implicit")
    before = victim.seen()
    victim.act("attach")
    moments = victim.moments("leave")
    killed = 0
    for moment in moments:
        victim.act("attach")
        killed += victim.kill("leave", moment)
        victim.act("gc")
        if victim.is_attached():
            assert victim.remote.call("check") == (), f"killed at {moment}"
            victim.act("leave")
        assert diff(before, victim.seen(), ALLOWED) == "", f"killed at {moment}"
    assert killed > 4


def test_a_killed_removal_of_the_last_network(lab: Lab, tmp_path: Path) -> None:
    victim = Victim(lab, tmp_path)
    before = victim.seen()
    victim.act("implicit")
    moments = victim.moments("rm")
    killed = 0
    for moment in moments:
        victim.act("implicit")
        killed += victim.kill("rm", moment)
        victim.act("gc")
        if victim.has_network():
            victim.act("rm")
        assert diff(before, victim.seen(), ALLOWED) == "", f"killed at {moment}"
    assert killed > 4


def test_after_any_death_of_a_first_attach_the_next_one_works(lab: Lab, tmp_path: Path) -> None:
    """Without a gc in between: whoever comes next takes back what is in its way."""
    victim = Victim(lab, tmp_path)
    before = victim.seen()
    moments = victim.moments("attach")
    victim.act("leave", "rm")
    for moment in moments[::2]:
        victim.kill("attach", moment)
        if victim.is_attached():
            victim.act("leave")
        victim.act("attach")
        assert victim.remote.call("check") == (), f"killed at {moment}"
        victim.act("leave", "rm")
        assert diff(before, victim.seen(), (*ALLOWED, "state */.tmp-*")) == "", f"killed at {moment}"
    victim.act("gc")
    assert diff(before, victim.seen(), ALLOWED) == ""
