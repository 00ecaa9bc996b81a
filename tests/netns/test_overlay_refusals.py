"""What a person gets wrong: one error that says what, where and what to do, and nothing has changed anywhere."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from tests.hosts import HostNs, Lab, wait_until
from tests.netns.keepers import end_keeper
from tests.netns.test_overlay import EMPTY
from tests.oracle import diff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

pytestmark = [pytest.mark.root, pytest.mark.requires("vxlan", "bridge", "nftables")]

#: What a command that is refused may leave beside that: folders, what is drawn once, what an agent says of itself.
LEFT = (
    *EMPTY,
    "state */stores: *",
    "state */beats: *",
    "state */beats/@session: *",
    "state */agent*",
    "state */healthz*",
)
BUSY = (
    "import socket, sys; s = socket.socket(2, 2); s.bind(('0.0.0.0', int(sys.argv[1]))); print(1, flush=True); input()"
)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that hosts share, on a tmpfs that all of them see."""
    made = Path(tempfile.mkdtemp(dir="/dev/shm"))
    made.chmod(0o700)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def host(lab: Lab) -> Iterator[HostNs]:
    """A host with a way out, and with links that lead nowhere: `loose` has no carrier."""
    made = lab.host("one")
    lab.link(made, lab.host("two"), ("192.0.2.1/24", "192.0.2.2/24"), ("fd00:2::1/64", "fd00:2::2/64"))
    made.run("ip", "route", "add", "default", "via", "192.0.2.254")
    made.run("ip", "link", "add", "loose", "up", "type", "veth", "peer", "name", "end")
    made.run("ip", "addr", "add", "198.51.100.1/24", "dev", "loose")
    yield made
    end_keeper(made)


#: What is said beside `--vni 42`; the exit code; what is told of it; what is to be done.
OVERLAY = {
    "a store that says nothing": (("--store", ""), 2, "--store: says nothing", "leave it out"),
    "no such store": (("--store", "foo://x"), 2, "--store: 'foo://x' is no store", "dir:///path"),
    "a relative store": (("--store", "a/b"), 2, "--store: 'a/b' has no absolute path", "three slashes"),
    "no directory": (("--store", "dir:///nowhere"), 1, "cannot open /nowhere: No such file", "make it, or mount"),
    "a file": (("--store", "dir:///etc/passwd"), 1, "cannot open /etc/passwd: Not a directory", "another --store"),
    "nobody is there": (("--store", "etcd://127.0.0.1:9/x"), 1, "127.0.0.1:9: Connection refused\n", "whether it runs"),
    "no CA": (("--store", "etcds://127.0.0.1:9/x?ca=/gone"), 1, "ca=/gone of the store cannot be used: No such", "PEM"),
    "no PEM": (("--store", "etcds://127.0.0.1:9/x?ca=/etc/passwd"), 1, "ca=/etc/passwd of the store cannot", "PEM"),
    "VNI 0": (("--vni", "0"), 2, "--vni: '0' is no VNI", "1 to 16777215"),
    "VNI 2^24": (("--vni", "16777216"), 2, "--vni: '16777216' is no VNI", "1 to 16777215"),
    "itself": (("--peer", "192.0.2.1"), 2, "--peer: 192.0.2.1 is this host itself", "the other hosts"),
    "two families": (("--peer", "192.0.2.2", "--peer", "fd00:2::2"), 2, "--peer: fd00:2::2 is of another", "--local"),
    "no group": (("--group", "10.0.0.1"), 2, "--group: 10.0.0.1 is no multicast address", "239.1.1.42"),
    "no control": (("--control", "bgp"), 2, "--control: there is no control 'bgp'", "evpn"),
    "not its address": (("--store", "PLACE", "--local", "192.0.2.9"), 2, "eth0 has no address 192.0.2.9", "it has"),
    "too much": (("--store", "PLACE", "--mtu", "1500"), 2, "--mtu: 1450 bytes are what", "1450 or less"),
    "no link": (("--store", "PLACE", "--dev", "eth9"), 3, "this host has no link eth9", "--dev"),
    "no carrier": (("--store", "PLACE", "--dev", "loose"), 5, "loose has no carrier", "--dev"),
    "a route": (("--store", "PLACE", "--subnet", "192.0.0.0/16"), 4, "--subnet: 192.0.0.0/16 overlaps", "another"),
}  # fmt: skip


def told(done: Any, code: int, said: str, todo: str) -> None:
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr
    assert todo in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("case", OVERLAY)
def test_an_overlay_that_cannot_be_is_refused_and_nothing_has_changed(host: HostNs, place: Path, case: str) -> None:
    words, code, said, todo = OVERLAY[case]
    before = host.snapshot()
    spoken = (word.replace("PLACE", f"dir://{place}") for word in words)
    told(host.netkit("overlay", "up", "--vni", "42", *spoken), code, said, todo)
    assert diff(before, host.snapshot(), LEFT) == ""
    assert os.listdir(place) == [], "whoever comes first decides for all: who is refused has not come"


@pytest.mark.parametrize("words", [("--store", "PLACE"), ("--peer", "192.0.2.2")], ids=["store", "peers"])
def test_a_tunnel_whose_port_is_taken_is_refused(host: HostNs, place: Path, words: tuple[str, ...]) -> None:
    process = host.popen(sys.executable, "-c", BUSY, "4789", stdin=-1)
    assert process.stdout and process.stdout.readline() == "1\n"
    before = host.snapshot()
    spoken = (word.replace("PLACE", f"dir://{place}") for word in words)
    told(host.netkit("overlay", "up", "--vni", "42", *spoken), 4, "taken by a process", "ss -lunp")
    assert diff(before, host.snapshot(), LEFT) == ""
    assert os.listdir(place) == []


OTHER = ("type", "vxlan", "id", "42", "dev", "eth0", "dstport", "4789")


@pytest.mark.parametrize("words", [("--store", "PLACE"), ("--peer", "192.0.2.2")], ids=["store", "peers"])
def test_a_vni_that_another_tunnel_of_the_host_has_is_refused(
    host: HostNs, place: Path, words: tuple[str, ...]
) -> None:
    tunnel = ("type", "vxlan", "id", "42", "dev", "eth0", "dstport", "4789")
    host.run("ip", "link", "add", "other", *tunnel, "local", "192.0.2.1")
    before = host.snapshot()
    spoken = (word.replace("PLACE", f"dir://{place}") for word in words)
    done = host.netkit("overlay", "up", "--vni", "42", *spoken)
    told(done, 4, "has VNI 42 at UDP port 4789", "ip -d link show type vxlan")
    assert diff(before, host.snapshot(), LEFT) == ""
    assert os.listdir(place) == []


def test_a_tunnel_of_the_same_vni_over_the_other_family_is_in_nobodys_way(host: HostNs, place: Path) -> None:
    host.run(
        "ip", "link", "add", "other", "type", "vxlan", "id", "42", "dev", "eth0", "dstport", "4789", "local", "::1"
    )
    host.netkit("overlay", "up", "--vni", "42", "--store", f"dir://{place}", check=True)


def test_a_store_that_cannot_be_written_to_is_refused_in_words_that_fit_a_store(host: HostNs, place: Path) -> None:
    host.run("mount", "--bind", str(place), str(place))
    host.run("mount", "-o", "remount,ro,bind", str(place))
    before = host.snapshot()
    done = host.netkit("overlay", "up", "--vni", "42", "--store", f"dir://{place}")
    told(done, 1, f"cannot open {place}/overlay42: Read-only file system", "every host writes there")
    assert "--root" not in done.stderr
    assert diff(before, host.snapshot(), LEFT) == ""


def test_an_overlay_with_a_store_that_is_there_says_how_to_make_it_anew(host: HostNs, place: Path) -> None:
    words = ("overlay", "up", "--vni", "42", "--store", f"dir://{place}")
    host.netkit(*words, check=True)
    told(host.netkit(*words), 4, "there already is a network overlay42", "netkit overlay down --vni 42")


#: What net-conf.json says, what is said beside it; the exit code; what is told of it; what is to be done.
AGENT: dict[str, tuple[str, tuple[str, ...], int, str, str]] = {
    "no JSON": ("{Network", (), 2, "is no JSON", '{"Network": "10.5.0.0/16"}'),
    "no network": ("{}", (), 2, "net-conf.json.Network: is missing", "IPv4 is enabled"),
    "an address": ('{"Network": "10.5.0.1/16"}', (), 2, ".Network: '10.5.0.1/16' is an address", "10.5.0.0/16"),
    "multicast": ('{"Network": "224.0.0.0/16"}', (), 2, ".Network: no container can live in", "10.90.0.0/16"),
    "a slip": ('{"Network": "10.5.0.0/16", "SubnetLn": 24}', (), 2, ".SubnetLn: netkit knows no such", "SubnetLen"),
    "too short": ('{"Network": "10.5.0.0/16", "SubnetLen": 17}', (), 2, ".SubnetLen: '17' does not fit", "18 to 30"),
    "no backend": ('{"Network": "10.5.0.0/16", "Backend": {"Type": "x"}}', (), 2, ".Backend.Type: there is", "vxlan"),
    "VNI 0": ('{"Network": "10.5.0.0/16", "Backend": {"VNI": 0}}', (), 2, ".Backend.VNI: '0' does not", "16777215"),
    "too much": ('{"Network": "10.5.0.0/16", "Backend": {"MTU": 9000}}', (), 2, "Backend.MTU: 9000", "leave it out"),
    "a route": ('{"Network": "192.0.0.0/16"}', (), 2, "Network: 192.0.0.0/16 overlaps the host's", "another"),
    "inside": ('{"Network": "10.5.0.0/16"}', ("--public-ip", "10.5.1.1"), 2, "--public-ip: 10.5.1.1 lies in", "itself"),
    "no store": ('{"Network": "10.5.0.0/16"}', ("--store", "x:///y"), 2, "--store: 'x:///y' is no store", "dir:///path"),
    "nothing": ('{"Network": "10.5.0.0/16"}', ("--store", ""), 2, "--store: says nothing", "leave it out"),
}  # fmt: skip


@pytest.mark.parametrize("case", AGENT)
def test_an_agent_that_can_never_work_ends_and_nothing_has_changed(host: HostNs, place: Path, case: str) -> None:
    conf, words, code, said, todo = AGENT[case]
    (file := place.parent / f"{place.name}-net-conf.json").write_text(conf)
    before = host.snapshot()
    done = host.netkit("agent", "run", "--config", str(file), "--store", f"dir://{place}", *words)
    file.unlink()
    told(done, code, said, todo)
    assert diff(before, host.snapshot(), LEFT) == ""
    assert os.listdir(place) == [], "whoever comes first decides for all: who is refused has not come"


#: What may be otherwise in a moment, an agent waits for; what it says of it.
PATIENT = {
    "no link": (("--iface", "eth9"), "no link of this host is eth9"),
    "no carrier": (("--iface", "loose"), "loose has no carrier"),
    "nobody is there": (("--store", "etcd://127.0.0.1:9/x"), "etcd does not answer: 127.0.0.1:9: Connection refused"),
    "no CA": (("--store", "etcds://127.0.0.1:9/x?ca=/gone"), "ca=/gone of the store cannot be used: No such file"),
    "not mounted": (
        ("--store", "dir:///nowhere"),
        "cannot open /nowhere: No such file or directory",
    ),
}


@pytest.mark.parametrize("case", PATIENT)
def test_an_agent_waits_for_what_may_come_and_changes_nothing_meanwhile(host: HostNs, place: Path, case: str) -> None:
    words, said = PATIENT[case]
    (file := place.parent / f"{place.name}-net-conf.json").write_text(json.dumps({"Network": "10.5.0.0/16"}))
    before = host.snapshot()
    spoken = ("agent", "run", "--config", str(file), "--store", f"dir://{place}", *words)
    process = host.popen(sys.executable, "-m", "netkit", "--root", str(host.root), *spoken)
    assert wait_until(lambda: f"failed: {said}" in host.netkit("agent", "status").stdout, 15)
    process.terminate()
    err = process.communicate(timeout=15)[1]
    file.unlink()
    assert f"not yet: {said}" in err
    assert diff(before, host.snapshot(), LEFT) == ""
    assert os.listdir(place) == []
