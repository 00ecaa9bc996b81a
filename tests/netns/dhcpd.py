"""A DHCP server that does as it is told, for what real ones do not do.

    python -m tests.netns.dhcpd INTERFACE ADDRESS HOW

HOW: same (everybody gets ADDRESS), nonsense (offers without a mask), nak (offers, then refuses), mute (offers, then is
silent), noise (answers with bytes that mean nothing).
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def options(how: str, kind: int, server: str) -> list[Any]:
    told: list[Any] = [("message-type", kind), ("server_id", server), ("lease_time", 600)]
    return [*told, *([] if how == "nonsense" else [("subnet_mask", "255.255.255.0")]), "end"]


def main() -> None:
    from scapy.layers.dhcp import BOOTP, DHCP
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether
    from scapy.sendrecv import sendp, sniff

    interface, address, how = sys.argv[1:]
    server = address.rpartition(".")[0] + ".1"
    answers = {1: 2, 3: 6 if how == "nak" else 5}

    def answer(asked: Any) -> None:
        kind = next((option[1] for option in asked[DHCP].options if option[0] == "message-type"), 0)
        if kind not in answers or (how == "mute" and kind == 3):
            return
        bootp: Any = BOOTP(op=2, xid=asked[BOOTP].xid, yiaddr=address, siaddr=server, chaddr=asked[BOOTP].chaddr)
        body: Any = DHCP(options=options(how, answers[kind], server))
        if how == "noise":
            bootp, body = bytes(bootp)[:40], os.urandom(60)
        frame = Ether(dst="ff:ff:ff:ff:ff:ff") / IP(src=server, dst="255.255.255.255") / UDP(sport=67, dport=68)
        sendp(frame / bootp / body, iface=interface, verbose=False)

    print("ready", flush=True)
    sniff(iface=interface, lfilter=lambda packet: DHCP in packet and packet[BOOTP].op == 1, prn=answer, store=False)


if __name__ == "__main__":
    main()
