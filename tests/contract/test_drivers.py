"""One contract for every link driver: traffic, exact undo, faults, printed scripts, MTU, a process on two networks."""

from __future__ import annotations

import pytest

from tests.contract.drivers import ALL, DRIVERS, FAMILIES, MTU, Promise, Stage, pings
from tests.hosts import Lab
from tests.netns.calls import RefusedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: A silent drop is waited for so long, in seconds.
SILENCE = 0.4
#: A script keeps no state; what is made again has another number.
BY_HAND = ("state *", "* links * ifindex: *", "* links * link_index: *", "* links * link_netns*: *")

EACH = pytest.mark.parametrize(
    "stage", [(d, f) for d in DRIVERS for f in FAMILIES], indirect=True, ids=lambda p: f"{p[0].mode}-{p[1]}"
)
DUAL = pytest.mark.parametrize("stage", [(d, "dual") for d in DRIVERS], indirect=True, ids=lambda p: p[0].mode)


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One for all tests of a driver and its families: each leaves it as it was."""
    promise: Promise
    promise, versions = request.param
    lab = Lab(tmp_path_factory.mktemp(f"{promise.mode}-{versions}"))
    try:
        yield Stage(lab, promise, versions)
    finally:
        leaks = lab.close()
    assert not leaks, "left behind:\n" + "\n".join(leaks)


@EACH
def test_who_is_promised_is_reached_and_nobody_else(stage: Stage) -> None:
    promise = stage.promise
    with stage.attached() as where:
        for version in stage.families:
            web = where["web"][version]
            known = {name: where[name][version] for name in ALL}
            wanted = set(promise.reaches)
            assert pings(stage.web, {name: known[name] for name in wanted}) == wanted
            assert pings(stage.web, {name: known[name] for name in known.keys() - wanted}, SILENCE) == set()
            for name, place in (("host", stage.host), ("lan", stage.lan)):
                expected = name in promise.reached_by
                assert pings(place, {"web": web}, 5 if expected else SILENCE) == ({"web"} if expected else set()), name


@EACH
def test_a_packet_of_the_mtu_arrives_and_one_byte_more_is_refused_at_once(stage: Stage) -> None:
    promise = stage.promise
    with stage.attached() as where:
        for version in stage.families:
            known = {name: where[name][version] for name in promise.reaches}
            largest = MTU - (28 if version == 4 else 48)
            assert pings(stage.web, known, 5, "-Mdo", f"-s{largest}") == set(promise.reaches)
            target = next(iter(known.values()))
            done = stage.web.run("ping", "-n", "-c1", "-W0.1", "-Mdo", f"-s{largest + 1}", target, check=False)
            assert "essage too long" in done.stdout + done.stderr


@EACH
def test_detached_all_is_as_before_and_a_second_time_is_nothing(stage: Stage) -> None:
    before = stage.clean()
    stage.attach(stage.web)
    stage.engine.leave(stage.web)
    assert stage.engine.leave(stage.web) == []
    stage.clear()
    assert stage.changed(before) == ""


@EACH
def test_a_process_has_two_networks_as_eth0_and_eth1(stage: Stage) -> None:
    before = stage.clean()
    stage.attach(stage.web)
    stage.attach(stage.web, 1, "eth1")
    for version in stage.families:
        gateways = [
            next(s.gateway for s in stage.network(number).subnets if (":" in s.cidr) == (version == 6))
            for number in (0, 1)
        ]
        for number, gateway in enumerate(gateways) if "gateway" in stage.promise.reaches else ():
            assert pings(stage.web, {"gateway": gateway}, 5, f"-Ieth{number}") == {"gateway"}
    for ifname in ("eth0", "eth1"):
        stage.engine.leave(stage.web, ifname)
    stage.clear()
    assert stage.changed(before) == ""


@DUAL
def test_a_fault_before_any_op_leaves_nothing(stage: Stage) -> None:
    """The last op first: what a fault leaves behind is in nobody's way then, and stays until the oracle looks."""
    before = stage.clean()
    stage.engine.call("break", at=-1)
    stage.attach(stage.web)
    ops = stage.engine.call("break", at=-1)
    stage.clear()
    for at in reversed(range(ops)):
        stage.engine.call("break", at=at)
        with pytest.raises(RefusedError, match="planted"):
            stage.attach(stage.web)
    assert ops > 8
    assert stage.changed(before) == ""


@DUAL
def test_a_printed_script_does_the_same_and_its_reverse_takes_it_back(stage: Stage) -> None:
    before = stage.clean()
    there, back = stage.engine.call("scripts", net=stage.network(0), pid=stage.web.pid, container="web")
    assert stage.changed(before, "state *") == "", "a dry run changes nothing"
    stage.attach(stage.web)
    made = stage.settled()
    stage.clear()
    stage.host.run("sh", input=there)
    assert stage.changed(made, *BY_HAND) == ""
    stage.host.run("sh", input=back)
    assert stage.changed(before, "state *") == ""
