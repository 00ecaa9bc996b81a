"""Processes that need no interpreter's start: a nursery has loaded netkit, done nothing with it, and forks them.

    python -m tests.nursery MORE...      lines of JSON on standard input: [MODULE, ARGUMENTS, PID, FILES, ENVIRONMENT]

MORE are modules that are to be loaded as well.

Each child enters the namespaces of PID, gets FILES for its standard input, output and error, and goes on as `python -m
MODULE ARGUMENTS` would in that environment (null: the nursery's own), with MODULE `-c` as `python -c ARGUMENTS` would.
On standard output are the child's process id, and then the status that it ended with.

A child leaves at once when it is done: to free what it has from the nursery would copy most of its memory before.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import tempfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

#: What a child finds loaded; what netkit loads from elsewhere on rare ways, it loads itself.
LOADED = ("cli", "cni", "engine", "plan", "parts", "drivers", "kernel", "state", "ipam")
#: The other programs of a nursery, and what many lines of code ask for.
OURS = ("tests.acts", "tests.cni.client", "tests.netns.calls", "socket")
#: Seconds for what takes an instant, on a machine that is very busy.
_BEGIN = 600
_NAMESPACES = {"net": 0x40000000, "mnt": 0x00020000}


class Nursery:
    """The test's end of one."""

    _idle: dict[tuple[str, ...], list[Nursery]] = {}

    def __init__(self, environment: dict[str, str], more: tuple[str, ...]) -> None:
        self._more = more
        argv = (sys.executable, "-m", "tests.nursery", *more)
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, bufsize=0
        )

    def __del__(self) -> None:
        self._process.kill()
        self._process.communicate()

    @classmethod
    def idle(cls, environment: dict[str, str], more: tuple[str, ...] = ()) -> Nursery:
        """One that has nothing to do."""
        idle = cls._idle.setdefault(more, [])
        return idle.pop() if idle else cls(environment, more)

    def rest(self) -> None:
        """Be idle again."""
        self._idle[self._more].append(self)

    @classmethod
    def run(cls, environment: dict[str, str], seconds: float, *order: object, more: tuple[str, ...] = ()) -> int:
        """The status of one child; one that takes too long is killed, and TimeoutError is raised."""
        child = Child(cls.idle(environment, more), order)
        try:
            return child.wait(seconds)
        except BaseException:
            os.kill(child.pid, signal.SIGKILL)
            raise

    def order(self, order: tuple[object, ...]) -> None:
        """Ask for a child."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order).encode() + b"\n")

    def heard(self, seconds: float) -> int:
        """The next number that it tells."""
        assert self._process.stdout
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            raise TimeoutError(f"nothing after {seconds} s")
        return int(self._process.stdout.readline())


class Child:
    """One child; its nursery is idle again when it has ended."""

    def __init__(self, nursery: Nursery, order: tuple[object, ...]) -> None:
        self._nursery: Nursery | None = nursery
        nursery.order(order)
        self.pid = nursery.heard(_BEGIN)
        self.returncode: int | None = None

    def wait(self, seconds: float = _BEGIN) -> int:
        """The status that it ends with."""
        if self.returncode is None:
            assert self._nursery
            self.returncode = self._nursery.heard(seconds)
            self._nursery.rest()  # not after an exception: who knows where it stands
            self._nursery = None
        return self.returncode

    def poll(self) -> int | None:
        """Its status, if it has ended."""
        try:
            return self.wait(0)
        except TimeoutError:
            return None

    def kill(self) -> None:
        """End it at once."""
        os.kill(self.pid, signal.SIGKILL)


class Resident(Child):
    """One that stays, and answers each line with a line."""

    def __init__(self, environment: dict[str, str], module: str, arguments: Sequence[str], place: int) -> None:
        asked, told = os.pipe(), os.pipe()
        self._theirs = [asked[0], told[1]]
        self._asked, self._told = os.fdopen(asked[1], "w"), os.fdopen(told[0])
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (it stays as long as the child)
        files = [f"/proc/{os.getpid()}/fd/{number}" for number in (*self._theirs, self._errors.fileno())]
        super().__init__(Nursery.idle(environment), (module, arguments, place, files, None))

    def ask(self, line: str) -> str:
        """The answer to a line; an AssertionError with what it wrote, if it has ended."""
        self._asked.write(f"{line}\n")
        self._asked.flush()
        while self._theirs and not select.select([self._told], [], [], 1)[0]:
            if self.poll() is not None:  # before it said a word: nobody else will
                break
        self._close_theirs()
        answer = self._told.readline()
        if not answer:
            self._errors.seek(0)
            raise AssertionError(f"it ended with {self.wait(_BEGIN)}\n{self._errors.read()}")
        return answer

    def _close_theirs(self) -> None:
        while self._theirs:
            os.close(self._theirs.pop())

    def communicate(self) -> None:
        """Close what there was to talk by, and wait for its end."""
        self._close_theirs()
        for file in (self._asked, self._told, self._errors):
            file.close()
        self.wait(_BEGIN)


def main() -> None:
    """Load, and raise one child after the other; in each of them this goes on as that child's main program."""
    for folder in LOADED:
        package = importlib.import_module(f"netkit.{folder}")
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(found.name)
    for name in (*OURS, *sys.argv[1:]):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    orders, answers = os.fdopen(os.dup(0), "rb"), os.dup(1)
    for line in orders:
        child = os.fork()
        if not child:
            _be(*json.loads(line))
        os.write(answers, f"{child}\n".encode())
        os.write(answers, f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())


def _be(module: str, arguments: list[str], pid: int, files: list[str], environment: dict[str, str] | None) -> NoReturn:
    for number, path in enumerate(files):
        opened = os.open(path, os.O_RDWR if number else os.O_RDONLY)
        os.dup2(opened, number)
        os.close(opened)
    libc = ctypes.CDLL(None, use_errno=True)
    namespaces = [(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY), flag) for name, flag in _NAMESPACES.items()]
    for descriptor, flag in namespaces:
        if libc.setns(descriptor, flag):
            raise OSError(ctypes.get_errno(), f"cannot enter the namespaces of {pid}")
        os.close(descriptor)
    if environment is not None:
        os.environ.clear()
        os.environ |= environment
    try:
        if module == "-c":
            code, *sys.argv[1:] = arguments
            exec(code, {"__name__": "__main__"})  # noqa: S102 (the code is a test's own)
        else:
            sys.argv = [f"{module}.py", *arguments]
            importlib.import_module(module).main()
        status = 0
    except SystemExit as end:
        status = _status(end)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _status(end: SystemExit) -> int:
    if isinstance(end.code, str):
        print(end.code, file=sys.stderr)
        return 1
    return end.code or 0


if __name__ == "__main__":
    main()
