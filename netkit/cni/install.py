"""Putting the plugins where a runtime looks for them, and taking exactly those back.

A stub is a few lines of Python with the absolute interpreter in its first line: no site, no environment, no search.
Every file that we write bears a mark with a checksum, so that a file of someone else, or one that was edited since, is
neither overwritten nor removed.
"""

from __future__ import annotations

import binascii
import json
import os
import sys

from netkit.cni import bundle
from netkit.cni.roles import MODULES
from netkit.errors import ConfigError, ConflictError, StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

#: What is installed under its own name.
OWN = ("netkit", "netkit-ipam")
#: Reference plugins that we can stand in for.
STAND_INS = tuple(name for name in MODULES if name not in OWN)
CONFLIST = "10-netkit.conflist"
_MARK = "# installed by netkit, checksum "
_KEY = "installedBy"
_LONGEST_SHEBANG = 250
_STUB = """import sys
sys.path += {homes!r}
from netkit.cni.bundle import use
use({modules!r})
from netkit.cni.main import main
main({role!r}, {root!r})
"""
_CAPABILITIES = ("portMappings", "ips", "mac", "ipRanges", "dns", "aliases", "bandwidth")


def install(bin_dir: str, conf_dir: str = "", stand_ins: Sequence[str] = (), root: str = "") -> list[str]:
    """Write the stubs, and a conflist if `conf_dir` is given; all, or none if one is another's. Returns the paths."""
    for name in stand_ins:
        if name not in STAND_INS:
            raise ConfigError("--as", f"netkit cannot stand in for {name!r}", f"it can for {', '.join(STAND_INS)}")
    modules = f"{bin_dir}/{bundle.NAME}"
    files = {f"{bin_dir}/{name}": stub(name, root, modules) for name in dict.fromkeys((*OWN, *stand_ins))}
    if conf_dir:
        files[f"{conf_dir}/{CONFLIST}"] = conflist()
    for path in files:
        found = _read(path)
        if found is not None and not _is_ours(path, found):
            raise ConflictError(f"{path} is not netkit's", "move it away, or choose another directory")
    _write(modules, bundle.build(f"{_home()}/netkit"), 0o600)
    for path, text in files.items():
        _write(path, text.encode("utf-8", "surrogateescape"), 0o644 if path.endswith(".conflist") else 0o755)
    return list(files)


def uninstall(bin_dir: str, conf_dir: str = "") -> tuple[list[str], list[str]]:
    """Remove what `install` wrote; returns the paths that went, and those that bear our names and are not ours."""
    candidates = [f"{bin_dir}/{name}" for name in MODULES] + ([f"{conf_dir}/{CONFLIST}"] if conf_dir else [])
    present = [(path, text) for path in candidates if (text := _read(path)) is not None]
    ours = [path for path, text in present if _is_ours(path, text)]
    modules = f"{bin_dir}/{bundle.NAME}"
    for path in [*ours, *([modules] if os.path.isfile(modules) else [])]:
        try:
            os.unlink(path)
        except OSError as error:
            raise StateError(f"cannot remove {path}: {error.strerror}", "run as root") from error
    return ours, [path for path, _ in present if path not in ours]


def stub(role: str, root: str = "", modules: str = "") -> str:
    """The executable of a role, for this interpreter and this installation of netkit."""
    python = os.path.realpath(sys.executable)
    if len(python) > _LONGEST_SHEBANG or any(char.isspace() for char in python):
        raise ConfigError(
            "", f"the kernel cannot start {python} from a script", "install Python at a plain, short path"
        )
    homes = list(dict.fromkeys((_home(), *_libraries())))
    body = _STUB.format(homes=homes, role=role, root=os.path.abspath(root) if root else "", modules=modules)
    return f"#!{python} -IS\n{_MARK}{_checksum(body)}\n{body}"


def conflist(name: str = "netkit") -> str:
    """A network of netkit's own type for every runtime that reads conflists."""
    plugin = {"type": "netkit", "capabilities": dict.fromkeys(_CAPABILITIES, True)}
    document: dict[str, Any] = {"cniVersion": "1.0.0", "name": name, "plugins": [plugin]}
    return json.dumps({**document, _KEY: f"netkit {_checksum(_plain(document))}"}, indent=2) + "\n"


def _libraries() -> list[str]:
    """Where scapy is, for the helper that a DHCP lease starts: Python is told to look nowhere by itself."""
    from importlib.util import find_spec

    found = find_spec("scapy")
    return [os.path.dirname(os.path.dirname(found.origin))] if found and found.origin else []


def _home() -> str:
    """The directory that this netkit is imported from."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _is_ours(path: str, text: str) -> bool:
    """Whether a file is as we wrote it."""
    if path.endswith(".conflist"):
        try:
            document = json.loads(text)
            return isinstance(document, dict) and document.pop(_KEY, "") == f"netkit {_checksum(_plain(document))}"
        except ValueError:
            return False
    _, _, rest = text.partition("\n")
    mark, _, body = rest.partition("\n")
    return mark == f"{_MARK}{_checksum(body)}"


def _plain(document: dict[str, Any]) -> str:
    return json.dumps(document, sort_keys=True)


def _checksum(text: str) -> str:
    return f"{binascii.crc32(text.encode('utf-8', 'surrogateescape')):08x}"


def _read(path: str) -> str | None:
    """A file's text, None when nothing stands there; a link is never followed, so it is nobody's we know."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError:
        return ""
    with open(descriptor, encoding="utf-8", errors="surrogateescape") as file:
        return file.read(1 << 16)


def _write(path: str, data: bytes, mode: int) -> None:
    """Appear whole, under a name that a runtime reads: a half-written plugin would be run."""
    temp = f"{os.path.dirname(path)}/.netkit-{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
        os.replace(temp, path)
    except OSError as error:
        raise StateError(
            f"cannot write {path}: {error.strerror}", "run as root, or choose other directories"
        ) from error
