"""Which rule a firewall's program refuses, and why, on one line: a script of a hundred lines is no message.

Loaded only when something was refused.
"""

from __future__ import annotations

from netkit.errors import NetkitError
from netkit.kernel import spawn

_LONGEST = 160
_NOISE = ("Try `", "Error occurred at line")


def of_nft(script: str, complaint: str) -> str:
    """nft's first complaint, and the line of the script that it is about, as its program tells."""
    first = complaint.partition("\n")[0]
    why = first.partition("Error: ")[2] or first
    return _told(why.removeprefix("Could not process rule: "), _line(script, _place_of_nft(script)))


def of_iptables(text: str, complaint: str) -> str:
    """What iptables-restore complains of, and the line of the text that it is about, where it says which."""
    said = [line.strip() for line in complaint.splitlines() if line.strip() and not line.startswith(_NOISE)]
    rest = complaint.partition("line: ")[2] or complaint.partition(" line ")[2]
    why = said[0] if said else "it does not say why"
    return _told(why.partition("): ")[2] or why.rpartition("failed: ")[2] or why, _line(text, _number(rest)))


def _place_of_nft(script: str) -> int:
    """The number of the line at fault, 0 when nobody tells; nothing is changed."""
    try:
        told = spawn.run(["nft", "-c", "-f", "-"], script.encode()).complaint
    except NetkitError:
        return 0
    return _number(told.partition(":")[2])


def _number(text: str) -> int:
    digits = text[: len(text) - len(text.lstrip("0123456789"))]
    return int(digits or 0)


def _line(text: str, number: int) -> str:
    lines = text.splitlines()
    found = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    return "" if found == "COMMIT" else found


def _told(why: str, rule: str) -> str:
    short = why if len(why) <= _LONGEST else f"{why[:_LONGEST]}..."
    return f"{short} (rule: {rule if len(rule) <= _LONGEST else f'{rule[:_LONGEST]}...'})" if rule else short
