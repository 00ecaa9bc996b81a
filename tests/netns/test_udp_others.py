"""A proxy that this netkit did not begin, or cannot see: an upgrade, another process namespace, a sudden death."""

from __future__ import annotations

import sys

import pytest

from tests.features import requires
from tests.netns.tunnels import Tunnels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.hosts import Lab

pytestmark = [requires("tun"), pytest.mark.limit(120)]

#: Answers as a proxy of a later netkit does, whose settings have one word more; ends when it is told to.
_OTHER = """
import json, os, socket, sys
from netkit.agent.udp.settings import Settings
from netkit.value import to_json
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("ready", flush=True)
asked = {}
while asked.get("do") != "stop":
    line, _ = listener.accept()
    asked = json.loads(line.makefile().readline())
    settings = {**to_json(Settings("flannel0", 1472, ("192.0.2.1", 8285), ())), "more": 7}
    pid = int(sys.argv[2]) or os.getpid()
    line.sendall(json.dumps({"settings": settings, "pid": pid, "stopped": True}).encode() + b"\\n")
os.unlink(sys.argv[1])
"""
#: Above the most that a kernel counts to.
_NOBODY = 1 << 22


@pytest.mark.parametrize("pid", [0, _NOBODY], ids=["its own", "nobody's"])
def test_a_proxy_of_another_netkit_is_ended_for_ours_or_told_of(lab: Lab, pid: int) -> None:
    a = Tunnels(lab).a
    assert a.proxy("running") is None, "this makes its directory"
    place = a.host.root / "run/udp/flannel0.socket"
    other = a.host.popen(sys.executable, "-c", _OTHER, str(place), str(pid))
    assert other.stdout is not None
    assert other.stdout.readline() == "ready\n"
    if pid:
        told = a.proxy("start")
        assert (told["error"], str(pid) in told["message"]) == ("NotFoundError", True)
        other.kill()
        return
    assert a.proxy("start") is True
    assert other.wait(20) == 0
    assert a.proxy("running")[0]["mtu"] == a.mtu
    a.proxy("stop")
