"""The processes of a lab: started with its mark, and found by mark or namespace, so that none is forgotten.

A holder is `sleep` in namespaces of its own. A process that died and whose PID another got is never taken for ours:
the mark is read through a pidfd's lifetime, a namespace is known by its cookie.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

from netkit.errors import BusyError, HostError, KernelError, NetkitError
from netkit.kernel.netns import resolve_pid
from netkit.kernel.spawn import DIRECTORIES, find, run
from netkit.lab.running import LIBRARY, LOG, MARK, Held

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.kernel.spawn import Finished
    from netkit.lab.running import Running

#: How long a holder may take to enter its namespaces, and the dead to go, in seconds.
_PATIENCE = 5.0
#: How long a command may take, in seconds.
_LONGEST = 60.0
_SIGPIPE = 13


def environment(token: str, home: str) -> dict[str, str]:
    """What a process of a lab finds in its environment: the lab's mark, and its member's netkit root."""
    found = {"PATH": ":".join(DIRECTORIES), "LC_ALL": "C.UTF-8", "PYTHONPATH": LIBRARY}
    return {**found, MARK: token, "NETKIT_ROOT": home}


def hold(name: str, kind: str, token: str, home: str) -> Held:
    """Make a member's namespaces (network, mounts, host name) and the process that holds them."""
    argv = ["unshare", "--net", "--mount", "--uts", "--propagation", "slave", program("sleep"), "infinity"]
    pid = _spawn(argv, environment(token, home), os.devnull)
    _wait_inside(pid, name)
    return Held(name, kind, pid, resolve_pid(pid))


def enter(held: Held, argv: list[str], directory: str) -> list[str]:
    """The words that run a command inside a member."""
    pid = str(held.pid)
    return ["nsenter", "--target", pid, "--net", "--mount", "--uts", f"--wd={directory}", *argv]


def run_in(held: Held, argv: list[str], token: str, home: str, directory: str) -> Finished:
    """Run a command inside a member, to its end; NetkitError when there is none."""
    try:
        return run(enter(held, argv, directory), timeout=_LONGEST, environment=environment(token, home))
    except BusyError as error:
        hint = "what goes on as long as the lab belongs under start:"
        raise NetkitError(f"it did not end within {_LONGEST:g} seconds", hint) from error


def start_in(held: Held, argv: list[str], token: str, home: str, directory: str) -> int:
    """Start a command inside a member, in the background; it writes to the member's log. Its PID."""
    return _spawn(enter(held, argv, directory), environment(token, home), f"{home}/{LOG}")


def outcome(pid: int, seconds: float) -> int | None:
    """The exit code of a child that ends within some seconds, None when it goes on."""
    pidfd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if poll.poll(seconds * 1000) else None
    finally:
        os.close(pidfd)


def last_words(home: str) -> str:
    """The last line that a member's background commands have written."""
    try:
        with open(f"{home}/{LOG}", encoding="utf-8", errors="replace") as file:
            return next((line.strip() for line in reversed(file.readlines()) if line.strip()), "")
    except OSError:
        return ""


def python(*words: str) -> list[str]:
    """The words that run a module of this very Python."""
    return [sys.executable, "-m", *words]


def end(lab: Running) -> None:
    """Kill every process of a lab, and return when they are gone; HostError when one cannot be killed."""
    deadline = time.monotonic() + _PATIENCE
    while pids := sorted(members(lab)):
        if time.monotonic() > deadline:
            raise HostError(f"these processes of the lab {lab.name} do not end: {pids}", "they wait for the kernel")
        for pid in pids:
            _collect(pid)
        time.sleep(0.005)


def members(lab: Running) -> Iterator[int]:
    """Every living process of a lab but this one, killed on sight."""
    inodes = {held.netns.inode: held.netns.cookie for held in lab.members}
    for word in os.listdir("/proc"):
        pid = int(word) if word.isdigit() else 0
        if pid and pid != os.getpid() and _kill_if_ours(pid, lab.token, inodes):
            yield pid


def _kill_if_ours(pid: int, token: str, inodes: dict[int, int]) -> bool:
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not (_marked(pid, token) or _inside(pid, inodes)):
            return False
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return True


def _marked(pid: int, token: str) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return f"{MARK}={token}".encode() in file.read().split(b"\0")
    except OSError:
        return False


def _inside(pid: int, inodes: dict[int, int]) -> bool:
    """Whether a process is in a namespace of the lab; an inode number may be another's by now, a cookie not."""
    try:
        inode = os.stat(f"/proc/{pid}/ns/net").st_ino
        return inode in inodes and resolve_pid(pid).cookie == inodes[inode]
    except (OSError, NetkitError):
        return False


def _spawn(argv: list[str], env: dict[str, str], output: str) -> int:
    """Start a program in a session of its own, away from our terminal and its signals."""
    path = program(argv[0])
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    out = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        actions = [(os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in enumerate((null, out, out))]
        reset = (_SIGPIPE, signal.SIGINT)
        return os.posix_spawn(path, argv, env, file_actions=actions, setsid=True, setsigmask=(), setsigdef=reset)
    except OSError as error:
        raise KernelError(f"cannot start {path}: {error.strerror}", error.errno or 0) from error
    finally:
        os.close(null)
        os.close(out)


def _collect(pid: int) -> None:
    """A child of ours stays a zombie until we look."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _wait_inside(pid: int, name: str) -> None:
    """Until the holder is `sleep` (unshare has done its work by then), or NetkitError."""
    deadline = time.monotonic() + _PATIENCE
    while _comm(pid) != "sleep":
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            raise HostError(f"cannot make namespaces for {name}", "this takes CAP_SYS_ADMIN; try `unshare --net true`")
        if time.monotonic() > deadline:
            raise HostError(f"the namespaces for {name} are not ready after {_PATIENCE:g} s", "is the machine busy?")
        time.sleep(0.001)


def _comm(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def program(name: str) -> str:
    """The absolute path of a program that labs need; HostError without it."""
    path = find(name)
    if path is None:
        raise HostError(f"the program {name} is missing", "install util-linux and coreutils")
    return path
