"""A command's own /etc/resolv.conf: what was asked for, and for the rest what the host's says."""

from __future__ import annotations

import os

from netkit.errors import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.model import Dns

PATH = "/etc/resolv.conf"


def content(dns: Dns, present: str) -> str:
    """The file's text; `present` is the host's, whose name servers on loopback no other namespace reaches."""
    lines = [line.split() for line in present.splitlines()]
    kept = {words[0]: words[1:] for words in lines if words and words[0] in ("search", "domain", "options")}
    servers = [words[1] for words in lines if words[:1] == ["nameserver"] and len(words) > 1]
    servers = [each for each in servers if not each.startswith("127.") and each != "::1"]
    search = list(dns.search) or kept.get("search") or kept.get("domain") or []
    options = list(dns.options) or kept.get("options") or []
    told = [f"nameserver {server}" for server in dns.nameservers or servers]
    told += [f"search {' '.join(search)}"] if search and search != ["."] else []
    return "\n".join([*told, *([f"options {' '.join(options)}"] if options else [])]) + "\n"


def host_file() -> str:
    """The text of the host's file; HostError when there is none that the command's own could stand in for."""
    try:
        with open(os.path.realpath(PATH), encoding="utf-8", errors="replace") as file:
            return file.read(1 << 16)
    except OSError as error:
        raise HostError(
            f"cannot read {PATH}: {error.strerror}", f"--dns needs a file to stand in for: touch {PATH}"
        ) from error
