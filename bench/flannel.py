"""flannel's own UDP proxy, out of the source that its Go module has: compiled as a library, and run in a process.

`python -m bench.flannel LIBRARY DEVICE ADDRESS MTU LISTEN SUBNET PEER` carries packets until it is killed.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import functools
import ipaddress
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

from bench.place import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bench.pairs import End

DEVICE, MTU = "flannel0", 1472
MODULE = "github.com/flannel-io/flannel@v0.28.10"
_SOURCE = "pkg/backend/udp/proxy_amd64.c"
_TUNSETIFF, _TUN, _NO_PI = 0x400454CA, 0x0001, 0x1000
_SET_ROUTE, _PORT = 1, 8285


class UnavailableError(Exception):
    """Why there is no proxy of flannel's here."""


@functools.cache
def library() -> str:
    """The compiled proxy, made once; UnavailableError where it cannot be."""
    for tool in ("go", "gcc"):
        if not shutil.which(tool):
            raise UnavailableError(f"this machine has no {tool}")
    with tempfile.TemporaryDirectory() as empty:
        done = _run("go", "mod", "download", "-json", MODULE, where=empty)
    if done.returncode:
        raise UnavailableError(f"the Go module {MODULE} is not here; run once: go mod download {MODULE}")
    source = os.path.join(json.loads(done.stdout)["Dir"], _SOURCE)
    place = tempfile.mkdtemp(prefix="flannel-")
    atexit.register(shutil.rmtree, place)
    made = os.path.join(place, "proxy.so")
    done = _run("gcc", "-O2", "-w", "-shared", "-fPIC", "-o", made, source, where="/")
    if done.returncode:
        raise UnavailableError(f"gcc refuses its source: {done.stderr.splitlines()[0]}")
    return made


def _run(*argv: str, where: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=where, capture_output=True, text=True, timeout=120, check=False)


def begin(end: End, other: End) -> subprocess.Popen[bytes]:
    """Have a host's proxy carry what goes to the other host's containers, until it is killed."""
    words = (library(), DEVICE, end.address(0), str(MTU), end.outer, other.subnet, other.outer)
    inside = ("ip", "netns", "exec", end.host, sys.executable, "-m", "bench.flannel")
    proxy = subprocess.Popen([*inside, *words], stdout=subprocess.PIPE)
    assert proxy.stdout is not None
    proxy.stdout.readline()
    run("ip", "-n", end.host, "addr", "add", f"{end.address(0)}/32", "dev", DEVICE)
    run("ip", "-n", end.host, "link", "set", DEVICE, "mtu", str(MTU), "up")
    run("ip", "-n", end.host, "route", "add", other.subnet, "dev", DEVICE)
    return proxy


def main() -> None:
    """Do what flanneld does around its proxy: a TUN device, a bound socket, one command for each route."""
    path, device, address, mtu, listen, subnet, peer = sys.argv[1:]
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _TUN | _NO_PI))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((listen, _PORT))
    told, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    net = ipaddress.IPv4Network(subnet)
    route = (net.network_address.packed, net.prefixlen, socket.inet_aton(peer), _PORT)
    ours.send(struct.pack("=i4si4sh2x", _SET_ROUTE, *route))
    proxy = ctypes.CDLL(path).run_proxy
    proxy.argtypes = [ctypes.c_int] * 3 + [ctypes.c_uint32, ctypes.c_size_t, ctypes.c_int]
    print("ready", flush=True)
    own = int.from_bytes(socket.inet_aton(address), sys.byteorder)
    proxy(tun, udp.fileno(), told.fileno(), own, int(mtu), 0)


if __name__ == "__main__":
    main()
