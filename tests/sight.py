"""How the oracle reads each tool's output: the lasting part of it, as plain dicts and lists of canonical text."""

from __future__ import annotations

import json
import os
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
#: The longest sysctl's bytes; the kernel sets as much aside, each time that one is read.
_LONGEST = 4096
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


def iptables(ruleset: Sight, pid: int) -> dict[str, list[str]]:
    """The rules of every iptables variant that has tables; a table with no rule and no policy counts as none.

    iptables-save of the legacy kind would create tables by asking for them, so the kernel is asked first.
    """
    seen: dict[str, list[str]] = {}
    for family, tool, names in (("ip", "iptables", "ip_tables_names"), ("ip6", "ip6tables", "ip6_tables_names")):
        if any(place.split()[0] == family and place.split()[1] in _XTABLES for place in ruleset):
            seen[f"{tool}-nft"] = _save(f"{tool}-nft-save")
        if _text(f"/proc/{pid}/net/{names}"):
            seen[f"{tool}-legacy"] = _save(f"{tool}-legacy-save")
    return {variant: lines for variant, lines in seen.items() if lines}


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


def sysctls(skip: re.Pattern[str]) -> dict[str, str]:
    """Every readable key below /proc/sys/net of the namespace that the calling thread is in."""
    seen: dict[str, str] = {}
    folders = ["/proc/sys/net"]
    while folders:
        for entry in os.scandir(folders.pop()):
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif not skip.fullmatch(key := entry.path.removeprefix("/proc/sys/")):
                seen[key] = _text(entry.path)
    return seen


def _text(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:  # write-only, or gone with its link
        return ""
    try:
        return " ".join(os.read(descriptor, _LONGEST).decode(errors="replace").split())
    except OSError:
        return ""
    finally:
        os.close(descriptor)
