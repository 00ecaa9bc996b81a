"""Inputs as an enemy or a broken runtime would write them: mutations of good ones, by a seed."""

from __future__ import annotations

import json
from copy import deepcopy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from random import Random
    from typing import Any

ENV = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_NETNS": "/run/netns/none", "CNI_IFNAME": "eth0"}
RESULT = {
    "cniVersion": "1.1.0",
    "interfaces": [{"name": "cni0"}, {"name": "eth0", "sandbox": "/x"}],
    "ips": [{"interface": 1, "address": "10.1.0.2/16", "gateway": "10.1.0.1"}],
    "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}],
    "dns": {"nameservers": ["1.1.1.1"]},
}
CONF: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "name": "web",
    "type": "netkit",
    "mtu": 1400,
    "ipMasq": True,
    "bridge": "nk0",
    "ipam": {
        "type": "",
        "ranges": [
            [{"subnet": "10.1.0.0/16", "rangeStart": "10.1.0.9", "gateway": "10.1.0.1"}],
            [{"subnet": "fd00::/64"}],
        ],
        "routes": [{"dst": "10.9.0.0/16", "gw": "10.1.0.7", "mtu": 1300}],
    },
    "runtimeConfig": {
        "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "0.0.0.0"}],
        "ips": ["10.1.0.5"],
        "mac": "02:00:00:00:00:01",
        "dns": {"servers": ["1.1.1.1"]},
    },
    "args": {"cni": {"ips": ["10.1.0.6"]}},
    "prevResult": RESULT,
    "cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}],
}
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 65536, 10**18, 1.5, "", " ", "\x00", "../../etc", "a/b", "x" * 300, "eth%d"),
    *("$(reboot)", "\ud7ff", "😀", "10.1.0.0/33", "fe80::1%eth0", "::ffff:1.2.3.4", "all", "-x", "a;b\n"),
    *([], {}, [[]], [None], {"": {}}),
)
RAW = (
    *(b"", b"null", b"7", b'"x"', b"\xff\xfe", b"{" * 500, b"[" * 200000, b'{"a":1,"a":2}', b'{"name":NaN}'),
    *(b'{"name":' + b"9" * 5000 + b"}", b'{"name":"\\ud800"}', b" " * (1 << 20) + b"{}", b'{"x":1e999}', b"\x00"),
    b'{"a":1}x',
)
COMMANDS = ("ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION", "add", "", "X")


def case(random: Random) -> tuple[dict[str, str], bytes]:
    """An environment and a stdin."""
    env = {**ENV, "CNI_COMMAND": random.choice(COMMANDS[:6] if random.random() < 0.9 else COMMANDS)}
    if random.random() < 0.25:
        name = random.choice(("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH"))
        env[name] = str(random.choice(ODD))
    if random.random() < 0.15:
        return env, random.choice(RAW)
    document = json.loads(json.dumps(CONF))
    if random.random() < 0.5:
        document["cniVersion"] = random.choice(("0.1.0", "0.2.0", "0.3.1", "0.4.0", "1.0.0", "", "9.9.9"))
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        _mutate(document, random)
    text = json.dumps(document).encode()
    if random.random() < 0.1:
        place = random.randrange(len(text))
        text = text[:place] + bytes([random.randrange(256)]) + text[place + random.choice((0, 1)) :]
    return env, text


def _mutate(document: dict[str, Any], random: Random) -> None:
    """Put something odd in a random place, or take it away, or put it one deeper."""
    place: Any = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = random.choice(keys)
        inner = place[key]
        if not isinstance(inner, (dict, list)) or not inner or random.random() < 0.3:
            break
        place = inner
    action = random.random()
    if action < 0.7:
        place[key] = deepcopy(random.choice(ODD))
    elif action < 0.85:
        del place[key]
    else:
        place[key] = [inner]
