"""DHCP messages: what a server's answer says, and what makes no sense in one."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("scapy", reason="scapy is not installed")

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from netkit.agent.dhcp.messages import Answer, message, read
from netkit.ipam.dhcp import DhcpLink
from netkit.model import NsRef

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LINK = DhcpLink("3f9c1a2b7d10", NsRef("/run/netns/x"), "eth0", "02:00:00:00:00:01", "web")
GOOD = {
    "message-type": 2,
    "server_id": "192.168.7.254",
    "subnet_mask": "255.255.255.0",
    "lease_time": 600,
    "router": "192.168.7.254",
}


def answer(yiaddr: str = "192.168.7.100", number: int = 7, **options: Any) -> bytes:
    told = [
        (key, value) for key, value in {**GOOD, **{k.replace("_type", "-type"): v for k, v in options.items()}}.items()
    ]
    body = DHCP(options=[option for option in told if option[1] is not None] + ["end"])
    bootp = BOOTP(op=2, xid=number, yiaddr=yiaddr, chaddr=bytes.fromhex("020000000001"))
    return bytes(Ether(src="02:00:00:00:00:fe") / IP() / UDP(sport=67, dport=68) / bootp / body)


def test_a_good_offer_is_read() -> None:
    found = read(answer(), LINK, 7)
    assert isinstance(found, Answer)
    assert (found.kind, found.address, found.gateway) == ("offer", "192.168.7.100/24", "192.168.7.254")
    assert (found.seconds, found.renew, found.rebind) == (600, 300, 525)
    assert (found.server, found.server_mac) == ("192.168.7.254", "02:00:00:00:00:fe")


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"subnet_mask": None}, "no subnet mask"),
        ({"lease_time": None}, "no lease time"),
        ({"lease_time": 3}, "too short"),
        ({"server_id": None}, "which server"),
        ({"yiaddr": "0.0.0.0"}, "no address of a host"),
        ({"yiaddr": "224.0.0.1"}, "no address of a host"),
        ({"yiaddr": "127.0.0.1"}, "no address of a host"),
        ({"yiaddr": "192.168.7.255"}, "no address of a host in"),
        ({"yiaddr": "192.168.7.0"}, "no address of a host in"),
        ({"subnet_mask": "255.0.255.0"}, "255.0.255.0"),
        ({"message_type": 1}, "neither offer"),
    ],
)
def test_what_makes_no_sense_is_told(told: dict[str, Any], why: str) -> None:
    found = read(answer(**told), LINK, 7)
    assert isinstance(found, str)
    assert why in found


@pytest.mark.parametrize("frame", [b"", b"\0" * 14, answer(number=8), message(LINK, "discover", 7)])
def test_what_is_not_for_us_is_passed_over(frame: bytes) -> None:
    assert read(frame, LINK, 7) is None


def test_a_router_outside_the_subnet_is_no_gateway() -> None:
    found = read(answer(router="10.0.0.1"), LINK, 7)
    assert isinstance(found, Answer)
    assert found.gateway == ""


def test_a_renewal_says_who_we_are() -> None:
    frame = Ether(message(LINK, "request", 9, to="02:00:00:00:00:fe", ciaddr="192.168.7.100", server="192.168.7.254"))
    assert (frame.dst, frame[IP].src, frame[IP].dst) == ("02:00:00:00:00:fe", "192.168.7.100", "192.168.7.254")
    assert (frame[BOOTP].ciaddr, frame[BOOTP].flags.value) == ("192.168.7.100", 0)
    assert ("client_id", b"\0003f9c1a2b7d10") in frame[DHCP].options


def test_five_thousand_damaged_answers_harm_nobody() -> None:
    """Bits flipped, bytes cut, bytes added: an answer, a reason, or nothing; never an exception."""
    chance = random.Random(4711)  # noqa: S311 - the same every time
    good = answer(classless_static_routes=["10.0.0.0/8:192.168.7.250"], name_server="9.9.9.9")
    for _ in range(5000):
        frame = bytearray(good)
        for _ in range(chance.randrange(1, 8)):
            frame[chance.randrange(len(frame))] = chance.randrange(256)
        cut = bytes(frame[: chance.randrange(len(frame))] if chance.random() < 0.3 else frame)
        found = read(cut + bytes(chance.randrange(4)), LINK, 7)
        assert found is None or isinstance(found, (str, Answer))
