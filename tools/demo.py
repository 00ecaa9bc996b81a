"""The demonstration: a real HTTP server gets a network by its PID, answers, and everything is taken back.

It runs in a private host (network and mount namespaces of its own, with a cable to a second one that plays a machine
on the LAN), so that the machine is untouched; `--here` runs it on the machine itself. Every step is verified with `ip`,
`nft` and `curl`, never with netkit's word. Exit code 0 when all held, 1 when something did not.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

PAGE = "Hello from a namespace of my own.\n"
HOST_IP, LAN_IP = "192.0.2.1", "192.0.2.2"  # TEST-NET-1: nobody's
LINKS, ADDRESSES = ("ip", "-j", "link"), ("ip", "-j", "addr")
ROUTES4, ROUTES6 = ("ip", "-j", "route", "show", "table", "all"), ("ip", "-j", "-6", "route", "show", "table", "all")
RULES, FORWARD = ("nft", "-j", "list", "ruleset"), ("sysctl", "-n", "net.ipv4.ip_forward")
#: What changes by itself: lifetimes, counters, numbers that are handed out anew, and the queue that the kernel chooses
#: when a link is up for the first time.
PASSING = {
    "qdisc",
    "valid_life_time",
    "preferred_life_time",
    "handle",
    "packets",
    "bytes",
    "expires",
    "operstate",
    "tentative",
}
REPOSITORY = Path(__file__).resolve().parent.parent
INSTALLED = Path(sys.executable).with_name("netkit")
NETKIT = [str(INSTALLED)] if INSTALLED.exists() else [sys.executable, "-m", "netkit"]


class StepError(AssertionError):
    """A step that did not show what it should."""


class Stage:
    """What the demonstration stands on: processes in namespaces, and a screen; the `with` block's end clears it."""

    def __init__(self, here: bool, port: int, directory: Path) -> None:
        self.here, self.port, self.directory = here, port, directory
        self.verified = 0
        self.made_network = False
        self.processes: list[subprocess.Popen[bytes]] = []
        self.log = directory / "server.log"

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        """Also after a failure halfway nothing stays: what is attached to dead namespaces is collected."""
        for process in self.processes:
            process.kill()
            process.wait()
        left = [["detach", "--pid", str(process.pid)] for process in self.processes]
        for words in [*left, *([["network", "rm", "bridge"]] if self.made_network else [])]:
            subprocess.run([*NETKIT, *words], capture_output=True, timeout=60, check=False)

    def start(self, *argv: str, log: Path | None = None) -> int:
        """Start a process in a fresh network namespace; its PID, once it is in there."""
        with open(log or os.devnull, "wb") as output:
            process = subprocess.Popen(
                ["unshare", "--net", *argv], stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self.processes.append(process)
        ours = os.stat("/proc/self/ns/net").st_ino
        wait_until(lambda: os.stat(f"/proc/{process.pid}/ns/net").st_ino != ours, "a namespace for " + argv[0])
        return process.pid

    def netkit(self, *words: str) -> str:
        """Run netkit, show it, and expect success."""
        return self.show(["netkit", *words])

    def show(self, shown: Sequence[str], fails: bool = False, lines: int = 0) -> str:
        """Show a command, run it, show (the last `lines` of) its output; whether it must succeed or `fails`."""
        print(f"\n$ {shlex.join(shown)}")
        argv = [*NETKIT, *shown[1:]] if shown[0] == "netkit" else list(shown)
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        told = (done.stdout + done.stderr).rstrip("\n").splitlines()
        if lines and len(told) > lines:
            print(f"... ({len(told) - lines} lines before)")
            told = told[-lines:]
        print("\n".join(told))
        if (done.returncode != 0) is not fails:
            raise StepError(f"{shlex.join(shown)} exited {done.returncode}")
        return done.stdout

    def verify(self, what: str, holds: bool) -> None:
        """Count and tell one thing that must hold."""
        if not holds:
            raise StepError(what)
        self.verified += 1
        print(f"  ok: {what}")


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 10) -> None:
    """Look again every few milliseconds; StepError when it takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise StepError(f"waited {seconds} s for {what}")
        time.sleep(0.01)


def read(*argv: str) -> str:
    """The output of a command that must work."""
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout


def lasting(thing: Any) -> Any:
    """A JSON document without what changes by itself."""
    if isinstance(thing, dict):
        return {key: lasting(value) for key, value in thing.items() if key not in PASSING}
    return [lasting(one) for one in thing] if isinstance(thing, list) else thing


def snapshot(server: int) -> dict[str, Any]:
    """All that netkit could have changed: by the command that shows it."""
    inside = ("nsenter", "--target", str(server), "--net")
    looks = [LINKS, ADDRESSES, ROUTES4, ROUTES6, RULES, (*inside, *ADDRESSES), (*inside, *ROUTES4)]
    seen: dict[str, Any] = {" ".join(argv): lasting(json.loads(read(*argv) or "[]")) for argv in looks}
    seen[" ".join(FORWARD)] = read(*FORWARD).strip()
    seen["netkit's state: records, claims, networks, intents"] = state_files()
    return seen


def state_files() -> list[str]:
    """Files below netkit's state directories; lock files and the port ledger say nothing when nothing is attached."""
    root = os.environ.get("NETKIT_ROOT")
    tops = [Path(root) / "run", Path(root) / "lib"] if root else [Path("/run/netkit"), Path("/var/lib/netkit")]
    found = [path for top in tops for path in sorted(top.rglob("*")) if path.is_file()]
    return [str(path) for path in found if path.parent.name not in ("locks", "host")]


def own_address(stage: Stage) -> str:
    """An address of the host that is not loopback."""
    if not stage.here:
        return HOST_IP
    rows = json.loads(read("ip", "-j", "-4", "addr", "show", "scope", "global"))
    found = [info["local"] for row in rows if row.get("addr_info") for info in row["addr_info"]]
    if not found:
        raise StepError("this machine has no IPv4 address besides loopback: run without --here")
    return str(found[0])


def neighbour(stage: Stage) -> int:
    """A machine on the LAN: a namespace at the end of a cable, with a route to the containers through the host."""
    pid = stage.start("sleep", "600")
    inside = ("nsenter", "--target", str(pid), "--net", "ip")
    peer = ("peer", "name", "lan0", "netns", str(pid))
    for argv in (
        ("ip", "link", "add", "uplink0", "type", "veth", *peer),
        ("ip", "addr", "add", f"{HOST_IP}/24", "dev", "uplink0"),
        ("ip", "link", "set", "uplink0", "up"),
        (*inside, "addr", "add", f"{LAN_IP}/24", "dev", "lan0"),
        (*inside, "link", "set", "lan0", "up"),
        (*inside, "route", "add", "default", "via", HOST_IP),
        ("ip", "route", "add", "default", "via", LAN_IP),
    ):
        read(*argv)
    read("sysctl", "-qw", "net.ipv6.conf.uplink0.disable_ipv6=1")  # its address would come in the kernel's own time
    return pid


def serve(stage: Stage) -> int:
    """A web server in a namespace that no network leads to."""
    (stage.directory / "index.html").write_text(PAGE)
    argv = (sys.executable, "-u", "-m", "http.server", "80", "--bind", "0.0.0.0", "--directory", str(stage.directory))
    pid = stage.start(*argv, log=stage.log)
    wait_until(lambda: ":0050 00000000:0000 0A" in Path(f"/proc/{pid}/net/tcp").read_text(), "the server")
    print(f"\nA web server runs in a network namespace of its own: process {pid}. Nothing leads to it yet:")
    stage.show(("nsenter", "--target", str(pid), "--net", "ip", "-br", "addr"))
    return pid


def attach(stage: Stage, server: int) -> dict[str, Any]:
    """The plan first, then the attachment."""
    print("\nWhat an attachment would do, and why: a script of commands that anyone could type (its end):")
    words = ("attach", "--pid", str(server), "-p", f"{stage.port}:80")
    links = read("ip", "-br", "link")
    stage.show(("netkit", *words, "--explain"), lines=24)
    stage.verify(
        "--explain changed nothing: the links are the same, and nothing is attached",
        row_of(server) is None and links == read("ip", "-br", "link"),
    )
    stage.netkit(*words)
    stage.netkit("ps")
    row = row_of(server)
    stage.verify("netkit ps lists it", row is not None and row["state"] == "attached")
    return row or {}


def row_of(pid: int) -> dict[str, Any] | None:
    """What `netkit ps` tells of a process, None when nothing is attached to it."""
    return next((row for row in json.loads(read(*NETKIT, "ps", "--json")) if row["pid"] == pid), None)


def look(stage: Stage, row: dict[str, Any]) -> None:
    """What the kernel holds, seen with other tools."""
    print("\nWhat the kernel holds:")
    stage.show(("ip", "-br", "addr"))
    inside = stage.show(("nsenter", "--target", str(row["pid"]), "--net", "ip", "-br", "addr"))
    stage.verify(f"the server's eth0 has {row['addresses'][0]}", row["addresses"][0] in inside)
    if json.loads(read(*NETKIT, "inspect", row["id"], "--json"))["firewall"] == "nftables":
        element = f"{{ tcp . {stage.port} }}"
        held = stage.show(("nft", "get", "element", "inet", "netkit", "any4", element))
        stage.verify("one map element leads the host's port to the server", address(row) in held)


def address(row: dict[str, Any]) -> str:
    """An attachment's address without its prefix length."""
    return str(row["addresses"][0]).partition("/")[0]


def fetch(stage: Stage, row: dict[str, Any], sibling: int, lan: int) -> None:
    """The page, from everywhere that should get it, and not from where it should not."""
    own = own_address(stage)
    beside = ("netkit", "exec", "--pid", str(sibling), "--")
    ways: list[tuple[str, Sequence[str], str]] = [
        ("the host, by localhost", (), f"localhost:{stage.port}"),
        ("the host, by its own address", (), f"{own}:{stage.port}"),
        ("its sibling, straight", beside, address(row)),
        ("its sibling, by the host's address", beside, f"{own}:{stage.port}"),
    ]
    if lan:
        ways.append(("another machine, by the host's address", _from(lan), f"{own}:{stage.port}"))
    for who, before, where in ways:
        page = stage.show((*before, "curl", "-sS", "--max-time", "5", f"http://{where}/"))
        stage.verify(f"reached by {who}", page == PAGE)
    if lan:
        print("\nPast the published port there is no way in, although this machine has a route to it:")
        stage.show((*_from(lan), "curl", "-sS", "--max-time", "1", f"http://{address(row)}/"), fails=True)
        stage.verify("not reached by another machine, by the container's address", True)
    print("\nWho the server saw:", *(line for line in stage.log.read_text().splitlines() if "GET" in line), sep="\n  ")


def _from(pid: int) -> tuple[str, ...]:
    return ("nsenter", "--target", str(pid), "--net")


def take_back(stage: Stage, row: dict[str, Any], sibling: int) -> None:
    """One is detached, the other dies and is collected, the network goes."""
    stage.netkit("detach", "--pid", str(row["pid"]))
    print("\nThe sibling is killed; nobody detaches it:")
    host_ifname = (row_of(sibling) or {})["host_ifname"]
    os.kill(sibling, signal.SIGKILL)
    wait_until(lambda: host_ifname not in read("ip", "-br", "link"), "the kernel to end a namespace")
    stage.netkit("ps")
    stage.netkit("gc")
    if stage.made_network:
        stage.netkit("network", "rm", "bridge")


def prove(stage: Stage, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Nothing is left: what was seen before and is seen now, side by side."""
    print("\nThe proof that nothing is left, before and after:")
    for name, was in before.items():
        if was != after[name]:
            print(f"  before: {json.dumps(was)}\n  after:  {json.dumps(after[name])}")
        stage.verify(f"{name}: the same ({_size(was)})", was == after[name])


def _size(seen: Any) -> str:
    things = seen.get("nftables", []) if isinstance(seen, dict) else seen
    if not isinstance(things, list):
        return str(things)
    return "1 object" if len(things) == 1 else f"{len(things)} objects"


def play(stage: Stage) -> None:
    """The whole demonstration; StepError when something is not as it should be."""
    lan = 0 if stage.here else neighbour(stage)
    server = serve(stage)
    before = snapshot(server)
    known = json.loads(read(*NETKIT, "network", "ls", "--json"))
    stage.made_network = all(net["name"] != "bridge" for net in known)
    row = attach(stage, server)
    look(stage, row)
    sibling = stage.start("sleep", "600")
    print("\nA second process gets a network, too, and with it a sibling:")
    stage.netkit("attach", "--pid", str(sibling), "--name", "sibling")
    fetch(stage, row, sibling, lan)
    take_back(stage, row, sibling)
    prove(stage, before, snapshot(server))


def enter_private_host() -> None:
    """Start anew in namespaces of our own."""
    words = [
        "unshare",
        "--net",
        "--mount",
        "--propagation",
        "private",
        sys.executable,
        __file__,
        "--inside",
        *sys.argv[1:],
    ]
    os.execvp(words[0], words)  # noqa: S606 - no shell is what we want


def furnish(directory: Path) -> None:
    """Make the private host a host: loopback up, its own /sys, its own state."""
    read("mount", "-t", "sysfs", "sysfs", "/sys")
    read("ip", "link", "set", "lo", "up")
    os.environ["NETKIT_ROOT"] = str(directory / "state")
    print("This runs in a private host: network and mount namespaces of its own; the machine is not touched.")
    print("uplink0 is its network card (192.0.2.1); at the other end of that cable is another machine (192.0.2.2).")


def main() -> int:
    """Play it and say how it went."""
    parser = argparse.ArgumentParser(description="Give a real process a network, show it, and take it back.")
    parser.add_argument("--here", action="store_true", help="on the machine itself, not in a private host")
    parser.add_argument("--port", type=int, default=8080, help="the host port to publish [8080]")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("demo: network namespaces take root; run: sudo make demo", file=sys.stderr)
        return 1
    if not options.here and not options.inside:
        enter_private_host()
    os.environ |= {"PYTHONPATH": str(REPOSITORY), "no_proxy": "*"}
    with (
        tempfile.TemporaryDirectory(prefix="netkit-demo-") as name,
        Stage(options.here, options.port, Path(name)) as stage,
    ):
        try:
            if options.here:
                print("This runs on the machine itself, as you asked.")
            else:
                furnish(stage.directory)
            play(stage)
        except (StepError, subprocess.SubprocessError, OSError) as error:
            print(f"\ndemo: FAILED after {stage.verified} verified steps: {error}{_words(error)}")
            return 1
        print(f"\ndemo: all {stage.verified} steps verified; the network worked, and nothing is left of it")
        return 0


def _words(error: BaseException) -> str:
    return f"\n{error.stderr}" if isinstance(error, subprocess.CalledProcessError) and error.stderr else ""


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.exit(main())
