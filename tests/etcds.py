"""A real etcd for a test: one process, which listens on loopback alone, in the private host that tests run in."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import itertools
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from base64 import b64decode, b64encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any


class Etcd:
    """One member; `more` are further words of its command line. `etcdctl` is who looks from outside."""

    def __init__(self, home: Path, *more: str, tls: tuple[str, ...] = (), name: str = "default") -> None:
        self.home = home
        self.name = name
        self.port, self._peer_port = free_port(), free_port()
        self._more = more
        self._tls = tls
        self.cluster = f"{name}={self.peer}"
        self._process: subprocess.Popen[bytes] | None = None
        self._line: http.client.HTTPConnection | None = None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def peer(self) -> str:
        return f"http://127.0.0.1:{self._peer_port}"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.begin()
        self.wait()

    def begin(self) -> None:
        """Start it."""
        scheme = "https" if self._tls else "http"
        where = f"{scheme}://{self.endpoint}"
        argv = ["etcd", "--name", self.name, "--data-dir", str(self.home / "data"), "--log-level", "error"]
        argv += ["--listen-peer-urls", self.peer, "--initial-advertise-peer-urls", self.peer]
        argv += ["--initial-cluster", self.cluster]
        argv += ["--listen-client-urls", where, "--advertise-client-urls", where, *self._tls, *self._more]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log)

    def wait(self) -> None:
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
        if self._line is not None:
            self._line.close()
        if self._process and self._process.poll() is None:
            self._process.send_signal(with_signal)
            self._process.wait()

    def pause(self) -> None:
        """It neither answers nor refuses, from when this returns: a signal alone takes its time."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def fails(self, *words: str) -> bool:
        """Whether etcdctl is refused that."""
        try:
            self.ctl(*words)
        except subprocess.CalledProcessError:
            return True
        return False

    def post(self, path: str, body: dict[str, object]) -> dict[str, Any]:
        """What it answers to a request in JSON, such as kv/range: without netkit, and without a process."""
        if self._line is None:
            self._line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        self._line.request("POST", f"/v3/{path}", json.dumps(body))
        with self._line.getresponse() as answer:
            assert answer.status == 200, answer.read()
            found: dict[str, Any] = json.load(answer)
        return found

    def keys(self, prefix: str) -> list[dict[str, str]]:
        """All keys that begin with that, with their values, as the gateway tells them: without `lease` if it is 0."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        found = self.post("kv/range", {"key": _in_base64(prefix), "range_end": _in_base64(end)}).get("kvs", [])
        texts = ("key", "value")
        return [kv | {name: b64decode(kv.get(name, "")).decode() for name in texts} for kv in found]

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


@contextlib.contextmanager
def cluster(home: Path) -> Iterator[list[Etcd]]:
    """Three members of one cluster."""
    members = [Etcd(home / name, name=name) for name in ("one", "two", "three")]
    try:
        for member in members:
            member.home.mkdir()
            member.cluster = ",".join(f"{one.name}={one.peer}" for one in members)
            member.begin()
        for member in members:
            member.wait()
        yield members
    finally:
        for member in members:
            member.stop(signal.SIGKILL)


def certificates(place: Path) -> Path:
    """An authority (ca.pem), a server on loopback and a client (NAME.pem, NAME.key) that it vouches for."""
    place.mkdir()
    new = ("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout")
    ca = (*new, place / "ca.key", "-x509", "-days", "9", "-subj", "/CN=ca", "-out", place / "ca.pem")
    subprocess.run(ca, check=True, capture_output=True)
    (place / "names").write_text("subjectAltName = IP:127.0.0.1\n")
    for name in ("server", "client"):
        request = (*new, place / f"{name}.key", "-subj", f"/CN={name}", "-out", place / f"{name}.csr")
        subprocess.run(request, check=True, capture_output=True)
        vouch = ("-CA", place / "ca.pem", "-CAkey", place / "ca.key", "-CAcreateserial", "-extfile", place / "names")
        sign = ("openssl", "x509", "-req", "-days", "9", "-in", place / f"{name}.csr", "-out", place / f"{name}.pem")
        subprocess.run((*sign, *vouch), check=True, capture_output=True)
    return place


@contextlib.contextmanager
def answering(body: bytes) -> Iterator[int]:
    """Something that answers every request with that; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *words: object) -> None:  # noqa: A002
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


#: Below those that outgoing connections have: who knocks at such a port before anybody listens may meet itself there.
_PORTS = itertools.count(20_000 + os.getpid() % 10_000)


def free_port() -> int:
    """A port of loopback that nobody listens on, another one each time."""
    for port in _PORTS:
        with contextlib.suppress(OSError), socket.socket() as one:
            one.bind(("127.0.0.1", port))
            break
    return port


def _in_base64(text: str) -> str:
    return b64encode(text.encode()).decode()
