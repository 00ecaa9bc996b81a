"""What the machine can do, asked of the machine: a missing kernel feature or tool is a named skip.

@requires("ipvlan", "tcpdump")      on a test, a class, or `pytestmark = requires(...)` on a module
need("sctp")                        inside a test
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from netkit.kernel.spawn import DIRECTORIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

requires = pytest.mark.requires
_SYMBOLS = Path("/proc/kallsyms")


def need(*features: str) -> None:
    """Skip the running test unless the machine has all of these; KeyError for a feature without a probe."""
    missing = [feature for feature in features if not has(feature)]
    if missing:
        pytest.skip(f"this machine has no {', '.join(missing)}")


@functools.cache
def has(feature: str) -> bool:
    """Whether the machine has this kernel feature or tool."""
    return _PROBES[feature]()


def _link(*words: str) -> Callable[[], bool]:
    """A link of this type can be made in a throw-away namespace (`lower` is a veth there)."""

    def probe() -> bool:
        lines = ["link add lower type veth peer name other", "link set lower up", f"link add probe {' '.join(words)}"]
        argv = ["unshare", "--net", "ip", "-batch", "-"]
        done = subprocess.run(argv, input="\n".join(lines) + "\n", text=True, capture_output=True, check=False)
        return done.returncode == 0

    return probe


def _works(*argv: str) -> Callable[[], bool]:
    """The command succeeds in a throw-away namespace."""

    def probe() -> bool:
        if shutil.which(argv[0]) is None:
            return False
        return subprocess.run(["unshare", "--net", *argv], capture_output=True, check=False).returncode == 0

    return probe


def _tool(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name) is not None


def _sctp() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError:
        return False
    return True


def _ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _flannel_proxy() -> bool:
    from bench import flannel

    try:
        flannel.library()
    except flannel.UnavailableError:
        return False
    return True


_PROBES: dict[str, Callable[[], bool]] = {
    "scapy": lambda: importlib.util.find_spec("scapy") is not None,
    "dnsmasq": _tool("dnsmasq"),
    "udhcpd": lambda: b"udhcpd" in subprocess.run(["busybox", "--list"], capture_output=True, check=False).stdout,
    "driver-switch": lambda: "switch" in importlib.metadata.entry_points(group="netkit.drivers").names,
    "openssl": _tool("openssl"),
    "etcd": lambda: shutil.which("etcd") is not None and shutil.which("etcdctl") is not None,
    "frr": lambda: shutil.which("bgpd", path="/usr/lib/frr") is not None and shutil.which("vtysh") is not None,
    "flanneld": lambda: shutil.which("flanneld", path=":".join(DIRECTORIES)) is not None,
    "etcd3gw": lambda: importlib.util.find_spec("etcd3gw") is not None,
    "reference-macvlan": lambda: shutil.which("macvlan", path="/opt/cni/bin:/usr/lib/cni") is not None,
    "veth": _link("type", "veth"),
    "bridge": _link("type", "bridge"),
    "vxlan": _link("type", "vxlan", "id", "7", "dstport", "4789", "dev", "lower"),
    "macvlan": _link("link", "lower", "type", "macvlan", "mode", "bridge"),
    "ipvlan": _link("link", "lower", "type", "ipvlan", "mode", "l2"),
    "vlan": _link("link", "lower", "type", "vlan", "id", "7"),
    "dummy": _link("type", "dummy"),
    "vrf": _link("type", "vrf", "table", "7"),
    "wireguard": _link("type", "wireguard"),
    "tun": lambda: _works("ip", "tuntap", "add", "probe", "mode", "tun")(),
    "flannel-proxy": _flannel_proxy,
    "netem": _works("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"),
    "ifb": _link("type", "ifb"),
    "vlan-filtering": _link("type", "bridge", "vlan_filtering", "1"),
    "tbf": _works("tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "1mbit", "burst", "32k", "latency", "1s"),
    "sctp": _sctp,
    "tcx": lambda: _SYMBOLS.exists() and "tcx_prog_attach" in _SYMBOLS.read_text(),
    "ipv6": _ipv6,
    "time-namespaces": _works(
        "unshare", "--time", "--boottime", "1000000000", "grep", "-q", "^1[0-9]\\{9\\}", "/proc/uptime"
    ),
    "nftables": _works(
        "nft", "add table inet probe; add chain inet probe c { type nat hook prerouting priority -100; }"
    ),
    "nft-bridge": _works(
        "nft", "add table bridge probe; add chain bridge probe c { type filter hook input priority 0; }"
    ),
    "iptables": _works("iptables-nft", "-t", "nat", "-S"),
    "iptables-legacy": _works("iptables-legacy", "-t", "nat", "-S"),
    "ip6tables-legacy": _works("ip6tables-legacy", "-t", "nat", "-S"),
    "conntrack": _works("conntrack", "-L"),
    **{
        tool: _tool(tool)
        for tool in (
            "tcpdump",
            "socat",
            "curl",
            "ping",
            "strace",
            "docker",
            "podman",
            "cnitool",
            "ctr",
            "containerd",
            "busybox",
            "wg",
            "runc",
            "firewalld",
        )
    },
}
