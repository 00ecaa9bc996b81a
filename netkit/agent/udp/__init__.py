"""The data plane of the agent's backend `udp`: IP packets from a TUN device in UDP datagrams, one in each, and back.

    container --> flannel0 (TUN) --> proxy --> UDP, port 8285 ~~> the peer's proxy --> its flannel0 --> container

A datagram is the inner packet and nothing else, which is flannel's wire format. The kernel does what costs by the byte:
it cuts what containers send into packets and sums them before the proxy reads them, the proxy hands many at once to
UDP_SEGMENT, takes many at once from UDP_GRO, and gives the kernel one large packet for many of a flow (docs/adr/0012).
"""
