"""Names and MACs: derived, valid for the kernel, and refused when they could mean anything else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netkit import naming
from netkit.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Names are on disk and in kernels: a release that derives them otherwise loses what older ones made.
PINNED = "2b5c43252961bafd"
good = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}", fullmatch=True, alphabet=st.characters(codec="ascii"))
HOSTILE = (
    *("", " ", "-x", ".", "..", "_a", "a b", "a/b", "../etc", "/", "a\n", "\na", "a\0", "a\t", "eth%d", "a;b", "$(x)"),
    *(
        "a:b",
        'a"b',
        "a'b",
        "{a}",
        "a,b",
        "a@b",
        "a|b",
        "a&b",
        "\u00e9th0",
        "eth\u0660",
        "\uff45th0",
        "\ud800",
        "a\u200b",
    ),
)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_refused_everywhere(name: str) -> None:
    with pytest.raises(ConfigError):
        naming.check_ifname(name)
    with pytest.raises(ConfigError):
        naming.check_name(name, "name")


@pytest.mark.parametrize("name", ["all", "default", "lo"])
def test_names_that_mean_something_to_the_kernel_are_reserved(name: str) -> None:
    with pytest.raises(ConfigError, match="reserved"):
        naming.check_ifname(name)
    assert naming.check_name(name, "name") == name


def test_lengths_are_the_kernels_and_cnis() -> None:
    assert naming.check_ifname("e" * 15) == "e" * 15
    assert naming.check_name("n" * 128, "name") == "n" * 128
    with pytest.raises(ConfigError):
        naming.check_ifname("e" * 16)
    with pytest.raises(ConfigError):
        naming.check_name("n" * 129, "name")


@pytest.mark.parametrize("name", [None, 7, True, b"eth0", ["eth0"], {"eth0": 1}])
def test_what_is_no_text_is_no_name(name: Any) -> None:
    with pytest.raises(ConfigError):
        naming.check_ifname(name)
    with pytest.raises(ConfigError):
        naming.check_name(name, "name")


def test_the_error_says_where_and_what_to_do() -> None:
    with pytest.raises(ConfigError) as caught:
        naming.check_name("a b", "networks[1].name", "network name")
    assert str(caught.value) == "networks[1].name: 'a b' is no valid network name"
    assert "letters" in caught.value.hint


@given(good)
def test_a_plain_name_is_taken_as_it_is(name: str) -> None:
    assert naming.check_name(name, "name") == name
    if name not in ("all", "default", "lo"):
        assert naming.check_ifname(name) == name


@given(st.text(max_size=20))
def test_whatever_is_taken_is_plain(name: str) -> None:
    try:
        naming.check_ifname(name)
    except ConfigError:
        return
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}", name, re.ASCII)


texts = st.text(st.characters())


@given(texts, texts, texts)
def test_an_attachments_host_link_fits_and_is_a_valid_name(network: str, container: str, ifname: str) -> None:
    name = naming.host_ifname(naming.attachment_id(network, container, ifname))
    assert re.fullmatch(r"nk[0-9a-f]{12}", name)
    assert naming.check_ifname(name) == name


@given(texts, texts)
def test_a_mac_is_unicast_and_locally_administered(a: str, b: str) -> None:
    mac = naming.mac(a, b)
    assert re.fullmatch(r"02(:[0-9a-f]{2}){5}", mac)
    assert int(mac[:2], 16) & 0b11 == 0b10


def test_the_same_parts_give_the_same_name_in_every_release() -> None:
    assert naming.attachment_id("bridge", "c1", "eth0") == naming.attachment_id("bridge", "c1", "eth0")
    assert f"{naming.digest('netkit'):016x}" == PINNED


def test_parts_are_kept_apart() -> None:
    assert naming.short_id("ab", "c") != naming.short_id("a", "bc") != naming.short_id("abc")


def test_ids_of_many_attachments_differ() -> None:
    ids = {naming.attachment_id("bridge", f"container{number}", "eth0") for number in range(20_000)}
    assert len(ids) == 20_000


def test_every_bit_of_an_id_is_used() -> None:
    ids = [int(naming.short_id(str(number)), 16) for number in range(2_000)]
    for bit in range(48):
        assert 850 < sum(value >> bit & 1 for value in ids) < 1150


def test_the_cables_of_a_network_begin_alike_and_each_has_its_own_name() -> None:
    device = naming.bundle("cables")
    assert (device[:3], device[-1], len(device)) == ("nkp", "*", 8)
    names = {naming.of_bundle(device, naming.attachment_id("cables", f"c{number}", "eth0")) for number in range(2000)}
    assert len(names) == 2000
    assert all(name.startswith(device[:-1]) and naming.check_ifname(name) and len(name) == 15 for name in names)
    assert len({naming.bundle(f"network{number}") for number in range(50)}) == 50
