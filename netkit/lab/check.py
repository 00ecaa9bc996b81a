"""A lab's expectations, looked at with packets: each from inside the member that it names, all side by side."""

from __future__ import annotations

from netkit.errors import HostError, NetkitError, NotFoundError
from netkit.kernel.namespaces import Namespaces
from netkit.kernel.spawn import run
from netkit.kernel.threads import beside
from netkit.lab import clients, packets
from netkit.lab.clients import ANSWER, BLOCKED, Outcome
from netkit.lab.document import shown
from netkit.lab.look import addresses_of
from netkit.model import bare, family
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from netkit.kernel.namespaces import Handle
    from netkit.lab.running import Running
    from netkit.lab.topology import Expectation, Lab
    from netkit.lab.tunnels import Listen

    T = TypeVar("T")

#: How long an answer may take, and how long nobody must answer, in seconds.
_PATIENCE, _SILENCE = 3.0, 1.0
#: Probes under way at a time.
_WIDTH = 16
_CLIENTS = {"tcp": clients.tcp, "udp": clients.udp, "http": clients.http}
_IPTABLES = ("iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy")
#: What prints rules; those that iptables writes into nftables read in its own words, too.
_RULES = ("nft list ruleset", *(f"{program}-save" for program in _IPTABLES))
_LOSS = {"refused": "the target says no", BLOCKED: "nothing comes back", ANSWER: "an answer"}


class Result(Value):
    """What became of an expectation: whether it holds, what it was, and what was seen."""

    ok: bool
    line: int
    says: str
    evidence: str
    why: str = ""


def check(running: Running, lab: Lab, listen: Listen) -> list[Result]:
    """Look at every expectation, results in the file's order; no failure keeps the others from being looked at."""
    with Namespaces() as namespaces:
        handles = {held.name: namespaces.enter(held.netns) for held in running.members}
        results: list[Result] = []
        for start in range(0, len(lab.expect), _WIDTH):
            group = [_Look(one, running, handles, listen) for one in lab.expect[start : start + _WIDTH]]
            results += [wait() for wait in [beside(look.result) for look in group]]
        return results


class _Look:
    """One expectation and what it takes to look at it."""

    def __init__(self, one: Expectation, running: Running, handles: dict[str, Handle], listen: Listen) -> None:
        self.one = one
        self.running = running
        self.handles = handles
        self.listen = listen

    def result(self) -> Result:
        """The result; what cannot even be tried is a failure with its reason."""
        try:
            ok, evidence = self._kinds()[self.one.kind]()
        except NetkitError as error:
            ok, evidence = False, error.message
        return Result(ok, self.one.line, self._says(), evidence, self.one.why)

    def _kinds(self) -> dict[str, Callable[[], tuple[bool, str]]]:
        return {
            "ping": self._ping,
            "mtu": self._mtu,
            "path": self._path,
            "rule": self._rule,
            "outer": self._outer,
            **dict.fromkeys(_CLIENTS, self._port),
        }

    def _says(self) -> str:
        one = self.one
        if one.kind == "rule":
            return f"{one.member}: {'no ' if one.outcome == 'absent' else ''}rule {one.text!r}"
        target = f"[{one.target}]" if ":" in one.target and one.port else one.target
        where = f"{one.member} -> {target}{f':{one.port}' if one.port else ''}"
        details = {"mtu": f"mtu {one.size}", "path": f"path {' '.join(one.path)}", "outer": f"in {one.outer}"}
        what = details.get(one.kind, one.kind)
        more = f" {one.outcome}" if one.outcome != ANSWER else f", sees {one.sees}" if one.sees else ""
        return f"{where} {what}{more}{' (IPv6)' if one.family == 6 else ''}"

    def _ping(self) -> tuple[bool, str]:
        target = self._address(self.one.target)
        blocked = self.one.outcome == BLOCKED
        said = self._inside(lambda: packets.ping(target, tries=1 if blocked else 3))
        return bool(said) == blocked, said or f"{target} answers"

    def _port(self) -> tuple[bool, str]:
        one = self.one
        target = self._address(one.target)
        wait = _SILENCE if one.outcome == BLOCKED else _PATIENCE
        found: Outcome = self._inside(lambda: _CLIENTS[one.kind](target, one.port, wait))
        if found.word != one.outcome:
            return False, f"{_LOSS[found.word]} from {target}: {found.says}"
        if one.sees and found.seen not in self._addresses(one.sees):
            return False, f"the server sees {found.seen or 'nothing'}"
        return True, found.says

    def _mtu(self) -> tuple[bool, str]:
        target, size = self._address(self.one.target), self.one.size
        fits = self._inside(lambda: packets.ping(target, size, tries=2))
        if fits:
            return False, f"{size} bytes to {target}: {fits}"
        larger = self._inside(lambda: packets.ping(target, size + 1, wait=_SILENCE / 2, tries=1))
        if not larger:
            return False, f"{size + 1} bytes pass, too"
        return True, f"{size} bytes pass, of {size + 1} {larger}"

    def _path(self) -> tuple[bool, str]:
        target = self._address(self.one.target)
        hops = self._inside(lambda: packets.route(target))
        return tuple(hops) == self.one.path, " ".join(hops)

    def _rule(self) -> tuple[bool, str]:
        text = self._inside(_rules)
        wanted = " ".join(self.one.text.split())
        found = next((line for line in text if wanted in line), "")
        return bool(found) == (self.one.outcome != "absent"), found or f"none of {len(text)} lines has it"

    def _outer(self) -> tuple[bool, str]:
        one, target = self.one, self._address(self.one.target)
        with self.listen(self._handle(one.at), (one.outer.port,)) as tap:
            said = self._inside(lambda: packets.ping(target))
            heard = [packet for packet in tap.heard() if packet.inner == target]
        for packet in heard:
            if one.outer.fits(packet, self._addresses):
                return True, str(packet)
        if heard:
            return False, " and ".join(dict.fromkeys(map(str, heard)))
        return False, f"no tunnelled packet to {target} at {one.at}: {said or 'it answers without one'}"

    def _inside(self, work: Callable[[], T]) -> T:
        return self._handle(self.one.member).call(work)

    def _handle(self, member: str) -> Handle:
        if member not in self.handles:
            hint = "the file was changed since: take it down and build it again"
            raise NotFoundError(f"the lab that stands has no {member}; {shown(self.running.file)} has", hint)
        return self.handles[member]

    def _address(self, target: str) -> str:
        """The address that a target means: itself, or the member's first of the wanted family."""
        wanted = (self.one.family,) if self.one.family else (4, 6)
        found = self._addresses(target)
        for version in wanted:
            for address in found:
                if family(address) == version:
                    return address
        raise NotFoundError(f"{target} has no address{f' of IPv{wanted[0]}' if len(wanted) == 1 else ''}")

    def _addresses(self, target: str) -> list[str]:
        if ":" in target or target.replace(".", "").isdigit():
            return [target]
        return [bare(address) for address in addresses_of(self._handle(target))]


def _rules() -> list[str]:
    """The firewall's rules, line by line, of every program that can tell."""
    lines: list[str] = []
    for command in _RULES:
        try:
            lines += run(command.split()).text.splitlines()
        except HostError:
            continue
    return [" ".join(line.split()) for line in lines]
