"""Settings of a container's own namespace, and a command's own resolv.conf."""

from __future__ import annotations

import pytest

from tests.hosts import HostNs, Lab
from tests.oracle import diff, snapshot

ORDER = "state */ipam/*/order: *"
WANTED = {
    "net.ipv4.ip_unprivileged_port_start": "0",
    "net.ipv4.ip_local_port_range": "20000 30000",
    "net.ipv4.conf.IFNAME.proxy_arp": "1",
    "net/ipv4/conf/eth0/arp_notify": "0",
    "net.core.somaxconn": "77",
    "net.ipv4.ip_forward": "1",
}


def test_settings_hold_inside_and_come_back(lab: Lab, host: HostNs) -> None:
    container = lab.container()
    words = ("attach", "--pid", str(container.pid))
    for verb in (words, ("detach", *words[1:])):
        host.netkit(*verb, check=True)
    before = snapshot(host, (container,))
    settings = [word for key, value in WANTED.items() for word in ("--sysctl", f"{key}={value}")]
    host.netkit(*words, *settings, check=True)
    for key, value in WANTED.items():
        name = key.replace("IFNAME", "eth0")
        assert container.run("sysctl", "-n", name).stdout.split() == value.split(), key
    host.netkit("check", check=True)
    host.netkit("detach", *words[1:], check=True)
    assert diff(before, snapshot(host, (container,)), (ORDER,)) == ""


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("kernel.shmmax=1", "kernel.shmmax is the whole machine's"),
        ("net/../kernel/shmmax=1", "no sysctl key"),
        ("net.ipv4.no_such_thing=1", "has no net.ipv4.no_such_thing"),
        ("net.core.bpf_jit_enable=1", "has no net.core.bpf_jit_enable"),
        ("net.ipv4.ip_forward", "sets nothing"),
        ("net.ipv4.ip_forward=", "sets nothing"),
        ("net=1", "no sysctl key"),
        ("=1", "no sysctl key"),
    ],
)
def test_what_is_not_its_own_is_refused(lab: Lab, host: HostNs, setting: str, says: str) -> None:
    container = lab.container()
    before = snapshot(host, (container,))
    done = host.netkit("attach", "--pid", str(container.pid), "--sysctl", setting)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
    assert diff(before, snapshot(host, (container,)), ("state *",)) == ""


def test_a_value_that_the_kernel_refuses_leaves_nothing(lab: Lab, host: HostNs) -> None:
    container = lab.container()
    words = ("attach", "--pid", str(container.pid))
    for verb in (words, ("detach", *words[1:])):
        host.netkit(*verb, check=True)
    before = snapshot(host, (container,))
    done = host.netkit(*words, "--sysctl", "net.core.somaxconn=7", "--sysctl", "net.ipv4.ip_forward=x")
    assert (done.returncode, "net/ipv4/ip_forward" in done.stderr) == (1, True), done.stderr
    assert diff(before, snapshot(host, (container,)), (ORDER, "state *")) == ""


def resolv_conf(host: HostNs, text: str) -> None:
    """Give a host its own /etc/resolv.conf, for its mount namespace alone."""
    host.run("sh", "-c", "cat > /run/resolv.conf; mount --bind /run/resolv.conf /etc/resolv.conf", input=text)


def test_a_command_has_a_resolv_conf_of_its_own(lab: Lab, host: HostNs) -> None:
    resolv_conf(host, "nameserver 127.0.0.53\nnameserver 9.9.9.9\nsearch lan\noptions edns0\n")
    mounts = host.run("cat", "/proc/self/mountinfo").stdout
    asked = ("--dns", "10.0.0.53", "--dns", "fd00::53", "--dns-search", "example.org", "--dns-option", "ndots:2")
    shown = host.netkit("run", *asked, "--", "cat", "/etc/resolv.conf", check=True).stdout
    assert shown == "nameserver 10.0.0.53\nnameserver fd00::53\nsearch example.org\noptions ndots:2\n"
    shown = host.netkit("run", "--dns-search", "example.org", "--", "cat", "/etc/resolv.conf", check=True).stdout
    assert shown == "nameserver 9.9.9.9\nsearch example.org\noptions edns0\n"
    assert "127.0.0.53" in host.run("cat", "/etc/resolv.conf").stdout
    assert host.run("cat", "/proc/self/mountinfo").stdout == mounts
    seen = host.netkit("run", "--dns", "10.0.0.53", "--", "cat", "/proc/self/mountinfo", check=True).stdout
    covered = [line.split()[4] for line in seen.splitlines() if " - tmpfs netkit " in line]
    assert covered == [host.run("readlink", "-f", "/etc/resolv.conf").stdout.strip()], "and nothing besides"


def test_a_running_process_keeps_its_files(lab: Lab, host: HostNs) -> None:
    done = host.netkit("attach", "--pid", str(lab.container().pid), "--dns", "10.0.0.53")
    assert (done.returncode, "its own" in done.stderr, "netkit run" in done.stderr) == (2, True, True)


@pytest.mark.parametrize("options", [("--dns", "x"), ("--dns-search", "a b"), ("--dns-option", "a\nb"), ("--dns", "")])
def test_what_is_no_line_of_a_resolv_conf_is_refused(host: HostNs, options: tuple[str, str]) -> None:
    done = host.netkit("run", *options, "--", "true")
    assert (done.returncode, options[0] in done.stderr) == (2, True)


def test_settings_are_of_a_namespace_of_ones_own(host: HostNs) -> None:
    done = host.netkit("run", "--mode", "host", "--sysctl", "net.ipv4.ip_forward=1", "--", "true")
    assert done.returncode == 2
