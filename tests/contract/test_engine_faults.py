"""A fault before each op of each plan, then undo: the oracle sees exactly what was there before, with each executor."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.acts import CASES, prepare
from tests.features import need
from tests.hosts import Container, HostNs, Lab
from tests.oracle import diff, snapshot

BACKENDS = ("nftables", "iptables", "iptables-legacy")
#: Both variants of iptables have one executor, with other programs, which take long: which op is the first, and how far
#: it is to the next. So each second one is broken with the one, and some of the others with the other.
STRIDES = {"iptables": (0, 2), "iptables-legacy": (1, 6)}
#: The pool's memory of whose turn is next: it goes on with every claim, so that a freed address rests for long.
ORDER = "state */ipam/*/order*: *"
#: The kernel fits it to a bridge's ports as they come, and keeps it when they go.
OFFLOAD = "host links * tso_max_size: *"
#: The kernel adds it when an IPv6 bridge first has a port that is up, and keeps it.
MULTICAST = 'host routes: *"dst": "ff00::/8"*'
ALLOWED = (ORDER, OFFLOAD, MULTICAST)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Stage:
    """A host with a way out, one container, and the engine's acts on them."""

    def __init__(self, lab: Lab, backend: str, case: str) -> None:
        need(backend)
        self.backend, self.case = backend, case
        self.host: HostNs = lab.host()
        self.container: Container = lab.container()
        lan = lab.host("lan")
        lab.link(self.host, lan, ("192.0.2.1/24", "192.0.2.2/24"), ("fd00:2::1/64", "fd00:2::2/64"))
        self.host.run("ip", "route", "add", "default", "via", "192.0.2.2")
        prepare(case, self.host, self.container)
        words = (str(self.host.root), backend, case, "-", str(self.container.pid))
        self._actor = self.host.resident("tests.acts", *words)
        # Once there and back: directories, lock files and the kernel's lazily made tables exist from here on.
        for verb in ("create", "attach", "detach", "rm"):
            assert self.act(verb)["error"] == ""

    def act(self, verb: str, *fault: str) -> dict[str, Any]:
        """How an act ends; one that kills its process gets a process of its own."""
        if "kill" not in fault:
            told: dict[str, Any] = json.loads(self._actor.ask(" ".join((verb, *fault))))
            return told
        words = (str(self.host.root), self.backend, self.case, verb, str(self.container.pid), *fault)
        done = self.host.module("tests.acts", *words, check=False)
        if done.returncode == -signal.SIGKILL:
            return {"ops": -1, "error": "killed"}
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def seen(self) -> dict[str, Any]:
        self.host.settled()
        return snapshot(self.host, (self.container,))


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.limit(240)
@pytest.mark.parametrize("case", CASES)
def test_a_fault_before_any_op_leaves_nothing(lab: Lab, backend: str, case: str) -> None:
    stage = Stage(lab, backend, case)
    for verb in ("create", "attach"):
        before = stage.seen()
        for at in _until_it_works(stage, verb, "raise"):
            assert diff(before, stage.seen(), ALLOWED) == "", f"after a fault before op {at} of {verb}"
    for verb in ("detach", "rm"):
        assert stage.act(verb)["error"] == ""


@pytest.mark.limit(240)
def test_a_first_attachment_that_fails_takes_its_network_back(lab: Lab, backend: str) -> None:
    stage = Stage(lab, backend, "bridge")
    before = stage.seen()
    for at in _until_it_works(stage, "attach", "raise"):
        assert diff(before, stage.seen(), ALLOWED) == "", f"after a fault before op {at}"


@pytest.mark.limit(240)
@pytest.mark.parametrize("case", ("bridge", "dual", "shaped"))
def test_kill_9_before_any_op_is_taken_back_by_gc(lab: Lab, backend: str, case: str) -> None:
    stage = Stage(lab, backend, case)
    for verb in ("create", "attach"):
        before = stage.seen()
        for at in _until_it_works(stage, verb, "kill"):
            assert stage.act("gc")["error"] == ""
            assert diff(before, stage.seen(), ALLOWED) == "", f"after kill -9 before op {at} of {verb}"


@pytest.mark.limit(240)
@pytest.mark.parametrize("verb", ("detach", "rm"))
def test_kill_9_on_the_way_back_is_finished_by_the_next_try(lab: Lab, backend: str, verb: str) -> None:
    stage = Stage(lab, backend, "bridge")
    before = stage.seen()
    for at in range(100):
        assert stage.act("create")["error"] == ""
        assert stage.act("attach")["error"] == ""
        if verb == "rm":
            assert stage.act("detach")["error"] == ""
        done = stage.act(verb, "kill", str(at))
        assert stage.act("detach")["error"] == ""
        if stage.act("rm")["error"]:
            assert done["error"] == ""
        assert diff(before, stage.seen(), ALLOWED) == "", f"after kill -9 before op {at} of {verb}"
        if done["error"] == "":
            break
    assert at > 2


def _until_it_works(stage: Stage, verb: str, how: str) -> Iterator[int]:
    """Break a verb at one op after the other until there is no such op any more and it is done."""
    first, stride = STRIDES.get(stage.backend, (0, 1))
    for at in range(first, 200, stride):
        done = stage.act(verb, how, str(at))
        if done["error"] == "":
            assert at - max(stride, first + 1) < done["ops"] <= at
            return
        assert "planted" in done["error"] or "killed" in done["error"], done
        yield at
