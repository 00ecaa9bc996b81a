"""Versions of the specification: those that netkit speaks, and what each allows."""

from __future__ import annotations

from netkit.cni.failure import DECODING, INCOMPATIBLE, CniError

#: In their order; a result of the last one is what we compute with.
SUPPORTED = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
NEWEST = SUPPORTED[-1]
#: What a configuration without cniVersion is.
ASSUMED = SUPPORTED[0]

#: The version in which each command came.
_SINCE = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}


def check(value: object, command: str) -> str:
    """The configuration's version, if netkit speaks it and it has this command; else CniError."""
    version = ASSUMED if value in (None, "") else value
    if not isinstance(version, str) or not _is_version(version):
        raise CniError(DECODING, f"cniVersion {version!a} is no version", "write it as text, for example 1.0.0")
    if version not in SUPPORTED:
        raise CniError(
            INCOMPATIBLE,
            "incompatible CNI versions",
            f'config is "{version}", plugin supports [{" ".join(SUPPORTED)}]',
        )
    if at_least(version, _SINCE.get(command, ASSUMED)):
        return version
    raise CniError(
        INCOMPATIBLE, f"config version does not allow {command}", f'config is "{version}", needs {_SINCE[command]}'
    )


def at_least(version: str, other: str) -> bool:
    """Whether a supported version is as new as another."""
    return SUPPORTED.index(version) >= SUPPORTED.index(other)


def answer() -> dict[str, object]:
    """What VERSION prints."""
    return {"cniVersion": NEWEST, "supportedVersions": list(SUPPORTED)}


def _is_version(text: str) -> bool:
    parts = text.split(".")
    return len(text) < 32 and len(parts) == 3 and all(part.isascii() and part.isdigit() for part in parts)
