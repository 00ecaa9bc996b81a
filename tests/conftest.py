"""Fixtures of all tests, and the rules that they run under.

Root tests (those that use `lab`, or are marked `root`) run in a private host, never in the machine's own namespaces;
without root they are skipped by name. Every test has a time limit. NETKIT_STRICT=1 turns skips into failures.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from pathlib import Path

import hypothesis
import pytest

from tests import oracle, private
from tests.features import need
from tests.hosts import HostNs, Lab, Namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from types import FrameType
    from typing import Any, Protocol, TypeVar

    R = TypeVar("R", pytest.TestReport, pytest.CollectReport)

    class Unchanged(Protocol):
        """`with unchanged(host, containers): ...`"""

        def __call__(
            self, host: HostNs, containers: Sequence[Namespace] = (), allow: Sequence[str] = ()
        ) -> contextlib.AbstractContextManager[None]: ...


STRICT = os.environ.get("NETKIT_STRICT") == "1"
LIMIT = 60
_UNABLE = "not entered yet"

MARKERS = (
    "root: needs root; runs in the private host",
    "requires(*features): kernel features and tools, see tests/features.py",
    f"limit(seconds): the test's time limit, {LIMIT} s unless marked",
)


def pytest_configure(config: pytest.Config) -> None:
    global _UNABLE
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    _heed_signals()
    _UNABLE = private.enter()
    hypothesis.settings.register_profile("netkit", deadline=None, print_blob=True)  # a busy machine is no failure
    hypothesis.settings.load_profile("netkit")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Five workers for two processors: half of a test's time is waiting, for the kernel, a keeper or an agent."""
    return len(os.sched_getaffinity(0)) * 5 // 2


def _heed_signals() -> None:
    """A run in a shell's background ignores some signals, and so would all that it starts: tests send those."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root") or "lab" in getattr(item, "fixturenames", ()):
        if _UNABLE:
            pytest.skip(_UNABLE)
        private.guard()
    for marker in item.iter_markers("requires"):
        if _UNABLE:
            pytest.skip(_UNABLE)
        need(*marker.args)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Give every test a time limit, so that a hang is a failure with a stack and not a stuck run."""
    marker = item.get_closest_marker("limit")
    seconds = marker.args[0] if marker else LIMIT

    def expired(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"the test ran for more than its {seconds} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    return _strict(report) if STRICT else report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    return _strict(report) if STRICT else report


def _strict(report: R) -> R:
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"NETKIT_STRICT=1 allows no skip: {_reason(report)}"
    return report


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    where = report.longrepr
    return (where[2] if isinstance(where, tuple) else str(where)).removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many tests were skipped, by reason; pytest's own closing line follows."""
    reasons = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", ()))
    terminalreporter.section(f"{reasons.total() or 'no'} tests skipped", sep="-")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count:5} x {reason}")


#: In a run of many workers, so many root tests pass between two looks at what is around them: a look costs 30 ms.
_BETWEEN_LOOKS = 8
_SURROUNDINGS: dict[str, Any] = {}
_UNSEEN: list[str] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """Every root test is under the oracle: the host around its labs is as it was, down to the last sysctl."""
    done = yield
    if "before" in _SURROUNDINGS and item.nodeid in _UNSEEN:
        many = hasattr(item.config, "workerinput")
        if not many or nextitem is None or len(_UNSEEN) >= _BETWEEN_LOOKS:
            _look_around()
    return done


def _look_around() -> None:
    before, after = _SURROUNDINGS["before"], oracle.surroundings()
    tests = "\n".join(_UNSEEN)
    _SURROUNDINGS["before"] = after
    _UNSEEN.clear()
    difference = oracle.diff(before, after)
    assert not difference, (
        f"changed around the test:\n{difference}\nby one of these, which a run of its own tells:\n{tests}"
    )


@pytest.fixture(autouse=True)
def _noted(request: pytest.FixtureRequest) -> None:
    """Note that a root test runs, and what there was around the first one."""
    node: pytest.Item = request.node
    if not _UNABLE and (node.get_closest_marker("root") or {"lab", "stage"} & set(request.fixturenames)):
        if not _SURROUNDINGS:
            _SURROUNDINGS["before"] = oracle.surroundings()
        _UNSEEN.append(node.nodeid)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Hosts and containers in namespaces of their own; whatever outlives the test fails it."""
    made = Lab(tmp_path)
    try:
        yield made
    finally:
        leaks = made.close()
    assert not leaks, "left behind:\n" + "\n".join(leaks)


@pytest.fixture
def host(lab: Lab) -> HostNs:
    """One host, for tests that need no more."""
    return lab.host()


#: Seconds for the kernel to clear a dead namespace away, with what it had on links of others.
_CLEARED = 5.0


@pytest.fixture
def unchanged() -> Unchanged:
    """`with unchanged(host, containers): ...` asserts that the oracle sees the same before and after."""

    @contextlib.contextmanager
    def watch(host: HostNs, containers: Sequence[Namespace] = (), allow: Sequence[str] = ()) -> Iterator[None]:
        before = oracle.snapshot(host, containers)
        yield
        end = time.monotonic() + _CLEARED
        while difference := oracle.diff(before, oracle.snapshot(host, containers), allow):
            assert time.monotonic() < end, difference
            time.sleep(0.05)

    return watch
