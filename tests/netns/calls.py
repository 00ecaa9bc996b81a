"""Calls of the engine inside a lab host, for tests that look at what becomes of the kernel.

    python -m tests.netns.calls ROOT BACKEND CALLS      CALLS: a list of [verb, {argument: value}] as JSON
    python -m tests.netns.calls ROOT BACKEND -          the same, a line of standard input at a time
    python -m tests.netns.calls ROOT BACKEND together   each call of that line in a process of its own, all at once

Prints one JSON list with one answer a call, `{"result": ...}` or `{"error": kind, "message": ..., "hint": ...}`.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import tempfile

from netkit.engine import repair  # noqa: F401 - its values are among the answers
from netkit.engine.service import Engine
from netkit.errors import NetkitError
from netkit.kernel.netns import resolve_pid
from netkit.model import AttachRequest, Network
from netkit.plan.render import script
from netkit.value import from_json, to_json
from tests import forks
from tests.acts import Breaker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import IO, Any

    from tests.hosts import Completed, Container, HostNs, Namespace

    Answer = dict[str, Any]


#: Called before each op; `break` arms it.
BREAKER = Breaker()


def _request(pid: int, wish: dict[str, Any]) -> AttachRequest:
    return AttachRequest(wish.pop("container", str(pid)), resolve_pid(pid), pid=pid, **wish)


def _attach(engine: Engine, pid: int, network: str = "", mode: str = "bridge", **wish: Any) -> Any:
    return engine.attach(_request(pid, wish), network, mode).endpoint


def _scripts(engine: Engine, net: Network, pid: int, **wish: Any) -> tuple[str, str]:
    """What a dry run prints for this attachment, and what takes it back."""
    plan, _ = engine.plan_attach_to(net, _request(pid, wish))
    return script(plan), script(plan.undo())


def _break(engine: Engine, at: int) -> int:
    """Plant a fault before the op of that number, from now on; how many ops there were since the last time."""
    reached, BREAKER.reached, BREAKER.at = BREAKER.reached, 0, at
    return reached


VERBS: dict[str, Callable[..., Any]] = {
    "attach": _attach,
    "attach_to": lambda engine, net, pid, **wish: engine.attach_to(net, _request(pid, wish)).endpoint,
    "scripts": _scripts,
    "break": _break,
    "detach": Engine.detach,
    "leave": lambda engine, pid, ifname="": engine.detach_namespace(resolve_pid(pid), ifname),
    "create": Engine.create_network,
    "implicit": lambda engine, mode="bridge": engine.create_network(Network(mode, mode, made_by_mode=True)),
    "rm": Engine.remove_network,
    "gc": Engine.gc,
    "check": Engine.check,
    "reload": Engine.reload,
    "claims": Engine.claims,
    "reserve": Engine.reserve,
    "reservations": Engine.reservations,
    "networks": Engine.all_networks,
    "attachments": lambda engine: [(record.endpoint, alive) for record, alive in engine.attachments()],
}


def main() -> None:
    root, backend, text = sys.argv[1:]
    if text == "together":
        print(json.dumps(_together(root, backend, json.loads(sys.stdin.read()))))
        return
    engine = Engine(root, backend, BREAKER)
    for line in sys.stdin if text == "-" else [text]:
        print(json.dumps(_answers(engine, line)), flush=True)


def _answers(engine: Engine, text: str) -> list[Answer]:
    answers: list[Answer] = []
    for verb, arguments in json.loads(text):
        try:
            answers.append({"result": to_json(VERBS[verb](engine, **from_json(arguments)))})
        except NetkitError as error:
            answers.append({"error": error.kind, "message": error.message, "hint": error.hint})
    return answers


def _together(root: str, backend: str, calls: list[Any]) -> list[Answer]:
    """Each begins when all are there: they wait for a pipe's end."""
    waits, begin = os.pipe()
    with contextlib.ExitStack() as stack:
        told = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in calls]

        def work(call: Any, file: IO[str]) -> None:
            os.close(begin)
            os.read(waits, 1)
            json.dump(_answers(Engine(root, backend, BREAKER), json.dumps([call])), file)
            file.flush()

        children = [forks.start(functools.partial(work, call, file)) for call, file in zip(calls, told, strict=True)]
        os.close(begin)
        forks.finish(children)
        os.close(waits)
        for file in told:
            file.seek(0)
        return [answers(file.read())[0] for file in told]


class RefusedError(Exception):
    """The engine raised a NetkitError; `kind` is its kind."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer['error']}: {answer['message']} | {answer['hint']}")
        self.kind = str(answer["error"])
        self.message = str(answer["message"])


class Remote:
    """The engine of a lab host, one process a call; `root` is the host's own unless it is another's."""

    def __init__(self, host: HostNs, backend: str = "nftables", root: Path | None = None) -> None:
        self.host = host
        self.backend = backend
        self.root = root or host.root
        self.boot_id = ""

    def words(self, *calls: tuple[str, dict[str, Any]]) -> list[str]:
        """The command line that makes these calls."""
        boot = [f"NETKIT_BOOT_ID={self.boot_id}"] if self.boot_id else []
        return ["env", *boot, sys.executable, "-m", "tests.netns.calls", str(self.root), self.backend, written(*calls)]

    def together(self, calls: list[tuple[str, dict[str, Any]]]) -> list[Answer]:
        """All these calls at once, each in a process of its own; their answers, in the order of the calls."""
        done = self.host.module("tests.netns.calls", str(self.root), self.backend, "together", input=written(*calls))
        return answers(done.stdout)

    def call(self, verb: str, **arguments: Any) -> Any:
        """What a call returns; raises RefusedError."""
        answer = answers(self.ask(verb, arguments))[0]
        if "error" in answer:
            raise RefusedError(answer)
        return from_json(answer["result"])

    def ask(self, verb: str, arguments: dict[str, Any]) -> str:
        """What the process prints for a call."""
        if self.boot_id:
            return self.host.run(*self.words((verb, arguments))).stdout
        words = (str(self.root), self.backend, written((verb, arguments)))
        return self.host.module("tests.netns.calls", *words).stdout

    def attach(self, container: Container, **wish: Any) -> Any:
        """Attach a container; its endpoint."""
        return self.call("attach", pid=container.pid, **{"container": container.name, **wish})

    def leave(self, container: Container, ifname: str = "") -> list[str]:
        """Detach a container."""
        return list(self.call("leave", pid=container.pid, ifname=ifname))


class Resident(Remote):
    """The same, in one process that stays: for tests that make many calls."""

    def __init__(self, host: HostNs, backend: str = "nftables") -> None:
        super().__init__(host, backend)
        self._process = host.resident("tests.netns.calls", str(self.root), backend, "-")

    def ask(self, verb: str, arguments: dict[str, Any]) -> str:
        return self._process.ask(written((verb, arguments)))


def written(*calls: tuple[str, dict[str, Any]]) -> str:
    """Calls as `main` reads them."""
    return json.dumps([[verb, {k: to_json(v) for k, v in arguments.items()}] for verb, arguments in calls])


def answers(text: str) -> list[Answer]:
    """What `main` printed."""
    found: list[Answer] = json.loads(text)
    return found


def ip(place: Namespace, *words: str) -> Any:
    """What `ip -j` shows."""
    done: Completed[str] = place.run("ip", "-j", *words)
    return json.loads(done.stdout or "[]")


def kernel(host: HostNs, *containers: Namespace) -> Answer:
    """What the oracle sees of the kernel, without the state files."""
    from tests.oracle import snapshot

    return {**snapshot(host, containers), "state": {}}


if __name__ == "__main__":
    main()
