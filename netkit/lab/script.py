"""A lab's plan as a POSIX script that builds the same, run by hand; its end says how to take it down."""

from __future__ import annotations

import os
import sys

from netkit.lab.document import shown
from netkit.lab.plan import NETKIT, SERVE, Hold, Netkit, Place
from netkit.lab.running import LIBRARY, LOG
from netkit.plan.render import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.lab.plan import Act, Part, Word
    from netkit.lab.topology import Lab

#: Namespaces are held by a `sleep` each, whose PIDs are files; nothing is made on the machine itself.
_HEAD = """\
#!/bin/sh
# The lab {name}, from {file}: the commands that `netkit lab up` runs.
set -e
lab=$(mktemp -d)
netkit="{python} -m netkit"
serve="{python} -m netkit.lab.serve"
export PYTHONPATH={library}
cat >"$lab/down" <<'EOF'
# every process in one of the lab's namespaces, then its files
cd "$(dirname "$0")"
for pid in $(cat ./*.pid); do
    kill $(find -L /proc/[0-9]*/ns/net -samefile "/proc/$pid/ns/net" 2>/dev/null | cut -d/ -f3)
done
rm -r "$PWD"
EOF
trap 'sh "$lab/down"' EXIT  # a command that fails leaves nothing

hold() {{  # a namespace that lives as long as its holder
    unshare --net --mount --uts --propagation slave sleep infinity </dev/null >/dev/null 2>&1 &
    echo $! >"$lab/$1.pid"
    until [ "$(readlink "$(ns "$1")")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
    at "$1" mount -n -t sysfs sysfs /sys
    at "$1" hostname "$1"
    at "$1" sysctl -qw net/ipv6/conf/default/accept_dad=0
}}
ns() {{ echo "/proc/$(cat "$lab/$1.pid")/ns/net"; }}
root() {{ mkdir -p -m 700 "$lab/$1" && echo "$lab/$1"; }}
at() {{  # a command in a member
    member=$1; shift
    NETKIT_ROOT=$(root "$member") nsenter --target "$(cat "$lab/$member.pid")" --net --mount --uts --wd="$PWD" "$@"
}}
cd {directory}
"""
_TAIL = """
trap - EXIT
echo "the lab is up; this takes it down: sh $lab/down"
"""
_OURS = {NETKIT: "$netkit", SERVE: "$serve"}


def script(lab: Lab, plan: tuple[Hold | Act, ...]) -> str:
    """The script."""
    directory = quote(os.path.dirname(lab.file))
    python, library = quote(sys.executable), quote(LIBRARY)
    head = _HEAD.format(name=lab.name, file=shown(lab.file), python=python, library=library, directory=directory)
    return head + "\n" + "\n".join(map(line, plan)) + "\n" + _TAIL


def line(step: Hold | Act) -> str:
    """One step as it would be typed, in the script's own words."""
    if isinstance(step, Hold):
        lo = f" && at {step.member} ip link set dev lo up" if step.kind != "container" else ""
        return f"hold {step.member}{lo}"
    first, *rest = step.argv
    program = _OURS.get(first.parts[0], "") if len(first.parts) == 1 and isinstance(first.parts[0], str) else ""
    words = [program or _word(first), *map(_word, rest)]
    if step.background:
        words = ["setsid", "--fork", *words, f'>>"$(root {step.member})/{LOG}"', "2>&1"]
    return " ".join(["at", step.member, *words])


def _word(word: Word) -> str:
    return "".join(_part(part) for part in word.parts) or "''"


def _part(part: Part) -> str:
    if isinstance(part, str):
        return quote(part)
    if isinstance(part, Netkit):
        return '"$netkit"'
    return f'"$({"ns" if isinstance(part, Place) else "root"} {part.member})"'
