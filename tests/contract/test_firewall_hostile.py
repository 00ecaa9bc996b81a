"""Strings that want to be rules: names are hashed, everything else is refused, others' tables do not change."""

from __future__ import annotations

import functools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netkit.errors import ConfigError, HostError
from netkit.plan import firewall
from netkit.plan.rules import Admit, BaseRules, Hairpin, KeepSource, NetworkRules, PortGuard, Publish, PublishIf
from tests.contract.executor import all_rules, execute
from tests.features import need

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.plan.rules import Rule
    from tests.hosts import HostNs

SPICE = [
    *(
        '"',
        "'",
        "`",
        "\\",
        "\n",
        "\r",
        "\0",
        ";",
        "{",
        "}",
        "#",
        "$(reboot)",
        "${IFS}",
        "*",
        "+",
        "!",
        "%d",
        "..",
        "/",
        " ",
    ),
    *(
        "add table inet evil",
        "}; table inet evil { chain c { } }",
        "-j ACCEPT",
        "\nCOMMIT\n*nat\n",
        "--comment",
        "@nets4",
    ),
    *("\N{FULLWIDTH SEMICOLON}", "\N{RIGHT-TO-LEFT OVERRIDE}", "\N{NO-BREAK SPACE}", "\ud800", "\N{PILE OF POO}"),
    *("a" * 300, "-x", "lo", "netkit0", "10.90.0.2", "::", "0.0.0.0/0", "any", "tcp"),
]
BACKENDS = ("nftables", "iptables", "iptables-legacy")
hostile = st.lists(st.one_of(st.sampled_from(SPICE), st.text(max_size=8)), min_size=1, max_size=4).map("".join)

#: What an address, prefix, MAC, interface, table or chain name may look like.
TAME = re.compile(r"[A-Za-z0-9:][A-Za-z0-9._:/-]*")


def named(text: str) -> list[Rule]:
    """Rules in which people's own words may stand."""
    return [
        NetworkRules(text, "netkit0", ("10.90.0.0/16",)),
        Publish(text, "tcp", "0.0.0.0", 8080, "10.90.0.2", 80, "netkit0"),
    ]


def typed(text: str) -> list[Rule]:
    """Rules in which only typed values may stand, with a string in the place of each."""
    return [
        NetworkRules("n", text, ("10.90.0.0/16",)),
        NetworkRules("n", "netkit0", (text,)),
        Publish("o", text, "0.0.0.0", 8080, "10.90.0.2", 80, "netkit0"),
        Publish("o", "tcp", text, 8080, "10.90.0.2", 80, "netkit0"),
        Publish("o", "tcp", "0.0.0.0", 8080, text, 80, "netkit0"),
        PublishIf("o", "tcp", "0.0.0.0", 8080, text, 80, "netkit0", conditions=("counter",)),
        PublishIf("o", "tcp", text, 8080, "10.90.0.2", 80, "netkit0", conditions=("counter",)),
        KeepSource(text),
        Hairpin(text, "10.90.0.0/16"),
        Hairpin("10.90.0.2", text),
        PortGuard(text, "02:00:00:00:00:01", ("10.90.0.2",)),
        PortGuard("nk1", text, ("10.90.0.2",)),
        PortGuard("nk1", "02:00:00:00:00:01", (text,)),
        Admit(f"nft inet {text} forward", "netkit0"),
        Admit(f"nft inet filter {text}", "netkit0"),
        Admit(f"iptables {text}", "netkit0"),
        Admit(text, "netkit0"),
        Admit("nft inet filter forward", text),
        Admit("iptables-legacy FORWARD", text),
    ]


def text_of(rule: Rule, backend: str) -> str:
    commands = [c for verb in ("add", "delete") for c in firewall.commands([rule], backend, verb)]
    return "\n".join(" ".join(argv) + "\n" + stdin for argv, stdin in commands)


#: The text of a tame rule: the same for every hostile one that is held against it.
known = functools.cache(text_of)


def shape(text: str) -> str:
    return re.sub(r"[0-9a-f]{12}", "ID", text)


@settings(max_examples=700)
@given(hostile)
def test_people_s_own_words_never_stand_in_a_rule(text: str) -> None:
    for backend in BACKENDS:
        for rule, tame in zip(named(text), named("tame"), strict=True):
            assert shape(text_of(rule, backend)) == shape(known(tame, backend))


@settings(max_examples=700)
@given(hostile)
def test_what_is_not_of_its_type_is_refused(text: str) -> None:
    for backend in BACKENDS:
        for rule in typed(text):
            if isinstance(rule, PortGuard) and backend != "nftables":
                continue
            try:
                written = text_of(rule, backend)
            except ConfigError:
                continue
            bundled = isinstance(rule, (NetworkRules, Admit)) and rule.device == text
            name = text.removesuffix("*") if bundled else text  # what the names of a bundle begin with
            assert TAME.fullmatch(name) or not written, (rule, written)


def words_of(text: str) -> list[int]:
    """How many words each line has."""
    return [len(line.split()) for line in text.splitlines()]


def condition(word: str, chain: str = "") -> PublishIf:
    sources = ("10.90.0.0/16",) if chain else ()
    port = ("o", "tcp", "0.0.0.0", 8080, "10.90.0.2", 80, "netkit0", 1)
    return PublishIf(*port, (word,) if word else (), chain, sources)


@settings(max_examples=700)
@given(hostile)
def test_a_condition_is_one_word_in_its_place(text: str) -> None:
    for backend in BACKENDS:
        for hostile_rule, tame_rule in (
            (condition(text), condition("tame")),
            (condition("", text), condition("", "tame")),
        ):
            try:
                written = text_of(hostile_rule, backend)
            except (ConfigError, HostError):
                continue
            if not text:
                continue
            assert words_of(written) == words_of(known(tame_rule, backend))


@pytest.mark.root
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_kernel_holds_no_rule_of_theirs(host: HostNs, backend: str) -> None:
    need(backend)
    host.run("nft", "add", "table", "inet", "others")
    words = [text for text in SPICE if "\ud800" not in text]
    owners = [Publish(text, "tcp", "0.0.0.0", 8000 + n, "10.90.0.2", 80, "netkit0") for n, text in enumerate(words)]
    networks = [NetworkRules(text, f"netkit{n}", (f"10.{n}.0.0/16",)) for n, text in enumerate(words)]
    before = all_rules(host)
    assert execute(host, backend, "add", [BaseRules(), *networks, *owners]) == "None"
    for text in words:
        if text in ("\n", ";", "-x", "}; table inet evil { chain c { } }"):
            answers = {execute(host, backend, "add", [rule]).partition(" ")[0] for rule in typed(text)[:5]}
            assert answers == {"ConfigError"}, text
    found = all_rules(host)
    assert "evil" not in found and "reboot" not in found
    assert execute(host, backend, "delete", [*owners, *networks, BaseRules()]) == "None"
    if backend == "nftables":
        assert all_rules(host) == before
