"""Building a lab, all or nothing, and taking it down, whatever state it is in."""

from __future__ import annotations

import os
import shlex

from netkit.errors import ApplyError, ConflictError, HostError, NetkitError
from netkit.lab import processes
from netkit.lab.document import shown
from netkit.lab.plan import NETKIT, SERVE, Hold, Netkit, Place, plan
from netkit.lab.running import Running
from netkit.lab.script import line as rendered
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from netkit.lab.plan import Act, Part
    from netkit.lab.running import Labs
    from netkit.lab.topology import Lab

#: What a new namespace gets before anything else: its own /sys, its name, addresses that are valid at once.
_BIRTH = (
    ("mount", "-n", "-t", "sysfs", "sysfs", "/sys"),
    ("sysctl", "-qw", "net/ipv6/conf/default/accept_dad=0"),
)
_LO = ("ip", "link", "set", "dev", "lo", "up")
#: How long a background command is watched when it starts, in seconds: most that fail do so at once.
_FIRST_LOOK = 0.05
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


class _Started(Value):
    """A background command, as people read it, and its process, a child of ours."""

    step: Act
    what: str
    pid: int


class _Builder:
    """Runs a plan step by step, and keeps what stands in the lab's file."""

    def __init__(self, labs: Labs, lab: Lab, running: Running) -> None:
        self.labs = labs
        self.lab = lab
        self.running = running
        self._directory = os.path.dirname(lab.file)
        self._background: list[_Started] = []

    def build(self, told: Callable[[int, int, str], None]) -> Running:
        """Do all steps; the lab as it then stands."""
        steps = plan(self.lab)
        for number, step in enumerate(steps, 1):
            told(number, len(steps), rendered(step))
            self._hold(step) if isinstance(step, Hold) else self._act(step)
        for started in self._background:
            self._goes_on(started, 0)
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
        words = processes.python(module, *argv[1:]) if module else argv
        what = " ".join(map(str, step.argv))
        if step.background:
            self._start(step, words, what)
        else:
            self._run(step.member, words, step.line, step.hint, what)

    def _filled(self, part: Part) -> str:
        if isinstance(part, str):
            return part
        if isinstance(part, Place):
            return self.running.member(part.member).netns.path
        if isinstance(part, Netkit):
            return shlex.join(processes.python(NETKIT))
        return self.labs.home(self.lab.name, part.member)

    def _run(self, member: str, argv: list[str], line: int, hint: str, what: str = "") -> None:
        home = self.labs.home(self.lab.name, member)
        held = self.running.member(member)
        what = what or " ".join(argv)
        try:
            done = processes.run_in(held, argv, self.running.token, home, self._directory)
        except NetkitError as error:
            self._fail(member, line, what, error)
        if done.status:
            said = done.complaint or done.text.strip() or f"exit code {done.status}"
            self._fail(member, line, what, (HostError if hint else NetkitError)(said, hint))

    def _start(self, step: Act, argv: list[str], what: str) -> None:
        home = self.labs.home(self.lab.name, step.member)
        held = self.running.member(step.member)
        started = _Started(step, what, processes.start_in(held, argv, self.running.token, home, self._directory))
        if self._goes_on(started, _FIRST_LOOK):
            self._background.append(started)

    def _goes_on(self, started: _Started, seconds: float) -> bool:
        """Whether a background command runs on; one that ends well has a child that does. ApplyError for a failure."""
        status = processes.outcome(started.pid, seconds)
        if status:
            step = started.step
            said = processes.last_words(self.labs.home(self.lab.name, step.member)) or f"exit code {status}"
            self._fail(step.member, step.line, started.what, NetkitError(said))
        return status is None

    def _fail(self, member: str, line: int, what: str, cause: NetkitError) -> NoReturn:
        said = cause.message.removeprefix("netkit: ")
        raise ApplyError(f"{shown(self.lab.file)}:{line}: {member}: {what}: {said}", cause)
