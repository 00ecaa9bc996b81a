"""Reading a driver's options: known keys, known words, and errors that say which."""

from __future__ import annotations

from netkit.errors import ConfigError
from netkit.naming import ROUTED, check_ifname

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from netkit.parts.publishing import Way

_LARGEST = 0xFFFFFFFF
#: What says how ports are published, under the names that the reference's portmap plugin gives it.
PUBLISHING = ("snat", "masqAll", "conditionsV4", "conditionsV6", "externalSetMarkChain")
_SWITCH = {"on": True, "off": False, "true": True, "false": False, "yes": True, "no": False}


def only(raw: Mapping[str, object], known: tuple[str, ...], driver: str, at: str) -> None:
    """Every key is one that the driver knows, or ConfigError."""
    for key in raw:
        if key not in known:
            hint = f"known options: {', '.join(known)}" if known else "it has no options"
            raise ConfigError(f"{at}.{key}", f"the {driver} driver has no such option", hint)


def switch(raw: Mapping[str, object], key: str, default: bool, at: str) -> bool:
    """An on/off option."""
    value = raw.get(key, default)
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _SWITCH:
        return _SWITCH[value.lower()]
    raise ConfigError(f"{at}.{key}", f"{value!r} is neither on nor off", "say on or off")


def switches(raw: Mapping[str, object], defaults: Mapping[str, bool], at: str) -> dict[str, bool]:
    """On/off options, each with what it is without a word."""
    return {key: switch(raw, key, default, at) for key, default in defaults.items()}


def bridge_named(raw: Mapping[str, object], at: str) -> str:
    """The name of a network's bridge, "" when none is said; never one that the rules take for a routed cable."""
    name = str(raw.get("bridge", ""))
    if name:
        check_ifname(name, f"{at}.bridge")
    if name.startswith(ROUTED):
        raise ConfigError(f"{at}.bridge", f"{ROUTED}... are the names of routed cables", "choose another name")
    return name


def number(raw: Mapping[str, object], key: str, at: str) -> int:
    """A whole number of 32 bits, 0 when it is not there."""
    value = str(raw.get(key, "0"))
    if value.isascii() and value.isdigit() and len(value) <= 10 and int(value) <= _LARGEST:
        return int(value)
    raise ConfigError(f"{at}.{key}", f"{value[:40]!r} is no number", f"a whole number up to {_LARGEST}")


def way(raw: Mapping[str, object], at: str) -> Way | None:
    """How ports are published, None when nothing is said of it."""
    if not any(key in raw for key in PUBLISHING):
        return None
    from netkit.parts.publishing import Way  # what few networks ask for

    snat, everybody = switch(raw, "snat", True, at), switch(raw, "masqAll", False, at)
    conditions = (_conditions(raw, "conditionsV4", at), _conditions(raw, "conditionsV6", at))
    return Way(snat, everybody, conditions, iptables_chain(raw, "externalSetMarkChain", at))


def iptables_chain(raw: Mapping[str, object], key: str, at: str) -> str:
    """The name of another's iptables chain, "" when none is named."""
    from netkit.plan import checked

    name = str(raw.get(key, ""))
    if name and not checked.is_chain(name):
        hint = "use 1 to 28 letters, digits, '_', '.' and '-', a letter first"
        raise ConfigError(f"{at}.{key}", f"{name!a} is no name of an iptables chain", hint)
    return name


def _conditions(raw: Mapping[str, object], key: str, at: str) -> tuple[str, ...]:
    from netkit.plan import checked

    words = tuple(str(raw.get(key, "")).split())
    for word in words:
        if not checked.is_condition(word):
            raise ConfigError(f"{at}.{key}", f"{word!a} cannot stand in a rule", "leave quotes, ; # and the like out")
    return words
