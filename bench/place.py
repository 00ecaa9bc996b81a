"""Where the figures are taken: a private host, and containers that are named namespaces in it."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REPOSITORY = Path(__file__).resolve().parent.parent
INSTALLED = Path(sys.executable).with_name("netkit")
NETKIT = [str(INSTALLED)] if INSTALLED.exists() else [sys.executable, "-m", "netkit"]
_INSIDE = "NETKIT_BENCH_INSIDE"


def enter() -> None:
    """Start anew in a private host, unless this is one: its own network, /run and state; all of it ends with us."""
    if os.geteuid() != 0:
        raise SystemExit("bench: network namespaces take root; run: sudo make bench")
    if os.environ.get(_INSIDE) != str(os.getppid()):
        words = [
            "unshare",
            "--net",
            "--mount",
            "--propagation",
            "private",
            sys.executable,
            "-m",
            "bench",
            *sys.argv[1:],
        ]
        os.environ |= {_INSIDE: str(os.getppid()), "PYTHONPATH": str(REPOSITORY)}
        os.execvp(words[0], words)  # noqa: S606 - no shell is what we want
    run("mount", "-t", "sysfs", "sysfs", "/sys")
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    run("ip", "link", "set", "lo", "up")
    os.environ["NETKIT_ROOT"] = "/run/bench"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed netkit is compiled


def run(*argv: str, text: str = "", env: dict[str, str] | None = None) -> str:
    """The output of a command that must work."""
    done = subprocess.run(argv, input=text, capture_output=True, text=True, env=env, timeout=120, check=False)
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(argv)} exited {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def containers(prefix: str, count: int) -> list[str]:
    """Fresh network namespaces, as paths."""
    names = [f"{prefix}{number}" for number in range(count)]
    run("ip", "-batch", "-", text="".join(f"netns add {name}\n" for name in names))
    return [f"/run/netns/{name}" for name in names]


def forget(paths: Sequence[str]) -> None:
    """End namespaces that `containers` made."""
    run("ip", "-batch", "-", text="".join(f"netns del {name_of(path)}\n" for path in paths))


def name_of(path: str) -> str:
    """What `ip netns` calls a namespace of this path."""
    return path.rpartition("/")[2]


def timed(work: Callable[[], object]) -> float:
    """How long this takes, in milliseconds."""
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000


def median(values: Sequence[float]) -> float:
    """The median, in the unit of the values."""
    return statistics.median(values)


def machine() -> str:
    """The machine in a line."""
    return f"{os.cpu_count()} CPUs, Linux {platform.release()}, Python {platform.python_version()}"
