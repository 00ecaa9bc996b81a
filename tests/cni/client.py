"""A CNI runtime for tests: calls a plugin in a lab host with an environment and a stdin, as runtimes do.

python -m tests.cni.client ROLE ROOT      goes on as an installed plugin does
"""

from __future__ import annotations

import json
import sys
from typing import Any, NamedTuple

from netkit.cni.install import OWN, STAND_INS, install
from netkit.cni.main import main as plugin_main
from tests.oracle import diff, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import NoReturn

    from tests.hosts import HostNs, Namespace

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
SUBNET = "10.91.0.0/16"
WEB = {"name": "web", "type": "netkit", "ipam": {"ranges": [[{"subnet": SUBNET}]]}}


class Answer(NamedTuple):
    """What a plugin did: exit code, its one document on stdout (None for nothing), and stderr."""

    status: int
    document: Any
    stderr: str


class Plugins:
    """The plugins, installed for one host; every call is a process.

    It is a forked one for the names in `forked`, which are ours; else it is what lies in `bin` under that name.
    """

    def __init__(self, host: HostNs, directory: Path) -> None:
        self.host = host
        self.forked = {*OWN, *STAND_INS}
        self.bin = directory / "bin"
        install(str(self.bin), stand_ins=STAND_INS, root=str(host.root))

    def call(
        self,
        command: str,
        conf: dict[str, Any] | str,
        container: Namespace | None = None,
        plugin: str | None = "",
        **variables: str | None,
    ) -> Answer:
        """One call; `variables` are further CNI_* words, None leaves one out."""
        words: dict[str, str | None] = {"COMMAND": command, "PATH": str(self.bin)}
        if container is not None:
            words |= {"CONTAINERID": container.name, "NETNS": container.path, "IFNAME": "eth0"}
        words |= variables
        env = {f"CNI_{name}": value for name, value in words.items() if value is not None}
        env["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
        text = conf if isinstance(conf, str) else json.dumps({"cniVersion": "1.1.0", **conf})
        name = plugin or (conf["type"] if isinstance(conf, dict) else "netkit")
        if name in self.forked:
            whose = (name, str(self.host.root))
            done = self.host.module("tests.cni.client", *whose, input=text, check=False, environment=env)
        else:
            pairs = (f"{key}={value}" for key, value in env.items())
            done = self.host.run("env", "-i", *pairs, str(self.bin / name), input=text, check=False)
        return Answer(done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr)

    def add(self, conf: dict[str, Any], container: Namespace, **variables: str | None) -> dict[str, Any]:
        """An ADD that goes well, and its result."""
        answer = self.call("ADD", conf, container, **variables)
        assert answer.status == 0, answer
        found: dict[str, Any] = answer.document
        return found

    def fine(self, command: str, conf: dict[str, Any], container: Namespace | None = None, **words: str | None) -> None:
        """A call that succeeds without a word."""
        answer = self.call(command, conf, container, **words)
        assert answer == (0, None, ""), answer

    def error(self, command: str, conf: Any, container: Namespace | None = None, **words: str | None) -> dict[str, Any]:
        """A call that fails, and its error document."""
        answer = self.call(command, conf, container, **words)
        assert answer.status == 1, answer
        assert set(answer.document) <= {"cniVersion", "code", "msg", "details"}
        assert answer.document["msg"]
        found: dict[str, Any] = answer.document
        return found


class Refusing:
    """A host that is asked for what it must refuse, again and again: each time all is as it was at the first."""

    def __init__(self, cni: Plugins, container: Namespace) -> None:
        self.cni = cni
        self.host = cni.host
        self.container = container
        self._before: dict[str, Any] = {}

    def error(self, conf: Any, allow: Sequence[str] = ()) -> dict[str, Any]:
        """The error document of an ADD that fails, and leaves nothing but what is allowed."""
        self._before = self._before or snapshot(self.host, [self.container])
        found = self.cni.error("ADD", conf, self.container)
        difference = diff(self._before, snapshot(self.host, [self.container]), allow)
        assert not difference, difference
        return found


def publishing(conf: dict[str, Any], *ports: dict[str, Any]) -> dict[str, Any]:
    """The configuration as a runtime hands it over for these port mappings."""
    return {**conf, "runtimeConfig": {"portMappings": list(ports)}}


def after(conf: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """The configuration with an earlier result."""
    return {**conf, "prevResult": result}


def main() -> NoReturn:
    """What the lines of an installed plugin do."""
    plugin_main(*sys.argv[1:])
