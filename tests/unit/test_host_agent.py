"""The host agent without a host: its loop, who is told of it, what it makes of a store or a link that is away."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any

import pytest

from netkit.agent.config import Config, Pool
from netkit.agent.host import agent as module
from netkit.agent.host import care, notify, status
from netkit.agent.host.agent import Agent
from netkit.agent.host.joining import Ground, Joining
from netkit.agent.host.line import FAREWELL, Line
from netkit.agent.host.member import Member
from netkit.agent.iface import Iface
from netkit.agent.loop import Loop
from netkit.engine.service import Engine
from netkit.errors import BusyError, ConflictError, HostError
from netkit.state.root import Root
from netkit.stores.model import Claim, Host, Settings, Snapshot
from tests.etcds import running
from tests.hosts import wait_until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEMBER = Member(
    "a",
    Config("vxlan", Pool("10.5.0.0/16", 24)),
    Iface("eth0", 1500, "192.0.2.1", public="192.0.2.1"),
    ("10.5.7.0/24",),
)


class Silent:
    """The line to a store that does not answer any more."""

    held = None
    failure, twin = "etcd does not answer", ""
    fenced = True
    ends = False

    def stop(self, seconds: float) -> bool:
        return False


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    """An agent that has joined, and whose store hangs."""
    found = Agent(str(tmp_path), Ground("dir:///nowhere"), Loop(), lambda sentence: None)
    found.member, found._line = MEMBER, Silent()  # type: ignore[assignment]
    found.status = found.status.replace(ready=True)
    return found


def test_an_agent_whose_store_hangs_at_its_end_is_not_told_to_be_ready(agent: Agent, tmp_path: Path) -> None:
    agent.leave(teardown=False)
    (told,) = status.load_all(Root(str(tmp_path)))
    assert (told.ready, told.pid) == (False, 0)


def test_a_host_that_is_silent_for_too_long_withdraws_while_its_link_is_away_as_well(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(config: Config) -> Iface:
        raise HostError("eth0 is down")

    monkeypatch.setattr(agent._joining, "iface", away)
    monkeypatch.setattr(agent, "_make", lambda member: None)
    agent._follow()
    assert agent.member is not None
    assert "could not say that it lives" in agent.member.lost


class Slow:
    """A store whose looks take a little longer than they are asked to."""

    node, settings = "a", Settings("10.5.0.0/16", 24)

    def __init__(self) -> None:
        self.looking = threading.Event()

    def fenced(self) -> bool:
        return False

    def twin(self, session: str) -> None:
        return None

    def renew(self, host: Host) -> tuple[()]:
        return ()

    def snapshot(self) -> Snapshot:
        return Snapshot()

    def watch(self, seconds: float) -> Snapshot:
        self.looking.set()
        time.sleep(seconds + 0.5)
        return Snapshot()


def test_an_end_waits_for_a_look_that_has_just_begun() -> None:
    store = Slow()
    one = Line(store, Host("a", "192.0.2.1"), lambda held: None, lambda: None)  # type: ignore[arg-type]
    assert store.looking.wait(20)
    assert one.stop(FAREWELL)


class Hanging(Slow):
    """A store whose looks hang until it is told to go on; `said` is how often this host has spoken."""

    def __init__(self) -> None:
        super().__init__()
        self.said = 0
        self.goes_on = threading.Event()

    def renew(self, host: Host) -> tuple[Claim]:  # type: ignore[override]
        self.said += 1
        return (Claim("subnets/10.5.7.0-24", 1, "a"),)

    def watch(self, seconds: float) -> Snapshot:
        self.looking.set()
        self.goes_on.wait()
        return Snapshot()


def test_a_link_that_comes_back_while_the_store_hangs_leaves_nobody_silent(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, links = Hanging(), [MEMBER.iface.replace(dev="eth1", public="192.0.2.9"), MEMBER.iface, MEMBER.iface]
    monkeypatch.setattr(agent._joining, "iface", lambda config: links.pop(0))
    monkeypatch.setattr(agent._joining, "member", lambda: MEMBER)
    monkeypatch.setattr(agent._joining, "_store", store)
    monkeypatch.setattr(agent, "_make", lambda member: None)
    monkeypatch.setattr(module, "_END", 0.1)
    agent._begin(MEMBER)
    first = agent._line
    assert first is not None
    assert store.looking.wait(20)
    agent._follow()
    assert agent._line is first, "it hangs, and its store is not to be touched"
    store.goes_on.set()
    assert first.stop(20)
    before = store.said
    agent._follow()
    assert wait_until(lambda: store.said > before)
    assert agent._line is not None
    assert agent._line.stop(20)


def test_what_fails_in_each_round_is_said_once_and_again_when_it_comes_back(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    other = MEMBER.iface.replace(dev="eth1", public="192.0.2.9")
    links, why = [other] * 4 + [MEMBER.iface] * 2 + [other] * 3, "another host has this host's id"

    def refused() -> Member:
        raise ConflictError(why)

    monkeypatch.setattr(agent, "_say", said.append)
    store = Hanging()
    store.goes_on.set()
    monkeypatch.setattr(agent._joining, "_store", store)
    monkeypatch.setattr(agent._joining, "iface", lambda config: links.pop(0))
    monkeypatch.setattr(agent._joining, "member", refused)
    agent._begin(MEMBER)
    while links:
        agent.round()
    assert said.count(f"not yet: {why}") == 2
    assert len(said) == 2 * 3
    assert agent._line is not None
    assert agent._line.stop(20)


class Broken(Slow):
    """A store with a defect."""

    def watch(self, seconds: float) -> Snapshot:
        raise ZeroDivisionError


def test_an_agent_ends_when_the_thread_that_speaks_for_it_has(agent: Agent) -> None:
    told = threading.Event()
    store, host = Broken(), Host("a", "192.0.2.1")
    agent._line = Line(store, host, lambda held: None, told.set)  # type: ignore[arg-type]
    while not agent._line.died:
        assert told.wait(20)
        told.clear()
    with pytest.raises(ZeroDivisionError):
        agent.round()


@pytest.fixture
def caring(tmp_path: Path) -> Iterator[care.Care]:
    """Who looks after a root's attachments; its sockets are closed in the end."""
    found = care.Care(str(tmp_path), Loop(), lambda why: None)
    yield found
    found._events._socket.close()
    if hasattr(found, "_tables"):
        found._tables.close()


@pytest.mark.root
def test_namespaces_that_could_not_be_numbered_are_numbered_later(
    caring: care.Care, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[set[str] | None] = []

    def busy(_: Engine, idents: set[str] | None) -> None:
        asked.append(idents and set(idents))
        raise BusyError("the lock is taken")

    monkeypatch.setattr(Engine, "number_namespaces", busy)
    root, one = Root(str(tmp_path)), caring
    one._number()
    one._number()
    monkeypatch.setattr(Engine, "number_namespaces", lambda _, idents: asked.append(idents and set(idents)))
    one._number()
    root.attachments.write("aa", b"")
    one._hear_records()
    monkeypatch.setattr(Engine, "number_namespaces", busy)
    one._number()
    monkeypatch.setattr(Engine, "number_namespaces", lambda _, idents: asked.append(idents and set(idents)))
    root.attachments.write("bb", b"")
    one._hear_records()
    one._number()
    assert asked == [None, None, None, {"aa"}, {"aa", "bb"}]


@pytest.mark.root
def test_more_records_than_the_kernel_tells_of_are_all_looked_at(
    caring: care.Care, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[set[str] | None] = []
    monkeypatch.setattr(Engine, "number_namespaces", lambda _, idents: asked.append(idents and set(idents)))
    one = caring
    one._number()
    monkeypatch.setattr(one._records, "told", lambda: ("aa", ""))
    one._hear_records()
    one._number()
    assert asked == [None, None]


def test_what_another_thread_wakes_at_any_instant_is_called() -> None:
    loop, asked, go = Loop(), threading.Event(), threading.Event()
    called: list[str] = []

    class Interrupted(set[Any]):
        """The other thread has this set in its hands, and is not yet through."""

        def add(self, act: Any) -> None:
            asked.set()
            go.wait(20)
            super().add(act)

    loop._woken = Interrupted()
    other = threading.Thread(target=loop.wake, args=(lambda: called.append("it"),))
    other.start()
    assert asked.wait(20)
    loop.within(0.0, lambda: None)
    assert loop._ready() == []
    go.set()
    other.join(20)
    for act in loop._ready():
        act()
    assert called == ["it"]


def test_a_systemd_that_does_not_read_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "_PATIENCE", 0.01)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))

        def chatter() -> None:
            for _ in range(600):
                notify.notify("STATUS=x")

        talk = threading.Thread(target=chatter, daemon=True)
        talk.start()
        talk.join(60)
        assert not talk.is_alive()


@pytest.mark.requires("etcd", "etcd3gw")
def test_a_network_of_its_own_name_in_etcd_is_what_its_own_configuration_says(tmp_path: Path) -> None:
    with running(tmp_path / "etcd") as own:
        for key, network in (("config", "10.5.0.0/16"), ("blue/config", "10.9.0.0/16")):
            own.ctl("put", f"/net/{key}", json.dumps({"Network": network, "Backend": {"Type": "host-gw"}}))
        for name, network in (("blue", "10.9.0.0/16"), ("flannel", "10.5.0.0/16")):
            ground = Ground(f"etcd://{own.endpoint}/net", network=name)
            joining = Joining(str(tmp_path), ground)
            store = joining._open("a", None)
            assert store.settings.cidr == network
            assert joining._agreed(store).networks == (network,)
