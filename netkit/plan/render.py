"""How an op reads as the commands that an admin would type.

The script runs as printed. `ip -n` takes only the names of `ip netns`; a namespace that has just a path is entered by
`nsenter`. Nothing here is ever executed by netkit itself; a contract test holds both ways of doing it together.
"""

from __future__ import annotations

from netkit.model import ANY
from netkit.naming import passing_name
from netkit.plan import firewall
from netkit.plan.announce import Announce
from netkit.plan.host import FOREVER, Address
from netkit.plan.kinds import Ipvlan, Macvlan, Stacked
from netkit.plan.ops import (
    MAIN,
    AddrAdd,
    AddrDel,
    Heard,
    LinkAdd,
    LinkDel,
    LinkMove,
    LinkReclaim,
    LinkReturn,
    LinkSet,
    LoopbackUp,
    Op,
    Peer,
    PortsFree,
    PortsReserve,
    RouteAdd,
    RouteDel,
    RulesAdd,
    RulesDel,
    SysctlRestore,
    SysctlSet,
    Together,
)
from netkit.plan.rules import Publish
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from netkit.model import NsRef
    from netkit.plan.kinds import Info
    from netkit.plan.rules import Rule
    from netkit.plan.steps import Plan

#: What iproute2 calls the kernel's numbers: flags of addresses, metrics (RTAX_*) and preferences of routes.
_FLAGS = {"nodad": 0x02, "home": 0x10, "mngtmpaddr": 0x100, "noprefixroute": 0x200, "autojoin": 0x400}
_METRICS = {
    3: "window",
    4: "rtt",
    5: "rttvar",
    6: "ssthresh",
    7: "cwnd",
    8: "advmss",
    9: "reordering",
    10: "hoplimit",
    11: "initcwnd",
    12: "features",
    13: "rto_min",
    14: "initrwnd",
    15: "quickack",
    17: "fastopen_no_cookie",
}
_RTAX_LOCK = 1
_PREFERENCES = {1: "high", 3: "low"}
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_")


class Command(Value):
    """One command: its words, what it reads from standard input, and whether its failure means nothing.

    `line` stands for the words where no single command does it, and the one who reads the script has to.
    """

    argv: tuple[str, ...] = ()
    stdin: str = ""
    may_fail: bool = False
    line: str = ""

    def __str__(self) -> str:
        if self.line:
            return self.line
        line, end = " ".join(quote(word) for word in self.argv), " || :" if self.may_fail else ""
        return f"{line} <<'EOF'{end}\n{self.stdin.rstrip()}\nEOF" if self.stdin else line + end


def quote(word: str) -> str:
    """A word as a POSIX shell reads it back."""
    if word and _PLAIN.issuperset(word):
        return word
    return "'" + word.replace("'", "'\"'\"'") + "'"


def render(op: Op) -> tuple[Command, ...]:
    """The commands that do what this op does."""
    known = _RENDERERS.get(type(op))
    if known is None:
        from netkit.plan.rare.shown import RENDERERS

        known = RENDERERS[type(op)]
    return known(op)


def script(plan: Plan, explain: bool = False) -> str:
    """A plan as a POSIX shell script; `explain` puts each step's reason above its commands."""
    lines = ["#!/bin/sh", "set -e"]
    for step in plan:
        if explain:
            lines.append(f"# {step.why}")
        lines.extend(str(command) for command in render(step.op))
    return "\n".join(lines) + "\n"


def _words(*words: str | int) -> Command:
    return Command(tuple(str(word) for word in words))


def ip(ns: NsRef | None, *words: str | int) -> tuple[Command, ...]:
    """`ip` in a namespace."""
    return (within(ns, "ip", *words),)


def within(ns: NsRef | None, tool: str, *words: str | int) -> Command:
    """A command of iproute2 in a namespace."""
    if ns is None:
        return _words(tool, *words)
    if name := _netns_name(ns):
        return _words(tool, "-n", name, *words)
    return _words("nsenter", f"--net={ns.path}", tool, *words)


def _netns_name(ns: NsRef) -> str:
    """The name that `ip netns` has for a namespace, "" when it has none."""
    for directory in ("/run/netns/", "/var/run/netns/"):
        if ns.path.startswith(directory):
            return ns.path.removeprefix(directory)
    return ""


def _mtu(mtu: int | None) -> tuple[str | int, ...]:
    return ("mtu", mtu) if mtu else ()


def _link_add(op: LinkAdd) -> tuple[Command, ...]:
    """A link whose parent is elsewhere comes under a passing name.

    Before Linux 6.15 it may not be called as a link is where its parent is, and most often both are eth0.
    """
    comes = isinstance(op.info, Stacked) and op.ns != op.netns
    name = passing_name(op.name) if comes else op.name
    words: list[str | int] = ["link", "add", "name", name]
    words += ["link", op.info.parent] if isinstance(op.info, Stacked) else []
    words += ["group", op.group]
    words += ["address", op.mac] if op.mac else []
    words += _mtu(op.mtu)
    words += ["netns", op.ns.path] if op.ns and op.ns != op.netns else []
    words += ["type", op.kind, *(_kind_words(op.info) if op.info else ())]
    made = ip(op.netns, *words, *(_peer(op.peer) if op.peer else ()))
    return (*made, *ip(op.ns, "link", "set", "dev", name, "name", op.name)) if comes else made


def _macvlan(info: Macvlan) -> tuple[str | int, ...]:
    return "mode", info.mode, *(("bcqueuelen", info.bcqueuelen) if info.bcqueuelen else ())


def _ipvlan(info: Ipvlan) -> tuple[str | int, ...]:
    return "mode", info.mode


#: What follows `type KIND`.
_KIND_WORDS: dict[type[Info], Callable[[Any], tuple[str | int, ...]]] = {Macvlan: _macvlan, Ipvlan: _ipvlan}


def _kind_words(info: Info) -> tuple[str | int, ...]:
    known = _KIND_WORDS.get(type(info))
    if known is None:
        from netkit.plan.rare.shown import KIND_WORDS

        known = KIND_WORDS[type(info)]
    return known(info)


def _peer(peer: Peer) -> tuple[str | int, ...]:
    words: list[str | int] = ["peer", "name", peer.name]
    words += ["netns", peer.ns.path] if peer.ns else []
    words += ["address", peer.mac] if peer.mac else []
    return (*words, *_mtu(peer.mtu))


def _link_del(op: LinkDel) -> tuple[Command, ...]:
    return ip(op.ns, "link", "del", "dev", op.name)


def _link_move(op: LinkMove) -> tuple[Command, ...]:
    return ip(None, "link", "set", "dev", op.dev, "netns", op.ns.path, "name", op.name, "alias", op.dev)


def _link_return(op: LinkReturn) -> tuple[Command, ...]:
    """The host's namespace has no name for `ip`: whoever's shell reads this is in it, and tells its own PID."""
    inside = f"nsenter --net={quote(op.ns.path)} ip link set dev {op.name}"
    return (Command(line=f"{inside} netns $$ name {op.dev}"),)


def _link_reclaim(op: LinkReclaim) -> tuple[Command, ...]:
    """Of all links, the one whose alias is the name."""
    named = f'for link in /sys/class/net/*; do [ "$(cat $link/ifalias)" = {op.dev} ]'
    back = f"ip link set dev ${{link##*/}} name {op.dev} alias {quote(op.alias)}"
    parts = (*op.restores, *(SysctlRestore(key, was, now, dev=op.dev) for key, was, now in op.settings))
    return (Command(line=f"{named} && {back}; done; :"), *(command for part in parts for command in render(part)))


def link_set(op: LinkSet) -> tuple[Command, ...]:
    """Port flags last: they need the master."""
    words: list[str | int] = [*_mtu(op.mtu)]
    words += ["addrgenmode", "none"] if op.no_addrgen else []
    words += ["promisc", switch(op.promisc)] if op.promisc is not None else []
    if op.master is not None:
        words += ["master", op.master] if op.master else ["nomaster"]
    if op.up is not None:
        words.append("up" if op.up else "down")
    commands = list(ip(op.ns, "link", "set", "dev", op.dev, *words)) if words else []
    flags = (("isolated", op.isolated), ("hairpin", op.hairpin))
    port = [word for name, on in flags if on is not None for word in (name, switch(on))]
    return (*commands, *((within(op.ns, "bridge", "link", "set", "dev", op.dev, *port),) if port else ()))


def switch(on: bool) -> str:
    """A flag as iproute2 says it."""
    return "on" if on else "off"


def _announce(op: Announce) -> tuple[Command, ...]:
    return ip(op.ns, "link", "set", "dev", op.dev, "address", op.mac)


def _heard(_: Heard) -> tuple[Command, ...]:
    """Nothing: a script is slow enough."""
    return ()


def _loopback_up(op: LoopbackUp) -> tuple[Command, ...]:
    return ip(op.ns, "link", "set", "dev", "lo", "up")


def _addr(verb: str) -> Callable[[Any], tuple[Command, ...]]:
    def render_addr(op: AddrAdd | AddrDel) -> tuple[Command, ...]:
        peer = op.peer if isinstance(op, AddrDel) else op.like.peer if op.like else ""
        address, _, length = op.address.partition("/")
        words = (address, "peer", f"{peer}/{length}") if peer else (op.address,)
        if not isinstance(op, AddrAdd):
            return ip(op.ns, "addr", verb, *words, "dev", op.dev)
        where, manner = (*words, "dev", op.dev), _manner(op)
        how = verb if op.exclusive else "replace"
        if op.like is None or ":" not in op.address or "nodad" in manner:
            return ip(op.ns, "addr", how, *where, *manner)
        # as the kernel is told: without a look for duplicates, and without remembering that
        return ip(op.ns, "addr", how, *where, *manner, "nodad") + ip(op.ns, "addr", "change", *where, *manner)

    return render_addr


def _manner(op: AddrAdd) -> tuple[str | int, ...]:
    """What an address has besides its digits; who made it is left out: iproute2 has no word for that before 6.3."""
    like = op.like or Address(op.address)
    given = (("brd", like.broadcast), ("label", like.label), ("metric", like.metric))
    words = [word for name, value in given if value for word in (name, value)]
    words += ["scope", like.scope] if like.scope and ":" not in op.address else []
    words += ["valid_lft", like.valid, "preferred_lft", like.preferred] if like.valid != FOREVER else []
    words += [word for word, flag in _FLAGS.items() if like.flags & flag]
    return (*words, *(("nodad",) if op.nodad and ":" in op.address and "nodad" not in words else ()))


def _route(verb: str) -> Callable[[Any], tuple[Command, ...]]:
    def render_route(op: RouteAdd | RouteDel) -> tuple[Command, ...]:
        how = "replace" if isinstance(op, RouteAdd) and op.expires else verb
        words: list[str | int] = ["-6"] if op.family == 6 else []
        words += ["route", how, op.dst, *(("via", op.via) if op.via else ()), "dev", op.dev, "proto", op.protocol]
        words += ["metric", op.metric] if op.metric else []
        words += ["table", op.table] if op.table != MAIN else []
        words += ["scope", op.scope] if op.scope >= 0 else []
        words += ["tos", op.tos] if op.tos else []
        return ip(op.ns, *words, *(_way(op) if isinstance(op, RouteAdd) else ()))

    return render_route


def _way(op: RouteAdd) -> tuple[str | int, ...]:
    """What a route has besides where it leads."""
    words: list[str | int] = [*_mtu(op.mtu), *(("advmss", op.advmss) if op.advmss else ())]
    words += ["src", op.src] if op.src else []
    words += ["onlink"] if op.onlink else []
    locks = dict(op.metrics).get(_RTAX_LOCK, 0)
    for number, value in op.metrics:
        if name := _METRICS.get(number):
            words += [name, *(["lock"] if locks & 1 << number else []), value]
    words += ["pref", _PREFERENCES.get(op.pref, "medium")] if op.pref else []
    return (*words, *(("expires", op.expires) if op.expires else ()))


def _together(op: Together) -> tuple[Command, ...]:
    """One process for all, to the end: as short a gap as a script can have. A line takes no -6: `default` is ::/0."""
    lines: list[str] = []
    for command in (command for part in op.ops for command in render(part)):
        six = command.argv[1] == "-6"
        words = command.argv[2:] if six else command.argv[1:]
        lines.append(" ".join("::/0" if six and word == "default" else quote(word) for word in words))
    text, idle = "".join(f"{line}\n" for line in lines), any(isinstance(op, RouteAdd) and op.again for op in op.ops)
    return (Command(("ip", "-force", "-batch", "-"), text, may_fail=idle),)


def _sysctl(op: SysctlSet | SysctlRestore) -> tuple[Command, ...]:
    enter = ("nsenter", f"--net={op.ns.path}") if op.ns else ()
    return (_words(*enter, "sysctl", "-qw", f"{op.key}={op.value}"),)


def _rules(op: RulesAdd | RulesDel) -> tuple[Command, ...]:
    verb = "add" if isinstance(op, RulesAdd) else "delete"
    commands = [Command(tuple(argv), text) for argv, text in firewall.commands(op.rules, op.backend, verb)]
    return (*commands, *_forget(op.rules, () if isinstance(op, RulesDel) else ("tcp",)))


def _forget(rules: Iterable[Rule], but: tuple[str, ...]) -> tuple[Command, ...]:
    return tuple(
        Command(
            (
                *("conntrack", "-D", "-f", "ipv6" if ":" in rule.host_ip else "ipv4", "-p", rule.protocol),
                *(() if rule.host_ip in ANY.values() else ("--orig-dst", rule.host_ip)),
                *("--orig-port-dst", str(port)),
            ),
            may_fail=True,
        )
        for rule in rules
        if isinstance(rule, Publish) and rule.protocol not in but
        for port in range(rule.host_port, rule.host_port + rule.count)
    )


def _ports(op: PortsReserve | PortsFree) -> tuple[Command, ...]:
    """The sysctl holds others' ports, too: the script reads it, adds or drops ours, and writes it back."""
    key, ranges = "net/ipv4/ip_local_reserved_ports", [str(a) if a == b else f"{a}-{b}" for a, b in op.ports]
    if isinstance(op, PortsReserve):
        change = f"sed 's/.$/&,/;s/$/{','.join(ranges)}/'"
    else:
        change = f"tr , '\\n' | grep -vxE '{'|'.join(ranges)}' | paste -sd,"
    return (Command(line=f'sysctl -qw "{key}=$(sysctl -n {key} | {change})"'),)


_RENDERERS: dict[type[Op], Callable[[Any], tuple[Command, ...]]] = {
    LinkAdd: _link_add,
    LinkDel: _link_del,
    LinkMove: _link_move,
    LinkReturn: _link_return,
    LinkReclaim: _link_reclaim,
    LinkSet: link_set,
    LoopbackUp: _loopback_up,
    AddrAdd: _addr("add"),
    AddrDel: _addr("del"),
    RouteAdd: _route("add"),
    RouteDel: _route("del"),
    Together: _together,
    Heard: _heard,
    Announce: _announce,
    SysctlSet: _sysctl,
    SysctlRestore: _sysctl,
    RulesAdd: _rules,
    RulesDel: _rules,
    PortsReserve: _ports,
    PortsFree: _ports,
}
