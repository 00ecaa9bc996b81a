"""Chains of nftables: all of the host's, without a rule of them; and how many rules those of one table have."""

from __future__ import annotations

import struct

from netkit.kernel.nfnetlink import FAMILIES, ask, name, text, unpack
from netkit.value import Value

_GETCHAIN, _GETRULE, _GETGEN = 4, 7, 16
_TABLE, _NAME, _HOOK, _POLICY, _HOOKNUM = 1, 3, 4, 5, 1
_RULE_TABLE, _RULE_CHAIN = 1, 2
_NAMES = {number: name for name, number in FAMILIES.items()}

#: Netfilter's numbers: two hooks, and the verdicts of a policy.
INPUT, FORWARD = 1, 2
DROP, ACCEPT = 0, 1


class Chain(Value):
    """A chain; `hook` is -1 for one that hangs in no hook."""

    family: str
    table: str
    name: str
    hook: int = -1
    policy: int = ACCEPT


def usable() -> bool:
    """Whether the kernel has nf_tables, and lets us ask."""
    try:
        return bool(ask(_GETGEN))
    except OSError:
        return False


def chains() -> list[Chain]:
    """All chains of this network namespace; OSError where the kernel has no nf_tables or we may not ask."""
    return [_chain(family, unpack(data)) for family, data in ask(_GETCHAIN, dump=True)]


def rule_counts(family: str, table: str) -> dict[str, int]:
    """How many rules each chain of a table has, chains without one left out; OSError as `chains`."""
    count: dict[str, int] = {}
    for _, data in ask(_GETRULE, family, [(_RULE_TABLE, name(table))], dump=True):
        chain = text(unpack(data)[_RULE_CHAIN])
        count[chain] = count.get(chain, 0) + 1
    return count


def _chain(family: int, attributes: dict[int, bytes]) -> Chain:
    hook = unpack(attributes.get(_HOOK, b""))
    number = struct.unpack(">I", hook[_HOOKNUM])[0] if _HOOKNUM in hook else -1
    policy = struct.unpack(">I", attributes[_POLICY])[0] if _POLICY in attributes else ACCEPT
    where = (_NAMES.get(family, str(family)), text(attributes[_TABLE]), text(attributes[_NAME]))
    return Chain(*where, number, policy)
