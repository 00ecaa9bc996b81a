"""The environment of a CNI process: what the runtime asks for, checked as a whole before anything else."""

from __future__ import annotations

from netkit.cni.failure import ENVIRONMENT, CniError
from netkit.cni.jsonin import well_formed
from netkit.errors import ConfigError
from netkit.naming import check_ifname, check_name
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: What each command cannot do without. CNI_PATH is needed only where another plugin is called.
REQUIRED = {
    "ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME"),
    "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "GC": (),
    "STATUS": (),
    "VERSION": (),
}
#: Keys of CNI_ARGS that we know; others are an error unless IgnoreUnknown is set.
KNOWN_ARGS = ("IgnoreUnknown", "IP", "MAC", "GATEWAY")
_LONGEST = 4096
_BOOLEAN = {"1": True, "true": True, "0": False, "false": False}


class Invocation(Value):
    """Who asks for what: the command, the attachment's identity, and the deprecated CNI_ARGS as pairs.

    `may_be_host`: the runtime means it when CNI_NETNS is the host's own namespace.
    """

    command: str
    container: str = ""
    netns: str = ""
    ifname: str = ""
    args: tuple[tuple[str, str], ...] = ()
    path: tuple[str, ...] = ()
    may_be_host: bool = False


def read(env: Mapping[str, str], loopback: bool = False) -> Invocation:
    """The invocation that the environment describes, or CniError with code 4.

    `loopback`: the interface is always lo, whatever CNI_IFNAME says.
    """
    command = env.get("CNI_COMMAND", "")
    if command not in REQUIRED:
        raise CniError(ENVIRONMENT, f"unknown CNI_COMMAND: {command[:80]!a}", f"known: {', '.join(REQUIRED)}")
    missing = [name for name in REQUIRED[command] if not env.get(name)]
    if missing:
        raise CniError(ENVIRONMENT, f"required env variables [{','.join(missing)}] missing")
    for name in ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH"):
        if len(env.get(name, "")) > _LONGEST or not well_formed(env.get(name, "")):
            raise CniError(ENVIRONMENT, f"{name} is longer than {_LONGEST} characters or no UTF-8")
    container, ifname = env.get("CNI_CONTAINERID", ""), env.get("CNI_IFNAME", "")
    if "CNI_CONTAINERID" in REQUIRED[command]:
        container = _container(container)
        ifname = "lo" if loopback else _ifname(ifname)
    path = tuple(part for part in env.get("CNI_PATH", "").split(":") if part)
    args, may_be_host = arguments(env.get("CNI_ARGS", "")), env.get("CNI_NETNS_OVERRIDE", "").lower() in ("1", "true")
    return Invocation(command, container, env.get("CNI_NETNS", ""), ifname, args, path, may_be_host)


def arguments(text: str) -> tuple[tuple[str, str], ...]:
    """CNI_ARGS `K=V;K2=V2` as pairs of the keys that we know."""
    pairs: list[tuple[str, str]] = []
    for item in text.split(";") if text else ():
        key, equals, value = item.partition("=")
        if not equals or "=" in value or not key:
            raise CniError(ENVIRONMENT, f"CNI_ARGS: {item[:80]!a} is no KEY=VALUE pair")
        pairs.append((key, value))
    unknown = [key for key, _ in pairs if key not in KNOWN_ARGS]
    if not _ignores_unknown(dict(pairs)) and unknown:
        raise CniError(
            ENVIRONMENT, f"CNI_ARGS: unknown args {', '.join(map(ascii, unknown))}", "IgnoreUnknown=1 lets them pass"
        )
    return tuple((key, value) for key, value in pairs if key in KNOWN_ARGS)


def _ignores_unknown(pairs: dict[str, str]) -> bool:
    word = pairs.get("IgnoreUnknown", "0")
    if word.lower() not in _BOOLEAN:
        raise CniError(ENVIRONMENT, f"CNI_ARGS: IgnoreUnknown is {word!a}", "say 1, 0, true or false")
    return _BOOLEAN[word.lower()]


def _container(text: str) -> str:
    try:
        return check_name(text, "CNI_CONTAINERID", "container id")
    except ConfigError as error:
        raise CniError(ENVIRONMENT, "invalid characters in containerID", error.message) from error


def _ifname(text: str) -> str:
    try:
        return check_ifname(text, "CNI_IFNAME")
    except ConfigError as error:
        raise CniError(ENVIRONMENT, f"invalid interface name: {error.message}", error.hint) from error
