"""A runtime of our own, by libcni's rules, for people who have none: a conflist's plugins in order, results cached.

What is cached is what a DEL or CHECK has to be given again: the configuration as it was, the namespace, the result.
"""

from __future__ import annotations

import errno
import json
import os
import time

from netkit.cni import versions
from netkit.cni.delegate import PATIENCE, error_of, say
from netkit.cni.failure import CONFIGURATION, CniError, in_turn
from netkit.cni.fields import Fields, shown
from netkit.cni.jsonin import parse
from netkit.errors import ConfigError, KernelError, NetkitError, NotFoundError
from netkit.kernel import spawn
from netkit.naming import check_ifname, check_name
from netkit.state.locks import lock
from netkit.state.root import Root
from netkit.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_BUSY_TRIES = 6
_VALID = ("cni.dev/valid-attachments", "cni.dev/attachments")


class Attachment(Value):
    """One container's interface on the network."""

    container: str
    netns: str
    ifname: str = "eth0"

    def checked(self) -> Attachment:
        """The same, if its names are what CNI allows."""
        check_name(self.container, "container-id", "container id")
        check_ifname(self.ifname)
        return self


class Conflist(Value):
    """A list of plugins, and what it says to the runtime."""

    name: str
    version: str
    plugins: tuple[dict[str, Any], ...]
    check: bool = True
    collect: bool = True


def load(path: str) -> Conflist:
    """A conflist from a file; ConfigError or CniError says what is off."""
    try:
        with open(path, "rb") as file:
            found = Fields(parse(file.read((1 << 20) + 1)))
    except OSError as error:
        raise NotFoundError(f"cannot read {path}: {error.strerror}", "give the path of a conflist") from error
    name = check_name(found.text("name"), "name", "network name")
    plugins = found.sections("plugins")
    if not plugins:
        raise ConfigError("plugins", "there are none", "a conflist has a list of plugins, each with its type")
    for each in plugins:
        check_name(each.text("type"), each.path("type"), "plugin type")
    off = {key: found.data.get(key) in (True, "true") for key in ("disableCheck", "disableGC")}
    return Conflist(
        name, _version(found), tuple(dict(each.data) for each in plugins), not off["disableCheck"], not off["disableGC"]
    )


class Runtime:
    """Runs the plugins of one conflist. One operation on a network at a time, so that GC never meets an ADD."""

    def __init__(self, conflist: Conflist, root: Root, places: Sequence[str], capabilities: Mapping[str, Any]) -> None:
        self.conflist = conflist
        self.root = root
        self.places = tuple(places)
        self.capabilities = capabilities

    def add(self, attachment: Attachment) -> dict[str, Any]:
        """Every plugin forward, each with the result before; after a failure all are told to take back."""
        with self._lock():
            if self._cached(attachment):
                raise CniError(CONFIGURATION, f"{attachment.container} has {attachment.ifname} on {self.conflist.name}")
            result: dict[str, Any] | None = None
            try:
                for plugin in self.conflist.plugins:
                    result = parse(self._run("ADD", plugin, attachment, result))
            except NetkitError:
                self._take_back(attachment, None)
                raise
            self._keep(attachment, result or {})
            return result or {}

    def delete(self, attachment: Attachment) -> None:
        """Every plugin backward, with the cached result; the cache goes when all have agreed."""
        with self._lock():
            self._delete(attachment)

    def check(self, attachment: Attachment) -> None:
        """Every plugin forward; NotFoundError when there is nothing to compare with."""
        cached = self._cached(attachment)
        if cached is None:
            raise NotFoundError(f"{attachment.container} is not on {self.conflist.name}", "add it first")
        for plugin in self.conflist.plugins if self.conflist.check else ():
            self._run("CHECK", plugin, attachment, cached["result"])

    def status(self) -> None:
        """Every plugin forward; the first error is the answer."""
        if versions.at_least(self.conflist.version, "1.1.0"):
            for plugin in self.conflist.plugins:
                self._run("STATUS", plugin, None, None)

    def collect(self) -> list[str]:
        """DEL for attachments whose namespace is gone, then GC with those that live; all errors in one."""
        if not self.conflist.collect:
            return []
        with self._lock():
            known = self._attachments()
            dead = [each for each in known if not os.path.exists(each.netns)]
            living = [{"containerID": each.container, "ifname": each.ifname} for each in known if each not in dead]
            keys = dict.fromkeys(_VALID, living)
            able = self.conflist.plugins if versions.at_least(self.conflist.version, "1.1.0") else ()
            in_turn(
                *(lambda each=each: self._delete(each) for each in dead),
                *(lambda plugin=plugin: self._run("GC", plugin, None, None, keys) for plugin in able),
            )
            return [f"{each.container} {each.ifname}" for each in dead]

    def _delete(self, attachment: Attachment) -> None:
        cached = self._cached(attachment)
        self._take_back(attachment, cached["result"] if cached else None, strict=True)
        self.root.cni_results.unlink(self._file(attachment))

    def _take_back(self, attachment: Attachment, result: dict[str, Any] | None, strict: bool = False) -> None:
        for plugin in reversed(self.conflist.plugins):
            try:
                self._run("DEL", plugin, attachment, result)
            except NetkitError as error:
                if strict:
                    raise
                say(f"netkit: {plugin['type']}, taking back a failed ADD: {error.message}")

    def _run(
        self,
        command: str,
        plugin: Mapping[str, Any],
        attachment: Attachment | None,
        result: dict[str, Any] | None,
        extra: Mapping[str, Any] | None = None,
    ) -> bytes:
        document = {**self._configuration(plugin), **(extra or {})}
        if result is not None and (command != "DEL" or versions.at_least(self.conflist.version, "0.4.0")):
            document["prevResult"] = result
        environment = {"CNI_COMMAND": command, "CNI_PATH": ":".join(self.places), "PATH": ":".join(spawn.DIRECTORIES)}
        if attachment is not None:
            environment |= {"CNI_CONTAINERID": attachment.container, "CNI_IFNAME": attachment.ifname}
            environment |= {"CNI_NETNS": attachment.netns} if attachment.netns else {}
        path = self._find(str(plugin["type"]))
        done = _start(path, json.dumps(document).encode(), environment)
        if done.stderr:
            say(done.stderr.decode("utf-8", "replace").rstrip("\n"))
        if done.status:
            raise error_of(str(plugin["type"]), done)
        return done.stdout

    def _configuration(self, plugin: Mapping[str, Any]) -> dict[str, Any]:
        """The plugin's part with what the runtime adds; `capabilities` are for the runtime alone."""
        wanted = Fields(plugin).section("capabilities").data
        given = {key: value for key, value in self.capabilities.items() if wanted.get(key) is True}
        document = {key: value for key, value in plugin.items() if key != "capabilities"}
        document |= {"name": self.conflist.name, "cniVersion": self.conflist.version}
        return {**document, "runtimeConfig": given} if given else document

    def _find(self, plugin: str) -> str:
        if path := spawn.find_in(self.places, plugin):
            return path
        raise NotFoundError(
            f"there is no plugin {plugin}", f"looked in {', '.join(self.places)}; --bin-dir names another"
        )

    def _lock(self) -> Any:
        return lock(self.root, f"cni-{self.conflist.name}", PATIENCE)

    def _file(self, attachment: Attachment) -> str:
        return f"{self.conflist.name}+{attachment.container}+{attachment.ifname}"

    def _cached(self, attachment: Attachment) -> dict[str, Any] | None:
        return self.root.cni_results.parse(self._file(attachment), _cache)

    def _keep(self, attachment: Attachment, result: dict[str, Any]) -> None:
        document = {
            "kind": "cniCacheV1",
            "containerId": attachment.container,
            "ifName": attachment.ifname,
            "networkName": self.conflist.name,
            "netns": attachment.netns,
            "capabilityArgs": dict(self.capabilities),
            "result": result,
        }
        self.root.cni_results.write(self._file(attachment), json.dumps(document).encode())

    def _attachments(self) -> list[Attachment]:
        names = [name for name in self.root.cni_results.names() if name.startswith(f"{self.conflist.name}+")]
        found = [cached for name in names if (cached := self.root.cni_results.parse(name, _cache))]
        return [Attachment(each["containerId"], each["netns"], each["ifName"]) for each in found]


def _cache(data: bytes) -> dict[str, Any]:
    """A cached attachment; ValueError when it is damaged, so that it blocks no DEL."""
    found = json.loads(data)
    if not isinstance(found, dict) or not {"containerId", "ifName", "netns", "result"} <= found.keys():
        raise ValueError("it is no cached result")
    return found


def _version(found: Fields) -> str:
    """The highest version of those that the list names and we speak."""
    named = [found.text("cniVersion") or versions.ASSUMED, *found.texts("cniVersions")]
    known = [version for version in named if version in versions.SUPPORTED]
    if not known:
        hint = f"netkit speaks {', '.join(versions.SUPPORTED)}"
        raise ConfigError("cniVersion", f"{shown(named)} are all unknown", hint)
    return max(known, key=versions.SUPPORTED.index)


def _start(path: str, stdin: bytes, environment: Mapping[str, str]) -> spawn.Finished:
    """A plugin that is just being written is tried again, as libcni does."""
    for _ in range(_BUSY_TRIES):
        try:
            return spawn.run([path], stdin, PATIENCE, environment)
        except KernelError as error:
            if error.errno != errno.ETXTBSY:
                raise
            time.sleep(1)
    return spawn.run([path], stdin, PATIENCE, environment)
