"""Five hosts at once want subnets of one network, and one is killed: whatever the store, no two ever have one."""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import time

import pytest

from netkit import stores
from netkit.stores.choice import lease_subnet
from netkit.stores.model import Host, Settings
from tests import forks
from tests.etcds import running
from tests.features import need

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.etcds import Etcd

#: Rounds for each of five seeds; NETKIT_ROUNDS=100 makes 500 of them, which take minutes.
ROUNDS = int(os.environ.get("NETKIT_ROUNDS", "10"))
#: Seven subnets.
FEW = Settings("10.5.0.0/16", 19, 7, 3600)


class Directories:
    """A shared directory for each round."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def url(self, number: int) -> str:
        (self._home / str(number)).mkdir(exist_ok=True)
        return str(self._home / str(number))

    def holders(self, number: int) -> dict[str, str]:
        """Who has each subnet, read without netkit: the node in the file of the highest generation."""
        found: dict[str, tuple[int, str]] = {}
        for path in (self._home / str(number) / "net" / "subnets").glob("*.g*"):
            name, _, generation = path.name.rpartition(".g")
            node = json.loads(path.read_text())["value"].get("node", "")
            found[name] = max(found.get(name, (0, "")), (int(generation), node))
        return {name: node for name, (_, node) in found.items() if node}

    def clear(self, number: int) -> None:
        shutil.rmtree(self._home / str(number))


class Prefixes:
    """One etcd, a prefix for each round."""

    def __init__(self, etcd: Etcd, name: str) -> None:
        self._etcd, self._name = etcd, name

    def url(self, number: int) -> str:
        return f"etcd://{self._etcd.endpoint}/{self._name}/{number}"

    def holders(self, number: int) -> dict[str, str]:
        """Who has each subnet, asked without netkit."""
        told = self._etcd.keys(f"/{self._name}/{number}/net/subnets/")
        return {kv["key"].rpartition("/")[2]: json.loads(kv["value"])["Netkit"]["Node"] for kv in told}

    def clear(self, number: int) -> None:
        """Nothing: the etcd goes with the test."""


class Said:
    """What each of five children has to say: one word, through a pipe of its own."""

    def __init__(self) -> None:
        self._ends = [os.pipe() for _ in range(5)]

    def tell(self, child: int, word: str) -> None:
        os.write(self._ends[child][1], word.encode())

    def heard(self) -> dict[str, str]:
        """What each has said by now, "" for nothing; the pipes are gone then."""
        return {f"n{child}": self._hear(*end) for child, end in enumerate(self._ends)}

    @staticmethod
    def _hear(reader: int, writer: int) -> str:
        os.close(writer)
        try:
            return os.read(reader, 100).decode() if select.select([reader], [], [], 0)[0] else ""
        finally:
            os.close(reader)


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    need("etcd", "etcd3gw")
    with running(tmp_path_factory.mktemp("etcd")) as found:
        yield found


@pytest.fixture(params=["dir", "etcd"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Directories | Prefixes:
    if request.param == "dir":
        return Directories(tmp_path)
    return Prefixes(request.getfixturevalue("etcd"), tmp_path.name)


def join(url: str, node: int) -> str:
    """What a host does at its start: it says where it is, and leases a subnet, which is returned."""
    store = stores.open(url, "net", f"n{node}", FEW)
    store.renew(Host(f"n{node}", f"192.0.2.{node + 1}", 7))
    return lease_subnet(store).resource.removeprefix("subnets/")


@pytest.mark.limit(240)
@pytest.mark.parametrize("seed", range(5))
def test_five_hosts_race_for_subnets_and_one_is_killed_and_none_overlap(
    place: Directories | Prefixes, seed: int
) -> None:
    """The kill hits at a random instant, in the first round one that has a subnet; and the killed begins again."""
    chance = random.Random(seed)  # noqa: S311 - the same every time
    killed = told = 0
    for number in range(ROUNDS):
        url, said, victim = place.url(number), Said(), chance.randrange(5)
        silent = None if number else victim

        def lease(node: int, url: str = url, said: Said = said, silent: int | None = silent) -> None:
            subnet = join(url, node)
            if node == silent:
                signal.raise_signal(signal.SIGSTOP)  # some kill must come before the word, however fast the machine is
            said.tell(node, subnet)

        pids = [forks.start(lambda node=node: lease(node)) for node in range(5)]  # type: ignore[misc]
        time.sleep(chance.random() * 0.06)
        forks.kill(pids.pop(victim))
        forks.finish(pids)
        heard = said.heard()
        have = place.holders(number)
        killed += not heard[f"n{victim}"]
        told += sum(map(bool, heard.values()))
        assert all(have[subnet] == node for node, subnet in heard.items() if subnet)
        assert len(set(have.values())) == len(have), have
        again = join(url, victim)
        assert heard[f"n{victim}"] in ("", again)
        assert again not in (subnet for node, subnet in heard.items() if node != f"n{victim}")
        place.clear(number)
    assert told >= 4 * ROUNDS
    assert killed, "nobody was killed before it had said what it holds"
