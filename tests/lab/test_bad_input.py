"""What is off in a topology file: told with file, line and path, and nothing is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from netkit.errors import ConfigError, NetkitError, NotFoundError
from netkit.lab.read import read
from tests.lab.world import left, written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.hosts import HostNs

TWO = "hosts:\n  a:\n  b:\n"
NETWORKS = "hosts:\n  a:\n    networks:\n      red: {subnet: 10.1.0.0/24}\n"
#: text of a file, and then what its error says: line, message, hint
OFF = {
    "unknown key": (TWO + "wirse: []\n", 4, "wirse: this key is not known", "did you mean wires?"),
    "unknown key inside": ("hosts:\n  a: {sysctl: {}}\n", 2, "hosts.a.sysctl: this key", "did you mean sysctls?"),
    "unknown key of a wire": (
        TWO + "wires:\n  - ends: {a: , b: }\n    mut: 9\n", 6, "wires[0].mut: this key", "did you mean mtu?",
    ),
    "a wire to nowhere": (TWO + "wires:\n  - ends: {a: , c: }\n", 5, "a wire to nowhere: there is no c", "known: a, b"),
    "a wire with one end": (TWO + "wires:\n  - ends: {a: }\n", 5, "a wire has two ends", "ends:"),
    "two hosts of one name": ("hosts:\n  a:\n  b:\n  a:\n", 4, "a stands here twice, first in line 2", "rename"),
    "a host and a switch of one name": (TWO + "switches:\n  b:\n", 5, "b is the name of a host", "another name"),
    "a subnet used twice": (NETWORKS + "      blue: {subnet: 10.1.0.0/16}\n", 5, "a subnet used twice", "of its own"),
    "a subnet of a wire used twice": (
        "hosts:\n  a: {networks: {red: {subnet: 10.1.0.0/24}}}\n  b:\nwires:\n  - ends: {a: 10.1.0.1/24, b: }\n",
        2, "a subnet used twice", "of its own",
    ),
    "an address used twice": (
        TWO + "wires:\n  - ends: {a: 10.1.0.1/24, b: 10.1.0.1/24}\n", 5, "10.1.0.1/24 is used twice", "of its own",
    ),
    "no such host of a container": (TWO + "containers:\n  c: {host: d}\n", 5, "there is no host d", "known: a, b"),
    "no such network": (NETWORKS + "containers:\n  c: {network: rde}\n", 6, "no host has rde", "host: one of a"),
    "no such network on that host": (
        NETWORKS + "containers:\n  c: {host: a, network: rde}\n", 6, "no network rde on a", "did you mean red?",
    ),
    "a switch with an address": (
        "hosts:\n  a:\nswitches:\n  s:\nwires:\n  - ends: {a: , s: 10.0.0.1/8}\n", 6, "it has no addresses", "alone",
    ),
    "a list where a mapping stands": ("hosts: [a, b]\n", 1, "hosts: a mapping (key: value) is needed", ""),
    "a text where a mapping stands": ("hosts:\n  a: yes\n", 2, "a mapping (key: value) is needed, and here is", ""),
    "no number": (TWO + "wires:\n  - ends: {a: , b: }\n    mtu: many\n", 6, "'many' is no number", ""),
    "no address": (TWO + "wires:\n  - ends: {a: 10.0.0/8, b: }\n", 5, "10.0.0", ""),
    "no hosts": ("wires: []\n", 1, "hosts is missing", ""),
    "no YAML": ("hosts:\n  a: [1\n", 3, "this is no YAML", "topologies/"),
    "an empty file": ("# nothing\n", 1, "the file is empty", "topologies/"),
    "an alias that leads to itself": ("hosts: &x\n  a: *x\n", 1, "nested too deeply", "alias"),
    "a command with an open quote": (TWO + "steps:\n  - a: echo 'x\n", 5, "No closing quotation", "close the quote"),
    "a step on nobody": (TWO + "steps:\n  - c: true\n", 5, "there is no c", "known: a, b"),
    "an expectation of two things": (
        TWO + "expect:\n  - {from: a, ping: b, tcp: 'b:1'}\n", 5, "about one thing, and here is ping and tcp", "one of",
    ),
    "an expectation of nobody": (TWO + "expect:\n  - {from: a, ping: bb}\n", 5, "there is no bb", "did you mean b?"),
    "sees without a server": (TWO + "expect:\n  - {from: a, ping: b, sees: a}\n", 5, "sees needs a server", ""),
    "a tunnel to nowhere": (TWO + "expect:\n  - {from: a, outer: {vni: 1}}\n", 5, "outer needs to", ""),
    "an unknown key of a header": (
        TWO + "expect:\n  - {from: a, to: b, outer: {vin: 1}}\n", 5, "outer.vin: this key", "did you mean vni?",
    ),
    "a header at nobody": (TWO + "expect:\n  - {from: a, to: b, outer: {}, at: c}\n", 5, "there is no c", "known"),
    "a VNI that is too large": (TWO + "expect:\n  - {from: a, to: b, outer: {vni: 16777216}}\n", 5, "no number", ""),
    "a rate without a unit": (
        TWO + "wires:\n  - ends: {a: , b: }\n    rate: 10\n", 6, "'10' is not understood", "10mbit",
    ),
    "no server": ("hosts:\n  a: {serve: htpp 80}\n", 2, "'htpp 80' is no server", "http 80"),
    "no sysctl of a namespace": ("hosts:\n  a: {sysctls: {kernel.x: 1}}\n", 2, "is no sysctl of a network", "net."),
    "a port without a container": ("hosts:\n  a:\ncontainers:\n  c: {publish: 80}\n", 4, "publish belongs to", "name"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "says", "hint"), OFF.values(), ids=OFF)
def test_what_is_off_is_told_with_its_line(text: str, line: int, says: str, hint: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert f"small.yaml:{line}" in caught.value.message
    assert says in caught.value.message
    assert hint in caught.value.hint


def test_a_directory_is_no_topology(tmp_path: Path) -> None:
    with pytest.raises(NetkitError, match="cannot read"):
        read(str(tmp_path))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no file"):
        read(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x7fELF\x02\x01\x01\x00\x00", b"hosts:\n\ta: 1\n", b"\x00"])
def test_a_file_of_another_kind_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "binary.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="binary"):
        read(str(path))


def test_many_aliases_of_aliases_are_refused(tmp_path: Path) -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 12))
    with pytest.raises(ConfigError, match="nested too deeply"):
        read(written(tmp_path, f"l0: &l0 [x]\n{levels}"))


@pytest.mark.root
def test_a_command_line_that_is_off_builds_nothing(host: HostNs, tmp_path: Path) -> None:
    done = host.netkit("lab", "up", written(tmp_path, TWO + "wires:\n  - ends: {a: , c: }\n"))
    assert done.returncode == 2
    assert "small.yaml:5: wires[0]: a wire to nowhere" in done.stderr
    assert left(host) == []
