"""Reading a driver's options: known keys, known words, and errors that say which."""

from __future__ import annotations

from netkit.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_LARGEST = 0xFFFFFFFF
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


def number(raw: Mapping[str, object], key: str, at: str) -> int:
    """A whole number of 32 bits, 0 when it is not there."""
    value = str(raw.get(key, "0"))
    if value.isascii() and value.isdigit() and int(value) <= _LARGEST:
        return int(value)
    raise ConfigError(f"{at}.{key}", f"{value[:40]!r} is no number", f"a whole number up to {_LARGEST}")
