"""Hosts and containers for tests: real namespaces, each held by a real process.

    lab.host("h1")        a network and a mount namespace with its own /run, /sys and /var/lib/netkit; lo is up
    lab.container("c1")   the same with lo down, as a runtime hands it over
    lab.link(a, b, ("192.0.2.1/24", "192.0.2.2/24"))    a cable between two of them, with addresses

The holder is `cat` on a pipe: it answers when it is in its namespaces, and ends when pytest ends, however that ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from tests.nursery import Nursery, Resident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import IO, Any, TypeVar

    M = TypeVar("M", bound="Namespace")

REPOSITORY = Path(__file__).resolve().parent.parent
Completed = subprocess.CompletedProcess
#: The words that a test may rely on in a child's environment; NETKIT_*, PYTHON* and the rest stay out.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "PYTHONPATH": str(REPOSITORY),
    "PYTHONDONTWRITEBYTECODE": "1",
}


class Namespace:
    """A network and a mount namespace, alive as long as its holder."""

    def __init__(self, name: str) -> None:
        self.name = name
        argv = ["unshare", "--net", "--mount", "--propagation", "private", "cat"]
        self._holder = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        assert self._holder.stdin and self._holder.stdout
        self._holder.stdin.write(b".")
        assert self._holder.stdout.read(1) == b".", f"the namespaces of {name} could not be made"
        self.pid = self._holder.pid
        self.path = f"/proc/{self.pid}/ns/net"
        self.inode = os.stat(self.path).st_ino
        self.started: list[subprocess.Popen[str] | Resident] = []
        #: What this process has open there: closed with the namespace.
        self.open = contextlib.ExitStack()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}, pid {self.pid}>"

    def run(self, *argv: str | os.PathLike[str], input: str | None = None, check: bool = True) -> Completed[str]:  # noqa: A002
        """Run a command inside, for as long as the test may take. A failure under `check` shows what the command wrote.

        It writes to files, not pipes, so that a child which it leaves behind is found as a leak and does not hang us.
        """

        def status(out: IO[str], err: IO[str]) -> int:
            files: dict[str, Any] = {"stdin": None if input is None else subprocess.PIPE, "stdout": out, "stderr": err}
            try:
                process = self._start(argv, files)
            except FileNotFoundError as error:  # the words and the status of a shell
                err.write(f"{error}\n")
                return 127
            try:
                # No timeout: with one, subprocess looks whether the process has ended only every now and then.
                process.communicate(input)
            except BaseException:
                process.kill()
                raise
            return process.returncode

        return self._completed(argv, status, check)

    def module(
        self,
        name: str,
        *arguments: str,
        input: str = "",  # noqa: A002
        check: bool = True,
        environment: dict[str, str] | None = None,
        loaded: tuple[str, ...] = (),
    ) -> Completed[str]:
        """Run a module of netkit's or of the tests' inside, as `python -m` does, without an interpreter's start.

        What it finds `loaded` beside netkit is another cost that is met once.
        """

        def status(out: IO[str], err: IO[str]) -> int:
            with tempfile.TemporaryFile("w") as words:
                words.write(input)
                words.flush()
                files = [f"/proc/{os.getpid()}/fd/{file.fileno()}" for file in (words, out, err)]
                return Nursery.run(ENVIRONMENT, 600, name, arguments, self.pid, files, environment, more=loaded)

        return self._completed((name, *arguments), status, check)

    def _completed(
        self, argv: Sequence[str | os.PathLike[str]], status: Callable[[IO[str], IO[str]], int], check: bool
    ) -> Completed[str]:
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = Completed(argv, status(out, err), "", "")
            out.seek(0), err.seek(0)
            done.stdout, done.stderr = out.read(), err.read()
        if check and done.returncode:
            raise AssertionError(f"{self.name}: {argv} exited {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def popen(self, *argv: str | os.PathLike[str], **options: Any) -> subprocess.Popen[str]:
        """Start a command inside, and return when it is there; it is killed with the lab, if it has not ended."""
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = self._start(argv, {**pipes, **options})
        self.started.append(process)
        return process

    def _start(self, argv: Sequence[str | os.PathLike[str]], options: dict[str, Any]) -> subprocess.Popen[str]:
        """Start a command inside: a child of a thread of ours that is there, which takes no nsenter."""
        started: list[subprocess.Popen[str]] = []
        self.inside(lambda: started.append(subprocess.Popen(argv, text=True, env=ENVIRONMENT, **options)))
        return started[0]

    def resident(self, name: str, *arguments: str) -> Resident:
        """A module that stays inside and answers lines, without an interpreter's start; it is killed with the lab."""
        resident = Resident(ENVIRONMENT, name, arguments, self.pid)
        self.started.append(resident)
        return resident

    def python(self, code: str, *arguments: str, check: bool = True) -> Completed[str]:
        """Run Python code inside, with netkit and the tests importable; much of netkit may be loaded already."""
        return self.module("-c", code, *arguments, check=check)

    def inside(self, work: Callable[[], None]) -> None:
        """Do something in these namespaces, in a thread of ours; cheaper than any process."""
        failed: list[BaseException] = []

        def enter() -> None:
            try:
                _enter(self.pid)
                work()
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]

    def index(self, ifname: str) -> int:
        """The number of an interface, 0 when there is none of that name."""
        found: list[int] = []
        self.inside(lambda: found.extend(number for number, name in socket.if_nameindex() if name == ifname))
        return found[0] if found else 0

    def die(self) -> None:
        """End the holder and nothing else; the namespace goes with its last process.

        From then on its inode number may be another's, so nobody is taken for a leak by it.
        """
        self._holder.kill()
        self._holder.wait()
        self.inode = -1

    def lives(self) -> bool:
        """Whether the holder does."""
        return self._holder.poll() is None

    def pids(self) -> set[int]:
        """Every process in this network namespace but the holder."""
        return dwellers([self])[self]

    def _stop_started(self) -> None:
        self.open.close()
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        if not self.lives():
            self.inode = -1  # it may be another's by now

    def close(self) -> list[str]:
        """End everything inside; the command lines of processes that no test had started, which are leaks."""
        self._stop_started()
        return self._end(dwellers([self])[self])

    def _end(self, leaked: set[int]) -> list[str]:
        words = {pid: cmdline(pid) for pid in leaked}
        for pid in leaked:
            _kill(pid)
        self._holder.kill()
        self._holder.communicate()
        return [f"{self.name}: process {pid} {line}" for pid, line in words.items() if line]


class Container(Namespace):
    """What a runtime hands over: a namespace with `lo` down and nothing else."""


class HostNs(Namespace):
    """A machine of its own: netkit runs here, with its state below `root`."""

    def __init__(self, name: str, root: Path) -> None:
        super().__init__(name)
        self.root = root

    def boot(self) -> None:
        """Put `lo` up, and give the machine what it has for itself alone: its /sys, /run and lasting state."""

        def work() -> None:
            _put_up("lo")
            _mount("sysfs", "/sys")
            for place in ("/run", "/var/lib/netkit"):
                _mount("tmpfs", place, "mode=0755")
            # A bridge's report of its group would be tracked for ten minutes: all that looks for connections would look
            # at the whole table of the machine.
            _write_if_there("/proc/sys/net/ipv4/igmp_link_local_mcast_reports", "0")

        self.inside(work)

    def netkit(self, *arguments: str, input: str | None = None, check: bool = False) -> Completed[str]:  # noqa: A002
        """Run the netkit command inside, with this host's own root; does not raise unless `check`."""
        return self.module("netkit.cli.main", "--root", str(self.root), *arguments, input=input or "", check=check)

    def settled(self) -> None:
        """Return when no IPv6 address is tentative any more: the kernel ends that a moment after one is added."""
        table = Path(f"/proc/{self.pid}/net/if_inet6")
        wait_until(lambda: not any(int(row.split()[4], 16) & _TENTATIVE for row in table.read_text().splitlines()))

    def snapshot(self, *containers: Container) -> dict[str, Any]:
        """What the oracle sees here and in these containers."""
        from tests.oracle import snapshot

        return snapshot(self, containers)


class Lab:
    """All namespaces of one test; `close` ends them and says what was left behind."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.members: dict[str, Namespace] = {}

    def host(self, name: str = "host") -> HostNs:
        """A new host; its netkit root is `directory/name`, not yet made."""
        host = self._add(HostNs(name, self.directory / name))
        host.boot()
        return host

    def container(self, name: str = "container") -> Container:
        """A new container, on no network yet."""
        return self._add(Container(name))

    def _add(self, member: M) -> M:
        twin = self.members.setdefault(member.name, member)
        if twin is not member:
            member.close()
            raise ValueError(f"two members of a lab named {member.name}")
        return member

    def link(
        self,
        a: Namespace,
        b: Namespace,
        *addresses: tuple[str, str],
        names: tuple[str, str] | None = None,
        mtu: int = 1500,
    ) -> tuple[str, str]:
        """Lay a cable, up at both ends; each pair gives an address to `a` and one to `b`. The two interface names."""
        ends = names or (_free_name(a), _free_name(b))
        peer = ("peer", "name", ends[1], "netns", str(b.pid), "mtu", str(mtu))
        a.run("ip", "link", "add", ends[0], "mtu", str(mtu), "type", "veth", *peer)
        for index, (end, name) in enumerate(zip((a, b), ends, strict=True)):
            _plug(end, name, [pair[index] for pair in addresses])
        for end, name in zip((a, b), ends, strict=True):
            _settle(end, name)
        return ends

    def switch(self, members: dict[Namespace, tuple[str, ...]], name: str = "switch", mtu: int = 1500) -> HostNs:
        """Cable several members to one learning switch, itself a host of its own; each gets its addresses."""
        switch = self.host(name)
        switch.run("ip", "link", "add", "br0", "up", "mtu", str(mtu), "type", "bridge")
        for number, (member, addresses) in enumerate(members.items()):
            port, cable = f"port{number}", _free_name(member)
            self.link(switch, member, names=(port, cable), mtu=mtu)
            switch.run("ip", "link", "set", port, "master", "br0")
            _plug(member, cable, addresses)
        return switch

    def close(self) -> list[str]:
        """End everything; one line for each process that outlived its test or cannot be ended."""
        pins = [os.open(member.path, os.O_RDONLY) for member in self.members.values() if member.lives()]
        try:
            return self._close()
        finally:
            for pin in pins:
                os.close(pin)

    def _close(self) -> list[str]:
        """The same, while the inode numbers of its namespaces can't become another's."""
        members = self.members.values()
        for member in members:
            member._stop_started()
        left = dwellers(members)
        leaks = [leak for member in members for leak in member._end(left[member])]

        def still_there() -> dict[Namespace, set[int]]:
            return {member: pids for member, pids in dwellers(members).items() if pids}

        if any(left.values()) and not wait_until(lambda: not still_there()):
            alive = [(member.name, pid) for member, pids in still_there().items() for pid in pids]
            leaks += [f"{name}: process {pid} cannot be ended" for name, pid in alive]
        return leaks


_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_FS, _CLONE_NEWNS, _CLONE_NEWNET = 0x00000200, 0x00020000, 0x40000000
_TENTATIVE = 0x40
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def _enter(pid: int) -> None:
    """Put the calling thread, which must end afterwards, into the namespaces of a process."""
    _succeed(_LIBC.unshare(_CLONE_FS))  # a thread that shares its working directory keeps its mount namespace
    for name, flag in (("net", _CLONE_NEWNET), ("mnt", _CLONE_NEWNS)):
        with open(f"/proc/{pid}/ns/{name}") as namespace:
            _succeed(_LIBC.setns(namespace.fileno(), flag))


def _mount(kind: str, place: str, options: str = "") -> None:
    _succeed(_LIBC.mount(kind.encode(), place.encode(), kind.encode(), 0, options.encode()))


def _put_up(ifname: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        found = fcntl.ioctl(asked, _SIOCGIFFLAGS, struct.pack("16sh14x", ifname.encode(), 0))
        name, flags = struct.unpack("16sh14x", found)
        fcntl.ioctl(asked, _SIOCSIFFLAGS, struct.pack("16sh14x", name, flags | _IFF_UP))


def _succeed(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> bool:
    """Look again every few milliseconds until the condition holds; whether it did in time.

    To wait costs nothing where all is well, and a busy machine takes its time even to begin a process. Of what lets
    itself be waited for we look ever more seldom: a tenth of the time that it has taken so far later.
    """
    begun = time.monotonic()
    while not condition():
        waited = time.monotonic() - begun
        if waited > seconds:
            return False
        time.sleep(min(max(waited / 10, 0.002), 0.2))
    return True


def _free_name(member: Namespace) -> str:
    text = Path(f"/proc/{member.pid}/net/dev").read_text()
    taken = {line.partition(":")[0].strip() for line in text.splitlines()}
    return next(name for number in range(99) if (name := f"eth{number}") not in taken)


def _plug(member: Namespace, ifname: str, addresses: Iterable[str]) -> None:
    """Put a cable's end up with these addresses, without waiting for IPv6 duplicate detection."""
    member.inside(lambda: _write_if_there(f"/proc/sys/net/ipv6/conf/{ifname}/accept_dad", "0"))
    lines = [f"link set {ifname} up"]
    lines += [f"addr add {address} dev {ifname}{' nodad' if ':' in address else ''}" for address in addresses]
    member.run("ip", "-batch", "-", input="\n".join(lines) + "\n")


def _settle(member: Namespace, ifname: str) -> None:
    """Wait until the kernel has given a live link its IPv6 link-local address, which it does in its own time."""
    switch: list[str] = []
    member.inside(lambda: switch.append(_read_if_there(f"/proc/sys/net/ipv6/conf/{ifname}/disable_ipv6").strip()))
    if switch != ["0"]:
        return

    def has_address() -> bool:
        rows = [line.split() for line in Path(f"/proc/{member.pid}/net/if_inet6").read_text().splitlines()]
        return any(row[5] == ifname and row[0].startswith("fe80") for row in rows)

    wait_until(has_address)


def _read_if_there(path: str) -> str:
    return Path(path).read_text() if os.path.exists(path) else ""


def _write_if_there(path: str, value: str) -> None:
    if os.path.exists(path):
        Path(path).write_text(value)


def dwellers(places: Iterable[Namespace]) -> dict[Namespace, set[int]]:
    """Every process in each of these network namespaces but its holder, by one look at all that there are."""
    found: dict[int, set[int]] = {}
    for pid in _processes():
        found.setdefault(_inode(pid), set()).add(pid)
    return {place: found.get(place.inode, set()) - {place.pid} for place in places}


def _processes() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _inode(pid: int) -> int:
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:  # it has just ended, or is a zombie, or is not ours to look at
        return 0


def cmdline(pid: int) -> str:
    """A process's command line, "" when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
