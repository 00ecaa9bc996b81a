"""The oracle: everything that netkit could have changed or left behind, seen with other people's tools.

`snapshot` looks with `ip`, `bridge`, `tc`, `nft`, `iptables-save` and plain reads, never with netkit's own code, and
changes nothing by looking. `diff` says in words what differs. tests/meta/test_oracle.py plants leaks and proves that
each is seen.

Left out on purpose: what the kernel changes by itself (learned neighbours and fdb entries, counters, timers, carrier).
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import threading
from collections import Counter
from fnmatch import fnmatchcase, translate
from pathlib import Path

from tests import sight
from tests.files import tree
from tests.hosts import cmdline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from tests.hosts import HostNs, Namespace

#: sysctls that change by themselves, or that reading says nothing about
VOLATILE = (
    "net/netfilter/nf_conntrack_count",  # connections come and go
    "net/ipv[46]/route/flush",  # a button, not a value
    "net/ipv6/conf/*/stable_secret",  # reading an unset one is an error
    "net/ipv4/tcp_fastopen_key",  # drawn at random at its first use
    "net/core/flow_limit_cpu_bitmap",  # the machine's, not a namespace's
)
_SKIP = re.compile("|".join(translate(pattern) for pattern in VOLATILE))
_CLONE_NEWNET = 0x40000000
_IP = ("ip", "-json", "-details", "-Numeric", "-batch", "-")
#: each tool once, many questions in one process where it can
_TOOLS = (
    (_IP, "addr show\nneigh show nud permanent\n"),
    (("ip", "-4", *_IP[1:]), "route show table all\nrule show\n"),
    (("ip", "-6", *_IP[1:]), "route show table all\nrule show\n"),
    (("bridge", "-json", "fdb", "show"), ""),
    (("tc", "-json", "qdisc", "show"), ""),
    (("nft", "-json", "list", "ruleset"), ""),
)


def snapshot(host: HostNs, containers: Sequence[Namespace] = (), root: Path | None = None) -> dict[str, Any]:
    """What there is on a host and in containers, by place and kind: `seen["host"]["links"]["eth0"]["mtu"]`.

    `root` is a netkit state root; the host's own unless given. Lists are multisets of canonical text, but for rules,
    whose order counts.
    """
    places: dict[str, Namespace] = {"host": host, **{c.name: c for c in containers}}
    seen: dict[str, Any] = {}
    threads = [threading.Thread(target=_look, args=(name, place, seen)) for name, place in places.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen.keys() == places.keys(), "a namespace could not be looked at"
    roots = [root or host.root, *(Path(f"/proc/{host.pid}/root{path}") for path in ("/run/netkit", "/var/lib/netkit"))]
    files = {path: text for directory in roots for path, text in tree(directory).items()}
    return {**{name: seen[name] for name in places}, "state": files}


class _Here:
    """The private host that this process is in itself; what runs there is for others to count."""

    path = "/proc/thread-self/ns/net"
    pid = os.getpid()

    def pids(self) -> set[int]:
        """None of them is looked at."""
        return set()


def surroundings() -> dict[str, Any]:
    """What there is around the labs, in the host that tests run in: nothing of it is a test's to change."""
    seen: dict[str, Any] = {}
    _look("surroundings", _Here(), seen)
    files = {path: text for path in ("/run/netkit", "/var/lib/netkit") for path, text in tree(Path(path)).items()}
    return {**seen, "state": files}


def diff(before: dict[str, Any], after: dict[str, Any], allow: Sequence[str] = ()) -> str:
    """What differs, one line a thing, "" when nothing does; `allow` are patterns of lines to leave out.

    A line's text is `host links eth0 mtu: 1500`; a pattern such as `host links eth0 *` matches it as a whole.
    """
    old, new = Counter(_lines(before)), Counter(_lines(after))
    lines = [("-", line) for line in sorted((old - new).elements())]
    lines += [("+", line) for line in sorted((new - old).elements())]
    lines += [("~", f"{path}: in another order") for path in _reordered(before, after)]
    return "\n".join(f"{sign} {line}" for sign, line in lines if not any(fnmatchcase(line, p) for p in allow))


def _lines(thing: Any, path: str = "") -> Iterator[str]:
    if isinstance(thing, dict):
        for key, value in thing.items():
            yield from _lines(value, f"{path} {key}".strip())
    elif isinstance(thing, list):
        yield from (f"{path}: {item}" for item in thing)
    else:
        yield f"{path}: {thing}"


def _reordered(before: Any, after: Any, path: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() & after.keys():
            yield from _reordered(before[key], after[key], f"{path} {key}".strip())
    elif isinstance(before, list) and isinstance(after, list) and before != after and sorted(before) == sorted(after):
        yield path


def _look(name: str, place: Namespace | _Here, seen: dict[str, Any]) -> None:
    """Look at one place from inside; the calling thread enters the namespace and must end afterwards."""
    with open(place.path) as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {name}")
    running = [_start(argv, lines) for argv, lines in _TOOLS]
    sysctls = sight.sysctls(_SKIP)
    (links, neighbours), (routes4, rules4), (routes6, rules6), (fdb,), (qdiscs,), (nft,) = map(_documents, running)
    ruleset = sight.nft(nft)
    filtered = sorted({row["dev"] for row in qdiscs if row["kind"] in ("ingress", "clsact")})
    filters = {
        dev: _documents(_start(("tc", "-json", "filter", "show", "dev", dev, "ingress"), "")) for dev in filtered
    }
    seen[name] = {
        **sight.links(links),
        "routes": sight.routes([*routes4, *routes6]),
        "rules": sight.rows([*rules4, *rules6]),
        "neighbours": sight.rows(neighbours),
        "fdb": sight.fdb(fdb),
        "qdiscs": sight.rows(qdiscs),
        "filters": {dev: sight.rows(rows) for dev, (rows,) in filters.items()},
        "nft": ruleset,
        "iptables": sight.iptables(ruleset, place.pid),
        "sysctls": sysctls,
        "processes": sorted(cmdline(pid) for pid in place.pids()),
    }


def _start(argv: Sequence[str], lines: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    process.stdin.write(lines)
    process.stdin.close()
    process.stdin = None
    return process


def _documents(process: subprocess.Popen[str]) -> list[Any]:
    """Every JSON document that a tool wrote, one after the other."""
    text, _ = process.communicate()
    assert process.returncode == 0, f"{process.args!r} exited {process.returncode}"
    decoder, found, position = json.JSONDecoder(), [], 0
    while position < len(text):
        document, end = decoder.raw_decode(text, position)
        found.append(document)
        position = end + len(text[end:]) - len(text[end:].lstrip())
    return found
