"""What an agent holds of a proxy: find it or start it, tell it the routes, ask what it did, end it.

    proxy = Proxy(root, Settings("flannel0", 1472, ("192.0.2.1", 8285), ("10.5.1.0/24",)))
    proxy.start()                                        # the one that runs, if its settings are these
    proxy.table({"10.5.2.0/24": ("192.0.2.2", 8285)})    # all routes at once, as often as they change

The device, its addresses and the kernel's routes to it stay when a proxy dies, so that the next one goes on from
there; packets are lost in between. Routes in the kernel are the agent's: one for each remote subnet, and an unreachable
one for the whole network behind them, so that the kernel itself tells containers what nobody has.
"""

from __future__ import annotations

import ipaddress
import json
import os
import select
import signal
import socket
import sys

from netkit.agent.udp import lost
from netkit.agent.udp.process import socket_name
from netkit.agent.udp.settings import Settings, check_routes
from netkit.agent.udp.tun import Tun
from netkit.engine import detached
from netkit.errors import BusyError, ConflictError, HostError, NetkitError, NotFoundError, StateError
from netkit.kernel.apply import Kernel
from netkit.kernel.firewall import open_backend
from netkit.kernel.namespaces import Namespaces
from netkit.plan.ops import AddrAdd
from netkit.plan.rare.tuning import LinkTune
from netkit.value import from_json, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from netkit.agent.udp.table import Endpoint
    from netkit.state.root import Root

#: How long a proxy may take to begin, to answer, and to end, in seconds.
BEGIN, ANSWER, END = 20.0, 20.0, 5.0
#: So many packets wait in the device for the proxy: some bursts of 64 KB, each cut into packets.
QUEUE = 4000
_FAILURES = {kind.kind: kind for kind in (BusyError, ConflictError, HostError, StateError)}
#: The proxies that this process has started.
_CHILDREN: list[int] = []
_CODE = f"import sys; sys.path[:0] = {{path!r}}; from {lost.MODULE} import main; main()"


class Proxy:
    """The proxy of one device, whoever started it."""

    def __init__(self, root: Root, settings: Settings) -> None:
        self.root = root
        self.settings = settings.check()

    def start(self) -> bool:
        """Have a proxy with these settings; whether one had to be started. A running one with others is ended first.

        What the device has lost is put back in any case: its addresses, its MTU, that it is up.
        ConflictError when the port or the device is somebody else's, HostError where the host cannot.
        """
        running = self.running()
        begins = running is None or running[0] != self.settings
        if begins:
            self._end(running, remove=False)
            self._launch()
        self._dress()
        return begins

    def running(self) -> tuple[Settings | None, int] | None:
        """The settings and the PID of the proxy that runs for this device, None when none does.

        One that another netkit began may have settings that this one cannot read: they are None.
        """
        try:
            answer = self._ask({"do": "settings"})
        except NotFoundError:
            return None
        try:
            return from_json(answer["settings"]), answer["pid"]
        except ValueError:
            return None, answer["pid"]

    def table(self, routes: Mapping[str, Endpoint]) -> None:
        """Replace all routes: remote subnet -> the peer's address and port. NotFoundError when no proxy runs."""
        checked = check_routes(routes, self.settings.listen)
        self._ask({"do": "table", "routes": {subnet: list(peer) for subnet, peer in checked.items()}})

    def counters(self) -> dict[str, Any]:
        """What was dropped, by reason, and `peers`: packets and bytes each way. NotFoundError when no proxy runs."""
        found: dict[str, Any] = self._ask({"do": "counters"})["counters"]
        return found

    def stop(self, remove: bool = True) -> bool:
        """End the proxy, and remove the device unless told otherwise; False when none runs.

        One that does not answer, or whose socket is gone, is found all the same.
        """
        running = self.running()
        ended = self._end(running, remove)
        if remove and not running:
            self._remove_device()
            self.root.udp.unlink(socket_name(self.settings.device))
        return ended

    def _end(self, running: tuple[Settings | None, int] | None, remove: bool) -> bool:
        ended = self._end_asked(running[1], remove) if running else self._end_lost()
        _reap()
        return ended

    def _end_asked(self, pid: int, remove: bool) -> bool:
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError as error:
            what = f"the proxy of {self.settings.device}, process {pid}, has just ended or is out of our sight"
            raise NotFoundError(what, "try again, or end it where it runs") from error
        try:
            self._ask({"do": "stop", "remove": remove})
            self._see_end(pid, process)
        finally:
            os.close(process)
        return True

    def _end_lost(self) -> bool:
        found = lost.find(self.root, self.settings.device)
        if found is None:
            return False
        pid, process = found
        try:
            signal.pidfd_send_signal(process, signal.SIGTERM)
            self._see_end(pid, process)
        finally:
            os.close(process)
        return True

    def _see_end(self, pid: int, process: int) -> None:
        if not select.select([process], [], [], END)[0]:
            raise NetkitError(f"the proxy of {self.settings.device} does not end", f"end process {pid}")

    def _remove_device(self) -> None:
        """The device of a proxy that was killed: it goes with its last user once it is told so."""
        if os.path.exists(f"/sys/class/net/{self.settings.device}"):
            tun = Tun(self.settings.device)
            tun.persist(False)
            tun.close()

    def _dress(self) -> None:
        """MTU, queue and addresses; what is there already stays."""
        device = self.settings.device
        ops: list[LinkTune | AddrAdd] = [
            LinkTune(device, mtu=self.settings.mtu, no_addrgen=True, txqlen=QUEUE),
            *(AddrAdd(str(_own(subnet)), device) for subnet in self.settings.local),
            LinkTune(device, up=True),
        ]
        with Namespaces() as namespaces:
            outcomes = Kernel(namespaces, open_backend).apply(ops, tolerant=True)
        for outcome in outcomes:
            if isinstance(outcome, NetkitError):
                raise outcome

    def _launch(self) -> None:
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            pid = detached.begin(self._command(), "the proxy", writing)
            _CHILDREN.append(pid)
        finally:
            os.close(writing)
        with open(reading, "rb") as pipe:
            line = pipe.readline() if select.select([pipe], [], [], BEGIN)[0] else b""
        if not line:
            raise HostError(f"the proxy of {self.settings.device} does not begin", f"run: {self._by_hand()}")
        if failure := line.strip():
            self._end_refused(pid)
            told = json.loads(failure)
            raise _FAILURES.get(told["kind"], NetkitError)(told["message"], told["hint"])

    def _end_refused(self, pid: int) -> None:
        """See the end of one that has said why it does not begin."""
        process = os.pidfd_open(pid)
        try:
            self._see_end(pid, process)
        finally:
            os.close(process)
        _reap()

    def _command(self) -> list[str]:
        """Modules are found where we find ours, whatever the environment says."""
        code = _CODE.format(path=sys.path)
        return [sys.executable, "-I", "-S", "-c", code, self.root.path, json.dumps(to_json(self.settings))]

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(ANSWER)
                line.connect(self._socket_path())
                line.sendall(json.dumps(request).encode() + b"\n")
                answer = json.loads(line.makefile("rb").readline() or b"null")
        except (OSError, ValueError) as error:
            raise self._absent() from error
        if answer is None:
            raise self._absent()
        if "error" in answer:
            raise NetkitError(answer["error"]["message"], answer["error"]["hint"])
        return dict(answer)

    def _absent(self) -> NotFoundError:
        return NotFoundError(f"no proxy carries packets for {self.settings.device}", "start it")

    def _socket_path(self) -> str:
        return f"/proc/self/fd/{self.root.udp.fd}/{socket_name(self.settings.device)}"

    def _by_hand(self) -> str:
        from netkit.plan.render import quote

        return " ".join(quote(word) for word in self._command())


def _reap() -> None:
    """Take leave of proxies that this process has started and that have ended."""
    _CHILDREN[:] = [pid for pid in _CHILDREN if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG) is None]


def _own(subnet: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    """The host's own address on the device: the subnet's first, alone, as flannel has it."""
    net = ipaddress.ip_network(subnet)
    return ipaddress.ip_interface((net.network_address, net.max_prefixlen))
