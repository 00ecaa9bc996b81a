"""A real etcd for a test: one process, which listens on loopback alone, in the private host that tests run in."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Etcd:
    """One member; `more` are further words of its command line. `etcdctl` is who looks from outside."""

    def __init__(self, home: Path, *more: str, tls: tuple[str, ...] = ()) -> None:
        self.home = home
        self.port, self._peer_port = free_port(), free_port()
        self._more = more
        self._tls = tls
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        scheme = "https" if self._tls else "http"
        where, peer = f"{scheme}://{self.endpoint}", f"http://127.0.0.1:{self._peer_port}"
        argv = ["etcd", "--data-dir", str(self.home / "data"), "--log-level", "error", "--listen-peer-urls", peer]
        argv += ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]
        argv += ["--listen-client-urls", where, "--advertise-client-urls", where, *self._tls, *self._more]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log)
        self._wait()

    def _wait(self) -> None:
        while True:
            assert self._process is not None
            assert self._process.poll() is None, (self.home / "log").read_text()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                if self._tls or self._healthy():
                    return
            time.sleep(0.05)

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.endpoint}/health", timeout=2) as answer:
                return b'"true"' in answer.read()
        except OSError:
            return False

    def stop(self, with_signal: int = signal.SIGTERM) -> None:
        """End it, or kill it at once; what it has on its disk stays."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(with_signal)
            self._process.wait()

    def pause(self) -> None:
        """It neither answers nor refuses."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def ctl(self, *words: str) -> str:
        """What etcdctl says."""
        argv = ["etcdctl", "--endpoints", f"{'https' if self._tls else 'http'}://{self.endpoint}", *words]
        env = {**os.environ, "ETCDCTL_API": "3"}
        return subprocess.run(argv, check=True, capture_output=True, text=True, env=env, timeout=30).stdout


@contextlib.contextmanager
def running(home: Path, *more: str, tls: tuple[str, ...] = ()) -> Iterator[Etcd]:
    """An etcd that ends with the block."""
    home.mkdir(exist_ok=True)
    member = Etcd(home, *more, tls=tls)
    try:
        member.start()
        yield member
    finally:
        member.resume()
        member.stop(signal.SIGKILL)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
