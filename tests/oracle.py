"""The oracle: everything that netkit could have changed or left behind, seen with other people's tools.

`snapshot` looks with `ip`, `bridge`, `tc`, `nft`, `iptables-save` and plain reads, never with netkit's own code, and
changes nothing by looking. `diff` says in words what differs. tests/meta/test_oracle.py plants leaks and proves that
each is seen.

A tool is started where it would be told something new (tests/heard.py), and its words are read once.

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
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from tests import sight
from tests.files import tree
from tests.heard import dumps
from tests.hosts import cmdline, dwellers
from tests.sysctls import Sysctls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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


class _Question(NamedTuple):
    """What one tool is asked, which dumps of the kernel's it answers from, and what of the answer is lasting."""

    argv: tuple[str, ...]
    lines: str
    hears: tuple[str, ...]
    lasting: Callable[..., dict[str, Any]]
    #: Words of an answer that may change without the dumps.
    moving: tuple[str, ...] = ()


#: each tool once, many questions in one process where it can
_QUESTIONS = (
    _Question(
        _IP,
        "addr show\nneigh show nud permanent\n",
        ("links", "addresses", "neighbours"),
        lambda links, neighbours: {**sight.links(links), "neighbours": sight.rows(neighbours)},
    ),
    _Question(
        ("ip", "-4", *_IP[1:]),
        "route show table all\nrule show\n",
        ("routes", "rules"),
        lambda routes, rules: {"routes4": sight.routes(routes), "rules4": sight.rows(rules)},
    ),
    _Question(
        ("ip", "-6", *_IP[1:]),
        "route show table all\nrule show\n",
        ("routes", "rules"),
        lambda routes, rules: {"routes6": sight.routes(routes), "rules6": sight.rows(rules)},
    ),
    _Question(("bridge", "-json", "fdb", "show"), "", ("fdb",), lambda fdb: {"fdb": sight.fdb(fdb)}),
    _Question(
        ("tc", "-json", "qdisc", "show"),
        "",
        ("qdiscs",),
        lambda qdiscs: {
            "qdiscs": sight.rows(qdiscs),
            "filtered": sorted({row["dev"] for row in qdiscs if row["kind"] in ("ingress", "clsact")}),
        },
    ),
    _Question(
        ("nft", "-json", "list", "ruleset"),
        "",
        ("generation",),
        lambda nft: {"nft": (ruleset := sight.nft(nft)), "iptables": sight.iptables(ruleset)},
        # a rule set without a new generation: by packets, by time, and with a device
        ('"op": "add"', '"op": "update"', '"op": "delete"', '"timeout"', '"dev"', '"flowtable"'),
    ),
)


class _Memory:
    """Of one namespace: what the kernel told when a tool was asked, and what was in its answer."""

    def __init__(self) -> None:
        self.sysctls = Sysctls()
        self.answers: dict[_Question, tuple[list[bytes], dict[str, Any]]] = {}


#: Threads that read hundreds of files, a microsecond each, take turns: else they would wake each other for every one.
_READING = threading.Lock()
_MEMORIES: WeakKeyDictionary[Namespace | _Here, _Memory] = WeakKeyDictionary()


def snapshot(host: HostNs, containers: Sequence[Namespace] = (), root: Path | None = None) -> dict[str, Any]:
    """What there is on a host and in containers, by place and kind: `seen["host"]["links"]["eth0"]["mtu"]`.

    `root` is a netkit state root; the host's own unless given. Lists are multisets of canonical text, but for rules,
    whose order counts.
    """
    places: dict[str, Namespace] = {"host": host, **{c.name: c for c in containers}}
    seen: dict[str, Any] = {}
    inside = dwellers(places.values())
    threads = [
        threading.Thread(target=_look, args=(name, place, _MEMORIES.setdefault(place, _Memory()), seen))
        for name, place in places.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen.keys() == places.keys(), "a namespace could not be looked at"
    for name, place in places.items():
        seen[name]["processes"] = sorted(filter(None, map(cmdline, inside[place])))  # those that end have none
    roots = [root or host.root, *(Path(f"/proc/{host.pid}/root{path}") for path in ("/run/netkit", "/var/lib/netkit"))]
    files = {path: text for directory in roots for path, text in tree(directory).items()}
    return {**{name: seen[name] for name in places}, "state": files}


class _Here:
    """The private host that this process is in itself; what runs there is for others to count."""

    path = "/proc/thread-self/ns/net"
    pid = os.getpid()


_HERE = _Here()


def surroundings() -> dict[str, Any]:
    """What there is around the labs, in the host that tests run in: nothing of it is a test's to change."""
    seen: dict[str, Any] = {}
    _look("surroundings", _HERE, _MEMORIES.setdefault(_HERE, _Memory()), seen)
    files = {path: text for path in ("/run/netkit", "/var/lib/netkit") for path, text in tree(Path(path)).items()}
    return {**seen, "state": files}


def diff(before: dict[str, Any], after: dict[str, Any], allow: Sequence[str] = ()) -> str:
    """What differs, one line a thing, "" when nothing does; `allow` are patterns of lines to leave out.

    A line's text is `host links eth0 mtu: 1500`; a pattern such as `host links eth0 *` matches it as a whole.
    """
    before, after = _without(before, after), _without(after, before)
    old, new = Counter(_lines(before)), Counter(_lines(after))
    lines = [("-", line) for line in sorted((old - new).elements())]
    lines += [("+", line) for line in sorted((new - old).elements())]
    lines += [("~", f"{path}: in another order") for path in _reordered(before, after)]
    return "\n".join(f"{sign} {line}" for sign, line in lines if not any(fnmatchcase(line, p) for p in allow))


def _without(thing: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """What of it is not in the other at the same place."""
    left = {key: value for key, value in thing.items() if key not in other or other[key] != value}
    both = {key for key, value in left.items() if isinstance(value, dict) and isinstance(other.get(key), dict)}
    return {key: _without(value, other[key]) if key in both else value for key, value in left.items()}


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


def _look(name: str, place: Namespace | _Here, memory: _Memory, seen: dict[str, Any]) -> None:
    """Look at one place from inside; the calling thread enters the namespace and must end afterwards."""
    with open(place.path) as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {name}")
    found = _answers(memory)
    filters = {
        dev: _text(_start(("tc", "-json", "filter", "show", "dev", dev, "ingress"), "")) for dev in found["filtered"]
    }
    with _READING:
        sysctls = memory.sysctls.read(_SKIP)
    variants = {**found["iptables"], **sight.legacy(place.pid)}
    seen[name] = {
        **{kind: found[kind] for kind in ("links", "addresses", "neighbours", "fdb", "qdiscs", "nft")},
        "routes": sorted(found["routes4"] + found["routes6"]),
        "rules": sorted(found["rules4"] + found["rules6"]),
        "filters": {dev: sight.rows(json.loads(text)) for dev, text in filters.items()},
        "iptables": {variant: lines for variant, lines in variants.items() if lines},
        "sysctls": sysctls,
    }


def _answers(memory: _Memory) -> dict[str, Any]:
    """What the tools say of where the calling thread is; each that has something new to say is asked, all at once."""
    heard, running = dumps(), {}
    for question in _QUESTIONS:
        told = [heard[kind] for kind in ("names", *question.hears)]
        if question not in memory.answers or memory.answers[question][0] != told:
            running[question] = told, _start(question.argv, question.lines)
    found: dict[str, Any] = {}
    for question in _QUESTIONS:
        if question not in running:
            found |= memory.answers[question][1]
            continue
        told, process = running[question]
        text = _text(process)
        answer = question.lasting(*_documents(text))
        found |= answer
        memory.answers.pop(question, None)
        if not any(word in text for word in question.moving):
            memory.answers[question] = told, answer
    return found


def _start(argv: Sequence[str], lines: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    process.stdin.write(lines)
    process.stdin.close()
    process.stdin = None
    return process


def _text(process: subprocess.Popen[str]) -> str:
    text, _ = process.communicate()
    assert process.returncode == 0, f"{process.args!r} exited {process.returncode}"
    return text


def _documents(text: str) -> list[Any]:
    """Every JSON document that a tool wrote, one after the other."""
    decoder, found, position = json.JSONDecoder(), [], 0
    while position < len(text):
        document, end = decoder.raw_decode(text, position)
        found.append(document)
        position = end + len(text[end:]) - len(text[end:].lstrip())
    return found
