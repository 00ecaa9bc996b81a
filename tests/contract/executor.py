"""The firewall executor on a test's host, in a process of its own, and what all firewalls of that host hold."""

from __future__ import annotations

import json
import re

from netkit.value import to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.plan.rules import Rule
    from tests.hosts import HostNs

_CODE = """
import json, sys
from netkit.errors import NetkitError
from netkit.kernel import firewall, libnft, nft
from netkit.plan import rules
from netkit.value import from_json

backend, verb = sys.argv[1:]
lasting = backend == "python-iptables"
if backend == "nft-program":
    nft.open_nft = libnft.Program
name = {"nft-program": "nftables", "python-iptables": "iptables-legacy"}.get(backend, backend)
executor, wanted = firewall.open_backend(name, lasting), from_json(json.load(sys.stdin))
if lasting:
    assert "iptc" in sys.modules
try:
    done = getattr(executor, "held" if verb == "holds" else verb)(wanted)
    print([rule in done for rule in wanted] if verb == "holds" else done)
except NetkitError as error:
    print(type(error).__name__, error.message)
"""


def execute(host: HostNs, backend: str, verb: str, rules: Sequence[Rule]) -> str:
    """Carry out `add`, `delete` or `holds`; what it returned, or the error that it raised."""
    text = json.dumps(to_json(tuple(rules)))
    return host.module("-c", _CODE, backend, verb, input=text).stdout.strip()


def all_rules(host: HostNs) -> str:
    """All firewall rules of the host, of all tools, without counters."""
    tools = (("nft", "-s", "list", "ruleset"), ("iptables-legacy-save",), ("ip6tables-legacy-save",))
    lines = "\n".join(host.run(*tool, check=False).stdout for tool in tools).splitlines()
    return "\n".join(re.sub(r"\[\d+:\d+\]", "", line) for line in lines if not line.startswith("#"))
