"""Who else has an address: what is asked on one link is answered by that link alone."""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.hosts import Lab

pytestmark = pytest.mark.root

#: Asks on a0, while b0 hears of the same address: before the socket is bound, or from the other end of a0.
ASK = """
import _socket, socket, sys
from netkit.kernel import arp

def tell(dev):
    frame = "ffffffffffff 020000000066 0806 0001 0800 06 04 0002 020000000066 c0000209 ffffffffffff c0000209"
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as talk:
        talk.bind((dev, 0))
        talk.send(bytes.fromhex(frame))

class Late(_socket.socket):
    def bind(self, address):
        tell("b1")
        super().bind(address)
        if sys.argv[1] == "a":
            tell("a1")

_socket.socket = Late
print(arp.held_by_another("a0", "192.0.2.9", "02:00:00:00:00:01"))
"""


@pytest.mark.parametrize(("link", "told"), [("b", "\n"), ("a", "02:00:00:00:00:66\n")])
def test_only_the_link_that_is_asked_answers(lab: Lab, link: str, told: str) -> None:
    host = lab.host()
    for name in "ab":
        host.run("ip", "link", "add", f"{name}0", "type", "veth", "peer", "name", f"{name}1")
        for end in "01":
            host.run("ip", "link", "set", f"{name}{end}", "up")
    assert host.python(ASK, link).stdout == told
