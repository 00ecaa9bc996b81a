"""Lab hosts on one switch, each with an agent of a network and a container."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys

from tests.hosts import Container, HostNs, Lab, wait_until
from tests.netns.calls import ip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

LONG = 60.0
#: The netkit command, whose agent looks at nothing because its time has come: what it heals, it was told of.
BY_EVENTS = """
import runpy
from netkit.agent.host import agent, care
agent.ROUND = care.MINUTE = 3600.0
runpy.run_module("netkit", run_name="__main__", alter_sys=True)
"""


class Agents:
    """Hosts h1, h2... at 192.0.2.1, .2..., a directory that they share, and one configuration for all of them."""

    def __init__(self, lab: Lab, backend: dict[str, Any] | str = "vxlan", count: int = 2, **more: Any) -> None:
        self.lab = lab
        self.hosts = [lab.host(f"h{number + 1}") for number in range(count)]
        wires = {h: (f"192.0.2.{n + 1}/24", f"fd00:2::{n + 1}/64") for n, h in enumerate(self.hosts)}
        self.switch = lab.switch(wires)  # type: ignore[arg-type]
        self.dev = "eth0"
        self.by_events = False
        for host in self.hosts:
            host.run("ip", "route", "add", "default", "via", "192.0.2.254", "dev", self.dev)
            host.run("ip", "route", "add", "default", "via", "fd00:2::fe", "dev", self.dev)
        self.python: tuple[str, ...] = (sys.executable, "-m", "netkit")
        self.store = lab.directory / "shared"
        self.store.mkdir(mode=0o700)
        self.config = lab.directory / "net-conf.json"
        kind = {"Type": backend} if isinstance(backend, str) else backend
        self.configure({"Network": "10.5.0.0/16", "Backend": kind, **more})
        self.running: dict[tuple[str, str], subprocess.Popen[str]] = {}
        self.containers: dict[str, Container] = {}

    def configure(self, told: dict[str, Any]) -> None:
        """What net-conf.json says from now on."""
        self.told = told
        self.config.write_text(json.dumps(told))

    def start(self, host: HostNs, *words: str, network: str = "flannel", config: Path | None = None) -> None:
        """Start an agent, and return when it is ready; with `by_events` set it makes no rounds of its own accord."""
        argv = ("--root", str(host.root), "agent", "run", "--config", str(config or self.config), "--store",
                f"dir://{self.store}", "--network", network, *words)  # fmt: skip
        log = (self.lab.directory / f"{host.name}-{network}.log").open("a")
        python = (sys.executable, "-c", BY_EVENTS) if self.by_events else self.python
        process = host.popen(*python, *argv, stdout=log, stderr=log)
        log.close()
        self.running[host.name, network] = process
        ready = wait_until(lambda: process.poll() is not None or self.is_ready(host, network), LONG)
        assert ready and process.poll() is None, self.log(host, network)

    def start_all(self, *words: str) -> None:
        for host in self.hosts:
            self.start(host, *words)

    def is_ready(self, host: HostNs, network: str = "flannel") -> bool:
        """Whether the agent that runs now has said so: asked once its file says it, as to ask costs far more."""
        file = host.root / "run/agent" / network
        if not file.exists() or not json.loads(file.read_text())["value"].get("ready"):
            return False
        status = self.status(host, network)
        return bool(status.get("ready")) and status.get("pid") == self.running[host.name, network].pid

    def stop(self, host: HostNs, number: int = signal.SIGTERM, network: str = "flannel") -> None:
        """End an agent by a signal, and return when it has ended."""
        process = self.running.pop((host.name, network))
        process.send_signal(number)
        process.wait(60)

    def log(self, host: HostNs, network: str = "flannel") -> str:
        return (self.lab.directory / f"{host.name}-{network}.log").read_text()

    def status(self, host: HostNs, network: str = "flannel") -> dict[str, Any]:
        """What the agent wrote last, {} when that is nothing."""
        done = host.netkit("agent", "status", "--json")
        found: list[dict[str, Any]] = json.loads(done.stdout) if done.returncode == 0 else []
        return next((one for one in found if one["network"] == network), {})

    def attach(self, host: HostNs, name: str = "", network: str = "flannel") -> Container:
        """A container on a network; `address` tells where."""
        container = self.lab.container(name or f"c-{host.name}")
        host.netkit("attach", "--pid", str(container.pid), "--network", network, check=True)
        self.containers[container.name] = container
        return container

    def subnet(self, host: HostNs) -> str:
        """The IPv4 subnet of a host, as its bridge has it."""
        routes: list[dict[str, Any]] = json.loads(host.run("ip", "-j", "route", "show", "dev", "nk-flannel").stdout)
        return str(routes[0]["dst"])

    def routes(self, host: HostNs) -> dict[str, tuple[str, str]]:
        """Routes that netkit made: (via, dev) by destination."""
        told = json.loads(host.run("ip", "-j", "route", "show", "proto", "142").stdout)
        return {each["dst"]: (each.get("gateway", ""), each["dev"]) for each in told}


def address(container: Container, version: int = 4) -> str:
    """Where a container is."""
    known = ip(container, "addr", "show", "dev", "eth0")[0]["addr_info"]
    kind = "inet" if version == 4 else "inet6"
    return next(str(each["local"]) for each in known if each["family"] == kind and each["scope"] == "global")


def reaches(source: Container | HostNs, target: str, patience: int = 10) -> bool:
    """Whether one ping is answered."""
    return source.run("ping", "-c1", f"-W{patience}", target, check=False).returncode == 0


def healed(source: Container | HostNs, target: str, seconds: float = LONG) -> bool:
    """Whether pings are answered again, in time."""
    return wait_until(lambda: reaches(source, target, 1), seconds)


#: Sends numbers over TCP and takes them back, one by one, until told to end; any gap or reset is an error.
FLOW = """
import socket, sys, time
if sys.argv[1] == "serve":
    it = socket.create_server(("", 7007))
    print("up", flush=True)
    peer, _ = it.accept()
    while data := peer.recv(4096):
        peer.sendall(data)
else:
    it = socket.create_connection((sys.argv[2], 7007), 10)
    it.settimeout(30)
    print("up", flush=True)
    end = time.monotonic() + float(sys.argv[3])
    count = 0
    while time.monotonic() < end:
        it.sendall(b"%08d" % count)
        got = b""
        while len(got) < 8:
            got += it.recv(8 - len(got)) or sys.exit("closed")
        assert got == b"%08d" % count
        count += 1
        time.sleep(0.02)
    print(count, flush=True)
"""


@contextlib.contextmanager
def flow(source: Container, target: Container, seconds: float) -> Iterator[None]:
    """A TCP connection that talks all the time while the block runs, and has not broken at its end."""
    server = target.popen(sys.executable, "-c", FLOW, "serve")
    assert server.stdout and server.stdout.readline() == "up\n"
    client = source.popen(sys.executable, "-c", FLOW, "talk", address(target), str(seconds))
    assert client.stdout and client.stdout.readline() == "up\n"
    yield
    out, err = client.communicate(timeout=60)
    assert (client.returncode, err) == (0, ""), err
    assert int(out) > 10
    server.communicate(timeout=60)
