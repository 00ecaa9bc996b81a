"""Hundreds of attachments in one process leave it as it was: no descriptor, no thread, no memory that only grows."""

from __future__ import annotations

import json
import sys

import pytest

from tests.hosts import HostNs, Lab
from tests.netns.calls import Remote, kernel
from tests.oracle import diff

CYCLES = """
import json, os, sys
from netkit.engine.service import Engine
from netkit.errors import ConflictError
from netkit.kernel.netns import resolve_pid
from netkit.model import AttachRequest, PortMap

def held():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return [len(os.listdir("/proc/self/fd")), int(status["Threads"]), int(status["VmRSS"].split()[0])]

engine = Engine(sys.argv[1], sys.argv[2])
pid, cycles = int(sys.argv[3]), int(sys.argv[4])
request = AttachRequest("web", resolve_pid(pid), pid=pid, ports=(PortMap("tcp", "0.0.0.0", 8080, 80),))
seen = []
for cycle in range(cycles):
    engine.attach(request)
    try:
        engine.attach(request)
        raise SystemExit("attached twice")
    except ConflictError:
        pass
    if cycle % 20 == 0:
        engine.check(), engine.gc(), engine.reload(), engine.attachments()
    engine.detach_namespace(request.netns)
    seen.append(held())
print(json.dumps(seen))
"""


@pytest.mark.limit(120)
@pytest.mark.parametrize(("backend", "cycles"), (("nftables", 300), ("iptables", 30)))
def test_a_process_that_attaches_and_detaches_for_long(host: HostNs, lab: Lab, backend: str, cycles: int) -> None:
    container, remote = lab.container(), Remote(host, backend)
    remote.attach(container)
    remote.leave(container)
    before = kernel(host, container)
    words = (str(host.root), backend, str(container.pid), str(cycles))
    seen = json.loads(host.run(sys.executable, "-c", CYCLES, *words).stdout)
    fds, threads, rss = zip(*seen, strict=True)
    assert len(seen) == cycles
    assert set(fds[1:]) == {fds[1]}
    assert max(threads) <= 2  # a helper may not have quite ended when it is counted
    assert rss[-1] - rss[cycles // 3] < 2048, f"{rss[cycles // 3]} kB grew to {rss[-1]} kB"
    assert diff(before, kernel(host, container), ("host links * tso_max_size: *",)) == ""
