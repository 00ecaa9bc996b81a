"""The proxy as a process: one for each device, which outlives the agent that started it."""

from __future__ import annotations

import errno
import gc
import json
import os
import select
import signal
import sys

from netkit.agent.udp.control import Control
from netkit.agent.udp.path import Path
from netkit.agent.udp.settings import Settings, check_routes
from netkit.agent.udp.sockets import open_socket, unread
from netkit.agent.udp.table import Table
from netkit.agent.udp.tun import Tun
from netkit.errors import HostError, NetkitError
from netkit.state.locks import lock
from netkit.state.root import Root
from netkit.value import from_json, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any


class Process:
    """The loop: whichever of device, network and agents has something is served in turn."""

    def __init__(self, root: Root, settings: Settings) -> None:
        self.settings = settings
        self._udp = open_socket(settings.listen)
        self._tun = Tun(settings.device)
        self._path = Path(self._tun, self._udp, settings.mtu, Table({}, settings.local))
        self._control = Control(root.udp, socket_name(settings.device), self._answer)
        self._tun.persist(True)
        self._stopping = False
        self._heard_signal, self._bell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> None:
        """Carry packets until a signal or an agent says stop; the device stays unless the agent says remove.

        HostError when somebody removes the device.
        """
        try:
            self._loop()
        except OSError as error:
            if error.errno != errno.EBADFD:
                raise
            raise HostError(f"somebody removed {self.settings.device}", "start the proxy again") from error

    def _loop(self) -> None:
        waits = select.poll()
        listener, callers = self._control.listener.fileno(), set()
        for fd in (self._tun.fd, self._udp.fileno(), listener, self._heard_signal):
            waits.register(fd, select.POLLIN)
        serve = {self._tun.fd: self._path.outward, self._udp.fileno(): self._path.inward}
        while not self._stopping:
            for fd, _ in waits.poll():
                if fd in serve:
                    serve[fd]()
                elif fd in callers and not self._control.serve(fd):
                    waits.unregister(fd)
                    callers.discard(fd)
                elif fd == listener and (caller := self._control.accept()) >= 0:
                    waits.register(caller, select.POLLIN)
                    callers.add(caller)

    def heed_signals(self) -> None:
        """End after what is under way when one comes; a pipe tells it to `poll`, which a signal alone does not end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.set_wakeup_fd(self._bell)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    def close(self) -> None:
        """Let go of everything; the device stays as it is."""
        self._control.close()
        self._udp.close()
        self._tun.close()

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        match asked["do"]:
            case "table":
                return {"routes": self._replace(asked["routes"])}
            case "counters":
                return {"counters": self._counters()}
            case "settings":
                return {"settings": to_json(self.settings), "pid": os.getpid()}
            case "stop":
                self._stopping = True
                self._tun.persist(not asked.get("remove"))
                return {"stopped": True}
        raise ValueError(f"nobody knows how to {asked['do']!r}")

    def _replace(self, routes: dict[str, Any]) -> int:
        wanted = check_routes(routes, self.settings.listen)
        self._path.table = Table(wanted, self.settings.local, self._path.table)
        return len(wanted)

    def _counters(self) -> dict[str, Any]:
        names = ("packets_in", "packets_out", "bytes_in", "bytes_out")
        return {
            "dropped": {**self._path.dropped, "unread": unread(self._udp)},
            "peers": [
                {"address": list(peer.address), **{name: getattr(peer, name) for name in names}}
                for peer in self._path.table.peers.values()
            ],
        }


def socket_name(device: str) -> str:
    """The control socket's name in the directory of proxies."""
    return f"{device}.socket"


def main() -> None:
    """`process ROOT SETTINGS`: one for each device of a root; a second one ends at once.

    A failure is written as a line of JSON to standard output, where whoever starts us reads it; an empty line means
    that packets flow.
    """
    root = Root(sys.argv[1] or None)
    settings: Settings = from_json(json.loads(sys.argv[2]))
    try:
        with lock(root, f"udp-{settings.device}", 0):
            process = Process(root, settings.check())
            process.heed_signals()
            _say("")
            gc.freeze()
            gc.disable()  # nothing here refers to itself; the collector would look at every view of every batch
            try:
                process.run()
            finally:
                process.close()
    except NetkitError as error:
        _say(json.dumps({"message": error.message, "hint": error.hint, "kind": error.kind}))
        sys.exit(error.exit_code)


def _say(line: str) -> None:
    """Tell who started us, and let go of that pipe: it may not outlive its reader."""
    os.write(1, line.encode() + b"\n")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    os.close(nothing)


if __name__ == "__main__":
    main()
