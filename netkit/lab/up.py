"""Building a lab, all or nothing, and taking it down, whatever state it is in."""

from __future__ import annotations

import os

from netkit.errors import ApplyError, ConflictError, HostError, NetkitError
from netkit.kernel.spawn import find
from netkit.lab import processes
from netkit.lab.document import shown
from netkit.lab.plan import NETKIT, SERVE, Hold, Place, plan
from netkit.lab.running import Running
from netkit.lab.script import line as rendered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.lab.plan import Act, Part
    from netkit.lab.running import Labs
    from netkit.lab.topology import Lab

#: What a new namespace gets before anything else: its own /sys, its name, addresses that are valid at once.
_BIRTH = (
    ("mount", "-n", "-t", "sysfs", "sysfs", "/sys"),
    ("sysctl", "-qw", "net/ipv6/conf/default/accept_dad=0"),
)
_LO = ("ip", "link", "set", "dev", "lo", "up")
_MODULES = {NETKIT: "netkit", SERVE: "netkit.lab.serve"}


def up(labs: Labs, lab: Lab, told: Callable[[int, int, str], None]) -> Running:
    """Build a lab; `told` hears of each step: its number, how many there are, and what it does.

    On any failure, and when this process is told to stop, nothing is left. What a killed builder left is removed first.
    """
    with labs.lock(lab.name):
        found = labs.find(lab.name)
        if found is not None and found.ready:
            raise ConflictError(
                f"the lab {lab.name} is up already, from {shown(found.file)}",
                f"`netkit lab down {shown(found.file)}` first, or build a second one with --name",
            )
        if found is not None:
            _remove(labs, found)
        running = Running(lab.name, lab.file, os.urandom(8).hex())
        labs.save(running)
        builder = _Builder(labs, lab, running)
        try:
            return builder.build(told)
        except BaseException:
            _remove(labs, builder.running)
            raise


def down(labs: Labs, name: str) -> bool:
    """Take a lab down, also one that a killed builder left; False when there is none."""
    with labs.lock(name):
        found = labs.find(name)
        if found is None:
            return labs.forget(name)
        _remove(labs, found)
        return True


def _remove(labs: Labs, running: Running) -> None:
    processes.end(running)
    labs.forget(running.name)


class _Builder:
    """Runs a plan step by step, and keeps what stands in the lab's file."""

    def __init__(self, labs: Labs, lab: Lab, running: Running) -> None:
        self.labs = labs
        self.lab = lab
        self.running = running
        self._directory = os.path.dirname(lab.file)

    def build(self, told: Callable[[int, int, str], None]) -> Running:
        """Do all steps; the lab as it then stands."""
        steps = plan(self.lab)
        for number, step in enumerate(steps, 1):
            told(number, len(steps), rendered(step))
            self._hold(step) if isinstance(step, Hold) else self._act(step)
        self.running = self.running.replace(ready=True)
        self.labs.save(self.running)
        return self.running

    def _hold(self, step: Hold) -> None:
        home = self.labs.home(self.lab.name, step.member)
        held = processes.hold(step.member, step.kind, self.running.token, home)
        self.running = self.running.replace(members=(*self.running.members, held))
        self.labs.save(self.running)
        births = [*_BIRTH, ("hostname", step.member), *((_LO,) if step.kind != "container" else ())]
        for argv in births:
            self._run(step.member, list(argv), step.line, hint="")

    def _act(self, step: Act) -> None:
        argv = ["".join(map(self._filled, word.parts)) for word in step.argv]
        module = _MODULES.get(argv[0])
        if argv[0] == "setsid":
            self._refuse_missing(step, argv[2])
        words = processes.python(module, *argv[1:]) if module else argv
        self._run(step.member, words, step.line, step.hint, " ".join(argv))

    def _filled(self, part: Part) -> str:
        if isinstance(part, str):
            return part
        if isinstance(part, Place):
            return self.running.member(part.member).netns.path
        return self.labs.home(self.lab.name, part.member)

    def _run(self, member: str, argv: list[str], line: int, hint: str, what: str = "") -> None:
        home = self.labs.home(self.lab.name, member)
        held = self.running.member(member)
        done = processes.run_in(held, argv, self.running.token, home, self._directory)
        if done.status:
            said = done.complaint or done.text.strip() or f"exit code {done.status}"
            cause = (HostError if hint else NetkitError)(said, hint)
            where = f"{shown(self.lab.file)}:{line}: {member}"
            raise ApplyError(f"{where}: {what or ' '.join(argv)}: {said.removeprefix('netkit: ')}", cause)

    def _refuse_missing(self, step: Act, program: str) -> None:
        """`setsid --fork` says nothing of a program that cannot be started."""
        if find(program) is None and not os.access(program, os.X_OK):
            cause = NetkitError("", "give the name of a program, or its whole path")
            raise ApplyError(f"{shown(self.lab.file)}:{step.line}: {step.member}: there is no program {program}", cause)
