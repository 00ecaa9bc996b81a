"""The topologies that are here: built, all their expectations looked at, taken down, nothing left."""

from __future__ import annotations

import json

import pytest

from tests.hosts import REPOSITORY, Lab

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Unchanged

TOPOLOGIES = sorted(REPOSITORY.glob("topologies/*.yaml"))
CODE = """
import json, sys
from netkit.lab.check import check
from netkit.lab.read import read
from netkit.lab.running import Labs
from netkit.lab.up import down, up
from netkit.state.root import Root

labs, lab = Labs(Root(sys.argv[2])), read(sys.argv[1], "")
up(labs, lab, lambda *words: None)
seen = check(labs.standing(lab.name), lab)
down(labs, lab.name)
print(json.dumps([[one.ok, one.says, one.evidence] for one in seen]))
"""


@pytest.mark.limit(120)
@pytest.mark.parametrize("path", TOPOLOGIES, ids=lambda path: path.stem)
def test_a_topology_is_as_it_says_and_leaves_nothing(lab: Lab, unchanged: Unchanged, path: Path) -> None:
    host = lab.host()
    with unchanged(host, allow=("state *",)):
        done = host.python(CODE, str(path), str(host.root))
    results = json.loads(done.stdout)
    assert len(results) > 5
    assert [one for one in results if not one[0]] == []
