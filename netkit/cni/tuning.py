"""The role `tuning`: settings of a link that an earlier plugin has made, and of the namespace that it is in.

What the runtime says goes before args.cni, that before CNI_ARGS, that before the configuration. `dataDir` is not
needed: what there was before stands in netkit's record.
"""

from __future__ import annotations

from netkit import parse
from netkit.cni import chained, result
from netkit.cni.failure import incapable
from netkit.cni.linkconf import mac
from netkit.cni.result import Result
from netkit.cni.wish import Wish
from netkit.errors import ConfigError, StateError
from netkit.model import Network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.cni.call import Call
    from netkit.cni.fields import Fields
    from netkit.engine.service import Engine
    from netkit.state.records import Record

#: Regular expressions, one a line; where the file is, every key must fit one of them.
ALLOWED = "/etc/cni/tuning/allowlist.conf"
_LONGEST_QUEUE = 0x7FFFFFFF


def read(call: Call) -> Wish | None:
    """The settings, None where there are none."""
    conf, given = call.conf, call.conf.section("args").section("cni")
    conf.text("dataDir")
    mtu = _number(conf, given, "mtu", 65535)
    tune: dict[str, int] = {key: 1 for key in ("promisc", "allmulti") if given.flag(key, conf.flag(key, False))}
    if "txQLen" in conf or "txQLen" in given:
        tune["txqlen"] = _number(conf, given, "txQLen", _LONGEST_QUEUE)
    address = mac(call) or (parse.mac(conf.text("mac"), "mac") if conf.text("mac") else "")
    sysctls = _sysctls(conf.section("sysctl"), given.section("sysctl"))
    if call.invocation.command == "ADD":
        _refuse_unlisted(sysctls)
    if not (mtu or tune or address or sysctls):
        return None
    return Wish(
        Network(call.network_name(), "tuning"),
        mac=address,
        mtu=parse.mtu(mtu, "mtu") if mtu else 0,
        tune=tuple(sorted(tune.items())),
        sysctls=sysctls,
        leases=chained.leases(call),
        instead=True,
    )


def answer(call: Call, wish: Wish, record: Record, engine: Engine) -> Result:
    """The earlier plugins' result, with what has changed of the link."""
    earlier = result.read(call.conf, call.version) or Result()
    changed = {key: value for key, value in (("mac", wish.mac), ("mtu", wish.mtu)) if value}
    return earlier.replace(
        interfaces=tuple(
            {**each, **changed} if each["name"] == call.ifname and each.get("sandbox") else each
            for each in earlier.interfaces
        )
    )


def _number(conf: Fields, given: Fields, key: str, most: int) -> int:
    return given.number(key, conf.number(key, 0, 0, most), 0, most)


def _sysctls(*sections: Fields) -> tuple[tuple[str, str], ...]:
    """(key with slashes, value) pairs; one that is written in two ways is given twice."""
    found: dict[str, str] = {}
    for section in sections:
        here: set[str] = set()
        for raw in section.data:
            key = parse.sysctl_key(raw, section.path(raw))
            if key in here:
                raise ConfigError(section.path(raw), "it is given twice", "leave one of them out")
            here.add(key)
            found[key] = " ".join(section.text(raw).split())
    return tuple(found.items())


def _refuse_unlisted(sysctls: tuple[tuple[str, str], ...]) -> None:
    if not sysctls:
        return
    try:
        with open(ALLOWED, encoding="utf-8") as file:
            patterns = [line.strip() for line in file if line.strip()]
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise StateError(f"cannot read {ALLOWED}: {error}", "mend it, or remove it to allow every net.*") from error
    import re  # hardly a host has the file

    for key, _ in sysctls:
        written = key.replace("/", ".")
        try:
            fits = any(re.search(pattern, text) for pattern in patterns for text in (written, key))
        except re.error as error:
            raise StateError(f"{ALLOWED}: {error}", "write a regular expression a line") from error
        if not fits:
            raise incapable(f"sysctl {written}", f"the administrator allows {', '.join(patterns)} ({ALLOWED})")
