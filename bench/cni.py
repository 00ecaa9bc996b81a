"""The CNI plugin beside the reference's chain: whole ADDs and DELs as a runtime sees them, one published port each.

Every plugin is a process of its own, cold, without a daemon. The chains take turns, so that a busy machine is busy for
all of them. CNI_PATH says where the reference's plugins are.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from bench.place import containers, forget, median, name_of
from bench.report import Row, table
from netkit.cni.install import install

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

REFERENCE = Path(os.environ.get("CNI_PATH", "/usr/lib/cni"))
OURS = Path("/run/bench-cni")
WIDE = 16
_PORTS = count(10_000)


class Chain:
    """A list of plugins that make one network, and how long they take."""

    def __init__(self, what: str, directory: Path, subnet: str, *plugins: dict[str, Any]) -> None:
        self.what = what
        self.directory = directory
        name = f"bench-{subnet.split('.')[1]}"
        ipam = {"type": "host-local", "dataDir": "/run/bench-store", "ranges": [[{"subnet": subnet}]]}
        self.plugins = [
            {"cniVersion": "1.0.0", "name": name, **plugin, **({"ipam": ipam} if "bridge" in plugin else {})}
            for plugin in plugins
        ]
        self.results: dict[str, Any] = {}
        self.mappings: dict[str, Any] = {}

    def add(self, path: str) -> float:
        """Attach; milliseconds."""
        port = {"hostPort": next(_PORTS), "containerPort": 80, "protocol": "tcp"}
        self.mappings[path] = {"portMappings": [port]}
        begin = time.perf_counter()
        for plugin in self.plugins:
            answer = self._call("ADD", path, plugin)
            self.results[path] = json.loads(answer)
        return (time.perf_counter() - begin) * 1000

    def delete(self, path: str) -> float:
        """Detach; milliseconds."""
        begin = time.perf_counter()
        for plugin in reversed(self.plugins):
            self._call("DEL", path, plugin)
        self.results.pop(path)
        return (time.perf_counter() - begin) * 1000

    def _call(self, command: str, path: str, plugin: dict[str, Any]) -> bytes:
        conf = dict(plugin)
        if plugin is self.plugins[-1] or plugin["type"] == "portmap":
            conf["runtimeConfig"] = self.mappings[path]
        if path in self.results:
            conf["prevResult"] = self.results[path]
        env = {"CNI_COMMAND": command, "CNI_CONTAINERID": name_of(path), "CNI_NETNS": path, "CNI_IFNAME": "eth0"}
        env |= {"CNI_PATH": str(self.directory), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        status, output = _process(str(self.directory / plugin["type"]), json.dumps(conf).encode(), env)
        if status:
            raise SystemExit(f"bench: {self.what}: {plugin['type']} {command}: {output.decode()}")
        return output


def chains() -> list[Chain]:
    """Ours first; the reference's with each backend that it knows."""
    install(str(OURS))
    bridge = {"type": "bridge", "isGateway": True, "isDefaultGateway": True, "ipMasq": True}
    found = [Chain("netkit", OURS, "10.80.0.0/16", {"type": "netkit", "bridge": "nk-bench"})]
    found[0].plugins[0] |= {"ipam": {"ranges": [[{"subnet": "10.80.0.0/16"}]]}, "root": str(OURS / "state")}
    if not all((REFERENCE / name).exists() for name in ("bridge", "host-local", "portmap")):
        return found
    for number, backend in enumerate(("iptables", "nftables"), 81):
        link = {**bridge, "bridge": f"ref{number}", "ipMasqBackend": backend}
        chain = Chain(
            f"reference, {backend}", REFERENCE, f"10.{number}.0.0/16", link, {"type": "portmap", "backend": backend}
        )
        if backend == "iptables" or _knows_nftables():
            found.append(chain)
    return found


def report(number: int, many: int) -> str:
    """Three tables: one after the other, sixteen at once, and whether the last costs more than the first."""
    found = chains()
    return "\n".join([_sequential(found, number), _parallel(found, number), _growth(found, many)])


def _sequential(found: Sequence[Chain], number: int) -> str:
    paths = {chain.what: containers(f"s{at}-", number + 1) for at, chain in enumerate(found)}
    did: dict[str, list[float]] = {chain.what: [] for chain in found}
    undid: dict[str, list[float]] = {chain.what: [] for chain in found}
    for step in range(number + 1):  # the first makes the network and does not count
        for chain in found:
            did[chain.what].append(chain.add(paths[chain.what][step]))
    for step in range(number, -1, -1):
        for chain in found:
            undid[chain.what].append(chain.delete(paths[chain.what][step]))
    for members in paths.values():
        forget(members)
    rows = [Row(chain.what, median(did[chain.what][1:]), median(undid[chain.what][:-1])) for chain in found]
    return table(f"CNI, one after the other (median of {number})", ("ADD", "DEL"), _reference_first(rows))


def _parallel(found: Sequence[Chain], number: int) -> str:
    rows = []
    for at, chain in enumerate(found):
        paths = containers(f"p{at}-", number)
        times = []
        for work in (chain.add, chain.delete):
            begin = time.perf_counter()
            with ThreadPoolExecutor(WIDE) as pool:
                list(pool.map(work, paths))
            times.append((time.perf_counter() - begin) * 1000 / number)
        forget(paths)
        rows.append(Row(chain.what, *times))
    note = "Milliseconds of wall time for each: the inverse of the throughput."
    return table(f"CNI, {WIDE} at once ({number} in all)", ("ADD", "DEL"), _reference_first(rows), note)


def _growth(found: Sequence[Chain], many: int) -> str:
    chain = found[0]
    paths = containers("g", many)
    times = [chain.add(path) for path in paths]
    undone = [chain.delete(path) for path in paths]
    forget(paths)
    few = min(20, many // 3)
    rows = [
        Row(f"netkit, the 10th of {many} (median of {few})", median(times[5 : 5 + few]), median(undone[-few - 1 : -1])),
        Row(f"netkit, the last of {many} (median of {few})", median(times[-few:]), median(undone[:few])),
    ]
    return table("CNI, does the last cost more?", ("ADD", "DEL"), rows, "DEL: with few others there, and with all.")


def _reference_first(rows: list[Row]) -> list[Row]:
    return rows[1:2] + rows[:1] + rows[2:]


def _knows_nftables() -> bool:
    """portmap has a backend for it since 1.6; an older one takes the key for nothing."""
    return b"nftables" in (REFERENCE / "portmap").read_bytes()


def _process(path: str, stdin: bytes, env: dict[str, str]) -> tuple[int, bytes]:
    """Run a program; lighter than subprocess, and the same for all."""
    files = [os.memfd_create(name) for name in ("in", "out")]
    try:
        os.write(files[0], stdin)
        os.lseek(files[0], 0, os.SEEK_SET)
        actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(files)]
        pid = os.posix_spawn(path, [path], env, file_actions=actions)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return status, os.pread(files[1], 1 << 20, 0)
    finally:
        for fd in files:
            os.close(fd)


if __name__ == "__main__":
    from bench.place import enter

    enter()
    print(report(*(map(int, sys.argv[1:]) if len(sys.argv) > 2 else (40, 1000))))
