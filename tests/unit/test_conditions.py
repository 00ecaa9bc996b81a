"""Conditions of published ports, in the words of whichever firewall writes them."""

from __future__ import annotations

import pytest

from netkit.errors import ConfigError
from netkit.plan.conditions import in_words_of

SAID = [
    ("-s 192.0.2.0/24", 4, "ip saddr 192.0.2.0/24"),
    ("! -s 192.0.2.1", 4, "ip saddr != 192.0.2.1"),
    ("! -d fd00::/8 --source fd01::1", 6, "ip6 daddr != fd00::/8 ip6 saddr fd01::1"),
    ("-s 192.0.2.1,192.0.2.9", 4, "ip saddr { 192.0.2.1, 192.0.2.9 }"),
    ("-i eth+ ! --in-interface eth7", 4, "iifname eth* iifname != eth7"),
    ("", 4, ""),
]
STATEMENTS = "ip saddr 192.0.2.1"


@pytest.mark.parametrize(("words", "family", "said"), SAID)
def test_addresses_and_interfaces_are_said_in_nfts_words(words: str, family: int, said: str) -> None:
    assert " ".join(in_words_of("nftables", family, words.split())) == said


@pytest.mark.parametrize("backend", ["iptables", "iptables-legacy"])
def test_each_backend_takes_its_own_words_as_they_are(backend: str) -> None:
    words = ("-m", "set", "--match-set", "friends", "src")
    assert in_words_of(backend, 4, words) == words
    assert in_words_of("nftables", 4, STATEMENTS.split()) == tuple(STATEMENTS.split())


@pytest.mark.parametrize(
    ("backend", "words", "told"),
    [
        ("nftables", "-m mark --mark 1", "'-m mark --mark'"),
        ("nftables", "-s 192.0.2.1 -o eth0", "'-o eth0'"),
        ("nftables", "-s", "'-s'"),
        ("nftables", "! -p tcp", "'! -p tcp'"),
        ("nftables", "!", "'!'"),
        ("iptables", STATEMENTS, "'ip'"),
    ],
)
def test_what_a_backend_cannot_say_is_named(backend: str, words: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        in_words_of(backend, 6, words.split())
    assert caught.value.at == "conditionsV6"
    assert told in caught.value.message
