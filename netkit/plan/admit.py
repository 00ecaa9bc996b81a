"""Accepts in another tool's forward chain: an own, marked chain there, and one jump to it.

    iptables       chain NETKIT-ADMIT of the filter table, jumped to from DOCKER-USER or FORWARD
    nft            chain netkit_admit and sets netkit_devices, netkit_switches in that table, jumped to from its
                   forward chain

Our own base chain still drops what it drops, and a drop anywhere is final; so these accepts open nothing, nor do those
for a bridge that only switches: they are for what comes from it and goes back into it. Where our
rules hang in that very chain already (iptables beside Docker or ufw) they accept by themselves, and an accept before
them would undo their drops: then there is nothing to admit.
"""

from __future__ import annotations

from netkit.errors import ConfigError
from netkit.naming import ROUTED, short_id
from netkit.plan import checked
from netkit.plan.iptables_text import Chain, Line, devices, marked, restore
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.plan.rules import Admit

CHAIN, NFT_CHAIN = "NETKIT-ADMIT", "netkit_admit"
NFT_DEVICES, NFT_SWITCHES = "netkit_devices", "netkit_switches"

#: The iptables programs that `Admit.where` may begin with: (backend, family).
TOOLS = {
    "iptables": ("iptables", 4),
    "ip6tables": ("iptables", 6),
    "iptables-legacy": ("iptables-legacy", 4),
    "ip6tables-legacy": ("iptables-legacy", 6),
}


class NftChain(Value):
    """A base chain of another tool."""

    family: str
    table: str
    name: str

    @property
    def place(self) -> str:
        """The table, as nft commands name it."""
        return f"{self.family} {self.table}"


def needed(rule: Admit, backend: str) -> bool:
    """Whether an accept is needed there beside our own rules of that backend."""
    tool = rule.where.split(" ")[0]
    return tool not in TOOLS or TOOLS[tool][0] != backend


def nft_chain(rule: Admit) -> NftChain | None:
    """The nftables chain that a rule is about, None when it is about iptables."""
    tool, *words = rule.where.split(" ")
    if tool in TOOLS:
        return None
    if tool != "nft" or len(words) != 3 or words[0] not in ("ip", "ip6", "inet"):
        raise ConfigError("rule.where", f"{rule.where!r} names no forward chain", "detach and attach anew")
    return NftChain(words[0], checked.identifier(words[1]), checked.identifier(words[2]))


def items(rule: Admit) -> tuple[str, list[Chain | Line]]:
    """The iptables backend, and the chain, its lines and the jump to it."""
    tool, _, parent = rule.where.partition(" ")
    if parent not in ("FORWARD", "DOCKER-USER"):
        raise ConfigError("rule.where", f"{rule.where!r} names no forward chain", "detach and attach anew")
    backend, family = TOOLS[tool]
    device, owner = devices(rule.device), short_id("admit", rule.device)
    ways = [f"-i {device} -o {device}"] if rule.switched else [f"-i {device}", f"-o {device}"]
    lines = [marked(owner, Line(family, "filter", CHAIN, f"{way} -j ACCEPT")) for way in ways]
    return backend, [
        Chain(family, "filter", CHAIN),
        *lines,
        Line(family, "filter", parent, f"-j {CHAIN}", head=True),
    ]


def script(rule: Admit, chain: NftChain) -> str:
    """The nft script that makes the chain, the jump to it, and admits the device."""
    place = chain.place
    return (
        f"add set {place} {NFT_DEVICES} {{ type ifname; }}\n"
        f"add set {place} {NFT_SWITCHES} {{ type ifname . ifname; }}\n"
        f"add chain {place} {NFT_CHAIN}\n"
        f"flush chain {place} {NFT_CHAIN}\n"
        f"add rule {place} {NFT_CHAIN} iifname @{NFT_DEVICES} accept\n"
        f"add rule {place} {NFT_CHAIN} oifname @{NFT_DEVICES} accept\n"
        f"add rule {place} {NFT_CHAIN} iifname . oifname @{NFT_SWITCHES} accept\n"
        f'add rule {place} {NFT_CHAIN} iifname "{ROUTED}*" accept\n'
        f'add rule {place} {NFT_CHAIN} oifname "{ROUTED}*" accept\n'
        f'insert rule {place} {chain.name} jump {NFT_CHAIN} comment "netkit"\n'
    ) + device(rule, chain, "add")


def device(rule: Admit, chain: NftChain, verb: str) -> str:
    """The nft command that puts the device into its set, or takes it out."""
    name = f'"{member(rule)}"'
    where, key = (NFT_SWITCHES, f"{name} . {name}") if rule.switched else (NFT_DEVICES, name)
    return f"{verb} element {chain.place} {where} {{ {key} }}\n"


def member(rule: Admit) -> str:
    """What stands in the set for the rule's device; of a bundle, whose links the chain takes anyway, its beginning."""
    return checked.devices(rule.device).removesuffix("*")


def farewell(chain: NftChain) -> str:
    """The nft script that removes our chain and sets, whether or not the chain is still there."""
    place = chain.place
    return (
        f"add chain {place} {NFT_CHAIN}\nflush chain {place} {NFT_CHAIN}\n"
        f"delete chain {place} {NFT_CHAIN}\ndelete set {place} {NFT_DEVICES}\ndelete set {place} {NFT_SWITCHES}\n"
    )


def commands(rule: Admit, verb: str) -> list[tuple[list[str], str]]:
    """What a person would type: everything to add the first device, the device alone to delete one."""
    if chain := nft_chain(rule):
        text = script(rule, chain) if verb == "add" else device(rule, chain, "delete")
        return [(["nft", "-f", "-"], text)]
    tool = rule.where.split(" ")[0]
    found = items(rule)[1]
    if verb == "delete":
        return [([tool, "-w", *item.words("delete")], "") for item in found if isinstance(item, Line) and item.mark]
    return [([f"{tool}-restore", "--noflush", "-w"], restore(found, "add"))]
