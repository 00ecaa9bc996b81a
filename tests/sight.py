"""How the oracle reads each tool's output: the lasting part of it, as plain dicts and lists of canonical text."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Sight = dict[str, "Any"]

#: attributes that come and go with carrier, traffic and time
_FLEETING = re.compile(r"_timer$|^(expires|used|cache|operstate|qdisc|refcnt|promiscuity|bytes|packets|state)$")
_FLEETING_FLAGS = frozenset({"LOWER_UP", "RUNNING", "NO-CARRIER", "M-DOWN", "linkdown", "dead", "offload"})
_COUNTERS = re.compile(r" ?\[\d+:\d+\]")
_XTABLES = frozenset({"filter", "nat", "mangle", "raw", "security"})


def canonical(thing: Any) -> str:
    """JSON text, the same for equal things."""
    return thing if isinstance(thing, str) else json.dumps(thing, sort_keys=True)


def lasting(thing: Any) -> Any:
    """The same data without what the kernel changes by itself."""
    if isinstance(thing, dict):
        kept = {key: lasting(value) for key, value in thing.items() if not _FLEETING.search(key)}
        if "flags" in kept:
            kept["flags"] = sorted(set(kept["flags"]) - _FLEETING_FLAGS)
        return kept
    return [lasting(item) for item in thing] if isinstance(thing, list) else thing


def links(rows: list[Any]) -> Sight:
    """Links by name, and their addresses, out of `ip -d addr`."""
    seen: Sight = {"links": {}, "addresses": []}
    for row in rows:
        for address in row.pop("addr_info", ()):
            seen["addresses"].append(_address(row["ifname"], address))
        seen["links"][row["ifname"]] = {key: canonical(value) for key, value in lasting(row).items()}
    seen["addresses"].sort()
    return seen


def _address(ifname: str, row: dict[str, Any]) -> str:
    words = [f"{row['local']}/{row['prefixlen']} dev {ifname} scope {row['scope']}"]
    words += [f"{key} {row[key]}" for key in ("address", "broadcast", "label", "metric") if key in row]
    words += [flag for flag in ("dynamic", "noprefixroute", "mngtmpaddr", "temporary") if row.get(flag)]
    return " ".join(words)


def rows(data: list[Any]) -> list[str]:
    """Rules, neighbours, queueing disciplines: one text each."""
    return sorted(canonical(lasting(row)) for row in data if row)


def routes(data: list[Any]) -> list[str]:
    """Routes of every table; the kernel's own entry for a link-local address comes late and says nothing new."""
    return rows([row for row in data if not (row.get("table") == "255" and row["dst"].startswith("fe80::"))])


def fdb(data: list[Any]) -> list[str]:
    """Forwarding entries that someone made; learned ones, and multicast ones that the kernel makes, are left out."""
    made = (
        row for row in data if row.get("state") in ("permanent", "static") or "extern_learn" in row.get("flags", ())
    )
    return sorted(canonical(row) for row in made if "dst" in row or not int(row["mac"][:2], 16) & 1)


def nft(data: dict[str, Any]) -> Sight:
    """Tables, chains with their rules in order, sets and maps with their elements, the rest as it is."""
    seen: Sight = {}
    for entry in data["nftables"]:
        ((kind, row),) = entry.items()
        if kind == "metainfo":
            continue
        row = _uncounted(row)
        place = f"{row['family']} {row.get('table') or row['name']}"
        if kind == "rule":
            seen[f"{place} chain {row.pop('chain')}"]["rules"].append(canonical(row))
        elif kind == "table":
            seen[place] = canonical(row)
        else:
            elements = [canonical(element) for element in row.pop("elem", ())]
            inside = {"rules": []} if kind == "chain" else {"elements": sorted(elements)}
            seen[f"{place} {kind} {row['name']}"] = {"definition": canonical(row), **inside}
    return seen


def _uncounted(thing: Any) -> Any:
    """nft objects without handles, packet counts and remaining times."""
    if isinstance(thing, list):
        return [_uncounted(item) for item in thing]
    if not isinstance(thing, dict):
        return thing
    return {k: _uncounted(v) for k, v in thing.items() if k not in ("handle", "packets", "bytes", "expires", "used")}


def iptables(ruleset: Sight) -> dict[str, list[str]]:
    """The rules of the iptables variants that are nftables underneath, where they have tables."""
    return {
        f"{tool}-nft": _save(f"{tool}-nft-save")
        for family, tool in (("ip", "iptables"), ("ip6", "ip6tables"))
        if any(place.split()[0] == family and place.split()[1] in _XTABLES for place in ruleset)
    }


def legacy(pid: int) -> dict[str, list[str]]:
    """The rules of the others, if the kernel says that they have tables: to list them would make some."""
    names = (("iptables", "ip_tables_names"), ("ip6tables", "ip6_tables_names"))
    return {f"{tool}-legacy": _save(f"{tool}-legacy-save") for tool, name in names if _names(f"/proc/{pid}/net/{name}")}


def _names(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:  # no such kind of tables in this kernel
        return ""


def _save(tool: str) -> list[str]:
    if shutil.which(tool) is None:
        return []
    text = subprocess.run([tool], text=True, capture_output=True, check=False).stdout
    table, lines = "", []
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith((":", "-")) and not re.match(r":[A-Z]+ ACCEPT", line):
            lines.append(f"{table} {_COUNTERS.sub('', line)}")
    return lines
