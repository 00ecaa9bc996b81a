"""The benchmarks run; what they find is for people to read, and no test sets a limit to it."""

from __future__ import annotations

import re
import sys

import pytest

from tests.features import requires
from tests.hosts import REPOSITORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.conftest import Unchanged
    from tests.hosts import Lab

BENCH = (sys.executable, "-m", "bench")


@requires("nftables")
@pytest.mark.parametrize(
    ("what", "titles"),
    [
        ("attach", ("One attachment with a published port",)),
        ("addresses", ("One address in a /16",)),
        ("scale", ("One more attachment",)),
        ("cni", ()),
        ("udp", ("UDP around each",)),
        ("overlay", ("by VXLAN", "Interfaces on ten other hosts")),
        ("agent", ("The host agent among",)),
    ],
)
def test_every_figure_is_taken_and_nothing_is_left(
    lab: Lab, unchanged: Unchanged, what: str, titles: tuple[str, ...]
) -> None:
    host = lab.host()
    with unchanged(host):
        done = host.run(*BENCH, "--quick", what, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [title for title in titles if title not in done.stdout] == []
    if what == "attach":
        assert re.search(r"^\| netkit, a process each +\| +[\d.]+ \| +[\d.]+ \| +1\.00 \|", done.stdout, re.MULTILINE)


def test_unknown_figures_are_refused(lab: Lab) -> None:
    done = lab.host().run(*BENCH, "nothing", check=False)
    assert done.returncode == 2
    assert "there is no nothing: choose of agent, attach, addresses, backends, cni, overlay, udp, scale" in done.stderr


def test_the_page_names_every_table() -> None:
    page = REPOSITORY.joinpath("README.md").read_text()
    assert "python -m bench" in page or "make bench" in page
