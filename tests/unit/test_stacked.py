"""Links that stand on another: which networks may share their parent, and what their options say."""

from __future__ import annotations

import pytest

from netkit.drivers.ipvlan import Ipvlan
from netkit.drivers.options import number
from netkit.errors import ConfigError
from netkit.model import Network


def network(name: str, *options: tuple[str, str]) -> Network:
    return Network(name, "ipvlan", "eth0", parent="eth0", options=options)


@pytest.mark.parametrize("mode", ["l2", "l3", "l3s"])
def test_networks_of_one_mode_share_a_parent_and_others_do_not(mode: str) -> None:
    """The kernel keeps the mode with the parent: the last link that is made would decide for all."""
    mine = network("one", ("mode", mode))
    assert Ipvlan().share(mine, network("two", ("mode", mode), ("dad", "on"))) == ""
    for other in {"l2", "l3", "l3s"} - {mode}:
        assert f"are of mode {other}, not {mode}" in Ipvlan().share(mine, network("two", ("mode", other)))


def test_without_a_word_the_mode_is_l2() -> None:
    assert Ipvlan().share(network("one"), network("two", ("mode", "l2"))) == ""


@pytest.mark.parametrize("text", ["4294967296", "-1", "x", "", "²", "9" * 5000])
def test_what_is_no_number_of_32_bits_is_refused(text: str) -> None:
    assert number({"bcqueuelen": "4294967295"}, "bcqueuelen", "options") == 4294967295
    with pytest.raises(ConfigError) as caught:
        number({"bcqueuelen": text}, "bcqueuelen", "options")
    assert len(caught.value.message) < 200
