"""One attachment with one published port, and its end: netkit, the same commands by hand, and the CNI plugins."""

from __future__ import annotations

import json
import os
import subprocess
from functools import partial
from pathlib import Path

from bench.engine import Attachments
from bench.place import NETKIT, containers, forget, median, name_of, run, timed
from bench.report import Row, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Way = tuple[Callable[[str], object], Callable[[str], object]]

PLUGINS = Path(os.environ.get("CNI_PATH", "/usr/lib/cni"))
PORT = 18080
_CNI = {"cniVersion": "1.0.0", "name": "bench"}
_RANGES = [[{"subnet": "10.89.0.0/16"}]]
_IPAM = {"type": "host-local", "dataDir": "/run/cni", "ranges": _RANGES, "routes": [{"dst": "0.0.0.0/0"}]}
_BRIDGE = {**_CNI, "type": "bridge", "bridge": "cni-bench", "isGateway": True, "ipMasq": True, "ipam": _IPAM}
_MAPPINGS = {"portMappings": [{"hostPort": PORT, "containerPort": 80, "protocol": "tcp"}]}
_PORTMAP = {**_CNI, "type": "portmap", "runtimeConfig": _MAPPINGS}


def report(count: int) -> str:
    """The table; medians of `count` attachments in turn."""
    paths = containers("one", count)
    rows = [
        _measured("netkit, a process each", _netkit(), paths),
        _in_process(paths, count),
        _measured("the same commands: ip, nft, sysctl in a sh script", _script(paths[0]), paths),
    ]
    if all((PLUGINS / name).exists() for name in ("bridge", "host-local", "portmap")):
        rows.append(_measured(f"CNI plugins {_version()}: bridge + host-local, portmap", _plugins(), paths))
    forget(paths)
    note = "The script claims no address, takes no lock, keeps no record; the engine alone: no start of Python."
    return table(f"One attachment with a published port (median of {count})", ("attach", "detach"), rows, note)


def _measured(what: str, way: Way, paths: list[str]) -> Row:
    """Each namespace in turn; the first, which makes the network, does not count."""
    did, undid = [], []
    for path in [paths[0], *paths]:
        did.append(timed(partial(way[0], path)))
        undid.append(timed(partial(way[1], path)))
    return Row(what, median(did[1:]), median(undid[1:]))


def _netkit() -> Way:
    return (
        lambda path: run(*NETKIT, "attach", "--netns", path, "-p", f"{PORT}:80"),
        lambda path: run(*NETKIT, "detach", "--netns", path),
    )


def _in_process(paths: list[str], count: int) -> Row:
    attachments = Attachments()
    times = [
        (attachments.attach(path, PORT), attachments.detach(path)) for path in [paths[0], *paths] for _ in (1, 2, 3)
    ]
    did, undid = zip(*times[1:], strict=True)
    return Row(f"netkit's engine alone (median of {3 * count})", median(did), median(undid))


def _script(path: str) -> Way:
    """What `--dry-run` prints, and what `inspect` says takes it back, as files for sh, with the namespace filled in."""
    attach = ("attach", "--netns", path, "-p", f"{PORT}:80")
    there = run(*NETKIT, *attach, "--dry-run")
    ident = json.loads(run(*NETKIT, *attach, "--json"))["id"]
    back = "\n".join(json.loads(run(*NETKIT, "inspect", ident, "--json"))["undo"])
    run(*NETKIT, "detach", ident)

    def play(script: str) -> Callable[[str], object]:
        return lambda other: run("sh", text=script.replace(name_of(path), name_of(other)))

    return play(there), play(back)


def _plugins() -> Way:
    results: dict[str, Any] = {}

    def add(path: str) -> None:
        results[path] = _cni("ADD", "bridge", path, _BRIDGE)
        _cni("ADD", "portmap", path, {**_PORTMAP, "prevResult": results[path]})

    def delete(path: str) -> None:
        _cni("DEL", "portmap", path, {**_PORTMAP, "prevResult": results[path]})
        _cni("DEL", "bridge", path, _BRIDGE)

    return add, delete


def _cni(command: str, plugin: str, path: str, config: dict[str, Any]) -> Any:
    env = {"CNI_COMMAND": command, "CNI_CONTAINERID": name_of(path), "CNI_NETNS": path, "CNI_IFNAME": "eth0"}
    env |= {"CNI_PATH": str(PLUGINS), "PATH": os.environ["PATH"]}
    answer = run(str(PLUGINS / plugin), text=json.dumps(config), env=env)
    return json.loads(answer) if answer else {}


def _version() -> str:
    """The plugins' version as the bridge plugin tells it, or else Debian's."""
    told = subprocess.run([str(PLUGINS / "bridge")], env={}, capture_output=True, text=True, check=False)
    version = (told.stdout + told.stderr).split("\n")[0].rpartition(" ")[2]
    if version.startswith("v"):
        return version
    argv = ["dpkg-query", "-W", "-f", "${Version}", "containernetworking-plugins"]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout or "of unknown version"
