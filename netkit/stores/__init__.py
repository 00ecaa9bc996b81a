"""Where hosts meet: leases of what only one may have, and what each host says of itself."""

from __future__ import annotations

from netkit.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netkit.state.files import Directory
    from netkit.stores.model import LeaseStore, Settings

_WAYS = "write dir:///path or etcd://host:2379/prefix"


def open(url: str, network: str, node: str, settings: Settings | None = None) -> LeaseStore:  # noqa: A001
    """The store at `url`, as `node` sees it; `settings` make the network where it is missing.

    `dir:///path`, or a path alone, is a directory that hosts share; `etcd://host:2379/prefix` is etcd in the layout of
    flannel, with `network` as one more part of the prefix: "" for a prefix that is flannel's own.

    ConfigError when the URL is none, HostError when this host lacks what it takes, StateError when the store is not
    there, ConflictError when other settings are agreed.
    """
    scheme, rest = _scheme(url)
    if scheme == "dir":
        from netkit.stores.directory import DirectoryStore
        from netkit.stores.patience import at_door

        path = _path(url, rest)
        return at_door(path).within(lambda: DirectoryStore(path, network, node, settings), path)
    if scheme in ("etcd", "etcds"):
        from netkit.stores.etcd.store import EtcdStore
        from netkit.stores.etcd.url import location

        return EtcdStore(location(url, network), node, settings)
    raise ConfigError("store", f"{url!r} is no store", _WAYS)


def net_conf(url: str, network: str) -> str:
    """flannel's net-conf.json as etcd has it, "" when it has none; a directory never has. Errors as of `open`."""
    if _scheme(url)[0] not in ("etcd", "etcds"):
        return ""
    from netkit.stores.etcd import store
    from netkit.stores.etcd.url import location

    return store.net_conf(location(url, network))


def kept(url: str, network: str, node: str, settings: Settings | None, files: Directory) -> LeaseStore:
    """As `open`, with what is known of the network kept in this host's `files`, under its name or one made of the URL.

    A store that is away at the start is then no error: its `settings`, hosts and claims are those of before. Nor is
    anything made in a place that does not hold the store of before: that is what an unmounted directory looks like.
    """
    from netkit.naming import short_id
    from netkit.stores.memory import Kept

    name = network or short_id(url)
    return Kept(lambda agreed: open(url, network, node, agreed), node, settings, files, name)


def _scheme(url: str) -> tuple[str, str]:
    scheme, mark, rest = url.partition("://")
    return (scheme, rest) if mark else ("dir", url)


def _path(url: str, path: str) -> str:
    """An absolute path in one spelling."""
    if not path.startswith("/"):
        raise ConfigError("store", f"{url!r} has no absolute path", "write dir:///path, with three slashes")
    parts = [part for part in path.split("/") if part]
    if not parts or {".", ".."} & set(parts) or not path.isprintable() or {"?", "#"} & set(path):
        raise ConfigError("store", f"{url!r} has no path that a directory could have", "write dir:///path")
    return "/" + "/".join(parts)
