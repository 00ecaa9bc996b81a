"""Finding and entering namespaces: the right one, or a clear error; never the host's, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from netkit.errors import ConfigError, HostError, NetkitError, NotFoundError, UsageError
from netkit.kernel.netns import NAMED, Namespaces, resolve_name, resolve_path, resolve_pid
from netkit.model import NsRef
from tests.hosts import Container, HostNs, Lab

pytestmark = pytest.mark.root


@pytest.fixture
def box(lab: Lab) -> Container:
    return lab.container("box")


def inode(path: str) -> int:
    return os.stat(path).st_ino


def own_netns() -> str:
    return os.readlink("/proc/thread-self/ns/net")


# -- by PID ----------------------------------------------------------------------------------------------------------


def test_a_pid_gives_its_namespace(box: Container) -> None:
    ref = resolve_pid(box.pid)
    assert (ref.path, ref.inode) == (box.path, box.inode)
    assert ref.cookie > 0


def test_the_same_namespace_by_pid_and_by_path_is_the_same_reference(box: Container) -> None:
    assert resolve_pid(box.pid) == resolve_path(box.path)


def test_looking_into_a_namespace_does_not_move_the_caller(box: Container) -> None:
    before = own_netns()
    resolve_pid(box.pid)
    assert own_netns() == before


def test_a_pid_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="there is no process 4194305"):
        resolve_pid(4194305)


@pytest.mark.parametrize("pid", [0, -1])
def test_what_is_no_pid_is_a_usage_error(pid: int) -> None:
    with pytest.raises(UsageError, match="is no PID"):
        resolve_pid(pid)


def test_a_number_beyond_any_pid_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="there is no process"):
        resolve_pid(10**30)


def test_a_zombie_is_named_as_one() -> None:
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(NotFoundError, match="zombie"):
            resolve_pid(process.pid)


def test_a_thread_is_no_process() -> None:
    started, finish = threading.Event(), threading.Event()

    def live() -> None:
        started.set()
        finish.wait()

    thread = threading.Thread(target=live)
    thread.start()
    started.wait()
    try:
        with pytest.raises(UsageError, match="is a thread"):
            resolve_pid(thread.native_id or 0)
    finally:
        finish.set()
        thread.join()


def test_a_kernel_thread_is_refused() -> None:
    with pytest.raises(UsageError, match="kernel thread"):
        resolve_pid(2)


def test_a_process_of_the_host_is_refused() -> None:
    with pytest.raises(UsageError, match="host's own network namespace"):
        resolve_pid(os.getpid())


def test_a_process_of_the_host_can_be_allowed() -> None:
    assert resolve_pid(os.getpid(), allow_host=True).inode == inode("/proc/self/ns/net")


def test_a_process_that_may_not_be_traced_is_a_matter_of_privilege(box: Container) -> None:
    code = (
        "import sys; from netkit.kernel.netns import resolve_pid\n"
        "try: resolve_pid(int(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__, error, error.hint)"
    )
    weak = ["capsh", "--drop=cap_sys_ptrace,cap_sys_admin", "--"]
    words = [*weak, "-c", f'exec "$0" -c "$1" {box.pid}']
    done = subprocess.run([*words, sys.executable, code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("HostError no permission"), done.stdout + done.stderr
    assert "CAP_SYS_PTRACE" in done.stdout


REUSE = """
import os, subprocess
from netkit.kernel.netns import Namespaces, resolve_pid

def box():
    process = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    process.stdin.write(b"."), process.stdout.read(1)
    return process

first = box()
ref = resolve_pid(first.pid)
first.kill(), first.communicate()
with open("/proc/sys/kernel/ns_last_pid", "w") as last:
    last.write(str(first.pid - 1))
second = box()
assert second.pid == first.pid, "the PID was not given again"
with Namespaces() as namespaces:
    print(namespaces.alive(ref), resolve_pid(second.pid) == ref)
second.kill(), second.communicate()
"""


def test_a_pid_given_to_another_process_is_not_taken_for_the_first(host: HostNs) -> None:
    """In a PID namespace of its own, where the next PID can be chosen."""
    done = host.run("unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", REUSE)
    assert done.stdout == "False False\n"


def test_a_path_that_leads_to_another_namespace_is_not_entered(lab: Lab) -> None:
    first, second = lab.container("first"), lab.container("second")
    stale = resolve_pid(first.pid).replace(path=second.path)
    first.close()
    with Namespaces() as namespaces, pytest.raises(NotFoundError, match="another network namespace now"):
        namespaces.enter(stale)


@pytest.mark.parametrize("path", ["second", "gone"])
def test_a_namespace_whose_path_has_died_is_found_through_another_process_in_it(lab: Lab, path: str) -> None:
    first, second = lab.container("first"), lab.container("second")
    stale = resolve_pid(first.pid).replace(path=second.path if path == "second" else "/proc/gone/ns/net")
    with Namespaces() as namespaces:
        assert namespaces.alive(stale)
        assert os.fstat(namespaces.enter(stale).fd).st_ino == first.inode


def test_without_a_cookie_no_other_path_is_tried_since_inodes_are_reused(box: Container) -> None:
    stale = resolve_pid(box.pid).replace(path="/proc/gone/ns/net", cookie=0)
    with Namespaces() as namespaces:
        assert not namespaces.alive(stale)


def test_a_namespace_with_a_reused_inode_is_told_by_its_cookie(box: Container) -> None:
    ref = resolve_pid(box.pid)
    with Namespaces() as namespaces, pytest.raises(NotFoundError, match="another network namespace now"):
        namespaces.enter(ref.replace(cookie=ref.cookie + 1))


def test_a_dead_process_leaves_its_reference_dead(box: Container) -> None:
    ref = resolve_pid(box.pid)
    with Namespaces() as namespaces:
        assert namespaces.alive(ref)
        box.close()
        assert not namespaces.alive(ref)
        with pytest.raises(NotFoundError, match="is gone"):
            namespaces.enter(ref)


# -- by path and by name ---------------------------------------------------------------------------------------------


def test_what_is_no_network_namespace_is_named_for_what_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    expected = {
        tmp_path / "fifo": "is a FIFO",
        tmp_path / "file": "is a file",
        tmp_path: "is a directory",
        Path("/dev/null"): "is a device",
        tmp_path / "dangling": "symbolic link to nowhere",
        tmp_path / "loop": "Too many levels",
        tmp_path / "file" / "below": "there is no network namespace",
        tmp_path / "absent": "there is no network namespace",
        Path("/proc/self/ns/mnt"): "is a mount namespace",
        Path("/proc/self/ns/uts"): "is a UTS namespace",
    }
    for path, words in expected.items():
        with pytest.raises(NetkitError, match=words):
            resolve_path(str(path))


def test_a_path_with_a_zero_byte_is_no_path() -> None:
    with pytest.raises(UsageError, match="is no path"):
        resolve_path("/run/netns/a\0b")


def test_the_hosts_own_path_is_refused_unless_allowed() -> None:
    with pytest.raises(UsageError, match="host's own network namespace"):
        resolve_path("/proc/self/ns/net")
    assert resolve_path("/proc/self/ns/net", allow_host=True).inode == inode("/proc/self/ns/net")


def test_a_relative_path_becomes_absolute(box: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(box.path)
    monkeypatch.chdir(tmp_path)
    assert resolve_path("link").path == str(tmp_path / "link")


def test_a_name_is_looked_up_where_ip_netns_keeps_it() -> None:
    subprocess.run(["ip", "netns", "add", "blue"], check=True)
    try:
        ref = resolve_name("blue")
        assert (ref.path, ref.inode) == (f"{NAMED}/blue", inode(f"{NAMED}/blue"))
    finally:
        subprocess.run(["ip", "netns", "del", "blue"], check=True)


@pytest.mark.parametrize("name", ["../../proc/1/ns/net", "", ".", "a/b", "a\n"])
def test_a_name_never_leaves_its_directory(name: str) -> None:
    with pytest.raises(ConfigError, match="no valid namespace name"):
        resolve_name(name)


def test_a_link_swapped_all_the_time_gives_the_right_namespace_or_an_error(box: Container, tmp_path: Path) -> None:
    """Swapped between the container's and the host's: what comes back is never the host's."""
    link, stop = tmp_path / "netns", threading.Event()

    def swap() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            (tmp_path / "new").symlink_to(box.path if turn % 2 else f"/proc/{os.getpid()}/ns/net")
            (tmp_path / "new").rename(link)

    link.symlink_to(box.path)
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        seen = {found for _ in range(2000) if (found := _resolved(str(link)))}
    finally:
        stop.set()
        thread.join()
    assert seen == {box.inode, "refused"}


def _resolved(path: str) -> int | str:
    try:
        return resolve_path(path).inode
    except UsageError:
        return "refused"


# -- what is left behind ---------------------------------------------------------------------------------------------


def test_work_inside_runs_there_and_its_errors_come_back(box: Container) -> None:
    with Namespaces() as namespaces:
        handle = namespaces.enter(resolve_pid(box.pid))
        assert handle.call(lambda: inode("/proc/thread-self/ns/net")) == box.inode
        with pytest.raises(HostError, match="from inside"):
            handle.call(_fail)


def _fail() -> None:
    raise HostError("from inside")


def test_thousands_of_transactions_leave_no_descriptor(box: Container) -> None:
    ref = resolve_pid(box.pid)

    def transaction() -> None:
        with Namespaces() as namespaces:
            namespaces.enter(ref).socket().link("lo")
            namespaces.enter(None).socket().link("lo")
            with pytest.raises(NotFoundError):
                namespaces.enter(ref.replace(inode=1))

    transaction()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(2000):
        transaction()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_closed_transaction_does_not_keep_a_namespace_alive(box: Container) -> None:
    """A veth's host end dies with the namespace that holds the other: the sign that it is really gone."""
    subprocess.run(["ip", "link", "add", "canary", "type", "veth", "peer", "c1", "netns", str(box.pid)], check=True)
    with Namespaces() as namespaces:
        handle = namespaces.enter(resolve_pid(box.pid))
        handle.socket().link("lo")
        handle.call(lambda: None)
    box.close()
    for _ in range(200):
        if not _lists("canary"):
            return
        threading.Event().wait(0.02)
    subprocess.run(["ip", "link", "del", "canary"], check=False)
    pytest.fail("the namespace lives on")


def _lists(name: str) -> bool:
    return subprocess.run(["ip", "link", "show", name], capture_output=True, check=False).returncode == 0


def test_a_reference_without_inode_and_cookie_is_taken_at_its_word(box: Container) -> None:
    with Namespaces() as namespaces:
        assert namespaces.enter(NsRef(box.path)).call(lambda: inode("/proc/thread-self/ns/net")) == box.inode
