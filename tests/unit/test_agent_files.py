"""subnet.env as flannel's plugin reads it, and the link to the other hosts as flannel chooses it."""

from __future__ import annotations

import stat

import pytest

from netkit.agent import subnetenv
from netkit.agent.iface import Wish, choose
from netkit.agent.subnetenv import SubnetEnv
from netkit.errors import ConfigError, HostError, NotFoundError, StateError
from netkit.plan.host import Address, Link, Route
from tests.fakes import FakeHost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

ENV = SubnetEnv(("10.5.0.0/16", "fc00:5::/48"), ("10.5.72.1/24", "fc00:5:0:48::1/64"), 1450, True)
LINKS = ("eth0", "eth1", "docker0")


def test_the_file_reads_as_flannel_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "flannel" / "subnet.env"
    subnetenv.write(str(path), ENV)
    assert path.read_text() == (
        "FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\nFLANNEL_IPV6_NETWORK=fc00:5::/48\n"
        "FLANNEL_IPV6_SUBNET=fc00:5:0:48::1/64\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert subnetenv.read(str(path)) == ENV
    assert subnetenv.subnets(ENV) == ("10.5.72.0/24", "fc00:5:0:48::/64")
    assert [each.name for each in path.parent.iterdir()] == ["subnet.env"]


@pytest.mark.parametrize("mtu", ["many", "9" * 5000])
def test_what_makes_no_sense_is_passed_over(tmp_path: Path, mtu: str) -> None:
    path = tmp_path / "subnet.env"
    path.write_text(f"FLANNEL_SUBNET=10.5.72.1/24,nonsense,10.5.73.1/33\nFLANNEL_MTU={mtu}\n#\n=\n\xff")
    found = subnetenv.read(str(path))
    assert found == SubnetEnv((), ("10.5.72.1/24",))
    assert subnetenv.read(str(tmp_path / "nothing")) is None


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="subnet-file"):
        try:
            subnetenv.write(str(tmp_path / "file" / "subnet.env"), ENV)
        except StateError as error:
            raise StateError(error.hint) from error


def host(up: bool = True) -> FakeHost:
    return FakeHost(
        links=tuple(Link(name, at, mtu=1500, up=up, carrier=up) for at, name in enumerate(LINKS, 2)),
        addresses={"eth0": ("192.0.2.1/24", "2001:db8::1/64"), "eth1": ("198.51.100.1/24",), "docker0": ()},
        addressing={
            "eth0": (Address("192.0.2.1/24"), Address("fe80::1/64"), Address("2001:db8::1/64")),
            "eth1": (Address("198.51.100.9/24", flags=0x20), Address("198.51.100.1/24")),
        },
        routes=(
            Route("default", 4, "192.0.2.254", "eth0"),
            Route("198.51.100.0/24", 4, "", "eth1", src="198.51.100.1"),
        ),
    )


def test_the_way_out_is_the_usual_choice() -> None:
    found = choose(Wish(), LINKS, (4,), host())
    assert (found.dev, found.local, found.public, found.why) == (
        "eth0", "192.0.2.1", "192.0.2.1", "the default route is by eth0")  # fmt: skip


@pytest.mark.parametrize(
    "wish",
    [
        Wish(("eth1",)),
        Wish(("nothing", "198.51.100.1")),
        Wish(patterns=("^198",)),
        Wish(patterns=("nothing", "th1$")),
        Wish(reach="198.51.100.7"),
        Wish(public="198.51.100.1"),
    ],
)
def test_what_is_asked_for_is_chosen(wish: Wish) -> None:
    found = choose(wish, LINKS, (4,), host())
    assert (found.dev, found.local) == ("eth1", "198.51.100.1")


def test_the_public_address_is_what_others_are_told() -> None:
    found = choose(Wish(public="203.0.113.7"), LINKS, (4,), host())
    assert (found.dev, found.local, found.public) == ("eth0", "192.0.2.1", "203.0.113.7")


def test_what_cannot_be_chosen_is_told() -> None:
    with pytest.raises(NotFoundError, match="no link of this host is eth7"):
        choose(Wish(("eth7",)), LINKS, (4,), host())
    with pytest.raises(ConfigError, match="no pattern"):
        choose(Wish(patterns=("(",)), LINKS, (4,), host())
    with pytest.raises(HostError, match="docker0 has no IPv4 address"):
        choose(Wish(("docker0",)), LINKS, (4,), host())
    with pytest.raises(HostError, match="eth0 is down"):
        choose(Wish(), LINKS, (4,), host(up=False))
    with pytest.raises(HostError, match="no default route"):
        choose(Wish(), LINKS, (6,), host())
