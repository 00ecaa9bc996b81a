"""Where an etcd is, and how one gets in: `etcds://10.0.0.1:2379,10.0.0.2:2379/coreos.com/network?ca=/etc/ca.pem`."""

from __future__ import annotations

from netkit import parse
from netkit.errors import ConfigError
from netkit.value import Value

_WAYS = "write etcd://host:2379[,host:2379]/prefix[?user=NAME&password-file=/path], or etcds:// with ca=, cert=, key="
_FILES = ("ca", "cert", "key", "password-file")
_PORT = 2379


class Location(Value):
    """The members of a cluster (host, port), the prefix of a network's keys, and what proves who we are.

    With `tls`, `ca` is the file of the authority that signed the members' certificates ("" for those of this system);
    `cert` and `key` are files with ours. The password is in a file, for what a command line says everyone can read.
    """

    members: tuple[tuple[str, int], ...]
    prefix: str
    tls: bool = False
    ca: str = ""
    cert: str = ""
    key: str = ""
    user: str = ""
    password_file: str = ""

    def key_of(self, name: str) -> str:
        """The key of that name below the prefix."""
        return f"{self.prefix}/{name}"


def location(url: str, network: str) -> Location:
    """What a URL says; ConfigError when it makes no sense. `network` is one more part of the prefix, "" for none."""
    scheme, _, rest = url.partition("://")
    place, _, query = rest.partition("?")
    hosts, _, path = place.partition("/")
    if "@" in hosts:
        shown = f"{scheme}://...@{hosts.rpartition('@')[2]}"
        raise _bad(shown, "has a user in it", "?user=NAME&password-file=/path at its end: others see command lines")
    members = tuple(_member(url, host) for host in hosts.split(","))
    found = Location(members, _prefix(url, path, network), scheme == "etcds", **_options(url, query))
    if bool(found.cert) != bool(found.key):
        raise _bad(url, "has one of cert= and key=")
    if (found.ca or found.cert) and not found.tls:
        raise _bad(url, "has certificates for a connection without TLS", "etcds:// in place of etcd://")
    if bool(found.user) != bool(found.password_file):
        raise _bad(url, "has one of user= and password-file=")
    return found


def _member(url: str, text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        host = host or port
    if host.startswith("[") and host.endswith("]"):
        host = parse.address(host[1:-1], "store")
    elif not host or not set(host.lower()) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-"):
        raise _bad(url, f"has no host in {text!r}", "a name, an IPv4 address, or [an IPv6 address]")
    return host, parse.port(port, "store") if colon else _PORT


def _prefix(url: str, path: str, network: str) -> str:
    parts = [part for part in (*path.split("/"), network) if part]
    if not parts or {".", ".."} & set(parts) or not "".join(parts).isprintable() or "#" in path:
        raise _bad(url, "has no prefix for its keys", "for example etcd://host:2379/coreos.com/network")
    return "/" + "/".join(parts)


def _options(url: str, query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        if name not in (*_FILES, "user") or not value:
            raise _bad(url, f"says {part!r}", "ca=, cert=, key=, user=, password-file=")
        if name in _FILES and not value.startswith("/"):
            raise _bad(url, f"says {part!r}", "an absolute path")
        found[name.replace("-", "_")] = value
    return found


def _bad(url: str, what: str, instead: str = "") -> ConfigError:
    return ConfigError("store", f"{url!r} {what}", f"write {instead}" if instead else _WAYS)
